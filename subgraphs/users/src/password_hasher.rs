//! Hashes passwords with argon2id, off the threads that serve requests, and only a few at a time.
//!
//! A hash takes 19 MiB and some 20 ms of a core: without the semaphore, a burst of logins would take the machine.

use anyhow::Context;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Hashes and verifies passwords. Clones share the limit.
#[derive(Clone, Debug)]
pub(crate) struct PasswordHasher {
    slots: Arc<Semaphore>,
}

/// A hash of nobody's password, with the same parameters as everybody's: verified when an account does not exist, so
/// that the answer takes as long.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mtc2FsdA$4vzdCEsBxg9cP4Md1ZSZ3cHOhEMhiTlxUPbBYBkbBx0";

impl PasswordHasher {
    /// At most `concurrent` hashes at a time; others wait.
    pub(crate) fn new(concurrent: u16) -> PasswordHasher {
        PasswordHasher {
            slots: Arc::new(Semaphore::new(usize::from(concurrent))),
        }
    }

    /// The PHC string of `password` with a new salt.
    pub(crate) async fn hash(&self, password: &str) -> anyhow::Result<String> {
        let password = password.to_owned();
        self.run(move || hash(&password)).await?
    }

    /// Whether `password` belongs to `hash`. `None` for a hash takes as long, and is false.
    pub(crate) async fn verify(&self, password: &str, hash: Option<&str>) -> anyhow::Result<bool> {
        let (password, known) = (password.to_owned(), hash.is_some());
        let hash = hash.unwrap_or(NOBODYS_HASH).to_owned();
        let matches = self.run(move || -> anyhow::Result<bool> {
            let hash = PasswordHash::new(&hash).map_err(|error| anyhow::anyhow!("a stored hash is broken: {error}"))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(matches.await?? && known)
    }

    /// Whether `hash` was made with other parameters than new ones are, and should be replaced when the password is
    /// known again: at the next login.
    pub(crate) fn is_outdated(hash: &str) -> bool {
        let parameters = |hash: &str| hash.rsplitn(3, '$').nth(2).map(str::to_owned);
        parameters(hash) != parameters(NOBODYS_HASH)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
        let _slot = self.slots.acquire().await.context("the semaphore is never closed")?;
        tokio::task::spawn_blocking(work)
            .await
            .context("a hash could not be computed")
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

    #[tokio::test]
    async fn a_hash_belongs_to_one_password() {
        let hasher = PasswordHasher::new(1);
        let hash = hasher.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!hasher.verify("battery staple", Some(&hash)).await.unwrap());
        assert!(!hasher.verify("correct horse", None).await.unwrap());
        assert!(!PasswordHasher::is_outdated(&hash));
        assert!(PasswordHasher::is_outdated(&hash.replace("m=19456", "m=4096")));
    }
}
