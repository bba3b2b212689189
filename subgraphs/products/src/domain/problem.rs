//! Mistakes in a change of the catalogue that the caller can act on. GraphQL shows them as `userErrors`.

/// What kind of mistake; a client may branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemCode {
    /// The thing to change, or one that is referred to, does not exist.
    NotFound,
    /// A value is missing.
    Required,
    /// A value breaks a limit or a format.
    Invalid,
    /// Another product or category has the slug.
    SlugTaken,
    /// Another variant has the SKU.
    SkuTaken,
    /// A price is below zero.
    PriceNegative,
    /// A category cannot be placed below itself.
    CategoryCycle,
    /// The category still has children or products.
    CategoryNotEmpty,
    /// Less would be on hand than is reserved.
    StockBelowReserved,
    /// The product changed since the caller read it.
    VersionConflict,
}

/// One mistake: what, where, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The kind.
    pub(crate) code: ProblemCode,
    /// Path in the arguments, such as `["input", "variants", "0", "sku"]`; empty for the whole call.
    pub(crate) field: Vec<String>,
    /// For people, in English.
    pub(crate) message: String,
}

impl Problem {
    /// A problem of the argument at `path`, whose parts are separated by dots: `input.variants.0.sku`.
    #[must_use]
    pub(crate) fn at(path: &str, code: ProblemCode, message: impl Into<String>) -> Problem {
        let field = path
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        Problem {
            code,
            field,
            message: message.into(),
        }
    }
}

/// A change that was made, or the problems because of which nothing was.
pub(crate) type Changed<T> = Result<T, Vec<Problem>>;
