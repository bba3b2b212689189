//! Writing payments: several that are made or change at the same time are written in one transaction.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _};
use service::database::{Database, Transaction, only_changes};
use service::events;
use service::together::{Stored, Storing, Together};

use super::rows::{payment_to_row, transaction_to_row};
use crate::domain::Payment;
use crate::entity::{payment, payment_transaction};
use crate::event::{changed_event, is_news};

/// Writes payments with those of others.
pub(super) type Writing = Together<Storing<Payments>>;

pub(super) struct Payments {
    pub(super) database: Database,
}

/// What is to be written of one payment: what differs, and the event for orders when it can see the difference.
pub(super) struct Change {
    /// `None` for a new one, of which orders knows.
    pub(super) before: Option<Payment>,
    pub(super) after: Payment,
    pub(super) now: DateTime<Utc>,
}

#[async_trait::async_trait]
impl Stored for Payments {
    type Change = Change;
    /// False when the payment has changed since it was read.
    type Outcome = bool;

    /// Each writes a statement or two; a transaction is to be short.
    const AT_ONCE: usize = 16;

    async fn store(&self, changes: &[Change]) -> Result<Vec<bool>, DbErr> {
        let database = self.database.begin().await?;
        let mut written = vec![true; changes.len()];
        insert(&database, changes).await?;
        // In one order, so that two replicas never wait for each other in a circle.
        let mut ordered: Vec<_> = changes.iter().zip(&mut written).collect();
        ordered.sort_by(|(a, _), (b, _)| a.after.id.cmp(&b.after.id));
        let mut news = Vec::new();
        for (change, written) in ordered {
            let Change { before, after, now } = change;
            let Some(before) = before else {
                continue;
            };
            *written = update(&database, before, after).await?;
            if *written && is_news(before, after) {
                news.push(changed_event(after, *now));
            }
        }
        events::write(&database, &news).await?;
        match written.contains(&true) {
            true => database.commit().await?,
            false => database.rollback().await?,
        }
        Ok(written)
    }
}

/// Inserts those that are new.
async fn insert(database: &Transaction, changes: &[Change]) -> Result<(), DbErr> {
    let new = changes.iter().filter(|change| change.before.is_none());
    let mut new: Vec<&Payment> = new.map(|change| &change.after).collect();
    if new.is_empty() {
        return Ok(());
    }
    new.sort_by(|a, b| a.id.cmp(&b.id));
    payment::Entity::insert_many(new.iter().map(|payment| payment_to_row(payment)))
        .exec_without_returning(database)
        .await?;
    let transactions = new.iter().flat_map(|payment| {
        let transactions = payment.transactions.iter();
        transactions.map(|transaction| transaction_to_row(&payment.id, transaction))
    });
    payment_transaction::Entity::insert_many(transactions)
        .exec_without_returning(database)
        .await?;
    Ok(())
}

/// Writes what differs; false when the payment has changed since it was read.
async fn update(database: &Transaction, before: &Payment, after: &Payment) -> Result<bool, DbErr> {
    let updated = payment::Entity::update_many()
        .set(only_changes(&payment_to_row(before), payment_to_row(after)))
        .filter(payment::Column::Id.eq(&after.id))
        .filter(payment::Column::Version.eq(before.version))
        .exec(database)
        .await?;
    if updated.rows_affected == 0 {
        return Ok(false);
    }
    for transaction in &after.transactions {
        let row = transaction_to_row(&after.id, transaction);
        match before.transaction(&transaction.id) {
            Some(known) if known == transaction => {}
            Some(known) => {
                payment_transaction::Entity::update_many()
                    .set(only_changes(&transaction_to_row(&after.id, known), row))
                    .filter(payment_transaction::Column::Id.eq(&transaction.id))
                    .exec(database)
                    .await?;
            }
            None => {
                payment_transaction::Entity::insert(row)
                    .exec_without_returning(database)
                    .await?;
            }
        }
    }
    Ok(true)
}
