//! Every query. Takes and gives domain types; an entity model never leaves this folder.
//!
//! [`Store::change`] is the only way to change an order: load the file, let the domain decide, and write what changed
//! in one local transaction that fails when somebody else was faster.

mod carts;
mod changes;
mod events;
mod placing;
mod reads;
mod rows;
mod seed;

use service::database::Database;

pub use carts::CartEdit;
pub use changes::{Driven, KeyUse};
pub use placing::Placed;
pub use reads::OrderFilter;
pub use seed::seed;

/// The tables of this service.
#[derive(Clone)]
pub struct Store {
    database: Database,
    placing: placing::Placing,
}

/// Why a query gave no answer; details are for the log.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sea_orm::DbErr),
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
        Self {
            database,
            placing: placing::Placing::default(),
        }
    }
}
