//! Erasure of an account, at its owner's wish.

use super::sign_in::wrong_password;
use super::{Accounts, Answer};
use crate::domain::{Attempts, Occasion};

impl Accounts {
    /// Deletes the account with everything that this service knows of it, and tells the other services (event
    /// `users.erased`). The access tokens that are out work until they expire, but lead to nothing here.
    pub(crate) async fn erase(&self, user_id: &str, password: &str) -> Answer<String> {
        let verified = self.confirm_password(user_id, "password", password).await?;
        let now = self.clock.now();
        // Somebody may have registered with the address of somebody else, again and again.
        let told = [Attempts::mail_to(Occasion::AccountErased, &verified.user.email)];
        let is_told = self.store.take_attempts(&told, now).await?;
        if !self.store.erase_user(&verified, is_told, now).await? {
            return Err(wrong_password("password").into());
        }
        let user = verified.user;
        self.outbox.notify_one();
        self.relay.ring();
        tracing::info!(user.id = user.id, "Account `{}` was erased", user.id);
        Ok(user.id)
    }
}
