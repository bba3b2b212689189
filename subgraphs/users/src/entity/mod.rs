//! The tables, one a file. A `Model` never leaves `store`.

// Columns are explained where they are created, in `migration`; the derives write `pub` items beside the models.
#![allow(missing_docs, unreachable_pub)]

pub(crate) mod address;
pub(crate) mod erased_user;
pub(crate) mod login_failure;
pub(crate) mod mail_outbox;
pub(crate) mod mail_token;
pub(crate) mod refresh_token;
pub(crate) mod session;
pub(crate) mod signing_key;
pub(crate) mod user;
