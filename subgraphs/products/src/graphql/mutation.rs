//! `Mutation`: what those do who run the shop.

use super::inputs::{
    CategoryInput, ProductCreateInput, ProductUpdateInput, ProductVariantInput, StockAdjustInput, wanted,
};
use super::loaders::Loaders;
use super::payloads::{CategoryDeletePayload, CategoryPayload, ProductPayload, StockAdjustPayload, user_errors};
use crate::domain::change::{CategoryChange, ProductChange, VariantInput, parse_variants};
use crate::domain::problem::{Changed, Problem};
use crate::store::{Adjustment, Store};
use async_graphql::{Context, ID, Object, Result};
use service::auth::{RequireScope, ViewerExt};
use service::scalars::DateTime;

pub struct Mutation;

#[Object]
impl Mutation {
    #[graphql(
        guard = "RequireScope(\"products:write\")",
        requires_scopes = "products:write",
        tag = "admin"
    )]
    async fn product_create(&self, context: &Context<'_>, input: ProductCreateInput) -> Result<ProductPayload> {
        let (product, variants) = input.split();
        let (product, variants) = (
            ProductChange::parse_new(product),
            parse_variants("input.variants", variants),
        );
        let created = match (product, variants) {
            (Ok(product), Ok(variants)) => context.data::<Store>()?.create_product(product, variants).await?,
            (product, variants) => Err(problems(product, variants)),
        };
        product_payload(context, created).await
    }

    #[graphql(
        guard = "RequireScope(\"products:write\")",
        requires_scopes = "products:write",
        tag = "admin"
    )]
    async fn product_update(
        &self,
        context: &Context<'_>,
        id: ID,
        input: ProductUpdateInput,
        #[graphql(desc = "Fails with VERSION_CONFLICT when the product changed since.")] if_updated_at: Option<
            DateTime,
        >,
    ) -> Result<ProductPayload> {
        let version = if_updated_at.map(|time| time.0);
        let updated = match ProductChange::parse(input.into()) {
            Ok(change) => {
                let store = context.data::<Store>()?;
                store.update_product(&wanted(id), change, version).await?
            }
            Err(problems) => Err(problems),
        };
        product_payload(context, updated).await
    }

    #[graphql(
        guard = "RequireScope(\"products:write\")",
        requires_scopes = "products:write",
        tag = "admin"
    )]
    async fn product_archive(&self, context: &Context<'_>, id: ID) -> Result<ProductPayload> {
        let status = Some(crate::domain::product::ProductStatus::Archived);
        let change = ProductChange {
            status,
            ..ProductChange::default()
        };
        let archived = context
            .data::<Store>()?
            .update_product(&wanted(id), change, None)
            .await?;
        product_payload(context, archived).await
    }

    #[graphql(
        guard = "RequireScope(\"products:write\")",
        requires_scopes = "products:write",
        tag = "admin"
    )]
    async fn product_variants_set(
        &self,
        context: &Context<'_>,
        product_id: ID,
        variants: Vec<ProductVariantInput>,
        #[graphql(desc = "Fails with VERSION_CONFLICT when the product changed since.")] if_updated_at: Option<
            DateTime,
        >,
    ) -> Result<ProductPayload> {
        let version = if_updated_at.map(|time| time.0);
        let variants = variants.into_iter().map(VariantInput::from).collect();
        let replaced = match parse_variants("variants", variants) {
            Ok(variants) => {
                let store = context.data::<Store>()?;
                store.replace_variants(&wanted(product_id), variants, version).await?
            }
            Err(problems) => Err(problems),
        };
        product_payload(context, replaced).await
    }

    #[graphql(
        guard = "RequireScope(\"products:write\")",
        requires_scopes = "products:write",
        tag = "admin"
    )]
    async fn category_create(&self, context: &Context<'_>, input: CategoryInput) -> Result<CategoryPayload> {
        let created = match CategoryChange::parse_new(input.into()) {
            Ok(change) => context.data::<Store>()?.create_category(change).await?,
            Err(problems) => Err(problems),
        };
        category_payload(context, created).await
    }

    #[graphql(
        guard = "RequireScope(\"products:write\")",
        requires_scopes = "products:write",
        tag = "admin"
    )]
    async fn category_update(&self, context: &Context<'_>, id: ID, input: CategoryInput) -> Result<CategoryPayload> {
        let updated = match CategoryChange::parse(input.into()) {
            Ok(change) => context.data::<Store>()?.update_category(&wanted(id), change).await?,
            Err(problems) => Err(problems),
        };
        category_payload(context, updated).await
    }

    #[graphql(
        guard = "RequireScope(\"products:write\")",
        requires_scopes = "products:write",
        tag = "admin"
    )]
    async fn category_delete(&self, context: &Context<'_>, id: ID) -> Result<CategoryDeletePayload> {
        Ok(
            match context.data::<Store>()?.delete_category(&wanted(id.clone())).await? {
                Ok(()) => CategoryDeletePayload {
                    deleted_category_id: Some(id),
                    ..CategoryDeletePayload::default()
                },
                Err(problems) => CategoryDeletePayload {
                    deleted_category_id: None,
                    user_errors: user_errors(problems),
                },
            },
        )
    }

    /// Adds (or with a negative delta removes) units. The key makes a retry harmless.
    #[graphql(
        guard = "RequireScope(\"stock:write\")",
        requires_scopes = "stock:write",
        tag = "admin"
    )]
    async fn stock_adjust(&self, context: &Context<'_>, input: StockAdjustInput) -> Result<StockAdjustPayload> {
        let adjustment = Adjustment {
            idempotency_key: input.idempotency_key,
            variant_id: wanted(input.variant_id),
            delta: input.delta,
            reason: input.reason,
            user_id: context.viewer().require_user()?.to_owned(),
        };
        let adjusted = match adjustment.check() {
            Ok(()) => context.data::<Store>()?.adjust_stock(&adjustment).await?,
            Err(problems) => Err(problems),
        };
        if let Err(problems) = adjusted {
            return Ok(StockAdjustPayload {
                variant: None,
                user_errors: user_errors(problems),
            });
        }
        let variant = context
            .data::<Loaders>()?
            .variants
            .load(context, adjustment.variant_id)
            .await?;
        Ok(StockAdjustPayload {
            variant: variant.map(Into::into),
            user_errors: Vec::new(),
        })
    }
}

fn problems<A, B>(a: Changed<A>, b: Changed<B>) -> Vec<Problem> {
    a.err().into_iter().chain(b.err()).flatten().collect()
}

async fn product_payload(context: &Context<'_>, changed: Changed<String>) -> Result<ProductPayload> {
    Ok(match changed {
        Ok(id) => {
            let product = context.data::<Loaders>()?.products.load(context, id).await?;
            ProductPayload {
                product: product.map(Into::into),
                user_errors: Vec::new(),
            }
        }
        Err(problems) => ProductPayload {
            product: None,
            user_errors: user_errors(problems),
        },
    })
}

async fn category_payload(context: &Context<'_>, changed: Changed<String>) -> Result<CategoryPayload> {
    Ok(match changed {
        Ok(id) => {
            let category = context.data::<Loaders>()?.categories.load(context, id).await?;
            CategoryPayload {
                category: category.map(Into::into),
                user_errors: Vec::new(),
            }
        }
        Err(problems) => CategoryPayload {
            category: None,
            user_errors: user_errors(problems),
        },
    })
}
