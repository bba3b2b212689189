//! Secrets that were sent by mail, and what is done with them. Each works once: it is deleted in the transaction of its
//! effect, and with it all others that the effect makes pointless.

use super::Store;
use super::mail_outbox::{NewMail, insert_mail};
use super::sessions::delete_sessions;
use super::users::{UserChange, change_user, lock_user};
use crate::domain::{Occasion, Purpose, Secret};
use crate::entity::{mail_token, session};
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
    /// Stores a secret that is about to be sent. Earlier ones stay good: nobody knows which mail arrives.
    pub(crate) async fn create_mail_token(
        &self,
        token: &MailToken,
        secret: &Secret,
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        let model = mail_token::ActiveModel {
            token_hash: Set(secret.hash()),
            user_id: Set(token.user_id.clone()),
            purpose: Set(token.purpose.as_str().to_owned()),
            email: Set(token.email.clone()),
            created_at: Set(now),
            expires_at: Set(now + token.purpose.lifetime()),
        };
        mail_token::Entity::insert(model)
            .exec_without_returning(self.database.write())
            .await?;
        Ok(())
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
        let is_owner = user.is_some_and(|user| user.email == token.email);
        if !is_owner || !take(&transaction, secret).await? {
            return Ok(false);
        }
        replace_password(&transaction, (&token.user_id, None), change, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Replaces the password of an account, and ends all its sessions but `kept`.
    pub(crate) async fn change_password(
        &self,
        user_id: &str,
        kept: Option<&str>,
        password_hash: String,
        now: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        let transaction = self.database.begin().await?;
        let change = UserChange {
            password_hash: Some(password_hash),
            ..UserChange::default()
        };
        replace_password(&transaction, (user_id, kept), change, now).await?;
        transaction.commit().await
    }
}

async fn replace_password(
    transaction: &impl ConnectionTrait,
    (user_id, kept_session): (&str, Option<&str>),
    change: UserChange,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let Some(user) = lock_user(transaction, user_id).await? else {
        return Ok(());
    };
    change_user(transaction, user_id, change, now).await?;
    delete_tokens(transaction, user_id).await?;
    let mut ended = session::Column::UserId.eq(user_id);
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
