//! What can be asked, and the entities that other subgraphs refer to.

use async_graphql::{Context, ID, Object, Result};
use service::auth::{RequireScope, ViewerExt as _};
use service::graphql::wants_total_count;
use service::paging::PageArgs;
use service::scalars::CurrencyCode;

use super::order::Order;
use super::payment::{Payment, PaymentConnection, PaymentGateway, PaymentStatus, visible};
use crate::gateway::Gateway as _;
use crate::processor::Processor;

pub(crate) struct Query;

#[Object]
impl Query {
    async fn payment(&self, context: &Context<'_>, id: ID) -> Result<Option<Payment>> {
        find_payment(context, &id).await
    }

    /// How the shopper can pay in this currency.
    async fn payment_gateways(
        &self,
        context: &Context<'_>,
        currency_code: Option<CurrencyCode>,
    ) -> Result<Vec<PaymentGateway>> {
        let gateways = context.data::<Processor>()?.gateways().iter();
        Ok(gateways
            .filter(|gateway| currency_code.is_none_or(|CurrencyCode(wanted)| gateway.takes(wanted)))
            .map(|gateway| PaymentGateway {
                name: gateway.name().to_owned(),
                display_name: gateway.display_name().to_owned(),
                kinds: gateway.kinds().to_vec(),
                publishable_key: gateway.publishable_key().map(str::to_owned),
                currencies: gateway.currencies().iter().copied().map(CurrencyCode).collect(),
            })
            .collect())
    }

    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    #[graphql(
        requires_scopes = "payments:read",
        tag = "admin",
        guard = "RequireScope(\"payments:read\")"
    )]
    async fn payments(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20)] first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        status: Option<Vec<PaymentStatus>>,
    ) -> Result<PaymentConnection> {
        let args = PageArgs::parse(first, after, last, before)?;
        let statuses: Vec<_> = status.unwrap_or_default().into_iter().map(Into::into).collect();
        let store = context.data::<Processor>()?.store();
        let page = store.page(&statuses, &args, wants_total_count(context)).await?;
        Ok(page.map(Payment::from).into())
    }

    #[graphql(entity)]
    async fn payment_entity(&self, context: &Context<'_>, id: ID) -> Result<Option<Payment>> {
        find_payment(context, &id).await
    }

    #[graphql(entity)]
    async fn order_entity(&self, id: ID) -> Option<Order> {
        // The number is external: nobody asks it of this entity.
        service::id::is("ord", &id).then(|| Order {
            id,
            number: String::new(),
        })
    }
}

/// `None` also for a payment of somebody else: one `Err` would null every entity of the batch.
async fn find_payment(context: &Context<'_>, id: &ID) -> Result<Option<Payment>> {
    let viewer = context.viewer();
    if viewer.user_id.is_none() || !service::id::is("pay", id) {
        return Ok(None);
    }
    let payment = context.data::<Processor>()?.store().payment(id).await?;
    Ok(payment.filter(|payment| visible(viewer, payment)).map(Payment::from))
}
