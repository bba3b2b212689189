//! `orderUpdated`, from the database: any replica can serve it, whichever one changed the order. Watchers of all orders look
//! together: what they ask for while the database is busy is one statement.

use std::time::Duration;

use async_graphql::{Context, ID, Result, Subscription as GraphqlSubscription};
use futures::Stream;
use futures::stream::try_unfold;
use service::auth::{Viewer, ViewerExt as _};
use service::graphql::{UNAUTHORIZED_FIELD_OR_TYPE, error};
use service::loader::{LoadError, Loader};

use super::Loaders;
use super::order::{Order, visible};
use crate::domain::{self, OrderStatus};

/// How often the order is looked at: as fast as a shopper notices.
const POLL: Duration = Duration::from_millis(500);

/// How often in a row the database may fail before the watcher is told: five seconds.
const FAILURES_MAX: u32 = 10;

pub(crate) struct Subscription;

struct Watch {
    orders: Loader<String, domain::Order>,
    viewer: Viewer,
    order_id: String,
    seen: Option<Seen>,
    failures: u32,
}

/// What a watcher is told the changes of: the status, and what tells two changes of it apart that lead back to the same one
/// between two looks: another payment was refused, more money went back.
#[derive(PartialEq, Eq)]
struct Seen {
    status: OrderStatus,
    payment_id: Option<String>,
    refunded_minor: i64,
}

impl From<&domain::Order> for Seen {
    fn from(order: &domain::Order) -> Self {
        Self {
            status: order.status,
            payment_id: order.payment_id.clone(),
            refunded_minor: order.refunded_minor,
        }
    }
}

#[GraphqlSubscription]
impl Subscription {
    /// Fires on each status change; the first message is the current state, and the last that the order is CANCELLED, EXPIRED,
    /// FAILED or REFUNDED.
    async fn order_updated(&self, context: &Context<'_>, id: ID) -> Result<impl Stream<Item = Result<Order>> + use<>> {
        let viewer = context.viewer().clone();
        viewer.require_user()?;
        let watch = Watch {
            orders: context.data::<Loaders>()?.orders.clone(),
            viewer,
            order_id: id.to_string(),
            seen: None,
            failures: 0,
        };
        if !service::id::is("ord", &id) || watch.look().await?.is_none() {
            return Err(error(
                UNAUTHORIZED_FIELD_OR_TYPE,
                "there is no such order, or it is somebody else's",
            ));
        }
        Ok(try_unfold(watch, Watch::next))
    }
}

impl Watch {
    /// Waits for the next status; `None` after the last one, and when there is no such order any more.
    async fn next(mut self) -> Result<Option<(Order, Watch)>> {
        if self.seen.as_ref().is_some_and(|seen| seen.status.is_final()) {
            return Ok(None);
        }
        loop {
            match self.look().await {
                Ok(None) => return Ok(None),
                Ok(Some(order)) => {
                    self.failures = 0;
                    let seen = Some(Seen::from(&order));
                    if self.seen != seen {
                        self.seen = seen;
                        return Ok(Some((order.into(), self)));
                    }
                }
                // Databases restart; a watcher who is told that all is over would never hear of the payment.
                Err(cause) if self.failures >= FAILURES_MAX => return Err(cause.into()),
                Err(_) => self.failures += 1,
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn look(&self) -> Result<Option<domain::Order>, LoadError> {
        let order = self.orders.load(self.order_id.clone()).await?;
        Ok(order.filter(|order| visible(&self.viewer, order)))
    }
}
