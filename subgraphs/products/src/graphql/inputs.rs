//! What clients send, and how it becomes the domain's.

use super::media::MediaType;
use crate::domain::change::{self, VALUE_CHARACTERS_MAX, VariantInput};
use crate::domain::listing::{self, FILTER_ENTRIES_MAX, PriceBounds, ValueFilter};
use crate::domain::product::{self, MediaKind, NameValue};
use crate::domain::search::{QUERY_CHARACTERS_MAX, SearchQuery};
use async_graphql::{Enum, ID, InputObject, MaybeUndefined, Result};
use service::auth::Viewer;
use service::graphql::{BAD_USER_INPUT, error};
use service::money::{Amount, Currency};
use service::scalars::{CurrencyCode, Decimal};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "product::ProductStatus")]
pub enum ProductStatus {
    Draft,
    Active,
    Archived,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ProductSort {
    Relevance,
    Newest,
    TitleAsc,
    TitleDesc,
    PriceAsc,
    PriceDesc,
}

impl From<ProductSort> for listing::ProductOrder {
    fn from(sort: ProductSort) -> listing::ProductOrder {
        match sort {
            ProductSort::Relevance => listing::ProductOrder::Relevance,
            ProductSort::Newest => listing::ProductOrder::Newest,
            ProductSort::TitleAsc => listing::ProductOrder::TitleAscending,
            ProductSort::TitleDesc => listing::ProductOrder::TitleDescending,
            ProductSort::PriceAsc => listing::ProductOrder::PriceAscending,
            ProductSort::PriceDesc => listing::ProductOrder::PriceDescending,
        }
    }
}

#[derive(Clone, Debug, Default, InputObject)]
pub struct ProductFilter {
    category_ids: Option<Vec<ID>>,
    /// Also everything below the categories.
    #[graphql(default_with = "Some(true)")]
    include_descendants: Option<bool>,
    price_min: Option<Decimal>,
    price_max: Option<Decimal>,
    /// Needed with priceMin or priceMax when the shop has several currencies.
    currency_code: Option<CurrencyCode>,
    available: Option<bool>,
    /// Each entry must match; inside one entry any value may match.
    options: Option<Vec<OptionFilter>>,
    attributes: Option<Vec<OptionFilter>>,
    /// ADMIN only; the public sees ACTIVE.
    status: Option<Vec<ProductStatus>>,
}

#[derive(Clone, Debug, InputObject)]
pub struct OptionFilter {
    name: String,
    values: Vec<String>,
}

impl ProductFilter {
    /// The filter of the domain, for a list with the full-text `query`.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` beyond the limits; `UNAUTHORIZED_FIELD_OR_TYPE` for `status` without `products:write`.
    pub(super) fn parse(
        self,
        query: Option<&str>,
        viewer: &Viewer,
        main_currency: Currency,
    ) -> Result<listing::ProductFilter> {
        if self.status.is_some() {
            viewer.require_scope("products:write")?;
        }
        let category_ids = self.category_ids.unwrap_or_default();
        within("categoryIds", category_ids.len())?;
        for id in &category_ids {
            short("categoryIds", id)?;
        }
        let currency = self.currency_code.map_or(main_currency, |code| code.0);
        let bound = |name: &str, text: Option<Decimal>| match text {
            None => Ok(None),
            Some(Decimal(text)) => match Amount::parse(&text, currency) {
                Ok(amount) => Ok(Some(amount.minor)),
                Err(reason) => Err(error(BAD_USER_INPUT, format!("`{name}`: {reason}"))),
            },
        };
        let (min_minor, max_minor) = (bound("priceMin", self.price_min)?, bound("priceMax", self.price_max)?);
        let is_bounded = min_minor.is_some() || max_minor.is_some() || self.currency_code.is_some();
        Ok(listing::ProductFilter {
            search: search(query)?,
            category_ids: category_ids.into_iter().map(|id| id.0).collect(),
            include_descendants: self.include_descendants.unwrap_or(true),
            within_category_id: None,
            price: is_bounded.then_some(PriceBounds {
                min_minor,
                max_minor,
                currency,
            }),
            available: self.available,
            options: values("options", self.options)?,
            attributes: values("attributes", self.attributes)?,
            statuses: self.status.unwrap_or_default().into_iter().map(Into::into).collect(),
        })
    }
}

/// `None` for an empty query; one that holds no word, such as "!!", finds nothing.
fn search(query: Option<&str>) -> Result<Option<SearchQuery>> {
    let Some(query) = query.map(str::trim).filter(|query| !query.is_empty()) else {
        return Ok(None);
    };
    if query.chars().count() > QUERY_CHARACTERS_MAX {
        return Err(error(
            BAD_USER_INPUT,
            format!("`query` has more than {QUERY_CHARACTERS_MAX} characters"),
        ));
    }
    Ok(Some(SearchQuery::parse(query).unwrap_or_else(SearchQuery::nothing)))
}

fn values(name: &str, entries: Option<Vec<OptionFilter>>) -> Result<Vec<ValueFilter>> {
    let entries = entries.unwrap_or_default();
    within(name, entries.len())?;
    for (position, entry) in entries.iter().enumerate() {
        within(&format!("{name}.values"), entry.values.len())?;
        for text in entry.values.iter().chain([&entry.name]) {
            short(name, text)?;
        }
        if entries[..position].iter().any(|earlier| earlier.name == entry.name) {
            return Err(error(BAD_USER_INPUT, format!("`{name}` names `{}` twice", entry.name)));
        }
    }
    Ok(entries
        .into_iter()
        .map(|OptionFilter { name, values }| ValueFilter { name, values })
        .collect())
}

/// Nothing in the catalogue has a longer name or value, or one with a NUL, which PostgreSQL does not even compare.
fn short(name: &str, text: &str) -> Result<()> {
    let message = if text.chars().count() > VALUE_CHARACTERS_MAX {
        format!("`{name}` has a text of more than {VALUE_CHARACTERS_MAX} characters")
    } else if text.contains('\0') {
        format!("`{name}` has a text with the character U+0000")
    } else {
        return Ok(());
    };
    Err(error(BAD_USER_INPUT, message))
}

fn within(name: &str, count: usize) -> Result<()> {
    if count <= FILTER_ENTRIES_MAX {
        return Ok(());
    }
    Err(error(
        BAD_USER_INPUT,
        format!("`{name}` has more than {FILTER_ENTRIES_MAX} entries"),
    ))
}

#[derive(Clone, Debug, InputObject)]
pub struct SelectedOptionInput {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Clone, Debug, InputObject)]
pub struct ProductCreateInput {
    title: String,
    slug: Option<String>,
    description: Option<String>,
    #[graphql(default_with = "Some(ProductStatus::Draft)")]
    status: Option<ProductStatus>,
    category_ids: Option<Vec<ID>>,
    attributes: Option<Vec<OptionInput>>,
    media: Option<Vec<MediaInput>>,
    pub(super) variants: Vec<ProductVariantInput>,
}

impl ProductCreateInput {
    pub(super) fn split(self) -> (change::ProductInput, Vec<VariantInput>) {
        let product = change::ProductInput {
            title: Some(self.title),
            slug: self.slug,
            description: Some(self.description),
            status: self.status.map(Into::into),
            category_ids: Some(ids(self.category_ids.unwrap_or_default())),
            attributes: Some(pairs(self.attributes)),
            media: Some(media(self.media)),
        };
        (product, self.variants.into_iter().map(VariantInput::from).collect())
    }
}

#[derive(Clone, Debug, InputObject)]
pub struct ProductUpdateInput {
    title: Option<String>,
    slug: Option<String>,
    description: MaybeUndefined<String>,
    status: Option<ProductStatus>,
    category_ids: Option<Vec<ID>>,
    attributes: Option<Vec<OptionInput>>,
    media: Option<Vec<MediaInput>>,
}

impl From<ProductUpdateInput> for change::ProductInput {
    fn from(input: ProductUpdateInput) -> change::ProductInput {
        change::ProductInput {
            title: input.title,
            slug: input.slug,
            description: defined(input.description),
            status: input.status.map(Into::into),
            category_ids: input.category_ids.map(ids),
            attributes: input.attributes.map(|list| pairs(Some(list))),
            media: input.media.map(|list| media(Some(list))),
        }
    }
}

#[derive(Clone, Debug, InputObject)]
pub struct ProductVariantInput {
    id: Option<ID>,
    sku: String,
    title: Option<String>,
    price: MoneyInput,
    compare_at_price: Option<MoneyInput>,
    options: Option<Vec<OptionInput>>,
    weight_grams: Option<i32>,
    barcode: Option<String>,
}

impl From<ProductVariantInput> for VariantInput {
    fn from(input: ProductVariantInput) -> VariantInput {
        let money = |money: MoneyInput| (money.amount.0, money.currency_code.0);
        VariantInput {
            id: input.id.map(|id| id.0),
            sku: input.sku,
            title: input.title,
            price: money(input.price),
            compare_at_price: input.compare_at_price.map(money),
            options: pairs(input.options),
            weight_grams: input.weight_grams,
            barcode: input.barcode,
        }
    }
}

#[derive(Clone, Debug, InputObject)]
pub struct OptionInput {
    name: String,
    value: String,
}

#[derive(Clone, Debug, InputObject)]
pub struct MediaInput {
    url: String,
    #[graphql(default_with = "Some(MediaType::Image)")]
    r#type: Option<MediaType>,
    alt_text: Option<String>,
}

#[derive(Clone, Debug, InputObject)]
pub struct MoneyInput {
    amount: Decimal,
    currency_code: CurrencyCode,
}

#[derive(Clone, Debug, InputObject)]
pub struct CategoryInput {
    name: Option<String>,
    slug: Option<String>,
    description: MaybeUndefined<String>,
    parent_id: MaybeUndefined<ID>,
}

impl From<CategoryInput> for change::CategoryInput {
    fn from(input: CategoryInput) -> change::CategoryInput {
        change::CategoryInput {
            name: input.name,
            slug: input.slug,
            description: defined(input.description),
            parent_id: defined(input.parent_id).map(|id| id.map(wanted)),
        }
    }
}

#[derive(Clone, Debug, InputObject)]
pub struct StockAdjustInput {
    pub(super) idempotency_key: String,
    pub(super) variant_id: ID,
    pub(super) delta: i32,
    pub(super) reason: String,
}

/// `None` when the client did not mention it, `Some(None)` for null.
fn defined<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

fn ids(ids: Vec<ID>) -> Vec<String> {
    ids.into_iter().map(wanted).collect()
}

/// The text of an id that a client wants something of; no row's, when it has a NUL: PostgreSQL does not even compare that.
pub(super) fn wanted(id: ID) -> String {
    if id.contains('\0') { String::new() } else { id.0 }
}

fn pairs(list: Option<Vec<OptionInput>>) -> Vec<NameValue> {
    list.unwrap_or_default()
        .into_iter()
        .map(|OptionInput { name, value }| NameValue { name, value })
        .collect()
}

fn media(list: Option<Vec<MediaInput>>) -> Vec<change::MediaInput> {
    let media = |input: MediaInput| change::MediaInput {
        url: input.url,
        kind: input.r#type.map_or(MediaKind::Image, Into::into),
        alt_text: input.alt_text,
    };
    list.unwrap_or_default().into_iter().map(media).collect()
}
