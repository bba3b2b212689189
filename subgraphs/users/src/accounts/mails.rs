//! What is confirmed by a secret sent by mail: the address, a new address, a forgotten password.
//!
//! Requests only store that a mail is to be sent; `postman` sends it, and makes the secret then.

use super::sign_in::wrong_password;
use super::{Accounts, Answer, SignedIn};
use crate::domain::{Attempts, Device, EmailAddress, Occasion, Password, Purpose, Reason, Refusal, Secret, User};
use crate::store::{Confirmation, Credentials, MailToken, NewMail, UserChange};
use service::auth::Role;

impl Accounts {
    /// Sends the mail that confirms the address of an account; nothing when it is confirmed already.
    pub(crate) async fn request_verification(&self, user_id: &str) -> Answer<()> {
        let user = self.existing_user(user_id).await?;
        if user.email_verified {
            return Ok(());
        }
        self.limit([Attempts::mail_to(Occasion::VerifyEmail, &user.email)])
            .await?;
        self.enqueue(Occasion::VerifyEmail, Some(&user.id), &user.email).await
    }

    /// Confirms an address: the one at registration, or a new one.
    pub(crate) async fn verify_email(&self, secret: &str) -> Answer<User> {
        let (secret, token) = self
            .token(secret, &[Purpose::VerifyEmail, Purpose::ChangeEmail])
            .await?;
        match self.store.confirm_email(&secret, &token, self.clock.now()).await? {
            Confirmation::Done => {}
            Confirmation::Void => return Err(invalid_token().into()),
            Confirmation::Taken => {
                let message = "There is an account with this address already.";
                return Err(Refusal::new(Reason::EmailTaken, message).into());
            }
        }
        self.outbox.notify_one();
        self.existing_user(&token.user_id).await
    }

    /// Sends a mail to a new address, which replaces the old one when it is confirmed.
    pub(crate) async fn request_email_change(&self, user_id: &str, new: &str, password: &str) -> Answer<()> {
        let email = EmailAddress::parse("newEmail", new)?;
        let verified = self.confirm_password(user_id, "password", password).await?;
        // Counted by account: one account must not write to any number of strangers.
        self.limit([Attempts::mail_to(Occasion::ChangeEmail, &verified.user.id)])
            .await?;
        // Whether the address is taken shows when it is confirmed: only its owner may know.
        let mail = NewMail {
            occasion: Occasion::ChangeEmail,
            email: email.as_str().to_owned(),
            user_id: Some(verified.user.id.clone()),
        };
        let now = self.clock.now();
        if !self.store.enqueue_verified_mail(mail, &verified, now).await? {
            return Err(wrong_password("password").into());
        }
        self.outbox.notify_one();
        Ok(())
    }

    /// Sends a mail with which a forgotten password can be replaced. Does the same for an unknown address, down to the
    /// row in the outbox; whether there is an account is looked up when the mail is sent.
    pub(crate) async fn request_password_reset(&self, email: &str, device: &Device) -> Answer<()> {
        let Ok(email) = EmailAddress::parse("email", email) else {
            return Ok(());
        };
        if let Some(network) = device.network() {
            self.limit([Attempts::mail_from(network)]).await?;
        }
        self.send(Occasion::ResetPassword, None, email.as_str()).await
    }

    /// Replaces a forgotten password, ends all sessions, and signs in.
    pub(crate) async fn reset_password(&self, secret: &str, new: String, device: Device) -> Answer<SignedIn> {
        // Checked and hashed first, so that neither a weak password nor a busy moment costs the token.
        let password = Password::parse("newPassword", new, "")?;
        let (secret, token) = self.token(secret, &[Purpose::ResetPassword]).await?;
        let user = self.existing_user(&token.user_id).await?;
        let password_hash = self.hasher.place()?.hash(password.as_str()).await?;
        let change = UserChange {
            password_hash: Some(password_hash.clone()),
            // Who reads the mail owns the address.
            email_verified: Some(true),
            roles: self.roles_of_first_admin(&user),
            ..UserChange::default()
        };
        let now = self.clock.now();
        if !self.store.reset_password(&secret, &token, change, now).await? {
            return Err(invalid_token().into());
        }
        self.outbox.notify_one();
        // Whoever was locked out by somebody else's guesses may come in again.
        self.store.forget_attempts(&Attempts::login_to(&token.email)).await?;
        let user = self.existing_user(&user.id).await?;
        self.open_session(Credentials { user, password_hash }, device).await
    }

    /// Sends a mail, unless its recipient has had enough of the kind: then silently not.
    pub(super) async fn send(&self, occasion: Occasion, user_id: Option<&str>, email: &str) -> Answer<()> {
        let attempts = [Attempts::mail_to(occasion, email)];
        if self.store.take_attempts(&attempts, self.clock.now()).await? {
            self.enqueue(occasion, user_id, email).await?;
        }
        Ok(())
    }

    pub(super) async fn enqueue(&self, occasion: Occasion, user_id: Option<&str>, email: &str) -> Answer<()> {
        let mail = NewMail {
            occasion,
            email: email.to_owned(),
            user_id: user_id.map(str::to_owned),
        };
        self.store.enqueue_mail(mail, self.clock.now()).await?;
        self.outbox.notify_one();
        Ok(())
    }

    async fn token(&self, secret: &str, purposes: &[Purpose]) -> Answer<(Secret, MailToken)> {
        let secret = Secret::from_text(secret);
        match self.store.mail_token(&secret, purposes, self.clock.now()).await? {
            Some((token, true)) => Ok((secret, token)),
            Some((_, false)) => {
                let message = "This link is too old; ask for a new one.";
                Err(Refusal::of("token", Reason::TokenExpired, message).into())
            }
            None => Err(invalid_token().into()),
        }
    }

    /// The roles that come with the address in `ADMIN_EMAIL`, for whoever has just reset its password by mail. Not when
    /// the address is merely confirmed: then somebody else may have registered it, and know the password.
    fn roles_of_first_admin(&self, user: &User) -> Option<Vec<Role>> {
        let wanted = EmailAddress::parse("", self.config.admin_email.as_deref()?).ok()?;
        if wanted.as_str() != user.email || user.roles.contains(&Role::Admin) {
            return None;
        }
        tracing::warn!(
            user.id = user.id,
            "Account `{}` is an admin now: it owns ADMIN_EMAIL",
            user.id
        );
        Some(user.roles.iter().copied().chain([Role::Admin]).collect())
    }
}

fn invalid_token() -> Refusal {
    Refusal::of("token", Reason::TokenInvalid, "This link is not valid (any more).")
}
