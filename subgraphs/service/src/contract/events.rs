//! Events between services: CloudEvents 1.0 in JSON, sent by `POST /internal/events` and acknowledged by any 2xx.
//!
//! Delivery is at least once and in no promised order: a consumer stores [`Event::id`] in the transaction of the
//! effect, answers 204 for one it knows already, and also for a type it does not care about.

use chrono::{DateTime, Utc};
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
