//! A payment as a gateway sees it, in words that are the same for every gateway.

use service::money::Amount;

use super::{CardSummary, NextAction};

/// What a gateway answers to every call about a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemotePayment {
    /// The gateway's own id of it.
    pub gateway_reference: String,
    /// Our payment id, as the gateway was told.
    pub reference: String,
    /// What the gateway was asked for.
    pub amount: Amount,
    /// Where it stands there.
    pub status: RemoteStatus,
    /// Held so far, in minor units.
    pub authorized_minor: i64,
    /// Taken so far.
    pub captured_minor: i64,
    /// Given back so far, and not come back since.
    pub refunded_minor: i64,
    /// What the shopper must do.
    pub next_action: Option<NextAction>,
    /// The means of payment, as far as the gateway tells.
    pub card: Option<CardSummary>,
    /// Stable code of a decline.
    pub decline_code: Option<String>,
    /// The same for the shopper.
    pub decline_message: Option<String>,
    /// Refunds that the gateway knows of.
    pub refunds: Vec<RemoteRefund>,
}

impl RemotePayment {
    /// Our refund `transaction_id`, if the gateway tells of it.
    #[must_use]
    pub fn refund(&self, transaction_id: &str) -> Option<&RemoteRefund> {
        self.refunds.iter().find(|refund| refund.reference == transaction_id)
    }

    /// What all refunds were to give back that have failed.
    #[must_use]
    pub fn failed_minor(&self) -> i64 {
        let failed = self
            .refunds
            .iter()
            .filter(|refund| refund.outcome == RefundOutcome::Failed);
        failed.map(|refund| refund.amount_minor).sum()
    }

    /// Whether it tells that our refund `transaction_id` came to `outcome`.
    #[must_use]
    pub fn tells(&self, transaction_id: &str, outcome: RefundOutcome) -> bool {
        self.refund(transaction_id)
            .is_some_and(|refund| refund.outcome == outcome)
    }
}

/// Where a payment stands at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteStatus {
    /// The shopper must act.
    RequiresAction,
    /// Undecided.
    Processing,
    /// Held.
    Authorized,
    /// Taken, perhaps given back.
    Captured,
    /// Let go.
    Voided,
    /// Refused.
    Declined,
}

/// A refund that the gateway knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRefund {
    /// The gateway's own id of it.
    pub gateway_reference: String,
    /// Our transaction id, as the gateway was told; another text for one that was made elsewhere.
    pub reference: String,
    /// In minor units.
    pub amount_minor: i64,
    /// What became of it.
    pub outcome: RefundOutcome,
}

/// What became of a refund at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundOutcome {
    /// Undecided.
    Pending,
    /// The money went back.
    Succeeded,
    /// It did not, or came back: final.
    Failed,
}
