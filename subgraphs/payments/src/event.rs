//! What payments tells orders about a payment.

use chrono::{DateTime, Utc};
use service::contract::events::Event;
use service::contract::payments::{PAYMENT_CHANGED, PaymentState, RefundState, RefundStatus};

use crate::domain::{Payment, TransactionKind, TransactionStatus};

/// The payment as orders needs it.
#[must_use]
pub fn state(payment: &Payment) -> PaymentState {
    let refunds = payment
        .transactions
        .iter()
        .filter(|transaction| transaction.kind == TransactionKind::Refund);
    let refunds = refunds.map(|refund| RefundState {
        idempotency_key: refund.key.clone(),
        status: match refund.status {
            TransactionStatus::Pending | TransactionStatus::Unknown => RefundStatus::Pending,
            TransactionStatus::Succeeded => RefundStatus::Succeeded,
            TransactionStatus::Failed => RefundStatus::Failed,
        },
        amount_minor: refund.amount_minor,
    });
    PaymentState {
        payment_id: payment.id.clone(),
        order_id: payment.order_id.clone(),
        status: payment.status,
        amount_minor: payment.amount_minor,
        authorized_minor: payment.authorized_minor,
        captured_minor: payment.captured_minor,
        refunded_minor: payment.refunded_minor,
        currency_code: payment.currency.code().to_owned(),
        decline_code: payment.decline_code.clone(),
        version: payment.version,
        refunds: refunds.collect(),
    }
}

/// Whether orders can see the difference.
#[must_use]
pub fn is_news(before: &Payment, after: &Payment) -> bool {
    let (mut seen, told) = (state(before), state(after));
    seen.version = told.version;
    seen != told
}

/// The event that `payment` changed.
#[must_use]
pub fn changed_event(payment: &Payment, now: DateTime<Utc>) -> Event {
    Event {
        specversion: "1.0".to_owned(),
        id: service::id::new("evt"),
        source: "payments".to_owned(),
        event_type: PAYMENT_CHANGED.to_owned(),
        subject: payment.id.clone(),
        time: now,
        aggregate_version: payment.version,
        data: serde_json::to_value(state(payment)).expect("a state is plain data"),
    }
}
