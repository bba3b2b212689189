//! Writing payments: several that are made or change at the same time are written in one transaction.

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, EntityTrait as _};
use service::database::{Database, RowChange, RowsOf, Transaction, update_all};
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

    /// Each may write a statement or two; a transaction is to be short.
    const AT_ONCE: usize = 16;

    async fn store(&self, changes: &[Change]) -> Result<Vec<bool>, DbErr> {
        let database = self.database.begin().await?;
        let mut written = vec![true; changes.len()];
        insert(&database, changes).await?;
        let mut updated: Vec<_> = changes.iter().zip(&mut written).filter_map(Updated::new).collect();
        // In one order, so that two replicas hardly ever wait for each other in a circle.
        updated.sort_by(|a, b| a.after.id.cmp(&b.after.id));
        update(&database, &mut updated).await?;
        let news = updated
            .iter()
            .filter(|one| *one.written && is_news(one.before, one.after));
        let news: Vec<_> = news.map(|one| changed_event(one.after, one.now)).collect();
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

const PAYMENTS: RowsOf<payment::Column> = {
    use payment::Column::{
        AuthorizedMinor, CapturedMinor, GatewayReference, MethodBrand, MethodExpiryMonth, MethodExpiryYear, MethodKind,
        MethodLast4, OpenSlot, PaymentMethodToken, Status, UpdatedAt, Version,
    };
    RowsOf {
        key: payment::Column::Id,
        usual: &[
            OpenSlot,
            Status,
            AuthorizedMinor,
            CapturedMinor,
            GatewayReference,
            MethodKind,
            MethodBrand,
            MethodLast4,
            MethodExpiryMonth,
            MethodExpiryYear,
            PaymentMethodToken,
            Version,
            UpdatedAt,
        ],
    }
};

/// Without `next_at`, which whoever takes a transaction over moves.
const TRANSACTIONS: RowsOf<payment_transaction::Column> = RowsOf {
    key: payment_transaction::Column::Id,
    usual: &[
        payment_transaction::Column::Status,
        payment_transaction::Column::GatewayReference,
    ],
};

/// A payment that changes.
struct Updated<'a> {
    before: &'a Payment,
    after: &'a Payment,
    now: DateTime<Utc>,
    /// False when it has changed since it was read.
    written: &'a mut bool,
}

impl<'a> Updated<'a> {
    /// `None` for a new payment.
    fn new((change, written): (&'a Change, &'a mut bool)) -> Option<Updated<'a>> {
        Some(Updated {
            before: change.before.as_ref()?,
            after: &change.after,
            now: change.now,
            written,
        })
    }
}

/// Writes what differs, of payments that have not changed since they were read.
async fn update(database: &Transaction, updated: &mut [Updated<'_>]) -> Result<(), DbErr> {
    let payments: Vec<_> = updated
        .iter()
        .map(|one| payment_change(one.before, one.after))
        .collect();
    let written = update_all(database, PAYMENTS, &payments).await?;
    for (one, written) in updated.iter_mut().zip(written) {
        *one.written = written;
    }
    let (mut changed, mut new) = (Vec::new(), Vec::new());
    for one in updated.iter().filter(|one| *one.written) {
        for transaction in &one.after.transactions {
            let row = transaction_to_row(&one.after.id, transaction);
            match one.before.transaction(&transaction.id) {
                Some(known) if known == transaction => {}
                Some(known) => changed.push(RowChange {
                    id: transaction.id.clone(),
                    before: transaction_to_row(&one.after.id, known),
                    after: row,
                    guards: Vec::new(),
                }),
                None => new.push(row),
            }
        }
    }
    update_all(database, TRANSACTIONS, &changed).await?;
    if !new.is_empty() {
        payment_transaction::Entity::insert_many(new)
            .exec_without_returning(database)
            .await?;
    }
    Ok(())
}

fn payment_change(before: &Payment, after: &Payment) -> RowChange<payment::ActiveModel> {
    RowChange {
        id: after.id.clone(),
        before: payment_to_row(before),
        after: payment_to_row(after),
        guards: vec![(payment::Column::Version, before.version.into())],
    }
}
