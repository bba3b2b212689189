//! The cart.

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};
use service::contract::products::Quote;
use service::graphql::{BAD_USER_INPUT, error};
use service::money::{Amount, Currency};
use service::scalars::{DateTime, Money};
use tokio::sync::OnceCell;

use super::entity::{ProductVariant, ShippingDestinationInput, checked_country};
use super::error::unavailable;
use crate::checkout::{Checkout, PlaceError};
use crate::domain;

#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct Cart {
    pub(crate) id: ID,
    lines: Vec<CartLine>,
    total_quantity: u32,
    updated_at: DateTime,
    #[graphql(skip)]
    wanted: Vec<(String, u32)>,
    /// Asked once, for the subtotal and any number of estimates.
    #[graphql(skip)]
    quote: OnceCell<Quote>,
}

#[derive(SimpleObject)]
pub(crate) struct CartLine {
    id: ID,
    variant: Option<ProductVariant>,
    quantity: u32,
}

/// Tax is contained in the prices or added to them, as the shop is configured; rounded half up per line.
#[derive(SimpleObject)]
pub(crate) struct CartEstimate {
    subtotal: Money,
    shipping_total: Money,
    tax_total: Money,
    total: Money,
    tax_included: bool,
}

#[ComplexObject]
impl Cart {
    /// Priced now; the price is fixed only by orderCreate.
    async fn subtotal(&self, context: &Context<'_>) -> Result<Option<Money>> {
        let checkout = context.data::<Checkout>()?;
        let quote = self.quoted(checkout).await?;
        Ok(subtotal(&self.wanted, quote, checkout.currency_default).map(Money::from))
    }

    /// What the order would cost if sent there: lines, shipping, tax, total. Pass `total.amount` as `expectedTotal`.
    async fn estimate(&self, context: &Context<'_>, to: ShippingDestinationInput) -> Result<Option<CartEstimate>> {
        let checkout = context.data::<Checkout>()?;
        let country_code = checked_country(&to)?;
        if self.wanted.is_empty() {
            return Ok(None);
        }
        let quote = self.quoted(checkout).await?;
        let totals = match checkout.estimate(&self.wanted, quote, country_code).await {
            Ok(totals) => totals,
            Err(PlaceError::Problems(problems)) => {
                let messages: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
                return Err(error(BAD_USER_INPUT, messages.join(" ")));
            }
            Err(PlaceError::Neighbour(cause)) => return Err(unavailable(&cause)),
            Err(PlaceError::Store(cause)) => return Err(cause.into()),
        };
        let money = |minor| Money::new(minor, checkout.currency_default);
        Ok(Some(CartEstimate {
            subtotal: money(totals.subtotal_minor),
            shipping_total: money(totals.shipping_minor),
            tax_total: money(totals.tax_minor),
            total: money(totals.total_minor),
            tax_included: checkout.pricing.prices_include_tax,
        }))
    }
}

impl Cart {
    /// The cart with prices of a moment ago, if they are of all that is in it.
    pub(crate) fn quoted_already(self, quote: Quote) -> Self {
        let is_quoted = |variant_id: &str| quote.variants.iter().any(|quote| quote.variant_id == variant_id);
        if !self.wanted.iter().all(|(variant_id, _)| is_quoted(variant_id)) {
            return self;
        }
        Self {
            quote: OnceCell::new_with(Some(quote)),
            ..self
        }
    }

    async fn quoted(&self, checkout: &Checkout) -> Result<&Quote> {
        let asked = self
            .quote
            .get_or_try_init(|| checkout.quote(&self.wanted, checkout.currency_default));
        asked.await.map_err(|cause| unavailable(&cause))
    }
}

impl From<domain::Cart> for Cart {
    fn from(cart: domain::Cart) -> Self {
        Self {
            id: ID(cart.id),
            total_quantity: cart.lines.iter().map(|line| line.quantity).sum(),
            updated_at: cart.updated_at.into(),
            wanted: cart
                .lines
                .iter()
                .map(|line| (line.variant_id.clone(), line.quantity))
                .collect(),
            quote: OnceCell::new(),
            lines: cart
                .lines
                .into_iter()
                .map(|line| CartLine {
                    id: ID(line.id),
                    variant: Some(ProductVariant::stub(line.variant_id)),
                    quantity: line.quantity,
                })
                .collect(),
        }
    }
}

/// `None` when a line is not sold any more, or the sum is beyond all reason.
fn subtotal(wanted: &[(String, u32)], quote: &Quote, currency: Currency) -> Option<Amount> {
    wanted
        .iter()
        .try_fold(Amount::zero(currency), |sum, (variant_id, quantity)| {
            let quote = quote.variants.iter().find(|quote| quote.variant_id == *variant_id)?;
            let line = Amount::new(quote.price.amount_minor, currency)
                .checked_mul(i64::from(*quantity))
                .ok()?;
            sum.checked_add(line).ok()
        })
}
