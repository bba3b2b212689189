//! What a list of products can be asked: filter, order, and the counts beside it.

use super::product::ProductStatus;
use super::search::SearchQuery;
use service::money::Currency;

/// Most products that are counted exactly.
pub(crate) const TOTAL_MAX: u64 = 10_000;
/// Most entries of `options` and `attributes` together, and most values or categories in one of them.
pub(crate) const FILTER_ENTRIES_MAX: usize = 20;

/// The order of a list. Ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ProductOrder {
    /// Best match first with a search; else newest first.
    Relevance,
    /// Newest first.
    Newest,
    /// By title.
    TitleAscending,
    /// By title, backwards.
    TitleDescending,
    /// Cheapest first, by the lowest price of each product.
    PriceAscending,
    /// Most expensive first, by the lowest price of each product.
    PriceDescending,
}

impl ProductOrder {
    /// What clients call it, and what the cursors of a list begin with. Without a search, what is most relevant is what is newest.
    #[must_use]
    pub(crate) fn name(self, filter: &ProductFilter) -> &'static str {
        match self {
            ProductOrder::Relevance if filter.search.is_some() => "RELEVANCE",
            ProductOrder::Relevance | ProductOrder::Newest => "NEWEST",
            ProductOrder::TitleAscending => "TITLE_ASC",
            ProductOrder::TitleDescending => "TITLE_DESC",
            ProductOrder::PriceAscending => "PRICE_ASC",
            ProductOrder::PriceDescending => "PRICE_DESC",
        }
    }
}

/// Which products are wanted.
///
/// What is said of variants (options, price, availability) must hold for one and the same variant: "size M, below
/// 50 EUR, available" finds what a shopper can really buy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct ProductFilter {
    /// Full text.
    pub(crate) search: Option<SearchQuery>,
    /// In any of these categories; empty: everywhere.
    pub(crate) category_ids: Vec<String>,
    /// Also in what is below the categories.
    pub(crate) include_descendants: bool,
    /// Besides, in this category (or below it): the one whose list it is.
    pub(crate) within_category_id: Option<String>,
    /// Bounds of the price.
    pub(crate) price: Option<PriceBounds>,
    /// Only products of which a variant that matches can be bought now (true), or none (false).
    pub(crate) available: Option<bool>,
    /// Each must match.
    pub(crate) options: Vec<ValueFilter>,
    /// Each must match.
    pub(crate) attributes: Vec<ValueFilter>,
    /// In any of these; empty: active ones.
    pub(crate) statuses: Vec<ProductStatus>,
}

impl ProductFilter {
    /// Categories, names and values that it has: what it takes of memory.
    #[must_use]
    pub(crate) fn entries(&self) -> usize {
        let values = self
            .options
            .iter()
            .chain(&self.attributes)
            .map(|filter| 1 + filter.values.len());
        self.category_ids.len() + values.sum::<usize>()
    }
}

/// Lowest and highest price, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PriceBounds {
    /// In minor units.
    pub(crate) min_minor: Option<i64>,
    /// In minor units.
    pub(crate) max_minor: Option<i64>,
    /// Currency of the prices to look at.
    pub(crate) currency: Currency,
}

/// `name` has any of `values`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ValueFilter {
    /// `Size`
    pub(crate) name: String,
    /// At least one.
    pub(crate) values: Vec<String>,
}

/// Where the value of a facet goes in the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FacetKind {
    /// `categoryIds`
    Category,
    /// `available`
    Availability,
    /// `options`
    Option,
    /// `attributes`
    Attribute,
}

/// Counts of one property, over what matches all the other filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facet {
    /// Where its values go.
    pub(crate) kind: FacetKind,
    /// `Size`, `Brand`, `Category`, `Available`
    pub(crate) name: String,
    /// Most frequent first.
    pub(crate) values: Vec<FacetValue>,
}

/// One value of a [`Facet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FacetValue {
    /// What goes into the filter.
    pub(crate) value: String,
    /// What shoppers read.
    pub(crate) label: String,
    /// Number of products.
    pub(crate) count: i64,
    /// Whether the filter has it already.
    pub(crate) selected: bool,
}
