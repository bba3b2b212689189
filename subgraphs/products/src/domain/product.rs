//! Products and their variants, as they are read.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use service::money::{Amount, Currency};

/// Where a product is in its life. Any status may follow any other: an archived product can come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ProductStatus {
    /// Being prepared; only seen by those who may write products.
    Draft,
    /// In the shop.
    Active,
    /// No longer sold; still shown where somebody has its id, such as in an old order.
    Archived,
}

impl ProductStatus {
    /// The word in the database.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ProductStatus::Draft => "DRAFT",
            ProductStatus::Active => "ACTIVE",
            ProductStatus::Archived => "ARCHIVED",
        }
    }

    /// Reads the word in the database; an unknown one (of a later release) is hidden as a draft.
    #[must_use]
    pub(crate) fn from_stored(word: &str) -> ProductStatus {
        match word {
            "ACTIVE" => ProductStatus::Active,
            "ARCHIVED" => ProductStatus::Archived,
            _ => ProductStatus::Draft,
        }
    }
}

/// What a shopper looks at.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    /// `prod_…`
    pub(crate) id: String,
    /// URL part, unique.
    pub(crate) slug: String,
    /// What shoppers read.
    pub(crate) title: String,
    /// Markdown.
    pub(crate) description: Option<String>,
    /// Where it is in its life.
    pub(crate) status: ProductStatus,
    /// Brand, material and the like, in the order they were given.
    pub(crate) attributes: Vec<NameValue>,
    /// The options of the active variants, with all their values.
    pub(crate) options: Vec<ProductOption>,
    /// Pictures; the first one is the featured one.
    pub(crate) media: Vec<Media>,
    /// Lowest and highest price of the active variants, in the shop's main currency.
    pub(crate) price_range: PriceRange,
    /// Whether some active variant of the active product has units free.
    pub(crate) available_for_sale: bool,
    /// When it was made.
    pub(crate) created_at: DateTime<Utc>,
    /// When it was last changed; grows by at least a second with each change.
    pub(crate) updated_at: DateTime<Utc>,
}

/// What is bought.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    /// `var_…`
    pub(crate) id: String,
    /// `prod_…`
    pub(crate) product_id: String,
    /// Title of the product.
    pub(crate) product_title: String,
    /// Status of the product.
    pub(crate) product_status: ProductStatus,
    /// Pictures of the product.
    pub(crate) media: Vec<Media>,
    /// Place among the product's variants, from 0.
    pub(crate) position: i32,
    /// Unique over the shop.
    pub(crate) sku: String,
    /// Its options joined: `S / Navy`.
    pub(crate) title: String,
    /// One value for each option of the product.
    pub(crate) options: Vec<NameValue>,
    /// False once it was taken out of the product.
    pub(crate) is_active: bool,
    /// Price in the shop's main currency.
    pub(crate) price: Price,
    /// Digits below the bars, if any.
    pub(crate) barcode: Option<String>,
    /// Weight of one unit.
    pub(crate) weight_grams: Option<i32>,
    /// Size of one unit.
    pub(crate) dimensions: Option<Dimensions>,
    /// `standard`, `reduced` or `zero`.
    pub(crate) tax_class: String,
}

impl Variant {
    /// Whether it is part of the shop, with or without stock.
    #[must_use]
    pub(crate) fn is_offered(&self) -> bool {
        self.is_active && self.product_status == ProductStatus::Active
    }
}

/// Units of one variant. `0 <= reserved <= on_hand`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stock {
    /// Units in the warehouse.
    pub(crate) on_hand: i32,
    /// Units of orders that are not yet paid.
    pub(crate) reserved: i32,
    /// At or below this many available units somebody should order more.
    pub(crate) low_stock_threshold: i32,
    /// When any of it last changed.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Stock {
    /// Units that can be sold now.
    #[must_use]
    pub(crate) fn available(&self) -> i32 {
        self.on_hand - self.reserved
    }
}

/// A price, and the one that is struck through beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Price {
    /// What is paid.
    pub(crate) amount: Amount,
    /// What it was, or would be.
    pub(crate) compare_at: Option<Amount>,
}

/// Lowest and highest price; both in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PriceRange {
    /// Lowest, in minor units.
    pub(crate) min_minor: i64,
    /// Highest, in minor units.
    pub(crate) max_minor: i64,
    /// Currency of both.
    pub(crate) currency: Currency,
}

/// Outer measures of one unit, in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dimensions {
    /// Longest side.
    pub(crate) length_mm: i32,
    /// Second side.
    pub(crate) width_mm: i32,
    /// Third side.
    pub(crate) height_mm: i32,
}

/// An attribute, or the value of an option. Stored as JSON `{"name": "Size", "value": "M"}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct NameValue {
    /// `Size`
    pub(crate) name: String,
    /// `M`
    pub(crate) value: String,
}

/// An option of a product and the values that its variants have. Stored as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProductOption {
    /// `Size`
    pub(crate) name: String,
    /// In the order of the variants, each once.
    pub(crate) values: Vec<String>,
}

impl ProductOption {
    /// The options of a product, collected from the options of its variants.
    #[must_use]
    pub(crate) fn collect<'a>(variants: impl IntoIterator<Item = &'a [NameValue]>) -> Vec<ProductOption> {
        let mut options: Vec<ProductOption> = Vec::new();
        for NameValue { name, value } in variants.into_iter().flatten() {
            match options.iter_mut().find(|option| option.name == *name) {
                Some(option) if option.values.contains(value) => {}
                Some(option) => option.values.push(value.clone()),
                None => options.push(ProductOption {
                    name: name.clone(),
                    values: vec![value.clone()],
                }),
            }
        }
        options
    }
}

/// A picture or a film. Stored as JSON with the product, since it is never read without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Media {
    /// `med_…`
    pub(crate) id: String,
    /// What it is.
    pub(crate) kind: MediaKind,
    /// Absolute URL; or a path that starts with `/`, of a picture that this service draws itself.
    pub(crate) url: String,
    /// For people who do not see it.
    pub(crate) alt_text: Option<String>,
    /// Pixels, if known.
    pub(crate) width: Option<i32>,
    /// Pixels, if known.
    pub(crate) height: Option<i32>,
}

/// What a [`Media`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
}
