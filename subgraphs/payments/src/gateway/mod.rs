//! The line between this shop and whoever moves the money.
//!
//! [`Gateway`] is a trait because outsiders differ: a new provider is one more file here. Every call answers with the
//! payment as the gateway now sees it, and an error says exactly one thing: whether money may have moved.

mod generic;
mod signature;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use http::HeaderMap;
use service::money::Currency;

use crate::domain::RemotePayment;

pub use generic::GenericGateway;
pub use signature::{WebhookError, WebhookSecrets};

/// A provider of payments.
///
/// Keys make repeats harmless: the same key with the same request answers for the first call.
pub trait Gateway: Send + Sync {
    /// Name in the graph, in the database and in the webhook path; never changes.
    fn name(&self) -> &str;

    /// Name for shoppers.
    fn display_name(&self) -> &str;

    /// Means of payment: `card`, `wallet`.
    fn kinds(&self) -> &[String];

    /// Key for the gateway's own form in a browser; not a secret.
    fn publishable_key(&self) -> Option<&str>;

    /// What it can be paid in; empty means any currency.
    fn currencies(&self) -> &[Currency];

    /// Whether it can be paid in `currency`.
    fn takes(&self, currency: Currency) -> bool {
        self.currencies().is_empty() || self.currencies().contains(&currency)
    }

    /// Asks to hold an amount.
    fn authorize(&self, request: Authorize) -> BoxFuture<'_, Result<RemotePayment, GatewayError>>;

    /// Takes what is held.
    fn capture(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>>;

    /// Lets go of what is held.
    fn void(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>>;

    /// Gives back what was taken.
    fn refund(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>>;

    /// The payment as it is now; `None` when the gateway has none. `gateway_reference` of `None` searches by our id.
    fn lookup(
        &self,
        payment_id: String,
        gateway_reference: Option<String>,
    ) -> BoxFuture<'_, Result<Option<RemotePayment>, GatewayError>>;

    /// Checks that `body` was sent by the gateway, lately, and says what it is about.
    ///
    /// # Errors
    /// When the signature or the time is wrong, or the body is not understood.
    fn verify_webhook(&self, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<Webhook, WebhookError>;
}

/// Asks to hold an amount.
#[derive(Clone, Debug)]
pub struct Authorize {
    /// Idempotency key.
    pub key: String,
    /// Our id, which the gateway keeps as the reference.
    pub payment_id: String,
    /// In minor units of `currency`.
    pub amount_minor: i64,
    /// What to pay in.
    pub currency: Currency,
    /// From the gateway's form.
    pub token: String,
    /// Where the shopper comes back to.
    pub return_url: Option<String>,
}

/// Captures, voids or refunds.
#[derive(Clone, Debug)]
pub struct Action {
    /// Idempotency key; also the reference of a refund.
    pub key: String,
    /// The gateway's id of the payment.
    pub gateway_reference: String,
    /// In minor units; ignored by a void.
    pub amount_minor: i64,
}

/// What a verified webhook is about. Its content is not believed: the payment is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Unique per event; a repeat carries the same.
    pub id: String,
    /// Our payment id, if the gateway names it.
    pub payment_id: Option<String>,
}

/// Why there is no answer, in terms of what may have happened.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The gateway understood and refused the call: nothing was done, and the same call would be refused again.
    #[error("the gateway refused the call with `{code}`")]
    Refused {
        /// The gateway's code.
        code: String,
    },
    /// The call surely did not reach the gateway, or was turned away at the door: nothing was done.
    #[error("the gateway was not reached")]
    NotSent,
    /// The call was sent and no clear answer came: anything may have happened.
    #[error("the gateway gave no clear answer: {reason}")]
    Unknown {
        /// For the log.
        reason: String,
    },
}
