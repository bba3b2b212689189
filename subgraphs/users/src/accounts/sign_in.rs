//! Registration, login, refresh, logout and change of password.

use super::{Accounts, Answer, Failure, below};
use crate::config::EmailVerification;
use crate::domain::{
    Attempts, Device, EmailAddress, Occasion, Password, Profile, Reason, Refusal, Secret, Session, User,
};
use crate::password_hasher::{PasswordHasher, Place};
use crate::store::{Credentials, Rotation};
use anyhow::Context;
use chrono::{DateTime, Duration, Utc};
use service::auth::{AccessClaims, Role, Scopes};
use tracing::Instrument as _;

/// What somebody fills in to get an account.
#[derive(Clone)]
pub(crate) struct NewAccount {
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) display_name: String,
    pub(crate) locale: Option<String>,
}

/// Somebody who is signed in now.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) user: User,
    pub(crate) tokens: Tokens,
}

/// The tokens of a session.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) access_expires_at: DateTime<Utc>,
    pub(crate) refresh: Secret,
    pub(crate) refresh_expires_at: DateTime<Utc>,
}

/// A password that somebody gives for an account.
struct Guess {
    password: String,
    /// `None` when there is no such account.
    found: Option<Credentials>,
    /// What it counts to.
    account: Attempts,
    network: Option<Attempts>,
    /// What is answered when it is wrong, and when there were too many.
    wrong: Refusal,
    too_many: Refusal,
}

impl Accounts {
    /// Makes an account and signs it in; `None` when addresses must be confirmed first (then the answer does not say
    /// whether the address was known).
    pub(crate) async fn register(&self, new: NewAccount, device: Device) -> Answer<Option<SignedIn>> {
        let (email, password, profile) = checked(new).map_err(below("input"))?;
        let place = self.hasher.place()?;
        let network = device.network().map(Attempts::registration_from);
        // Whether or not there is an account: the answer must not tell.
        let address = Attempts::registration_of(email.as_str());
        self.limit(network.into_iter().chain([address])).await?;
        let password_hash = place.hash(password.as_str()).await?;
        let now = self.clock.now();
        let user = User {
            id: service::id::new("usr"),
            email: email.as_str().to_owned(),
            email_verified: false,
            profile,
            roles: vec![Role::Customer],
            default_shipping_address_id: None,
            default_billing_address_id: None,
            created_at: now,
            updated_at: now,
        };
        let new = Credentials { user, password_hash };
        let required = self.config.email_verification == EmailVerification::Required;
        let created = self.store.create_user(new.clone(), now).await?;
        if !created && !required {
            let message = "There is an account with this address already.";
            let refusal = Refusal::of("email", Reason::EmailTaken, message);
            return Err(refusal.below("input").into());
        }
        if !created {
            self.enqueue(Occasion::AccountExists, None, email.as_str()).await?;
        }
        self.outbox.notify_one();
        if required {
            return Ok(None);
        }
        self.open_session(new, device).await.map(Some)
    }

    /// Signs in with address and password. The answer, and the time it takes, do not tell a wrong password from an
    /// unknown address.
    pub(crate) async fn login(&self, email: &str, password: &str, device: Device) -> Answer<SignedIn> {
        let Ok(email) = EmailAddress::parse("email", email) else {
            return Err(self.wrong_credentials().into());
        };
        let too_many = "Too many failed logins. Try again in 15 minutes, or reset the password.";
        let guess = Guess {
            password: password.to_owned(),
            found: self.store.credentials(&email).await?,
            account: Attempts::login_to(email.as_str()),
            network: device.network().map(Attempts::login_from),
            wrong: self.wrong_credentials(),
            too_many: Refusal::new(Reason::TooManyAttempts, too_many),
        };
        let mut verified = self.check(guess).await?;
        if PasswordHasher::is_outdated(&verified.password_hash) {
            verified = self.rehash(verified, password).await?;
        }
        self.open_session(verified, device).await
    }

    /// Exchanges a refresh token for new tokens.
    pub(crate) async fn refresh(&self, token: &str) -> Answer<Tokens> {
        let (now, next) = (self.clock.now(), Secret::generate());
        let invalid = || {
            Refusal::of(
                "refreshToken",
                Reason::TokenInvalid,
                "This refresh token is not valid (any more).",
            )
        };
        match self
            .store
            .rotate(&Secret::from_text(token), &next, now, self.session_lifetime())
            .await?
        {
            Rotation::Rotated(session) => {
                let user = self.store.user(&session.user_id).await?.ok_or_else(invalid)?;
                self.tokens(&user, &session, next)
            }
            Rotation::Reused => {
                tracing::warn!("A refresh token was used twice; its session has been ended");
                Err(invalid().into())
            }
            Rotation::Unknown => Err(invalid().into()),
            Rotation::TooOften => {
                let message = "This session was refreshed too often. Try again in 15 minutes.";
                Err(Refusal::of("refreshToken", Reason::TooManyAttempts, message).into())
            }
            Rotation::Expired => Err(Refusal::of(
                "refreshToken",
                Reason::TokenExpired,
                "The session has expired; sign in again.",
            )
            .into()),
        }
    }

    /// Ends one session, or all of them.
    pub(crate) async fn logout(&self, user_id: &str, session_id: Option<&str>, everywhere: bool) -> Answer<()> {
        match session_id {
            _ if everywhere => self.store.end_sessions(user_id).await?,
            Some(session_id) => self.store.end_session(session_id, user_id).await?,
            None => {}
        }
        Ok(())
    }

    /// The same for whoever has a refresh token and no access token that is good; nothing when it is not good either.
    pub(crate) async fn logout_by_token(&self, token: &str, everywhere: bool) -> Answer<()> {
        match self.store.session_of(&Secret::from_text(token)).await? {
            Some((session_id, user_id)) => self.logout(&user_id, Some(&session_id), everywhere).await,
            None => Ok(()),
        }
    }

    /// Sets a new password, and ends all other sessions.
    pub(crate) async fn change_password(
        &self,
        user_id: &str,
        session_id: Option<&str>,
        current: &str,
        new: String,
    ) -> Answer<User> {
        let verified = self.confirm_password(user_id, "currentPassword", current).await?;
        let password = Password::parse("newPassword", new, &verified.user.email)?;
        self.limit([Attempts::password_change_of(user_id)]).await?;
        let hash = self.hasher.place()?.hash(password.as_str()).await?;
        let changed = self
            .store
            .change_password(&verified, session_id, hash, self.clock.now());
        if !changed.await? {
            return Err(wrong_password("currentPassword").into());
        }
        self.outbox.notify_one();
        self.existing_user(user_id).await
    }

    /// The account, if `password` is its own. Counts like a login.
    pub(super) async fn confirm_password(&self, user_id: &str, field: &str, password: &str) -> Answer<Credentials> {
        let found = self.store.credentials_of(user_id).await?;
        let found = found.ok_or_else(|| wrong_password(field))?;
        let too_many = "Too many failed attempts. Try again in 15 minutes.";
        let guess = Guess {
            password: password.to_owned(),
            account: Attempts::login_to(&found.user.email),
            found: Some(found),
            network: None,
            wrong: wrong_password(field),
            too_many: Refusal::of(field, Reason::TooManyAttempts, too_many),
        };
        self.check(guess).await
    }

    /// The account, if the guess is right. It counts as an attempt until it is known to be, but not when we are too busy
    /// to judge it.
    async fn check(&self, guess: Guess) -> Answer<Credentials> {
        let (accounts, place) = (self.clone(), self.hasher.place()?);
        // A task of its own, which goes on when the client leaves or the deadline passes: the attempt of a right password
        // is taken back all the same.
        let judging = async move { accounts.judge(guess, place).await };
        let judged = tokio::spawn(judging.in_current_span()).await;
        judged.context("the check of a password ended")?
    }

    async fn judge(&self, guess: Guess, place: Place) -> Answer<Credentials> {
        // The network first: one that guesses too often must not lock accounts.
        let attempts = guess.network.iter().chain([&guess.account]).cloned();
        let attempts: Vec<Attempts> = attempts.collect();
        if !self.store.take_attempts(&attempts, self.clock.now()).await? {
            return Err(guess.too_many.into());
        }
        let hash = guess.found.as_ref().map(|found| found.password_hash.as_str());
        let is_right = place.verify(&guess.password, hash).await?;
        let Some(verified) = guess.found.filter(|_| is_right) else {
            return Err(guess.wrong.into());
        };
        let user = &verified.user;
        if self.config.email_verification == EmailVerification::Required && !user.email_verified {
            // Counted and answered like a wrong one, and not slower: whoever registers with an address chooses the password
            // of an account that was not there, and would hear here whether it was.
            self.remind(user.clone());
            return Err(guess.wrong.into());
        }
        self.store.forget_attempts(&guess.account).await?;
        if let Some(network) = guess.network {
            self.store.give_attempt_back(&network).await?;
        }
        Ok(verified)
    }

    /// Sends the mail that confirms an address once more, in the background.
    fn remind(&self, user: User) {
        let accounts = self.clone();
        let reminding = async move {
            let sent = accounts.send(Occasion::VerifyEmail, Some(&user.id), &user.email).await;
            if let Err(Failure::Fault(fault)) = sent {
                tracing::warn!(error = %fault, "A mail that confirms an address was not stored");
            }
        };
        tokio::spawn(reminding.in_current_span());
    }

    /// Stores the same password with today's parameters.
    pub(super) async fn rehash(&self, verified: Credentials, password: &str) -> Answer<Credentials> {
        let password_hash = self.hasher.place()?.hash(password).await?;
        let now = self.clock.now();
        if self.store.rehash(&verified, password_hash.clone(), now).await? {
            return Ok(Credentials {
                password_hash,
                ..verified
            });
        }
        // Another login did the same just now; or the password is another one.
        let found = self.store.credentials_of(&verified.user.id).await?;
        let found = found.ok_or_else(|| self.wrong_credentials())?;
        let place = self.hasher.place()?;
        if !place.verify(password, Some(&found.password_hash)).await? {
            return Err(self.wrong_credentials().into());
        }
        Ok(found)
    }

    /// Counts an attempt, and refuses it when there were too many.
    pub(super) async fn limit(&self, attempts: impl IntoIterator<Item = Attempts>) -> Answer<()> {
        let attempts: Vec<Attempts> = attempts.into_iter().collect();
        if self.store.take_attempts(&attempts, self.clock.now()).await? {
            return Ok(());
        }
        let message = "This was tried too often. Try again in 15 minutes.";
        Err(Refusal::new(Reason::TooManyAttempts, message).into())
    }

    /// Signs in whoever has given the password, if that is the account's still.
    pub(super) async fn open_session(&self, verified: Credentials, device: Device) -> Answer<SignedIn> {
        let now = self.clock.now();
        let session = Session {
            id: service::id::new("ses"),
            user_id: verified.user.id.clone(),
            device,
            created_at: now,
            last_used_at: now,
            expires_at: now + self.session_lifetime(),
        };
        let refresh = Secret::generate();
        if !self.store.open_session(session.clone(), &refresh, &verified).await? {
            return Err(self.wrong_credentials().into());
        }
        Ok(SignedIn {
            tokens: self.tokens(&verified.user, &session, refresh)?,
            user: verified.user,
        })
    }

    fn wrong_credentials(&self) -> Refusal {
        let message = match self.config.email_verification {
            EmailVerification::Required => {
                "Email address or password is wrong, or the address is not confirmed yet: then a mail with a link is on \
                 its way."
            }
            EmailVerification::Optional => "Email address or password is wrong.",
        };
        Refusal::new(Reason::InvalidCredentials, message)
    }

    fn session_lifetime(&self) -> Duration {
        Duration::days(i64::from(self.config.session_days))
    }

    fn tokens(&self, user: &User, session: &Session, refresh: Secret) -> Answer<Tokens> {
        // A token names real time, whatever the clock of a test says: others verify it.
        let issued_at = Utc::now();
        let access_expires_at = issued_at + Duration::seconds(i64::from(self.config.access_token_seconds));
        let claims = AccessClaims {
            iss: self.tokens.issuer.clone(),
            aud: self.tokens.audience.clone(),
            sub: user.id.clone(),
            sid: Some(session.id.clone()),
            exp: access_expires_at.timestamp(),
            iat: issued_at.timestamp(),
            roles: user.roles.clone(),
            scope: Scopes::of(&user.roles).to_string(),
        };
        let access = self.keyring.sign(&claims).map_err(Failure::Fault)?;
        Ok(Tokens {
            access,
            access_expires_at,
            refresh,
            refresh_expires_at: session.expires_at,
        })
    }
}

pub(super) fn wrong_password(field: &str) -> Refusal {
    Refusal::of(field, Reason::InvalidCredentials, "The password is wrong.")
}

/// Every mistake in the form at once.
fn checked(new: NewAccount) -> Result<(EmailAddress, Password, Profile), Vec<Refusal>> {
    let email = EmailAddress::parse("email", &new.email);
    let known_email = email.as_ref().map(EmailAddress::as_str).unwrap_or_default();
    let password = Password::parse("password", new.password, known_email);
    match (email, password, Profile::new(new.display_name, new.locale)) {
        (Ok(email), Ok(password), Ok(profile)) => Ok((email, password, profile)),
        (email, password, profile) => {
            let refusals = email.err().into_iter().chain(password.err());
            Err(refusals.chain(profile.err().into_iter().flatten()).collect())
        }
    }
}
