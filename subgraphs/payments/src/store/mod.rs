//! Every query. Takes and gives domain types; an entity model never leaves this folder.
//!
//! [`Store::change`] is the only way to change a payment: load, let the domain decide, and write payment, transactions
//! and the event for orders in one local transaction that fails when somebody else was faster.

mod due;
mod payments;
mod rows;
mod seed;
mod webhooks;
mod writing;

use service::database::Database;
use service::loader::{LoadError, Loader};
use service::together::{Storing, Together};

use crate::domain::Payment;

pub use due::Share;
pub use payments::Created;
pub use seed::seed;
pub use webhooks::{DueWebhook, NewWebhook};

/// The tables of this service.
#[derive(Clone)]
pub struct Store {
    database: Database,
    by_id: Loader<String, Payment>,
    writing: writing::Writing,
    receiving: webhooks::Receiving,
}

/// Why a query gave no answer; details are for the log.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sea_orm::DbErr),
    /// What was read for many at once could not be; the log has why.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A row holds what the domain does not know.
    #[error("the row `{id}` cannot be read: {what}")]
    Row {
        /// Its id.
        id: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Somebody else changed the row again and again.
    #[error("the row `{id}` is changed too often")]
    Contended {
        /// Its id.
        id: String,
    },
}

impl Store {
    /// The tables in `database`, which must be migrated.
    #[must_use]
    pub fn new(database: Database) -> Self {
        let read = database.clone();
        let by_id = Loader::new(move |ids| {
            let database = read.clone();
            async move { payments::payments_by_id(&database, ids).await }
        });
        let writing = Together::new(Storing(writing::Payments {
            database: database.clone(),
        }));
        let receiving = Together::new(Storing(webhooks::Webhooks {
            database: database.clone(),
        }));
        Self {
            database,
            by_id,
            writing,
            receiving,
        }
    }
}
