//! `Product` and what belongs to it.

use super::category::Category;
use super::inputs::{ProductStatus, SelectedOptionInput};
use super::loaders::Loaders;
use super::media::Media;
use super::variant::{ProductVariant, ProductVariantConnection};
use crate::domain::product::{self, NameValue, PriceRange};
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use service::graphql::{BAD_USER_INPUT, error, wants_total_count};
use service::paging::{Page, PageArgs, RawPageArgs};
use service::scalars::{CurrencyCode, DateTime, Money};

/// What a shopper looks at. What they buy is a variant.
#[derive(Clone)]
pub struct Product {
    id: ID,
    product: product::Product,
}

impl From<product::Product> for Product {
    fn from(product: product::Product) -> Product {
        Product {
            id: ID(product.id.clone()),
            product,
        }
    }
}

/// Most rows of the lists that are part of a product.
const VARIANTS_FIRST_MAX: u32 = 100;

/// What a shopper looks at. What they buy is a variant.
#[Object]
impl Product {
    pub(super) async fn id(&self) -> &ID {
        &self.id
    }

    /// URL part, unique.
    async fn slug(&self) -> &str {
        &self.product.slug
    }

    async fn title(&self) -> &str {
        &self.product.title
    }

    /// Markdown.
    async fn description(&self) -> Option<&str> {
        self.product.description.as_deref()
    }

    async fn status(&self) -> ProductStatus {
        self.product.status.into()
    }

    /// Lowest and highest price over the active variants; in the shop's main currency unless there are prices in the
    /// one asked for.
    async fn price_range(&self, context: &Context<'_>, currency_code: Option<CurrencyCode>) -> Result<MoneyRange> {
        let main = self.product.price_range;
        let Some(CurrencyCode(currency)) = currency_code.filter(|code| code.0 != main.currency) else {
            return Ok(main.into());
        };
        let range = context
            .data::<Loaders>()?
            .price_ranges
            .load(context, (self.product.id.clone(), currency))
            .await?;
        Ok(range.unwrap_or(main).into())
    }

    /// True when at least one variant can be bought now.
    async fn available_for_sale(&self) -> bool {
        self.product.available_for_sale
    }

    async fn featured_media(&self) -> Option<Media> {
        self.product.media.first().cloned().map(Media)
    }

    async fn media(&self, #[graphql(default_with = "Some(10)")] first: Option<i32>) -> Result<Vec<Media>> {
        let first = usize::try_from(first.unwrap_or(10)).map_err(|_| error(BAD_USER_INPUT, "`first` is below 0"))?;
        Ok(self.product.media.iter().take(first).cloned().map(Media).collect())
    }

    async fn options(&self) -> Vec<ProductOption> {
        let option = |option: &product::ProductOption| ProductOption {
            name: option.name.clone(),
            values: option.values.clone(),
        };
        self.product.options.iter().map(option).collect()
    }

    async fn attributes(&self) -> Vec<Attribute> {
        let attribute = |NameValue { name, value }: &NameValue| Attribute {
            name: name.clone(),
            value: value.clone(),
        };
        self.product.attributes.iter().map(attribute).collect()
    }

    async fn categories(&self, context: &Context<'_>) -> Result<Vec<Category>> {
        let categories = context
            .data::<Loaders>()?
            .categories_of
            .load(context, self.product.id.clone())
            .await?;
        Ok(categories.unwrap_or_default().into_iter().map(Category::from).collect())
    }

    async fn variants(
        &self,
        context: &Context<'_>,
        #[graphql(default_with = "Some(50)")] first: Option<i32>,
        after: Option<String>,
    ) -> Result<ProductVariantConnection> {
        let raw = RawPageArgs {
            first,
            after,
            ..RawPageArgs::default()
        };
        let args = PageArgs::parse_with(raw, 50, VARIANTS_FIRST_MAX)?;
        let loaders = context.data::<Loaders>()?;
        let page = loaders
            .variants_below
            .load(context, (self.product.id.clone(), args))
            .await?;
        let mut page = page.unwrap_or_else(Page::empty);
        if wants_total_count(context) {
            page.total = Some(
                loaders
                    .variant_counts
                    .load(context, self.product.id.clone())
                    .await?
                    .unwrap_or_default(),
            );
        }
        Ok(page.map(ProductVariant::from).into())
    }

    /// The variant with exactly these options, e.g. [{name: "Size", value: "M"}].
    async fn variant_by_selected_options(
        &self,
        context: &Context<'_>,
        selected_options: Vec<SelectedOptionInput>,
    ) -> Result<Option<ProductVariant>> {
        let variants = context
            .data::<Loaders>()?
            .variants_of
            .load(context, self.product.id.clone())
            .await?;
        let is_selected = |variant: &product::Variant| {
            variant.options.len() == selected_options.len()
                && variant.options.iter().all(|NameValue { name, value }| {
                    selected_options
                        .iter()
                        .any(|selected| selected.name == *name && selected.value == *value)
                })
        };
        Ok(variants
            .unwrap_or_default()
            .into_iter()
            .find(is_selected)
            .map(ProductVariant::from))
    }

    async fn created_at(&self) -> DateTime {
        self.product.created_at.into()
    }

    async fn updated_at(&self) -> DateTime {
        self.product.updated_at.into()
    }
}

#[derive(SimpleObject)]
pub struct MoneyRange {
    min: Money,
    max: Money,
}

impl From<PriceRange> for MoneyRange {
    fn from(range: PriceRange) -> MoneyRange {
        let money = |minor| Money::new(minor, range.currency);
        MoneyRange {
            min: money(range.min_minor),
            max: money(range.max_minor),
        }
    }
}

#[derive(SimpleObject)]
pub struct ProductOption {
    name: String,
    values: Vec<String>,
}

#[derive(SimpleObject)]
pub struct Attribute {
    name: String,
    value: String,
}
