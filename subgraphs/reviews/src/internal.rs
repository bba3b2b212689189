//! Events of others: orders tells who bought what, users whose account was deleted. Each takes effect once.

use crate::store::{Effect, Store};
use service::contract::events::{Event, ORDERS_PAID, OrderPaid, USERS_ERASED, Unreadable, UserErased};
use service::events::{ConsumeError, EventConsumer};

/// Lets events take effect on reviews.
pub(crate) struct Consumer {
    pub(crate) store: Store,
}

#[async_trait::async_trait]
impl EventConsumer for Consumer {
    async fn consume(&self, event: &Event) -> Result<(), ConsumeError> {
        match effect(event)? {
            Some(effect) => self.store.apply(&event.id, effect).await.map_err(ConsumeError::failed),
            None => Ok(()),
        }
    }
}

/// `None` for a type that does nothing here.
fn effect(event: &Event) -> Result<Option<Effect>, Unreadable> {
    Ok(match event.event_type.as_str() {
        ORDERS_PAID => {
            let paid: OrderPaid = event.read()?;
            let mut product_ids: Vec<String> = paid.lines.into_iter().map(|line| line.product_id).collect();
            product_ids.sort();
            product_ids.dedup();
            Some(Effect::Bought {
                user_id: paid.user_id,
                product_ids,
            })
        }
        USERS_ERASED => {
            let erased: UserErased = event.read()?;
            Some(Effect::Erased {
                user_id: erased.user_id,
            })
        }
        _ => None,
    })
}
