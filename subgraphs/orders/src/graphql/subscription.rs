//! `orderUpdated`, from the database: any replica can serve it, whichever one changed the order.

use std::time::Duration;

use async_graphql::{Context, ID, Result, Subscription as GraphqlSubscription};
use futures::Stream;
use futures::stream::unfold;
use service::auth::{Viewer, ViewerExt as _};
use service::graphql::{UNAUTHORIZED_FIELD_OR_TYPE, error};

use super::order::{Order, visible};
use crate::checkout::Checkout;
use crate::domain::{self, OrderStatus};
use crate::store::Store;

/// How often the order is looked at. One primary-key read per watcher: cheap, and as fast as a shopper notices.
const POLL: Duration = Duration::from_millis(500);

/// Looks until the stream ends, so that a forgotten page does not poll for ever: an hour.
const LOOKS_MAX: u32 = 7_200;

pub(crate) struct Subscription;

struct Watch {
    store: Store,
    viewer: Viewer,
    order_id: String,
    seen: Option<OrderStatus>,
    looks_left: u32,
}

#[GraphqlSubscription]
impl Subscription {
    /// Fires on each status change; the first message is the current state.
    async fn order_updated(&self, context: &Context<'_>, id: ID) -> Result<impl Stream<Item = Order> + use<>> {
        let viewer = context.viewer().clone();
        viewer.require_user()?;
        let store = context.data::<Checkout>()?.driver.store().clone();
        let watch = Watch {
            store,
            viewer,
            order_id: id.to_string(),
            seen: None,
            looks_left: LOOKS_MAX,
        };
        if watch.look().await.is_none() {
            return Err(error(
                UNAUTHORIZED_FIELD_OR_TYPE,
                "there is no such order, or it is somebody else's",
            ));
        }
        Ok(unfold(watch, Watch::next))
    }
}

impl Watch {
    /// Waits for the next status.
    async fn next(mut self) -> Option<(Order, Watch)> {
        while self.looks_left > 0 {
            self.looks_left -= 1;
            let order = self.look().await?;
            if self.seen != Some(order.status) {
                self.seen = Some(order.status);
                return Some((order.into(), self));
            }
            tokio::time::sleep(POLL).await;
        }
        None
    }

    async fn look(&self) -> Option<domain::Order> {
        let mut orders = self.store.orders_by_id(vec![self.order_id.clone()]).await.ok()?;
        orders
            .remove(&self.order_id)
            .filter(|order| visible(&self.viewer, order))
    }
}
