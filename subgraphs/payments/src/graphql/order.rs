//! What payments adds to `Order`.

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};
use service::auth::ViewerExt as _;

use super::Loaders;
use super::payment::{Payment, visible};

#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct Order {
    pub(crate) id: ID,
    /// Immutable, so payments may keep a copy and serve it with @provides.
    #[graphql(external)]
    pub(crate) number: String,
}

#[ComplexObject]
impl Order {
    /// Every attempt, newest first.
    async fn payments(&self, context: &Context<'_>) -> Result<Option<Vec<Payment>>> {
        let viewer = context.viewer();
        if viewer.user_id.is_none() {
            return Ok(None);
        }
        let loader = &context.data::<Loaders>()?.payments_of_order;
        let payments = loader.load(self.id.to_string()).await?.unwrap_or_default();
        // An order belongs to one person, so its payments are all visible or none is.
        if !payments.iter().all(|payment| visible(viewer, payment)) {
            return Ok(None);
        }
        Ok(Some(payments.into_iter().map(Payment::from).collect()))
    }
}
