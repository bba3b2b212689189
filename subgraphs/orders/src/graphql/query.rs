//! What can be asked, and the entities that other subgraphs refer to.

use async_graphql::{Context, ID, InputObject, Object, Result};
use service::auth::{RequireScope, ViewerExt as _};
use service::graphql::wants_total_count;
use service::paging::PageArgs;
use service::scalars::DateTime;

use super::cart::Cart;
use super::entity::{ProductVariant, User};
use super::order::{Order, OrderConnection, OrderStatus, find_visible, visible};
use crate::checkout::Checkout;
use crate::store;

pub(crate) struct Query;

#[derive(InputObject)]
pub(crate) struct OrderFilter {
    status: Option<Vec<OrderStatus>>,
    placed_from: Option<DateTime>,
    placed_to: Option<DateTime>,
    number: Option<String>,
}

impl OrderFilter {
    pub(crate) fn into_domain(self) -> store::OrderFilter {
        store::OrderFilter {
            statuses: self.status.unwrap_or_default().into_iter().map(Into::into).collect(),
            placed_from: self.placed_from.map(|DateTime(from)| from),
            placed_to: self.placed_to.map(|DateTime(to)| to),
            // What is no number is no order's number.
            number: self.number.map(|number| parse_number(&number).unwrap_or(-1)),
        }
    }
}

#[Object]
impl Query {
    async fn order(&self, context: &Context<'_>, id: Option<ID>, number: Option<String>) -> Result<Option<Order>> {
        match (id, number.as_deref().and_then(parse_number)) {
            (Some(id), _) => find_order(context, &id).await,
            (None, Some(number)) if context.viewer().user_id.is_some() => {
                let order = context
                    .data::<Checkout>()?
                    .driver
                    .store()
                    .order_by_number(number)
                    .await?;
                Ok(order.filter(|order| visible(context.viewer(), order)).map(Order::from))
            }
            _ => Ok(None),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    #[graphql(
        requires_scopes = "orders:read",
        tag = "admin",
        guard = "RequireScope(\"orders:read\")"
    )]
    async fn orders(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20)] first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<OrderFilter>,
    ) -> Result<OrderConnection> {
        let args = PageArgs::parse(first, after, last, before)?;
        let filter = filter.map(OrderFilter::into_domain).unwrap_or_default();
        let store = context.data::<Checkout>()?.driver.store();
        let page = store.page(&filter, &args, wants_total_count(context)).await?;
        Ok(page.map(Order::from).into())
    }

    #[graphql(entity)]
    async fn order_entity(&self, context: &Context<'_>, id: ID) -> Result<Option<Order>> {
        find_order(context, &id).await
    }

    #[graphql(entity)]
    async fn cart_entity(&self, context: &Context<'_>, id: ID) -> Result<Option<Cart>> {
        let Some(user_id) = context.viewer().user_id.clone() else {
            return Ok(None);
        };
        let cart = context.data::<Checkout>()?.driver.store().cart(&user_id).await?;
        Ok(cart.filter(|cart| cart.id == id.as_str()).map(Cart::from))
    }

    #[graphql(entity)]
    async fn user_entity(&self, id: ID) -> Option<User> {
        service::id::is("usr", &id).then_some(User { id })
    }

    #[graphql(entity)]
    async fn variant_entity(
        &self,
        #[graphql(key)] id: ID,
        weight_grams: Option<i32>,
        tax_class: Option<String>,
    ) -> Option<ProductVariant> {
        let variant = ProductVariant {
            id,
            weight_grams,
            tax_class: tax_class.unwrap_or_default(),
        };
        service::id::is("var", &variant.id).then_some(variant)
    }
}

/// `None` also for somebody else's order: one `Err` would null every entity of the batch.
async fn find_order(context: &Context<'_>, id: &ID) -> Result<Option<Order>> {
    Ok(find_visible(context, id).await?.map(Order::from))
}

/// `#100042` or `100042`.
fn parse_number(text: &str) -> Option<i64> {
    text.strip_prefix('#').unwrap_or(text).parse().ok()
}
