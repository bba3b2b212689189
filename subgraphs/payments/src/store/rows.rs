//! Rows to domain types and back.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};
use service::contract::payments::PaymentStatus;
use service::money::Currency;

use super::StoreError;
use crate::domain::{CardSummary, NextAction, Payment, Transaction, TransactionKind, TransactionStatus};
use crate::entity::{payment, payment_transaction};

/// The longest text of a gateway that is kept, in characters.
const GATEWAY_TEXT_CHARS_MAX: usize = 80;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
enum StoredAction {
    Redirect {
        url: String,
        expires_at: Option<DateTime<Utc>>,
    },
    QrCode {
        payload: String,
        expires_at: Option<DateTime<Utc>>,
    },
    ClientSecret {
        client_secret: String,
        publishable_key: String,
    },
}

pub(super) fn payment_from_row(
    row: payment::Model,
    transactions: Vec<payment_transaction::Model>,
) -> Result<Payment, StoreError> {
    let bad = |what| StoreError::Row {
        id: row.id.clone(),
        what,
    };
    let status = PaymentStatus::parse(&row.status).ok_or_else(|| bad("status"))?;
    let currency = Currency::parse(&row.currency_code).map_err(|_| bad("currency_code"))?;
    let next_action = match &row.next_action {
        None => None,
        Some(json) => Some(match serde_json::from_str(json).map_err(|_| bad("next_action"))? {
            StoredAction::Redirect { url, expires_at } => NextAction::Redirect { url, expires_at },
            StoredAction::QrCode { payload, expires_at } => NextAction::QrCode { payload, expires_at },
            StoredAction::ClientSecret {
                client_secret,
                publishable_key,
            } => NextAction::ClientSecret {
                client_secret,
                publishable_key,
            },
        }),
    };
    let card = row.method_kind.map(|kind| CardSummary {
        kind,
        brand: row.method_brand,
        last4: row.method_last4,
        expiry_month: row.method_expiry_month,
        expiry_year: row.method_expiry_year,
    });
    Ok(Payment {
        status,
        currency,
        next_action,
        card,
        transactions: transactions
            .into_iter()
            .map(transaction_from_row)
            .collect::<Result<_, _>>()?,
        id: row.id,
        order_id: row.order_id,
        order_number: row.order_number,
        user_id: row.user_id,
        gateway: row.gateway,
        amount_minor: row.amount_minor,
        authorized_minor: row.authorized_minor,
        captured_minor: row.captured_minor,
        refunded_minor: row.refunded_minor,
        refunds_failed_minor: row.refunds_failed_minor,
        keeps_others_out: row.open_slot.is_some(),
        gateway_reference: row.gateway_reference,
        decline_code: row.decline_code,
        decline_message: row.decline_message,
        payment_method_token: row.payment_method_token,
        return_url: row.return_url,
        request_hash: row.request_hash,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

pub(super) fn payment_to_row(payment: &Payment) -> payment::ActiveModel {
    let next_action = payment.next_action.clone().map(|action| {
        let stored = match action {
            NextAction::Redirect { url, expires_at } => StoredAction::Redirect { url, expires_at },
            NextAction::QrCode { payload, expires_at } => StoredAction::QrCode { payload, expires_at },
            NextAction::ClientSecret {
                client_secret,
                publishable_key,
            } => StoredAction::ClientSecret {
                client_secret,
                publishable_key,
            },
        };
        serde_json::to_string(&stored).expect("an action is plain data")
    });
    let card = payment.card.clone();
    let (brand, last4) = card
        .as_ref()
        .map_or((None, None), |card| (card.brand.clone(), card.last4.clone()));
    payment::ActiveModel {
        id: Set(payment.id.clone()),
        order_id: Set(payment.order_id.clone()),
        open_slot: Set(payment.keeps_others_out.then(|| payment.order_id.clone())),
        order_number: Set(payment.order_number.clone()),
        user_id: Set(payment.user_id.clone()),
        gateway: Set(payment.gateway.clone()),
        status: Set(payment.status.as_str().to_owned()),
        amount_minor: Set(payment.amount_minor),
        authorized_minor: Set(payment.authorized_minor),
        captured_minor: Set(payment.captured_minor),
        refunded_minor: Set(payment.refunded_minor),
        refunds_failed_minor: Set(payment.refunds_failed_minor),
        currency_code: Set(payment.currency.code().to_owned()),
        gateway_reference: Set(payment.gateway_reference.clone()),
        next_action: Set(next_action),
        method_kind: Set(card.as_ref().map(|card| cut(&card.kind, 40))),
        method_brand: Set(brand.map(|brand| cut(&brand, 40))),
        method_last4: Set(last4.map(|last4| cut(&last4, 8))),
        method_expiry_month: Set(card.as_ref().and_then(|card| card.expiry_month)),
        method_expiry_year: Set(card.as_ref().and_then(|card| card.expiry_year)),
        decline_code: Set(payment
            .decline_code
            .as_deref()
            .map(|code| cut(code, GATEWAY_TEXT_CHARS_MAX))),
        decline_message: Set(payment.decline_message.as_deref().map(|message| cut(message, 500))),
        payment_method_token: Set(payment.payment_method_token.clone()),
        return_url: Set(payment.return_url.clone()),
        request_hash: Set(payment.request_hash.clone()),
        version: Set(payment.version),
        created_at: Set(payment.created_at),
        updated_at: Set(payment.updated_at),
    }
}

fn transaction_from_row(row: payment_transaction::Model) -> Result<Transaction, StoreError> {
    let bad = |what| StoreError::Row {
        id: row.id.clone(),
        what,
    };
    let kind = KINDS
        .iter()
        .find(|(name, _)| *name == row.kind)
        .ok_or_else(|| bad("kind"))?
        .1;
    let status = STATUSES
        .iter()
        .find(|(name, _)| *name == row.status)
        .ok_or_else(|| bad("status"))?
        .1;
    Ok(Transaction {
        kind,
        status,
        id: row.id,
        key: row.idempotency_key,
        amount_minor: row.amount_minor,
        asked_minor: row.asked_minor,
        gateway_reference: row.gateway_reference,
        error_code: row.error_code,
        attempt: row.attempt,
        next_at: row.next_at,
        created_at: row.created_at,
        rekeyed_at: row.rekeyed_at,
        sent_at: row.sent_at,
    })
}

pub(super) fn transaction_to_row(payment_id: &str, transaction: &Transaction) -> payment_transaction::ActiveModel {
    payment_transaction::ActiveModel {
        id: Set(transaction.id.clone()),
        payment_id: Set(payment_id.to_owned()),
        idempotency_key: Set(transaction.key.clone()),
        kind: Set(name(KINDS, &transaction.kind)),
        status: Set(name(STATUSES, &transaction.status)),
        amount_minor: Set(transaction.amount_minor),
        asked_minor: Set(transaction.asked_minor),
        gateway_reference: Set(transaction.gateway_reference.clone()),
        error_code: Set(transaction
            .error_code
            .as_deref()
            .map(|code| cut(code, GATEWAY_TEXT_CHARS_MAX))),
        attempt: Set(transaction.attempt),
        next_at: Set(transaction.next_at),
        created_at: Set(transaction.created_at),
        rekeyed_at: Set(transaction.rekeyed_at),
        sent_at: Set(transaction.sent_at),
    }
}

const KINDS: &[(&str, TransactionKind)] = &[
    ("AUTHORIZE", TransactionKind::Authorize),
    ("CAPTURE", TransactionKind::Capture),
    ("VOID", TransactionKind::Void),
    ("REFUND", TransactionKind::Refund),
];

const STATUSES: &[(&str, TransactionStatus)] = &[
    ("PENDING", TransactionStatus::Pending),
    ("SUCCEEDED", TransactionStatus::Succeeded),
    ("FAILED", TransactionStatus::Failed),
    ("UNKNOWN", TransactionStatus::Unknown),
];

fn name<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> String {
    let found = names.iter().find(|(_, known)| known == value);
    found
        .map(|(name, _)| (*name).to_owned())
        .expect("every variant is in its table")
}

/// The first characters of what a gateway sent: columns are bounded, and a long text must not fail a payment.
fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
