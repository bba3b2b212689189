//! `ProductVariant` and what belongs to it.

use super::loaders::Loaders;
use super::media::Media;
use super::product::Product;
use crate::domain::product::{self, NameValue, Price};
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use service::auth::{RequireScope, ViewerExt};
use service::graphql::do_not_share;
use service::scalars::{CurrencyCode, DateTime, Money};

/// A sellable unit (SKU).
#[derive(Clone)]
pub struct ProductVariant {
    id: ID,
    variant: product::Variant,
}

impl From<product::Variant> for ProductVariant {
    fn from(variant: product::Variant) -> ProductVariant {
        ProductVariant {
            id: ID(variant.id.clone()),
            variant,
        }
    }
}

service::connection!(ProductVariant, ProductVariantConnection, ProductVariantEdge);

/// What the public sees of a large stock.
const QUANTITY_SHOWN_MAX: i32 = 100;

impl ProductVariant {
    /// The price in the currency asked for, if there is one, else in the main one.
    async fn price_in(&self, context: &Context<'_>, currency_code: Option<CurrencyCode>) -> Result<Price> {
        let main = self.variant.price;
        let Some(CurrencyCode(currency)) = currency_code.filter(|code| code.0 != main.amount.currency) else {
            return Ok(main);
        };
        let price = context
            .data::<Loaders>()?
            .prices
            .load(context, (self.variant.id.clone(), currency))
            .await?;
        Ok(price.unwrap_or(main))
    }

    /// What is in stock now, however long ago the variant was loaded.
    async fn stock_now(&self, context: &Context<'_>) -> Result<Option<product::Stock>> {
        do_not_share(context);
        let id = self.variant.id.clone();
        Ok(context.data::<Loaders>()?.stocks.load(id).await?)
    }

    /// Units that can be sold now.
    async fn available(&self, context: &Context<'_>) -> Result<i32> {
        if !self.variant.is_offered() {
            return Ok(0);
        }
        let stock = self.stock_now(context).await?;
        Ok(stock.map_or(0, |stock| stock.available()))
    }
}

/// A sellable unit (SKU).
#[Object]
impl ProductVariant {
    pub(super) async fn id(&self) -> &ID {
        &self.id
    }

    async fn sku(&self) -> &str {
        &self.variant.sku
    }

    async fn title(&self) -> &str {
        &self.variant.title
    }

    async fn product(&self, context: &Context<'_>) -> Result<Product> {
        let product = context
            .data::<Loaders>()?
            .products
            .load(context, self.variant.product_id.clone())
            .await?;
        Ok(product
            .ok_or_else(|| anyhow::anyhow!("`{}` has no product", self.variant.id))?
            .into())
    }

    /// In the shop's main currency unless there is a price in the one asked for.
    async fn price(&self, context: &Context<'_>, currency_code: Option<CurrencyCode>) -> Result<Money> {
        Ok(self.price_in(context, currency_code).await?.amount.into())
    }

    /// Struck-through price, when there is one.
    async fn compare_at_price(
        &self,
        context: &Context<'_>,
        currency_code: Option<CurrencyCode>,
    ) -> Result<Option<Money>> {
        Ok(self.price_in(context, currency_code).await?.compare_at.map(Money::from))
    }

    async fn selected_options(&self) -> Vec<SelectedOption> {
        let option = |NameValue { name, value }: &NameValue| SelectedOption {
            name: name.clone(),
            value: value.clone(),
        };
        self.variant.options.iter().map(option).collect()
    }

    async fn media(&self) -> Option<Media> {
        self.variant.media.first().cloned().map(Media)
    }

    async fn barcode(&self) -> Option<&str> {
        self.variant.barcode.as_deref()
    }

    async fn weight_grams(&self) -> Option<i32> {
        self.variant.weight_grams
    }

    async fn dimensions(&self) -> Option<Dimensions> {
        let product::Dimensions {
            length_mm,
            width_mm,
            height_mm,
        } = self.variant.dimensions?;
        Some(Dimensions {
            length_mm,
            width_mm,
            height_mm,
        })
    }

    async fn available_for_sale(&self, context: &Context<'_>) -> Result<bool> {
        Ok(self.available(context).await? > 0)
    }

    /// Units that can be sold now (on hand - reserved), capped at 100 for the public; exact for `stock:read`.
    async fn quantity_available(&self, context: &Context<'_>) -> Result<i32> {
        let available = self.available(context).await?;
        let is_exact = context.viewer().scopes.contains("stock:read");
        Ok(if is_exact {
            available
        } else {
            available.min(QUANTITY_SHOWN_MAX)
        })
    }

    /// Where stock is and what is reserved.
    #[graphql(
        guard = "RequireScope(\"stock:read\")",
        requires_scopes = "stock:read",
        tag = "admin"
    )]
    async fn stock(&self, context: &Context<'_>) -> Result<Option<Stock>> {
        Ok(self.stock_now(context).await?.map(|stock| Stock {
            on_hand: stock.on_hand,
            reserved: stock.reserved,
            available: stock.available(),
            low_stock_threshold: stock.low_stock_threshold,
            updated_at: stock.updated_at.into(),
        }))
    }

    /// Only there so that orders can compute tax and shipping; hidden from clients.
    #[graphql(inaccessible)]
    async fn tax_class(&self) -> &str {
        &self.variant.tax_class
    }
}

/// Shareable, so that an inventory service can take `stock` over with @override later.
#[derive(SimpleObject)]
#[graphql(shareable)]
pub struct Stock {
    on_hand: i32,
    reserved: i32,
    available: i32,
    low_stock_threshold: i32,
    updated_at: DateTime,
}

#[derive(SimpleObject)]
pub struct Dimensions {
    length_mm: i32,
    width_mm: i32,
    height_mm: i32,
}

#[derive(SimpleObject)]
pub struct SelectedOption {
    name: String,
    value: String,
}
