//! Every query of the service. Takes and gives domain types; a table's `Model` stays here.

mod addresses;
mod failures;
mod mail_tokens;
mod sessions;
mod users;

pub(crate) use mail_tokens::MailToken;
pub(crate) use sessions::Rotation;
pub(crate) use users::{NewUser, UserChange};

use service::database::Database;

/// The service's tables. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    pub(crate) fn new(database: Database) -> Store {
        Store { database }
    }
}
