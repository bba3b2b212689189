//! Every query. Takes and gives domain types; an entity model never leaves this folder.
//!
//! [`Store::change`] is the only way to change an order: load the file, let the domain decide, and write what changed
//! in one local transaction, which leaves the order as it is when somebody else was faster.

mod adding;
mod carts;
mod changes;
mod events;
mod placing;
mod reads;
mod refusals;
mod rows;
mod seed;
mod updates;

use service::database::Database;
use service::events::Notes;
use service::loader::{LoadError, Loader};
use service::together::{Storing, Together};

use crate::domain::{Cart, OrderFile};

pub use carts::CartEdit;
pub use changes::{Driven, KeyUse};
pub use placing::Placed;
pub use reads::OrderFilter;
pub use refusals::Refusal;
pub use seed::seed;

/// The tables of this service.
#[derive(Clone)]
pub struct Store {
    database: Database,
    adding: adding::Adding,
    placing: placing::Placing,
    updating: updates::Updating,
    notes: Notes,
    files: Loader<String, OrderFile>,
    carts: Loader<String, Cart>,
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
        let (of_files, of_carts) = (database.clone(), database.clone());
        Self {
            updating: Together::new(Storing(updates::Updates {
                database: database.clone(),
            })),
            adding: Together::new(Storing(adding::Additions {
                database: database.clone(),
            })),
            placing: Together::new(Storing(placing::Inserting {
                database: database.clone(),
            })),
            notes: Notes::new(database.clone()),
            files: Loader::new(move |ids| {
                let database = of_files.clone();
                async move { reads::files(&database, ids).await }
            }),
            carts: Loader::new(move |user_ids| {
                let database = of_carts.clone();
                async move { carts::carts_by_user(&database, user_ids).await }
            }),
            database,
        }
    }
}
