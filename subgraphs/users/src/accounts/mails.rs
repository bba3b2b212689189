//! What is confirmed by a secret sent by mail: the address, a new address, a forgotten password.

use super::{Accounts, Answer, SignedIn};
use crate::domain::{Device, EmailAddress, Password, Purpose, Reason, Refusal, Secret, User};
use crate::mail::Mail;
use crate::store::{MailToken, UserChange};

impl Accounts {
    /// Sends the mail that confirms the address of an account; nothing when it is confirmed already.
    pub(crate) async fn request_verification(&self, user_id: &str) -> Answer<()> {
        let user = self.existing_user(user_id).await?;
        if !user.email_verified {
            self.send_token(&user, Purpose::VerifyEmail, &user.email).await?;
        }
        Ok(())
    }

    /// Confirms an address: the one at registration, or a new one.
    pub(crate) async fn verify_email(&self, secret: &str) -> Answer<User> {
        let token = self
            .take_token(secret, &[Purpose::VerifyEmail, Purpose::ChangeEmail])
            .await?;
        let user = self.existing_user(&token.user_id).await?;
        if token.purpose == Purpose::VerifyEmail && token.email != user.email {
            // The address has changed since the mail was sent.
            return Err(invalid_token().into());
        }
        let change = UserChange {
            email: Some(token.email),
            email_verified: Some(true),
            ..UserChange::default()
        };
        if !self.store.change_user(&user.id, change, self.clock.now()).await? {
            return Err(Refusal::new(Reason::EmailTaken, "There is an account with this address already.").into());
        }
        self.existing_user(&user.id).await
    }

    /// Sends a mail to a new address, which replaces the old one when it is confirmed.
    pub(crate) async fn request_email_change(&self, user_id: &str, new: &str, password: &str) -> Answer<()> {
        let email = EmailAddress::parse("newEmail", new)?;
        let user = self.confirm_password(user_id, "password", password).await?;
        // Whether the address is taken shows when it is confirmed: only its owner may know.
        self.send_token(&user, Purpose::ChangeEmail, email.as_str()).await
    }

    /// Sends a mail with which a forgotten password can be replaced. Answers the same, and as fast, for an unknown
    /// address.
    pub(crate) fn request_password_reset(&self, email: &str) {
        let Ok(email) = EmailAddress::parse("email", email) else {
            return;
        };
        let accounts = self.clone();
        tokio::spawn(async move {
            let sent = match accounts.store.credentials(&email).await {
                Ok(Some((user, _))) => accounts.send_token(&user, Purpose::ResetPassword, email.as_str()).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if let Err(failure) = sent {
                tracing::error!(error = ?failure, "A mail to reset a password could not be sent");
            }
        });
    }

    /// Replaces a forgotten password, ends all sessions, and signs in.
    pub(crate) async fn reset_password(&self, secret: &str, new: String, device: Device) -> Answer<SignedIn> {
        // Checked first, so that a weak password does not cost the token.
        let password = Password::parse("newPassword", new, "")?;
        let token = self.take_token(secret, &[Purpose::ResetPassword]).await?;
        self.set_password(&token.user_id, &password).await?;
        self.store.end_sessions(&token.user_id, None).await?;
        // Who reads the mail owns the address.
        let change = UserChange {
            email_verified: Some(true),
            ..UserChange::default()
        };
        self.store.change_user(&token.user_id, change, self.clock.now()).await?;
        let user = self.existing_user(&token.user_id).await?;
        Ok(SignedIn {
            tokens: self.open_session(&user, device).await?,
            user,
        })
    }

    pub(super) async fn send_token(&self, user: &User, purpose: Purpose, email: &str) -> Answer<()> {
        let secret = Secret::generate();
        let token = MailToken {
            user_id: user.id.clone(),
            purpose,
            email: email.to_owned(),
        };
        // A second mail right after the first would only annoy.
        if self.store.create_mail_token(&token, &secret, self.clock.now()).await? {
            self.mailer.send(&self.mail(&token, &secret))?;
        }
        Ok(())
    }

    pub(super) fn tell_of_existing_account(&self, email: &str) -> Answer<()> {
        let text = format!(
            "Somebody, perhaps you, tried to make an account with this address. You have one already.\n\
             Sign in, or set a new password, at {}\n",
            self.config.shop_url
        );
        self.mailer.send(&Mail {
            to: email.to_owned(),
            subject: "You have an account already",
            text,
        })?;
        Ok(())
    }

    async fn take_token(&self, secret: &str, purposes: &[Purpose]) -> Answer<MailToken> {
        match self
            .store
            .take_mail_token(&Secret::from_text(secret), purposes, self.clock.now())
            .await?
        {
            Some((token, true)) => Ok(token),
            Some((_, false)) => Err(Refusal::of(
                "token",
                Reason::TokenExpired,
                "This link is too old; ask for a new one.",
            )
            .into()),
            None => Err(invalid_token().into()),
        }
    }

    fn mail(&self, token: &MailToken, secret: &Secret) -> Mail {
        let (subject, page) = match token.purpose {
            Purpose::VerifyEmail => ("Confirm your email address", "verify-email"),
            Purpose::ChangeEmail => ("Confirm your new email address", "verify-email"),
            Purpose::ResetPassword => ("Set a new password", "reset-password"),
        };
        let mut link = self.config.shop_url.clone();
        link.set_path(page);
        link.query_pairs_mut().clear().append_pair("token", secret.text());
        let text = format!("{subject}: {link}\n\nIf this was not you, there is nothing to do.\n");
        Mail {
            to: token.email.clone(),
            subject,
            text,
        }
    }
}

fn invalid_token() -> Refusal {
    Refusal::of("token", Reason::TokenInvalid, "This link is not valid (any more).")
}
