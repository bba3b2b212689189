//! Every query of this service. Takes and gives domain types; rows stay inside.

mod catalogue_changes;
mod categories;
mod category_changes;
mod listing;
mod lists;
mod offers;
mod products;
mod reindexing;
mod reservations;
mod search;
mod seeding;
mod stock;
mod together;
mod variants;

use lists::Lists;

pub(crate) use offers::Offers;
pub(crate) use reindexing::reindex;
pub(crate) use reservations::ReservationConflict;
pub(crate) use seeding::seed;
pub(crate) use stock::Adjustment;
pub(crate) use together::Reservations;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, SqlErr};
use serde::Serialize;
use serde::de::DeserializeOwned;
use service::clock::Clock;
use service::database::{Database, Transaction};
use service::money::Currency;
use service::recent::{Changes, Recent};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// The catalogue's tables.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
    /// Currency in which each variant has a price, and lists are sorted.
    main_currency: Currency,
    clock: Clock,
    /// How old may be what shoppers look at.
    age_max: Duration,
    /// Of the catalogue, by this replica.
    changes: Changes,
    lists: Arc<Lists>,
}

/// The database failed, or holds what this release cannot read. Not the caller's fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// A statement failed.
    #[error("a statement failed")]
    Database(#[from] DbErr),
    /// A column holds something else than it should.
    #[error("`{column}` of `{id}` cannot be read")]
    Unreadable {
        /// Which column.
        column: &'static str,
        /// Of which row.
        id: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

type Result<T> = std::result::Result<T, StoreError>;

impl Store {
    /// The tables in `database`; prices are shown in `main_currency` unless another one is asked for, and what shoppers look
    /// at may be as old as `age_max`.
    #[must_use]
    pub(crate) fn new(database: Database, main_currency: Currency, clock: Clock, age_max: Duration) -> Store {
        let changes = Changes::default();
        Store {
            database,
            main_currency,
            clock,
            age_max,
            lists: Arc::new(Lists::new(age_max, &changes)),
            changes,
        }
    }

    /// Keeps what shoppers look at, until the catalogue changes here. See [`Recent::new`].
    pub(crate) fn recent<K, V>(&self, weight_max: u64, weight: fn(&K, &V) -> usize) -> Recent<K, V>
    where
        K: Clone + Eq + Hash,
        V: Clone,
    {
        Recent::new(self.age_max, weight_max, weight).cleared_by(&self.changes)
    }

    /// Of the catalogue, by this replica.
    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The currency in which every variant has a price.
    #[must_use]
    pub(crate) fn main_currency(&self) -> Currency {
        self.main_currency
    }

    /// Commits a change of the catalogue that whoever made it must find wherever they look.
    async fn commit_change(&self, transaction: Transaction) -> Result<()> {
        transaction.commit().await?;
        self.changes.note();
        Ok(())
    }

    fn backend(&self) -> DatabaseBackend {
        self.database.read().get_database_backend()
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }
}

fn from_json<T: DeserializeOwned>(column: &'static str, id: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| StoreError::Unreadable {
        column,
        id: id.to_owned(),
        source,
    })
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("plain structs with string keys serialise")
}

fn time(ms: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// Inserts a row unless there is one with its primary key; whether it did. Waits for a transaction that inserts the
/// same.
async fn insert_once<A: ActiveModelTrait>(transaction: &Transaction, row: A) -> Result<bool> {
    let insert = <A::Entity as EntityTrait>::insert(row);
    if transaction.get_database_backend() == DatabaseBackend::MySql {
        // Its ON DUPLICATE KEY counts a row that stays as it is like a new one; but an insert that fails leaves the
        // transaction as it was, which PostgreSQL's does not.
        return match insert.exec_without_returning(transaction).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
            Err(error) => Err(error.into()),
        };
    }
    let nothing = OnConflict::new().do_nothing().to_owned();
    Ok(insert.on_conflict(nothing).exec_without_returning(transaction).await? == 1)
}
