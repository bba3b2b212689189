//! Erasure of an account, at its owner's wish.

use super::{Accounts, Answer};
use crate::domain::{Reason, Refusal};

impl Accounts {
    /// Deletes the account with everything that this service knows of it, and tells the other services (event
    /// `users.erased`). The access tokens that are out work until they expire, but lead to nothing here.
    pub(crate) async fn erase(&self, user_id: &str, password: &str) -> Answer<String> {
        let user = self.confirm_password(user_id, "password", password).await?;
        let now = self.clock.now();
        if !self.store.erase_user(&user.id, now).await? {
            return Err(Refusal::new(Reason::NotFound, "There is no such account.").into());
        }
        self.outbox.notify_one();
        self.relay.ring();
        tracing::info!(user.id = user.id, "Account `{}` was erased", user.id);
        Ok(user.id)
    }
}
