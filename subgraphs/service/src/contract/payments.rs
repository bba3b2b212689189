//! What `payments` does for `orders`: one payment attempt, addressed by an id that orders chose.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `PUT /internal/payments/{payment_id}` | [`AuthorizeRequest`] | [`PaymentState`] |
//! | `GET /internal/payments/{payment_id}` | | [`PaymentState`], or 404 |
//! | `POST /internal/payments/{payment_id}/capture` | [`ActionRequest`] | [`PaymentState`] |
//! | `POST /internal/payments/{payment_id}/void` | [`ActionRequest`] | [`PaymentState`] |
//! | `POST /internal/payments/{payment_id}/refunds` | [`ActionRequest`] | [`PaymentState`] |
//! | `GET /internal/gateways` | | `[GatewayProfile]` |
//!
//! Each call may be repeated: the same id or key with the same body does nothing twice. A refused call answers 409 or
//! 422 with a [`Refusal`].

use serde::{Deserialize, Serialize};

/// Type of the event that a payment changed; its data is a [`PaymentState`].
pub const PAYMENT_CHANGED: &str = "payments.changed";

/// Where a payment stands. Values are those of the graph's `PaymentStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    /// Recorded; the gateway has not been asked yet.
    Created,
    /// The shopper must act.
    RequiresAction,
    /// Asked; the answer is pending or unknown.
    Processing,
    /// The money is held, not taken.
    Authorized,
    /// The money is taken.
    Captured,
    /// Some of it went back.
    PartiallyRefunded,
    /// All of it went back.
    Refunded,
    /// The hold was let go; nothing was taken.
    Voided,
    /// The shopper's bank said no.
    Declined,
    /// The gateway refused the call itself; nothing was taken.
    Failed,
}

impl PaymentStatus {
    /// Every status, from the first to the last.
    pub const ALL: [Self; 10] = [
        Self::Created,
        Self::RequiresAction,
        Self::Processing,
        Self::Authorized,
        Self::Captured,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Voided,
        Self::Declined,
        Self::Failed,
    ];

    /// The name in JSON and in the graph: `REQUIRES_ACTION`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::RequiresAction => "REQUIRES_ACTION",
            Self::Processing => "PROCESSING",
            Self::Authorized => "AUTHORIZED",
            Self::Captured => "CAPTURED",
            Self::PartiallyRefunded => "PARTIALLY_REFUNDED",
            Self::Refunded => "REFUNDED",
            Self::Voided => "VOIDED",
            Self::Declined => "DECLINED",
            Self::Failed => "FAILED",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// Starts a payment: asks the gateway to hold `amount_minor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizeRequest {
    /// `ord_…`. At most one payment of an order is open (neither declined, failed, voided nor refunded) at a time.
    pub order_id: String,
    /// The order's number for people, kept as a copy.
    pub order_number: String,
    /// Who pays; may see the payment.
    pub user_id: String,
    /// Integer minor units of `currency_code`; positive.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency_code: String,
    /// Name of a gateway; the default one when absent.
    pub gateway: Option<String>,
    /// What the gateway's own form gave the client for the means of payment.
    pub payment_method_token: Option<String>,
    /// Where the shopper comes back to after a redirect.
    pub return_url: Option<String>,
}

/// Captures, voids or refunds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionRequest {
    /// Names this action for ever: a repeat with the same key answers for the first. A capture or void that the gateway has
    /// refused is taken up again by it, for as long as the money is held.
    pub idempotency_key: String,
    /// Integer minor units; all that is left when absent. Ignored by void.
    pub amount_minor: Option<i64>,
}

/// A payment as orders needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentState {
    /// `pay_…`.
    pub payment_id: String,
    /// `ord_…`.
    pub order_id: String,
    /// Where it stands.
    pub status: PaymentStatus,
    /// What was asked for, in minor units of `currency_code`.
    pub amount_minor: i64,
    /// What is or was held.
    pub authorized_minor: i64,
    /// What was taken.
    pub captured_minor: i64,
    /// What went back; never more than `captured_minor`.
    pub refunded_minor: i64,
    /// ISO 4217.
    pub currency_code: String,
    /// Stable code of a decline: `insufficient_funds`.
    pub decline_code: Option<String>,
    /// Grows with every change.
    pub version: i64,
    /// Refunds asked for so far, by their key.
    pub refunds: Vec<RefundState>,
}

/// One refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundState {
    /// Key of the [`ActionRequest`] that asked for it.
    pub idempotency_key: String,
    /// Whether the gateway has said yes.
    pub status: RefundStatus,
    /// In minor units.
    pub amount_minor: i64,
}

/// What became of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundStatus {
    /// Asked, or about to be; the answer is not known.
    Pending,
    /// The money went back.
    Succeeded,
    /// The gateway refused; nothing went back.
    Failed,
}

/// Why a call was refused; sent with status 409 (the state forbids it) or 422 (the request does).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What to do about it.
    pub code: RefusalCode,
    /// For people.
    pub message: String,
}

/// Reasons of a [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefusalCode {
    /// The request makes no sense: an amount of zero, an unknown currency.
    Invalid,
    /// No gateway of this name, or it does not take this currency.
    GatewayUnknown,
    /// Another payment of this order is still open.
    PaymentOpen,
    /// The id or key was used with another body.
    IdempotencyKeyReused,
    /// The payment is not in a state to be captured.
    NotCapturable,
    /// The payment is not in a state to be voided.
    NotVoidable,
    /// The payment is not in a state to be refunded.
    NotRefundable,
    /// More than is left.
    AmountTooLarge,
}

/// A gateway that the shop can pay with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayProfile {
    /// Name to pass as `gateway`.
    pub name: String,
    /// ISO 4217 codes it takes.
    pub currencies: Vec<String>,
}
