//! `Query`, and the entities.

use super::category::Category;
use super::connection::ProductConnection;
use super::inputs::{ProductFilter, ProductSort};
use super::loaders::Loaders;
use super::product::Product;
use super::variant::ProductVariant;
use crate::domain::listing::{self, ProductOrder};
use crate::domain::product::ProductStatus;
use crate::domain::search::SearchQuery;
use crate::domain::sku::Sku;
use crate::domain::slug::Slug;
use crate::store::Store;
use async_graphql::{Context, ID, Object, Result};
use service::auth::ViewerExt;
use service::graphql::{BAD_USER_INPUT, error};
use service::paging::{PageArgs, RawPageArgs};

pub struct Query;

/// Most suggestions.
const SUGGESTIONS_MAX: u32 = 10;

#[Object]
impl Query {
    /// By exactly one of `id` and `slug`. An archived product is still shown to those who know it.
    async fn product(&self, context: &Context<'_>, id: Option<ID>, slug: Option<String>) -> Result<Option<Product>> {
        let loaders = context.data::<Loaders>()?;
        let product = match one_of("id", id.map(|id| id.0), "slug", slug)? {
            Key::First(id) if service::id::is("prod", &id) => loaders.products.load(context, id).await?,
            Key::Second(slug) if Slug::may_be(&slug) => loaders.products_by_slug.load(context, slug).await?,
            _ => None,
        };
        Ok(product
            .filter(|product| is_visible(context, product.status))
            .map(Product::from))
    }

    /// By exactly one of `id` and `sku`.
    async fn product_variant(
        &self,
        context: &Context<'_>,
        id: Option<ID>,
        sku: Option<String>,
    ) -> Result<Option<ProductVariant>> {
        let loaders = context.data::<Loaders>()?;
        let variant = match one_of("id", id.map(|id| id.0), "sku", sku)? {
            Key::First(id) if service::id::is("var", &id) => loaders.variants.load(context, id).await?,
            Key::First(_) => None,
            Key::Second(sku) => match Sku::parse(&sku) {
                Some(sku) => loaders.variants_by_sku.load(context, sku.as_str().to_owned()).await?,
                None => None,
            },
        };
        Ok(variant
            .filter(|variant| is_visible(context, variant.product_status))
            .map(ProductVariant::from))
    }

    /// Browse and search. With `query`, full text over title, description, attributes and SKU.
    #[allow(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn products(
        &self,
        context: &Context<'_>,
        query: Option<String>,
        filter: Option<ProductFilter>,
        #[graphql(default_with = "Some(ProductSort::Relevance)")] sort: Option<ProductSort>,
        #[graphql(default_with = "Some(20)")] first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<ProductConnection> {
        let args = PageArgs::parse(first, after, last, before)?;
        let main_currency = context.data::<Store>()?.main_currency();
        let filter = filter
            .unwrap_or_default()
            .parse(query.as_deref(), context.viewer(), main_currency)?;
        ProductConnection::list(context, filter, sort, args).await
    }

    /// As-you-type suggestions, at most 10.
    async fn product_suggestions(
        &self,
        context: &Context<'_>,
        prefix: String,
        #[graphql(default_with = "Some(5)")] first: Option<i32>,
    ) -> Result<Vec<Product>> {
        let raw = RawPageArgs {
            first,
            ..RawPageArgs::default()
        };
        let args = PageArgs::parse_with(raw, 5, SUGGESTIONS_MAX)?;
        let Some(search) = SearchQuery::parse_prefix(&prefix) else {
            return Ok(Vec::new());
        };
        let filter = listing::ProductFilter {
            search: Some(search),
            ..listing::ProductFilter::default()
        };
        let page = context
            .data::<Store>()?
            .list_products(&filter, ProductOrder::Relevance, &args)
            .await?;
        Ok(page.rows.into_iter().map(|(_, product)| product.into()).collect())
    }

    /// By exactly one of `id` and `slug`.
    async fn category(&self, context: &Context<'_>, id: Option<ID>, slug: Option<String>) -> Result<Option<Category>> {
        let category = match one_of("id", id.map(|id| id.0), "slug", slug)? {
            Key::First(id) if service::id::is("cat", &id) => {
                context.data::<Loaders>()?.categories.load(context, id).await?
            }
            Key::Second(slug) if Slug::may_be(&slug) => context.data::<Store>()?.category_by_slug(&slug).await?,
            _ => None,
        };
        Ok(category.map(Category::from))
    }

    /// The roots of the tree.
    async fn categories(&self, context: &Context<'_>) -> Result<Vec<Category>> {
        let roots = context.data::<Store>()?.root_categories().await?;
        Ok(roots.into_iter().map(Category::from).collect())
    }

    /// `None` for an unknown, malformed or forbidden id: one `Err` here would null every entity of the batch.
    #[graphql(entity)]
    async fn find_product_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Product>> {
        if !service::id::is("prod", &id) {
            return Ok(None);
        }
        let product = context
            .data::<Loaders>()?
            .products
            .load(context, id.0)
            .await
            .unwrap_or_default();
        Ok(product
            .filter(|product| is_visible(context, product.status))
            .map(Product::from))
    }

    #[graphql(entity)]
    async fn find_variant_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<ProductVariant>> {
        if !service::id::is("var", &id) {
            return Ok(None);
        }
        let variant = context
            .data::<Loaders>()?
            .variants
            .load(context, id.0)
            .await
            .unwrap_or_default();
        Ok(variant
            .filter(|variant| is_visible(context, variant.product_status))
            .map(ProductVariant::from))
    }

    #[graphql(entity)]
    async fn find_variant_by_sku(&self, context: &Context<'_>, sku: String) -> Result<Option<ProductVariant>> {
        let Some(sku) = Sku::parse(&sku) else { return Ok(None) };
        let variant = context
            .data::<Loaders>()?
            .variants_by_sku
            .load(context, sku.as_str().to_owned())
            .await;
        let variant = variant.unwrap_or_default();
        Ok(variant
            .filter(|variant| is_visible(context, variant.product_status))
            .map(ProductVariant::from))
    }

    #[graphql(entity)]
    async fn find_category_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Category>> {
        if !service::id::is("cat", &id) {
            return Ok(None);
        }
        let category = context
            .data::<Loaders>()?
            .categories
            .load(context, id.0)
            .await
            .unwrap_or_default();
        Ok(category.map(Category::from))
    }
}

/// Drafts are only for those who write them. Archived products are in old orders and old links.
fn is_visible(context: &Context<'_>, status: ProductStatus) -> bool {
    status != ProductStatus::Draft || context.viewer().scopes.contains("products:write")
}

enum Key {
    First(String),
    Second(String),
}

fn one_of(first_name: &str, first: Option<String>, second_name: &str, second: Option<String>) -> Result<Key> {
    match (first, second) {
        (Some(first), None) => Ok(Key::First(first)),
        (None, Some(second)) => Ok(Key::Second(second)),
        _ => Err(error(
            BAD_USER_INPUT,
            format!("give exactly one of `{first_name}` and `{second_name}`"),
        )),
    }
}
