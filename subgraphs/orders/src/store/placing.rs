//! Storing new orders. Those that come at the same time are stored together: each takes its number from one row, which
//! is held until the commit so that numbers have no gaps, and so they would wait for each other's disk one by one.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, SqlErr};
use service::database::Database;
use service::fault;
use service::together::{Stored, Storing, Together};

use super::KeyUse;
use super::refusals::{Refusal, Refusals, refusals};
use super::rows::{event_to_row, line_to_row, order_to_row};
use super::{Store, StoreError};
use crate::domain::{LEASE, OrderFile};
use crate::entity::{counter, idempotency_key, order_event, order_line, orders};

/// Name of the counter of order numbers.
const ORDER_NUMBER: &str = "order_number";

/// Most orders in one transaction: with 100 lines each, well below the 32,766 values of a statement of SQLite.
const PLACED_AT_ONCE: usize = 16;

/// What [`Store::place`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// The order is stored; this is it, with its number.
    New(Box<OrderFile>),
    /// The key was used before; the order it made, and the hash of the request that made it.
    KnownKey {
        /// The order.
        order_id: String,
        /// The payment.
        payment_id: Option<String>,
        /// Hash of the request.
        request_hash: String,
    },
}

/// Stores new orders with those of others.
pub(super) type Placing = Together<Storing<Inserting>>;

pub(super) struct Inserting {
    pub(super) database: Database,
}

/// An order with what is stored beside it.
pub(super) struct New {
    pub(super) file: OrderFile,
    pub(super) key: KeyUse,
    lease: Option<String>,
}

impl Store {
    /// Stores an order with its saga, unless `key` was used before. With a `lease`, whoever places it drives the saga
    /// from the first moment on; else it is there to be claimed. A [`Refusal`] stores nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn place(
        &self,
        file: &OrderFile,
        key: &KeyUse,
        lease: Option<&str>,
    ) -> Result<Result<Placed, Refusal>, StoreError> {
        let new = New {
            file: file.clone(),
            key: key.clone(),
            lease: lease.map(str::to_owned),
        };
        match self.placing.store(new).await {
            Ok(placed) => Ok(placed.map(|placed| Placed::New(Box::new(placed)))),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                let known = self.key(&key.id).await?;
                let known = known.ok_or_else(|| StoreError::Contended {
                    id: file.order.id.clone(),
                });
                known.map(Ok)
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait::async_trait]
impl Stored for Inserting {
    type Change = New;
    type Outcome = Result<OrderFile, Refusal>;

    const AT_ONCE: usize = PLACED_AT_ONCE;

    async fn store(&self, new: &[New]) -> Result<Vec<Self::Outcome>, DbErr> {
        let mut refused = HashMap::new();
        // Without the refused, the others are stored anew: their numbers are to have no gaps.
        loop {
            let accepted = new.iter().filter(|new| !refused.contains_key(&new.key.id));
            match self.insert(&accepted.collect::<Vec<_>>()).await? {
                Ok(placed) => return outcomes(new, &refused, placed),
                Err(more) => refused.extend(more),
            }
        }
    }
}

impl Inserting {
    /// Stores all of `new`, or nothing, when some are refused.
    async fn insert(&self, new: &[&New]) -> Result<Result<Vec<OrderFile>, Refusals>, DbErr> {
        if new.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let database = self.database.begin().await?;
        // The keys first: the second of two equal calls waits here, and then fails before it takes a number.
        let keys = new
            .iter()
            .map(|new| key_to_row(&new.file.order.id, &new.key, new.file.order.placed_at));
        idempotency_key::Entity::insert_many(keys)
            .exec_without_returning(&database)
            .await?;
        let placed = numbered(new, next_numbers(&database, new.len()).await?);
        // Nobody else stores an order until the commit, so what is found here stays true.
        let refused = refusals(&database, new).await?;
        if !refused.is_empty() {
            database.rollback().await?;
            return Ok(Err(refused));
        }
        orders::Entity::insert_many(
            placed
                .iter()
                .zip(new)
                .map(|(file, new)| held(file, new.lease.as_deref())),
        )
        .exec_without_returning(&database)
        .await?;
        let lines = placed
            .iter()
            .flat_map(|file| file.lines.iter().map(|line| line_to_row(&file.order.id, line)));
        order_line::Entity::insert_many(lines)
            .exec_without_returning(&database)
            .await?;
        let events = new
            .iter()
            .flat_map(|New { file, .. }| file.new_events.iter().map(|event| event_to_row(&file.order.id, event)));
        order_event::Entity::insert_many(events)
            .exec_without_returning(&database)
            .await?;
        fault::point("orders.place.storing");
        database.commit().await?;
        fault::point("orders.place.stored");
        Ok(Ok(placed))
    }
}

/// What each hears: that it is refused, or its order as it was stored.
fn outcomes(new: &[New], refused: &Refusals, placed: Vec<OrderFile>) -> Result<Vec<Result<OrderFile, Refusal>>, DbErr> {
    let mut placed = placed.into_iter();
    let outcomes = new.iter().map(|new| match refused.get(&new.key.id) {
        Some(refusal) => Ok(Err(*refusal)),
        None => placed.next().map(Ok).ok_or_else(missing),
    });
    outcomes.collect()
}

/// The orders as they will be read: `last` is the number of the last of them.
fn numbered(new: &[&New], last: i64) -> Vec<OrderFile> {
    let first = last + 1 - i64::try_from(new.len()).unwrap_or(i64::MAX);
    let placed = new.iter().zip(first..).map(|(new, number)| {
        let mut file = new.file.clone();
        file.order.number = number;
        file.new_events.clear();
        file
    });
    placed.collect()
}

pub(super) fn hold(row: &mut orders::ActiveModel, lease: &str, now: DateTime<Utc>) {
    row.saga_lease_until = Set(Some(now + LEASE));
    row.saga_lease_owner = Set(Some(lease.to_owned()));
}

pub(super) fn key_to_row(order_id: &str, key: &KeyUse, now: DateTime<Utc>) -> idempotency_key::ActiveModel {
    idempotency_key::ActiveModel {
        id: Set(key.id.clone()),
        request_hash: Set(key.request_hash.clone()),
        order_id: Set(order_id.to_owned()),
        payment_id: Set(key.payment_id.clone()),
        created_at: Set(now),
    }
}

fn held(file: &OrderFile, lease: Option<&str>) -> orders::ActiveModel {
    let mut row = order_to_row(&file.order, &file.saga);
    if let Some(lease) = lease {
        hold(&mut row, lease, file.order.placed_at);
    }
    row
}

fn missing() -> DbErr {
    DbErr::RecordNotFound("the number of an order".to_owned())
}

/// The last of `count` numbers. One statement counts, and holds the row until the orders are stored.
async fn next_numbers(database: &impl ConnectionTrait, count: usize) -> Result<i64, DbErr> {
    use counter::Column;
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let mut add = Query::update();
    add.table(counter::Entity)
        .value(Column::Value, Expr::col(Column::Value).add(count))
        .and_where(Column::Name.eq(ORDER_NUMBER));
    if database.support_returning() {
        add.returning_col(Column::Value);
        let row = database.query_one(&add).await?.ok_or_else(missing)?;
        return row.try_get("", "value");
    }
    database.execute(&add).await?;
    let row = counter::Entity::find_by_id(ORDER_NUMBER).one(database).await?;
    row.map(|row| row.value).ok_or_else(missing)
}
