//! What people do with their accounts: one function per use case, which checks, stores, and answers.
//!
//! In: plain arguments and the viewer's id, already authenticated. Out: domain types, or a [`Failure`] that tells
//! mistakes of the caller from faults of ours. Knows no GraphQL and no SQL.

mod erasure;
mod mails;
mod profiles;
mod sign_in;
#[cfg(test)]
mod tests;

pub(crate) use sign_in::{NewAccount, SignedIn, Tokens};

use crate::config::UsersConfig;
use crate::domain::{Reason, Refusal, User};
use crate::keyring::Keyring;
use crate::password_hasher::{HashError, PasswordHasher};
use crate::store::Store;
use service::auth::TokenSettings;
use service::clock::Clock;
use service::events::RelayBell;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::Notify;

/// What the use cases are made of.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) hasher: PasswordHasher,
    pub(crate) keyring: Keyring,
    /// Woken when a mail was stored.
    pub(crate) outbox: Arc<Notify>,
    /// Rung when an event was written.
    pub(crate) relay: RelayBell,
    pub(crate) tokens: TokenSettings,
    pub(crate) clock: Clock,
    pub(crate) config: UsersConfig,
}

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Accounts {
    parts: Arc<Parts>,
}

impl Accounts {
    pub(crate) fn new(parts: Parts) -> Accounts {
        Accounts { parts: Arc::new(parts) }
    }

    async fn existing_user(&self, id: &str) -> Answer<User> {
        let user = self.store.user(id).await?;
        user.ok_or_else(|| Refusal::new(Reason::NotFound, "There is no such account.").into())
    }
}

impl Deref for Accounts {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Why a use case was not carried out.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller can act on it.
    Refused(Vec<Refusal>),
    /// Too much is asked of us at the moment; the same may succeed later.
    Busy,
    /// We cannot do it; somebody must look.
    Fault(anyhow::Error),
}

/// What a use case answers.
pub(crate) type Answer<T> = Result<T, Failure>;

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(vec![refusal])
    }
}

impl From<Vec<Refusal>> for Failure {
    fn from(refusals: Vec<Refusal>) -> Failure {
        Failure::Refused(refusals)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(fault: anyhow::Error) -> Failure {
        Failure::Fault(fault)
    }
}

impl From<HashError> for Failure {
    fn from(error: HashError) -> Failure {
        match error {
            HashError::Busy => Failure::Busy,
            HashError::Fault(fault) => Failure::Fault(fault),
        }
    }
}

impl From<service::database::DbErr> for Failure {
    fn from(fault: service::database::DbErr) -> Failure {
        Failure::Fault(fault.into())
    }
}

/// The same refusals, of arguments inside the argument `parent`.
fn below(parent: &'static str) -> impl Fn(Vec<Refusal>) -> Vec<Refusal> {
    move |refusals| refusals.into_iter().map(|refusal| refusal.below(parent)).collect()
}
