//! Every query of the service. Takes and gives domain types; a table's `Model` stays here.

mod addresses;
mod attempts;
mod erasure;
mod mail_outbox;
mod mail_tokens;
mod profiles;
mod sessions;
mod upkeep;
mod users;

pub(crate) use mail_outbox::{DueMail, NewMail};
pub(crate) use mail_tokens::{Confirmation, MailToken};
pub(crate) use profiles::ProfileOutcome;
pub(crate) use sessions::Rotation;
pub(crate) use users::{Credentials, UserChange, fold_names};

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
