//! The line between this shop and whoever moves the money.
//!
//! [`Gateway`] is a trait because outsiders differ: a new provider is one more file here. Every call answers with the
//! payment as the gateway now sees it, and an error says exactly one thing: whether money may have moved.

mod alipay;
mod breaker;
mod credential;
mod generic;
mod http_call;
mod signature;
mod stripe;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use http::HeaderMap;
use service::money::Currency;

use crate::domain::RemotePayment;

pub use alipay::{AlipayGateway, AlipayKeys, AlipaySettings};
pub use breaker::{Breaker, BreakerSettings, Guarded};
pub use credential::Credential;
pub use generic::GenericGateway;
pub use signature::{WebhookError, WebhookSecrets};
pub use stripe::{StripeGateway, StripeSettings};

/// A provider of payments.
///
/// Keys make repeats harmless: the same key with the same request answers for the first call.
pub trait Gateway: Send + Sync {
    /// Name in the graph, in the database and in the webhook path; never changes.
    fn name(&self) -> &str;

    /// Name for shoppers.
    fn display_name(&self) -> &str;

    /// What it can do.
    fn caps(&self) -> Caps;

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

    /// Asks to hold an amount; a gateway without [`Caps::manual_capture`] takes it.
    fn create(&self, request: CreatePayment) -> BoxFuture<'_, Result<RemotePayment, GatewayError>>;

    /// Takes what is held.
    fn capture(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>>;

    /// Lets go of what is held, or ends a payment that waits for the shopper.
    fn void(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>>;

    /// Gives back what was taken.
    fn refund(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>>;

    /// The payment as it is now; `None` when the gateway has none.
    fn lookup(&self, lookup: Lookup) -> BoxFuture<'_, Result<Option<RemotePayment>, GatewayError>>;

    /// Checks that `body` was sent by the gateway, lately, and says what it is about.
    ///
    /// # Errors
    /// When the signature or the time is wrong, or the body is not understood.
    fn verify_webhook(&self, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<Webhook, WebhookError>;

    /// The payment as the body of a verified webhook tells of it: what [`Gateway::lookup`] would have told after the change
    /// that the webhook is about. `None` when that is not sure, so that the gateway must be asked.
    fn told_by_webhook(&self, _body: &str) -> Option<RemotePayment> {
        None
    }

    /// What tells the gateway that its webhook is stored; with status 200, or 204 when empty.
    fn webhook_reply(&self) -> &'static str {
        ""
    }
}

/// What a gateway can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Holds first and takes later. Without it the shopper pays at once, and a void after that is a refund.
    pub manual_capture: bool,
    /// Gives back a part.
    pub partial_refund: bool,
    /// May send the shopper to a page.
    pub redirect: bool,
    /// May show the shopper a QR code.
    pub qr_code: bool,
    /// What makes a repeated call harmless.
    pub idempotency: Idempotency,
}

/// What makes a repeated call harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// A key in a header; after `hours` the gateway may have forgotten it, and a repeat may act again.
    Header {
        /// How long a key is good for.
        hours: u32,
    },
    /// Our own ids of payment and refund, which the gateway keeps for ever.
    MerchantReference,
}

/// Asks for a payment.
#[derive(Clone, Debug)]
pub struct CreatePayment {
    /// Idempotency key.
    pub key: String,
    /// Our id, which the gateway keeps as the reference.
    pub payment_id: String,
    /// The order's number, for the shopper's statement.
    pub order_number: String,
    /// In minor units of `currency`.
    pub amount_minor: i64,
    /// What to pay in.
    pub currency: Currency,
    /// From the gateway's form; empty where it has none.
    pub token: String,
    /// Where the shopper comes back to.
    pub return_url: Option<String>,
    /// When the payment was first written down; what the shopper may still do ends some time after it.
    pub created_at: DateTime<Utc>,
}

/// Captures, voids or refunds.
#[derive(Clone, Debug)]
pub struct Action {
    /// Idempotency key; also the reference of a refund.
    pub key: String,
    /// In minor units; ignored by a void.
    pub amount_minor: i64,
    /// The payment.
    pub payment: Lookup,
}

/// Names a payment, and says what is known of it here.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Our id.
    pub payment_id: String,
    /// The gateway's id, once known; without it the gateway searches by ours.
    pub gateway_reference: Option<String>,
    /// What was asked for, in minor units of `currency`.
    pub amount_minor: i64,
    /// The currency.
    pub currency: Currency,
    /// When the payment was first written down.
    pub created_at: DateTime<Utc>,
    /// Refunds that were asked for and not refused, oldest first.
    pub refunds: Vec<KnownRefund>,
    /// Given back so far, by what is known.
    pub refunded_minor: i64,
    /// Now.
    pub now: DateTime<Utc>,
}

/// A refund, for gateways that tell of a refund only when asked for it by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRefund {
    /// Our transaction id.
    pub reference: String,
    /// The gateway's id, once known.
    pub gateway_reference: Option<String>,
    /// In minor units.
    pub amount_minor: i64,
    /// Whether the gateway has said yes.
    pub booked: bool,
}

/// What a verified webhook is about. Its news is not believed: the payment is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Unique per event; a repeat carries the same.
    pub id: String,
    /// Our payment id, if the gateway names it.
    pub payment_id: Option<String>,
    /// The gateway's own id of the payment, if it names that.
    pub gateway_reference: Option<String>,
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
    /// The gateway does not know our key. Nothing was done, and the same call may succeed once the key is right.
    #[error("the gateway does not accept our key")]
    Auth,
    /// Too many calls: turned away at the door, nothing was done.
    #[error("the gateway turned the call away: too many")]
    RateLimited,
    /// The call surely did not reach the gateway: nothing was done.
    #[error("the gateway was not reached")]
    NotSent,
    /// The circuit breaker held the call back: nothing was sent.
    #[error("the gateway has failed too often lately; it is asked again later")]
    CircuitOpen,
    /// The call was sent and no clear answer came: anything may have happened.
    #[error("the gateway gave no clear answer: {reason}")]
    Unknown {
        /// For the log.
        reason: String,
    },
}

impl GatewayError {
    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown { reason: reason.into() }
    }

    /// Whether the gateway surely did nothing, so that the same call may be made again.
    #[must_use]
    pub fn nothing_was_done(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }
}
