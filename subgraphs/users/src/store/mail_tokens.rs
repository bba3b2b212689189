//! Secrets that were sent by mail, and what is done with them. Each works once: it is deleted in the transaction of its
//! effect, and with it all others that the effect makes pointless.

use super::Store;
use super::mail_outbox::{NewMail, forget_address_changes, insert_mail};
use super::sessions::delete_sessions;
use super::users::{Credentials, UserChange, change_user, lock_user, lock_verified};
use crate::domain::{Occasion, Purpose, Secret, User};
use crate::entity::{mail_outbox, mail_token, session};
use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, SqlErr};

/// A secret sent by mail, and what it is for.
#[derive(Clone, Debug)]
pub(crate) struct MailToken {
    pub(crate) user_id: String,
    pub(crate) purpose: Purpose,
    /// The address that the mail went to.
    pub(crate) email: String,
}

/// What became of an address that was to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// It is the account's, and confirmed.
    Done,
    /// Somebody used the secret just now, or the account is gone, or has another address meanwhile.
    Void,
    /// Another account has the address.
    Taken,
}

impl Store {
    /// Stores a secret that is about to be sent with the mail `mail_id`. Earlier ones stay good: nobody knows which mail
    /// arrives. False when the mail does not wait any more, or the account is gone.
    pub(crate) async fn create_mail_token(
        &self,
        mail_id: &str,
        token: &MailToken,
        secret: &Secret,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        // Whoever takes back what an account has asked for locks it, and then deletes mails and secrets: this mail is
        // seen to be gone, or its secret goes too.
        let user = lock_user(&transaction, &token.user_id).await?;
        let waits = mail_outbox::Entity::find_by_id(mail_id).one(&transaction).await?;
        if user.is_none() || waits.is_none() {
            return Ok(false);
        }
        let model = mail_token::ActiveModel {
            token_hash: Set(secret.hash()),
            user_id: Set(token.user_id.clone()),
            purpose: Set(token.purpose.as_str().to_owned()),
            email: Set(token.email.clone()),
            created_at: Set(now),
            expires_at: Set(now + token.purpose.lifetime()),
        };
        mail_token::Entity::insert(model)
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// What a secret for one of `purposes` allows, and whether it came in time; it stays as it is.
    pub(crate) async fn mail_token(
        &self,
        secret: &Secret,
        purposes: &[Purpose],
        now: DateTime<Utc>,
    ) -> Result<Option<(MailToken, bool)>, DbErr> {
        let found = mail_token::Entity::find_by_id(secret.hash())
            .one(self.database.read())
            .await?;
        Ok(found.and_then(|model| {
            let purpose = purposes.iter().find(|purpose| purpose.as_str() == model.purpose)?;
            let in_time = model.expires_at > now;
            let token = MailToken {
                user_id: model.user_id,
                purpose: *purpose,
                email: model.email,
            };
            Some((token, in_time))
        }))
    }

    /// Uses `secret` to confirm the address in `token`; a new address replaces the old one, which is told.
    pub(crate) async fn confirm_email(
        &self,
        secret: &Secret,
        token: &MailToken,
        now: DateTime<Utc>,
    ) -> Result<Confirmation, DbErr> {
        let transaction = self.database.begin().await?;
        let Some(user) = lock_user(&transaction, &token.user_id).await? else {
            return Ok(Confirmation::Void);
        };
        let is_new = user.email != token.email;
        // Verified at registration, but the address has changed since.
        let is_stale = is_new && token.purpose != Purpose::ChangeEmail;
        if !take(&transaction, secret).await? || is_stale {
            transaction.commit().await?;
            return Ok(Confirmation::Void);
        }
        let change = UserChange {
            email: Some(token.email.clone()),
            email_verified: Some(true),
            ..UserChange::default()
        };
        match change_user(&transaction, &user.id, change, now).await {
            Ok(_) => {}
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                return Ok(Confirmation::Taken);
            }
            Err(error) => return Err(error),
        }
        // A secret to reset the password that went to the old address must not outlive it.
        delete_tokens(&transaction, &user.id).await?;
        if is_new {
            let notice = NewMail {
                occasion: Occasion::EmailChanged,
                email: user.email,
                user_id: Some(user.id),
            };
            insert_mail(&transaction, notice, now).await?;
        }
        transaction.commit().await?;
        Ok(Confirmation::Done)
    }

    /// Uses `secret` to make `change`, a new password, and ends all sessions of the account; false when the secret was
    /// used just now, or went to an address that is not the account's (any more).
    pub(crate) async fn reset_password(
        &self,
        secret: &Secret,
        token: &MailToken,
        change: UserChange,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        let user = lock_user(&transaction, &token.user_id).await?;
        let Some(user) = user.filter(|user| user.email == token.email) else {
            return Ok(false);
        };
        if !take(&transaction, secret).await? {
            return Ok(false);
        }
        replace_password(&transaction, (user, None), change, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Replaces the password of an account, and ends all its sessions but `kept`; false when the password that was
    /// verified is not the account's any more.
    pub(crate) async fn change_password(
        &self,
        verified: &Credentials,
        kept: Option<&str>,
        password_hash: String,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        let Some(user) = lock_verified(&transaction, verified).await? else {
            return Ok(false);
        };
        let change = UserChange {
            password_hash: Some(password_hash),
            ..UserChange::default()
        };
        replace_password(&transaction, (user, kept), change, now).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// What was asked for with the old password is void: sessions but `kept_session`, and a new address.
async fn replace_password(
    transaction: &impl ConnectionTrait,
    (user, kept_session): (User, Option<&str>),
    change: UserChange,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    change_user(transaction, &user.id, change, now).await?;
    delete_tokens(transaction, &user.id).await?;
    forget_address_changes(transaction, &user.id).await?;
    let mut ended = session::Column::UserId.eq(&user.id);
    if let Some(kept) = kept_session {
        ended = sea_orm::ExprTrait::and(ended, session::Column::Id.ne(kept));
    }
    delete_sessions(transaction, ended).await?;
    let notice = NewMail {
        occasion: Occasion::PasswordChanged,
        email: user.email,
        user_id: Some(user.id),
    };
    insert_mail(transaction, notice, now).await
}

/// Of two who send a secret at once, one deletes the row.
async fn take(transaction: &impl ConnectionTrait, secret: &Secret) -> Result<bool, DbErr> {
    let taken = mail_token::Entity::delete_by_id(secret.hash())
        .exec(transaction)
        .await?;
    Ok(taken.rows_affected > 0)
}

async fn delete_tokens(transaction: &impl ConnectionTrait, user_id: &str) -> Result<(), DbErr> {
    mail_token::Entity::delete_many()
        .filter(mail_token::Column::UserId.eq(user_id))
        .exec(transaction)
        .await?;
    Ok(())
}
