//! Events of others, each once, and the event that reviews waits for.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use service::contract::events::{Event, ORDERS_PAID, OrderPaid, OrderPaidLine};
use service::{events, fault};

use super::carts::erase_cart;
use super::updates::Extra;
use super::{Store, StoreError};
use crate::domain::OrderFile;

/// The event that an order was paid, when that has just been noted in its history.
pub(super) fn paid_event(file: &OrderFile) -> Result<Option<Event>, DbErr> {
    let Some(now) = file.new_events.last().map(|event| event.at) else {
        return Ok(None);
    };
    let lines = file.lines.iter().map(|line| OrderPaidLine {
        product_id: line.product_id.clone(),
        variant_id: line.variant_id.clone(),
        quantity: line.quantity,
    });
    let data = OrderPaid {
        order_id: file.order.id.clone(),
        user_id: file.order.user_id.clone(),
        lines: lines.collect(),
    };
    Ok(Some(Event {
        specversion: "1.0".to_owned(),
        id: service::id::new("evt"),
        source: "orders".to_owned(),
        event_type: ORDERS_PAID.to_owned(),
        subject: file.order.id.clone(),
        time: now,
        aggregate_version: file.order.version,
        data: serde_json::to_value(data).map_err(|error| DbErr::Custom(error.to_string()))?,
    }))
}

impl Store {
    /// Changes an order because of an event, once: the same event again changes nothing. Whether it has changed.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn change_once(
        &self,
        order_id: &str,
        (event_id, now): (&str, DateTime<Utc>),
        act: impl Fn(&mut OrderFile),
    ) -> Result<bool, StoreError> {
        let extra = Extra {
            event: Some((event_id.to_owned(), now)),
            ..Extra::default()
        };
        let changed = self.change_with(order_id, None, extra, |file| {
            let before = file.clone();
            act(file);
            Ok::<bool, std::convert::Infallible>(*file != before)
        });
        let changed = changed.await?;
        fault::point("orders.event.stored");
        Ok(matches!(changed, Some(Ok((true, _)))))
    }

    /// Erases the cart of a user because of an event, once.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_user(&self, user_id: &str, (event_id, now): (&str, DateTime<Utc>)) -> Result<(), StoreError> {
        let database = self.database.begin().await?;
        if !events::take_in(&database, event_id, now).await? {
            return Ok(());
        }
        erase_cart(&database, user_id, now).await?;
        Ok(database.commit().await?)
    }
}
