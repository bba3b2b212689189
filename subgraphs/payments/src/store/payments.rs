//! Payments and their transactions.

use std::collections::HashMap;
use std::convert::Infallible;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, SqlErr,
};
use service::contract::payments::PaymentStatus;
use service::database::{Database, OneOf as _};
use service::paging::{Cursor, Keyset, Page, PageArgs};

use super::due::{self, Share};
use super::rows::payment_from_row;
use super::writing::Change;
use super::{Store, StoreError};
use crate::domain::Payment;
use crate::entity::{payment, payment_transaction};

/// How often a change is tried again when somebody else was faster.
const CHANGE_ATTEMPTS_MAX: u32 = 5;

/// What [`Store::create`] found.
pub enum Created {
    /// The payment is stored.
    New,
    /// A payment with this id was there before.
    Existing(Box<Payment>),
    /// The order has another open payment.
    OrderHasOpenPayment,
}

/// A transaction that nobody works on and that is not closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueTransaction {
    /// Its id.
    pub transaction_id: String,
    /// Its payment's id.
    pub payment_id: String,
}

impl Store {
    /// Stores a payment that orders asked for, unless its id is known or the order has an open payment.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn create(&self, payment: &Payment) -> Result<Created, StoreError> {
        let change = Change {
            before: None,
            after: payment.clone(),
            now: payment.created_at,
        };
        match self.writing.store(change).await {
            Ok(_) => Ok(Created::New),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                Ok(match self.payment(&payment.id).await? {
                    Some(existing) => Created::Existing(Box::new(existing)),
                    None => Created::OrderHasOpenPayment,
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a payment as `decide` says, in one local transaction; a change that orders can see also stores the
    /// event for it. `decide` may run several times, and must do nothing but change its argument.
    ///
    /// Answers with `None` when there is no such payment, else with what `decide` said and the payment as it is now.
    /// An `Err` of `decide` stores nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails, or others keep changing the payment.
    pub async fn change<T, E>(
        &self,
        payment_id: &str,
        now: DateTime<Utc>,
        decide: impl Fn(&mut Payment) -> Result<T, E>,
    ) -> Result<Option<Result<(T, Payment), E>>, StoreError> {
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let Some(before) = self.payment(payment_id).await? else {
                return Ok(None);
            };
            let mut after = before.clone();
            let decided = match decide(&mut after) {
                Ok(decided) => decided,
                Err(error) => return Ok(Some(Err(error))),
            };
            if after == before || self.update(&before, &after, now).await? {
                return Ok(Some(Ok((decided, after))));
            }
        }
        Err(StoreError::Contended {
            id: payment_id.to_owned(),
        })
    }

    /// [`Store::change`] of a payment as it was read or written a moment ago; it is read anew when it has changed
    /// since, and when there would be nothing to change.
    ///
    /// # Errors
    /// As [`Store::change`].
    pub async fn change_known(
        &self,
        known: &Payment,
        now: DateTime<Utc>,
        act: impl Fn(&mut Payment),
    ) -> Result<Option<Payment>, StoreError> {
        let mut after = known.clone();
        act(&mut after);
        if after != *known && self.update(known, &after, now).await? {
            return Ok(Some(after));
        }
        let changed = self.change(&known.id, now, |payment| {
            act(payment);
            Ok::<(), Infallible>(())
        });
        Ok(changed.await?.and_then(Result::ok).map(|((), payment)| payment))
    }

    /// Writes the difference, with what is written of other payments at this moment; false when the payment has changed
    /// since it was read.
    async fn update(&self, before: &Payment, after: &Payment, now: DateTime<Utc>) -> Result<bool, DbErr> {
        let change = Change {
            before: Some(before.clone()),
            after: after.clone(),
            now,
        };
        self.writing.store(change).await
    }

    /// The payment with this id.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn payment(&self, id: &str) -> Result<Option<Payment>, StoreError> {
        Ok(self.by_id.load(id.to_owned()).await?)
    }

    /// The payment to which `gateway` gave this id.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn payment_by_reference(&self, gateway: &str, reference: &str) -> Result<Option<Payment>, StoreError> {
        let select = payment::Entity::find()
            .filter(payment::Column::Gateway.eq(gateway))
            .filter(payment::Column::GatewayReference.eq(reference));
        Ok(load(&self.database, select).await?.pop())
    }

    /// When the oldest call was written down of which nobody knows what became of it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn oldest_unknown(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        use payment_transaction::Column;
        let oldest = payment_transaction::Entity::find()
            .filter(Column::NextAt.is_not_null())
            .filter(Column::Status.eq("UNKNOWN"))
            .order_by_asc(Column::CreatedAt)
            .one(self.database.read())
            .await?;
        Ok(oldest.map(|row| row.created_at))
    }

    /// The payments of each of these orders, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn payments_by_order(&self, order_ids: Vec<String>) -> Result<HashMap<String, Vec<Payment>>, StoreError> {
        let select = payment::Entity::find()
            .filter(payment::Column::OrderId.is_one_of(order_ids))
            .order_by_desc(payment::Column::CreatedAt)
            .order_by_desc(payment::Column::Id);
        let mut by_order: HashMap<String, Vec<Payment>> = HashMap::new();
        for payment in load(&self.database, select).await? {
            by_order.entry(payment.order_id.clone()).or_default().push(payment);
        }
        Ok(by_order)
    }

    /// A page of all payments, newest first; `counted` also counts them.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn page(
        &self,
        statuses: &[PaymentStatus],
        args: &PageArgs,
        counted: bool,
    ) -> Result<Page<Payment>, StoreError> {
        let mut select = payment::Entity::find();
        if !statuses.is_empty() {
            let names = statuses.iter().map(|status| status.as_str());
            select = select.filter(payment::Column::Status.is_in(names));
        }
        let total = if counted {
            Some(select.clone().count(self.database.read()).await?)
        } else {
            None
        };
        let order = Keyset::new().descending(payment::Column::Id.into_expr());
        let rows = order.apply(select, args).all(self.database.read()).await?;
        let payments = self.with_transactions(rows).await?;
        Ok(args
            .page(payments, |payment| Cursor::new(&(&payment.id,)))
            .with_total(total))
    }

    /// Takes over at most `limit` transactions of `share` whose time has come: each is handed to one caller for the lease.
    ///
    /// * `times`: now, and how long a lease is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn take_due_transactions(
        &self,
        share: &Share,
        limit: u64,
        times: (DateTime<Utc>, TimeDelta),
    ) -> Result<Vec<DueTransaction>, StoreError> {
        let rows = due::take::<payment_transaction::Entity>(&self.database, share, limit, times).await?;
        let transaction = |row: payment_transaction::Model| DueTransaction {
            transaction_id: row.id,
            payment_id: row.payment_id,
        };
        Ok(rows.into_iter().map(transaction).collect())
    }

    /// Two statements, however many payments.
    async fn with_transactions(&self, rows: Vec<payment::Model>) -> Result<Vec<Payment>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ids = rows.iter().map(|row| row.id.as_str());
        let transactions = payment_transaction::Entity::find()
            .filter(payment_transaction::Column::PaymentId.is_one_of(ids))
            .order_by_asc(payment_transaction::Column::Id)
            .all(self.database.read())
            .await?;
        let mut by_payment: HashMap<String, Vec<payment_transaction::Model>> = HashMap::new();
        for transaction in transactions {
            by_payment
                .entry(transaction.payment_id.clone())
                .or_default()
                .push(transaction);
        }
        rows.into_iter()
            .map(|row| {
                let transactions = by_payment.remove(&row.id).unwrap_or_default();
                payment_from_row(row, transactions)
            })
            .collect()
    }

    /// Whether the tables hold any payment.
    pub(super) async fn is_empty(connection: &impl ConnectionTrait) -> Result<bool, DbErr> {
        Ok(payment::Entity::find().limit(1).one(connection).await?.is_none())
    }
}

/// The payments with these ids.
pub(super) async fn payments_by_id(
    database: &Database,
    ids: Vec<String>,
) -> Result<HashMap<String, Payment>, StoreError> {
    let payments = load(
        database,
        payment::Entity::find().filter(payment::Column::Id.is_one_of(ids)),
    );
    let payments = payments.await?.into_iter();
    Ok(payments.map(|payment| (payment.id.clone(), payment)).collect())
}

/// Payments with their transactions, in the order of `select`, which has no limit.
async fn load(database: &Database, select: Select<payment::Entity>) -> Result<Vec<Payment>, StoreError> {
    let rows = select
        .find_also_related(payment_transaction::Entity)
        .order_by_asc(payment_transaction::Column::Id)
        .all(database.read())
        .await?;
    let mut payments: Vec<(payment::Model, Vec<payment_transaction::Model>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (payment, transaction) in rows {
        let place = *places.entry(payment.id.clone()).or_insert_with(|| {
            payments.push((payment, Vec::new()));
            payments.len() - 1
        });
        payments[place].1.extend(transaction);
    }
    payments
        .into_iter()
        .map(|(payment, transactions)| payment_from_row(payment, transactions))
        .collect()
}
