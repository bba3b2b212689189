//! Hashes passwords with argon2id, off the threads that serve requests, only a few at a time, and with a short queue.
//!
//! A hash takes 19 MiB and some 20 ms of a core: without the semaphore, a burst of logins would take the machine, and
//! without the bound on the queue, everybody would wait behind it until their deadlines.

use anyhow::Context;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many may wait for each one that is hashed: the last of them waits for sixteen hashes, about a third of a second.
const WAITING_PER_SLOT: usize = 16;

/// Longest password that is looked at, in bytes: four for each character that a password may have.
const PASSWORD_BYTES_MAX: usize = 1024;

/// Hashes and verifies passwords. Clones share the limits.
#[derive(Clone, Debug)]
pub(crate) struct PasswordHasher {
    slots: Arc<Semaphore>,
    /// One permit for each that is hashed or waits.
    places: Arc<Semaphore>,
}

/// A place among those whose password is hashed, or waits to be: for one password.
#[derive(Debug)]
pub(crate) struct Place {
    slots: Arc<Semaphore>,
    permit: OwnedSemaphorePermit,
}

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    /// Too many wait already.
    #[error("too many passwords are being checked")]
    Busy,
    /// A fault of ours.
    #[error("a password could not be hashed")]
    Fault(#[source] anyhow::Error),
}

/// A hash of nobody's password, with the same parameters as everybody's: verified when an account does not exist, so
/// that the answer takes as long.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mtc2FsdA$4vzdCEsBxg9cP4Md1ZSZ3cHOhEMhiTlxUPbBYBkbBx0";

impl PasswordHasher {
    /// At most `concurrent` hashes at a time; sixteen times as many wait, others are [`HashError::Busy`].
    pub(crate) fn new(concurrent: u16) -> PasswordHasher {
        let slots = usize::from(concurrent);
        PasswordHasher {
            slots: Arc::new(Semaphore::new(slots)),
            places: Arc::new(Semaphore::new(slots + slots * WAITING_PER_SLOT)),
        }
    }

    /// A place in the queue, or [`HashError::Busy`]. Taken before an attempt is counted: a busy moment is nobody's fault.
    pub(crate) fn place(&self) -> Result<Place, HashError> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        Ok(Place {
            slots: Arc::clone(&self.slots),
            permit: permit.map_err(|_| HashError::Busy)?,
        })
    }

    /// Whether `hash` was made with other parameters than new ones are, and should be replaced when the password is
    /// known again: at the next login.
    pub(crate) fn is_outdated(hash: &str) -> bool {
        let parameters = |hash: &str| hash.rsplitn(3, '$').nth(2).map(str::to_owned);
        parameters(hash) != parameters(NOBODYS_HASH)
    }

    /// Holds every slot, so that whoever has a place waits.
    #[cfg(test)]
    pub(crate) async fn stop(&self) -> OwnedSemaphorePermit {
        let slots = u32::try_from(self.slots.available_permits()).expect("there are few");
        let stopped = Arc::clone(&self.slots).acquire_many_owned(slots).await;
        stopped.expect("nobody closes it")
    }
}

impl Place {
    /// The PHC string of `password` with a new salt.
    pub(crate) async fn hash(self, password: &str) -> Result<String, HashError> {
        let password = password.to_owned();
        self.run(move || hash(&password)).await
    }

    /// Whether `password` belongs to `hash`. `None` for a hash takes as long, and is false; so is a password that is
    /// longer than any that could have been set.
    pub(crate) async fn verify(self, password: &str, hash: Option<&str>) -> Result<bool, HashError> {
        let possible = hash.is_some() && password.len() <= PASSWORD_BYTES_MAX;
        let mut password = password.as_bytes().to_vec();
        password.truncate(PASSWORD_BYTES_MAX);
        let hash = hash.unwrap_or(NOBODYS_HASH).to_owned();
        let matches = self.run(move || -> anyhow::Result<bool> {
            let hash = PasswordHash::new(&hash).map_err(|error| anyhow::anyhow!("a stored hash is broken: {error}"))?;
            Ok(Argon2::default().verify_password(&password, &hash).is_ok())
        });
        Ok(matches.await? && possible)
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, HashError> {
        let slot = self.slots.acquire_owned().await;
        let slot = slot.map_err(|closed| HashError::Fault(closed.into()))?;
        let hashing = tokio::task::spawn_blocking(move || {
            // Held by the work and not by whoever waits for it: a client that hangs up does not free the core.
            let _held = (self.permit, slot);
            work()
        });
        let done = hashing.await.context("the hashing thread ended");
        done.and_then(|done| done).map_err(HashError::Fault)
    }
}

/// The PHC string of `password`, computed on this thread.
pub(crate) fn hash(password: &str) -> anyhow::Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash
        .map_err(|error| anyhow::anyhow!("a password could not be hashed: {error}"))?
        .to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn verify(hasher: &PasswordHasher, password: &str, hash: Option<&str>) -> Result<bool, HashError> {
        hasher.place()?.verify(password, hash).await
    }

    #[tokio::test]
    async fn a_hash_belongs_to_one_password() {
        let hasher = PasswordHasher::new(1);
        let hash = hasher.place().unwrap().hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify(&hasher, "correct horse", Some(&hash)).await.unwrap());
        assert!(!verify(&hasher, "battery staple", Some(&hash)).await.unwrap());
        assert!(!verify(&hasher, "correct horse", None).await.unwrap());
        assert!(!verify(&hasher, &"x".repeat(2_000), Some(&hash)).await.unwrap());
        assert!(!PasswordHasher::is_outdated(&hash));
        assert!(PasswordHasher::is_outdated(&hash.replace("m=19456", "m=4096")));
    }

    #[tokio::test]
    async fn a_burst_is_turned_away_and_a_client_that_leaves_frees_nothing() {
        let hasher = PasswordHasher::new(1);
        let burst = (0..40).map(|_| verify(&hasher, "x", None));
        let answers = futures::future::join_all(burst).await;
        let busy = answers
            .iter()
            .filter(|answer| matches!(answer, Err(HashError::Busy)))
            .count();
        assert_eq!(busy, 40 - 17, "one is hashed and sixteen wait");

        let (started, running) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let work = hasher.place().unwrap().run(move || {
            started.send(())?;
            Ok(released.recv()?)
        });
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(1), work).await;
        assert!(waiting.is_err(), "the client has left");
        running.recv().unwrap();
        assert_eq!(hasher.slots.available_permits(), 0, "its hash still runs");
        release.send(()).unwrap();
        assert!(!verify(&hasher, "x", None).await.unwrap());
    }
}
