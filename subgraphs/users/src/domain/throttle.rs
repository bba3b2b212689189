//! How many failed logins are too many.
//!
//! Counted per email address (known or not: the answer must not tell) and per network, in windows of 15 minutes, in
//! the database: several replicas share it.

use chrono::Duration;
use sha2::{Digest, Sha256};

/// Length of a window.
pub(crate) const WINDOW: Duration = Duration::minutes(15);

/// Whose attempts are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Hash of the subject, so that the table names nobody.
    pub(crate) key: String,
    /// Failures within a window after which nothing is tried any more.
    pub(crate) failures_max: i32,
}

impl Attempts {
    /// Logins to one account.
    pub(crate) fn of_email(email: &str) -> Attempts {
        Attempts {
            key: key("email", email),
            failures_max: 10,
        }
    }

    /// Logins from one network; more, since offices and mobile networks share addresses.
    pub(crate) fn of_network(prefix: &str) -> Attempts {
        Attempts {
            key: key("network", prefix),
            failures_max: 100,
        }
    }
}

fn key(kind: &str, subject: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{kind}:{subject}")))
}
