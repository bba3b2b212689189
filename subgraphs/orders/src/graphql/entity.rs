//! What orders adds to the types of other subgraphs.

use async_graphql::{ComplexObject, Context, ID, InputObject, Result, SimpleObject};
use service::auth::ViewerExt as _;
use service::graphql::{BAD_USER_INPUT, error, wants_total_count};
use service::paging::PageArgs;
use service::scalars::Money;

use super::cart::Cart;
use super::order::{Order, OrderConnection};
use super::query::OrderFilter;
use super::{Loaders, UserPage};
use crate::checkout::Checkout;
use crate::domain::QUANTITY_MAX;
use crate::domain::is_country_code;

/// Lives in the payments subgraph.
#[derive(SimpleObject)]
#[graphql(unresolvable)]
pub(crate) struct Payment {
    pub(crate) id: ID,
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct User {
    pub(crate) id: ID,
}

#[ComplexObject]
impl User {
    /// This user's orders, newest first. Only for the user, SUPPORT and ADMIN.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn orders(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20)] first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<OrderFilter>,
    ) -> Result<Option<OrderConnection>> {
        let viewer = context.viewer();
        if !viewer.is_user(&self.id) && !viewer.scopes.contains("orders:read") {
            return Ok(None);
        }
        let page = UserPage {
            user_id: self.id.to_string(),
            filter: filter.map(OrderFilter::into_domain).unwrap_or_default(),
            args: PageArgs::parse(first, after, last, before)?,
            counted: wants_total_count(context),
        };
        let page = context.data::<Loaders>()?.user_pages.load(page).await?;
        Ok(page.map(|page| page.map(Order::from).into()))
    }

    async fn cart(&self, context: &Context<'_>) -> Result<Option<Cart>> {
        if !context.viewer().is_user(&self.id) {
            return Ok(None);
        }
        let cart = context.data::<Checkout>()?.driver.store().cart(&self.id).await?;
        Ok(cart.map(Cart::from))
    }
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct ProductVariant {
    pub(crate) id: ID,
    #[graphql(external)]
    pub(crate) weight_grams: Option<i32>,
    #[graphql(external)]
    pub(crate) tax_class: String,
}

#[derive(InputObject)]
pub(crate) struct ShippingDestinationInput {
    pub(crate) country_code: String,
    #[allow(dead_code, reason = "shipping is flat by country so far")]
    pub(crate) postal_code: Option<String>,
}

#[derive(SimpleObject)]
pub(crate) struct ShippingEstimate {
    cost: Money,
    min_days: u32,
    max_days: u32,
}

impl ProductVariant {
    /// A reference that products resolves.
    pub(crate) fn stub(id: String) -> Self {
        Self {
            id: ID(id),
            weight_grams: None,
            tax_class: String::new(),
        }
    }
}

#[ComplexObject]
impl ProductVariant {
    /// What sending this variant would cost. The router fetches weight and tax class from products first.
    #[graphql(requires = "weightGrams taxClass")]
    async fn shipping_estimate(
        &self,
        context: &Context<'_>,
        to: ShippingDestinationInput,
        #[graphql(default = 1)] quantity: Option<i32>,
    ) -> Result<Option<ShippingEstimate>> {
        let units = i64::from(quantity.unwrap_or(1));
        if !(1..=i64::from(QUANTITY_MAX)).contains(&units) {
            return Err(error(
                BAD_USER_INPUT,
                format!("`quantity` must be between 1 and {QUANTITY_MAX}"),
            ));
        }
        let country_code = checked_country(&to)?;
        let Checkout {
            pricing,
            currency_default: currency,
            ..
        } = context.data::<Checkout>()?;
        let weight_grams = i64::from(self.weight_grams.unwrap_or_default().max(0)) * units;
        let Some(cost) = pricing.shipping(country_code, weight_grams, *currency) else {
            return Ok(None);
        };
        let paid = pricing.shipping_with_tax(cost, country_code, &self.tax_class, *currency);
        Ok(paid.ok().map(|paid| ShippingEstimate {
            cost: paid.into(),
            min_days: cost.min_days,
            max_days: cost.max_days,
        }))
    }
}

/// The country of a destination.
pub(crate) fn checked_country(to: &ShippingDestinationInput) -> Result<&str> {
    if is_country_code(&to.country_code) {
        return Ok(&to.country_code);
    }
    Err(error(
        BAD_USER_INPUT,
        "`countryCode` is two capital letters, such as DE",
    ))
}
