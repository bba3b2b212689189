//! The payments of the demo shop.

use sea_orm::{DbErr, EntityTrait as _};
use service::contract::payments::PaymentStatus;
use service::database::Database;
use service::money::Currency;
use service::seed::orders::{self, SeedOrder, SeedPayment, SeedPaymentOutcome};

use super::Store;
use super::rows::{payment_to_row, transaction_to_row};
use crate::domain::{CardSummary, Payment, Transaction, TransactionKind, TransactionStatus};
use crate::entity::{payment, payment_transaction};

/// Rows of one statement: 27 columns each, below every database's limit of bound values.
const ROWS_MAX: usize = 200;

/// Fills empty tables with the payments of the seed orders.
///
/// # Errors
/// When the database fails.
pub async fn seed(database: &Database) -> anyhow::Result<()> {
    let transaction = database.begin().await?;
    if !Store::is_empty(&transaction).await? {
        return Ok(());
    }
    let payments: Vec<Payment> = orders::all()
        .iter()
        .filter_map(|order| order.payment.as_ref().map(|payment| (order, payment)))
        .map(|(order, payment)| seeded(order, payment))
        .collect();
    for payments in payments.chunks(ROWS_MAX) {
        insert(&transaction, payments).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn insert(connection: &service::database::Transaction, payments: &[Payment]) -> Result<(), DbErr> {
    payment::Entity::insert_many(payments.iter().map(payment_to_row))
        .exec_without_returning(connection)
        .await?;
    let transactions = payments.iter().flat_map(|payment| {
        payment
            .transactions
            .iter()
            .map(|transaction| transaction_to_row(&payment.id, transaction))
    });
    payment_transaction::Entity::insert_many(transactions)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

fn seeded(order: &SeedOrder, seed: &SeedPayment) -> Payment {
    let declined = seed.outcome == SeedPaymentOutcome::Declined;
    let taken = if declined { 0 } else { seed.amount_minor };
    let refunded_minor = seed.refund.as_ref().map_or(0, |refund| refund.amount_minor);
    let status = match refunded_minor {
        _ if declined => PaymentStatus::Declined,
        0 => PaymentStatus::Captured,
        refunded if refunded == taken => PaymentStatus::Refunded,
        _ => PaymentStatus::PartiallyRefunded,
    };
    Payment {
        id: seed.id.clone(),
        order_id: order.id.clone(),
        order_number: order.number_text(),
        user_id: order.user_id.clone(),
        gateway: orders::GATEWAY.to_owned(),
        status,
        amount_minor: seed.amount_minor,
        authorized_minor: taken,
        captured_minor: taken,
        refunded_minor,
        refunds_failed_minor: 0,
        keeps_others_out: refunded_minor < taken,
        currency: Currency::EUR,
        gateway_reference: Some(seed.gateway_reference.clone()),
        next_action: None,
        card: Some(CardSummary {
            kind: "card".to_owned(),
            brand: Some(seed.card_brand.to_owned()),
            last4: Some(seed.card_last4.clone()),
            expiry_month: Some(12),
            expiry_year: Some(2034),
        }),
        decline_code: declined.then(|| orders::DECLINE_CODE.to_owned()),
        decline_message: declined.then(|| "The account has not enough money.".to_owned()),
        payment_method_token: None,
        return_url: None,
        request_hash: String::new(),
        version: 1,
        created_at: seed.created_at,
        updated_at: order.settled_at,
        transactions: transactions(order, seed),
    }
}

fn transactions(order: &SeedOrder, seed: &SeedPayment) -> Vec<Transaction> {
    let declined = seed.outcome == SeedPaymentOutcome::Declined;
    let authorize = Transaction {
        id: seed.authorize_id.clone(),
        key: "authorize".to_owned(),
        kind: TransactionKind::Authorize,
        status: if declined {
            TransactionStatus::Failed
        } else {
            TransactionStatus::Succeeded
        },
        amount_minor: seed.amount_minor,
        asked_minor: None,
        gateway_reference: None,
        error_code: declined.then(|| orders::DECLINE_CODE.to_owned()),
        attempt: 0,
        next_at: None,
        created_at: seed.created_at,
        rekeyed_at: None,
        sent_at: None,
    };
    let mut transactions = vec![authorize.clone()];
    if !declined {
        transactions.push(Transaction {
            id: seed.capture_id.clone(),
            key: "capture".to_owned(),
            kind: TransactionKind::Capture,
            ..authorize.clone()
        });
    }
    if let Some(refund) = &seed.refund {
        transactions.push(Transaction {
            id: refund.transaction_id.clone(),
            key: refund.id.clone(),
            kind: TransactionKind::Refund,
            amount_minor: refund.amount_minor,
            gateway_reference: Some(refund.gateway_reference.clone()),
            created_at: order.settled_at,
            ..authorize
        });
    }
    transactions
}
