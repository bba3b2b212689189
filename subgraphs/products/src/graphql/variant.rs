//! `ProductVariant` and what belongs to it.

use super::loaders::Loaders;
use super::media::Media;
use super::product::Product;
use crate::domain::product::{self, NameValue, Price};
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use service::auth::{RequireScope, ViewerExt};
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
            .load((self.variant.id.clone(), currency))
            .await?;
        Ok(price.unwrap_or(main))
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
            .load(self.variant.product_id.clone())
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

    async fn available_for_sale(&self) -> bool {
        self.variant.available_for_sale()
    }

    /// Units that can be sold now (on hand - reserved), capped at 100 for the public; exact for `stock:read`.
    async fn quantity_available(&self, context: &Context<'_>) -> i32 {
        let available = if self.variant.is_offered() {
            self.variant.stock.available()
        } else {
            0
        };
        let is_exact = context.viewer().scopes.contains("stock:read");
        if is_exact {
            available
        } else {
            available.min(QUANTITY_SHOWN_MAX)
        }
    }

    /// Where stock is and what is reserved.
    #[graphql(
        guard = "RequireScope(\"stock:read\")",
        requires_scopes = "stock:read",
        tag = "admin"
    )]
    async fn stock(&self) -> Option<Stock> {
        let stock = self.variant.stock;
        Some(Stock {
            on_hand: stock.on_hand,
            reserved: stock.reserved,
            available: stock.available(),
            low_stock_threshold: stock.low_stock_threshold,
            updated_at: stock.updated_at.into(),
        })
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
