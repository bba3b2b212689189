//! How often something may be tried.
//!
//! Counted per email address (known or not: the answer must not tell) and per network, in windows of 15 minutes, in
//! the database: several replicas share it, and a restart forgets nothing.

use super::Occasion;
use chrono::Duration;
use sha2::{Digest, Sha256};

/// Length of a window.
pub(crate) const WINDOW: Duration = Duration::minutes(15);

/// Whose attempts are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Hash of the subject, so that the table names nobody.
    pub(crate) key: String,
    /// Attempts within a window after which nothing is tried any more.
    pub(crate) attempts_max: i32,
}

impl Attempts {
    /// Logins to one account that have not succeeded.
    pub(crate) fn login_to(email: &str) -> Attempts {
        Attempts::new("email", email, 10)
    }

    /// Failed logins from one network; more, since offices and mobile networks share addresses.
    pub(crate) fn login_from(network: &str) -> Attempts {
        Attempts::new("network", network, 100)
    }

    /// Changes of the password of one account, each of which is told by mail.
    pub(crate) fn password_change_of(user_id: &str) -> Attempts {
        Attempts::new("password", user_id, 5)
    }

    /// Refreshes of one session, each of which is kept until a lifetime later.
    pub(crate) fn refresh_of(session_id: &str) -> Attempts {
        Attempts::new("refresh", session_id, 60)
    }

    /// Registrations from one network.
    pub(crate) fn registration_from(network: &str) -> Attempts {
        Attempts::new("registration", network, 50)
    }

    /// Registrations of one address, each of which sends it a mail: also those of an account that is deleted again.
    pub(crate) fn registration_of(email: &str) -> Attempts {
        Attempts::new("address", email, 3)
    }

    /// Mails that somebody who is not signed in has sent to others, from one network.
    pub(crate) fn mail_from(network: &str) -> Attempts {
        Attempts::new("mail", network, 50)
    }

    /// Mails of one kind to (or because of) one subject: an address, or an account.
    pub(crate) fn mail_to(occasion: Occasion, subject: &str) -> Attempts {
        Attempts::new(occasion.as_str(), subject, 3)
    }

    fn new(kind: &str, subject: &str, attempts_max: i32) -> Attempts {
        let key = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{kind}:{subject}")));
        Attempts { key, attempts_max }
    }
}
