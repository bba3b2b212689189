//! The tree in which shoppers browse.

/// A category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Category {
    /// `cat_…`
    pub(crate) id: String,
    /// URL part, unique.
    pub(crate) slug: String,
    /// What shoppers read.
    pub(crate) name: String,
    /// A line or two.
    pub(crate) description: Option<String>,
    /// `None` for a root.
    pub(crate) parent_id: Option<String>,
}
