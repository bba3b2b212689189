//! Events between services: CloudEvents 1.0 in JSON, sent by `POST /internal/events` and acknowledged by any 2xx, several
//! by `POST /internal/events/batch`, or by a broker.
//!
//! Delivery is at least once and in no promised order: a consumer stores [`Event::id`] in the transaction of the
//! effect, answers 204 for one it knows already, and also for a type it does not care about. How is in
//! [`crate::events`].

use super::payments::PAYMENT_CHANGED;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The envelope. `data` is read by `type`: [`ORDERS_PAID`] holds an [`OrderPaid`], and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique for ever; the key of deduplication. `evt_…`
    pub id: String,
    /// Name of the service it comes from: `orders`.
    pub source: String,
    /// One of the constants of this module.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Id of the thing it happened to: `ord_…`.
    pub subject: String,
    /// When it happened, not when it was sent.
    pub time: DateTime<Utc>,
    /// Counts the changes of the subject, from 1. Older versions than the newest seen may be skipped.
    #[serde(rename = "aggregateversion")]
    pub aggregate_version: i64,
    /// What else there is to say.
    pub data: serde_json::Value,
}

impl Event {
    /// The data, of the shape that belongs to the type.
    ///
    /// # Errors
    /// [`Unreadable`] when it is of another.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Unreadable> {
        T::deserialize(&self.data).map_err(|source| Unreadable {
            event_type: self.event_type.clone(),
            source,
        })
    }
}

/// The data of an event is not what its type promises.
#[derive(Debug, thiserror::Error)]
#[error("the data of `{event_type}` cannot be read")]
pub struct Unreadable {
    /// Type of the event.
    pub event_type: String,
    /// Where it differs.
    #[source]
    pub source: serde_json::Error,
}

/// Where services take events.
pub const PATH: &str = "/internal/events";

/// Where they take several at once, a list of at most [`BATCH_MAX`]; answered by a [`BatchReply`].
pub const BATCH_PATH: &str = "/internal/events/batch";

/// Most events in one request.
pub const BATCH_MAX: usize = 50;

/// What became of each event of a batch, in their order: `null` when it was taken, else why it was not.
pub type BatchReply = Vec<Option<NotTaken>>;

/// Why a reader did not take an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NotTaken {
    /// What is wrong with the event, a string; 400 when it comes alone.
    Refused(String),
    /// The reader could not store it, which says nothing about the event: `{"later": "why"}`; 503 when it comes alone.
    /// A relay of an older release cannot read such a reply, and sends all of the batch again.
    Later {
        /// Why.
        later: String,
    },
}

/// Names of the services that read events of this type.
#[must_use]
pub fn readers(event_type: &str) -> &'static [&'static str] {
    match event_type {
        ORDERS_PAID => &["reviews"],
        PAYMENT_CHANGED => &["orders"],
        // Payments keeps amounts and ids only.
        USERS_ERASED => &["orders", "reviews"],
        _ => &[],
    }
}

/// An order is paid in full; data: [`OrderPaid`].
pub const ORDERS_PAID: &str = "orders.paid";

/// A user had the account deleted: personal data must go; data: [`UserErased`].
pub const USERS_ERASED: &str = "users.erased";

/// Data of [`ORDERS_PAID`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderPaid {
    /// `ord_…`
    pub order_id: String,
    /// Who bought. `usr_…`
    pub user_id: String,
    /// What was bought.
    pub lines: Vec<OrderPaidLine>,
}

/// One line of an [`OrderPaid`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderPaidLine {
    /// `prod_…`
    pub product_id: String,
    /// `var_…`
    pub variant_id: String,
    /// Units.
    pub quantity: u32,
}

/// Data of [`USERS_ERASED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserErased {
    /// `usr_…`
    pub user_id: String,
}
