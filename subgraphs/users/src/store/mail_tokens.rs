//! Secrets that were sent by mail.

use super::Store;
use crate::domain::{Purpose, Secret};
use crate::entity::mail_token;
use chrono::{DateTime, Duration, Utc};
use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter};

/// A secret sent by mail, and what it is for.
#[derive(Clone, Debug)]
pub(crate) struct MailToken {
    pub(crate) user_id: String,
    pub(crate) purpose: Purpose,
    /// The address that the mail goes to.
    pub(crate) email: String,
}

/// A mailbox gets at most one mail of a kind in this time.
const MAIL_INTERVAL_MIN: Duration = Duration::minutes(1);

impl Store {
    /// Stores a secret instead of earlier ones for the same purpose; false when there was a mail just now.
    pub(crate) async fn create_mail_token(
        &self,
        token: &MailToken,
        secret: &Secret,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        let earlier = mail_token::Column::UserId
            .eq(&token.user_id)
            .and(mail_token::Column::Purpose.eq(token.purpose.as_str()));
        let recent = mail_token::Column::CreatedAt.gt(now - MAIL_INTERVAL_MIN);
        let recent = mail_token::Entity::find().filter(earlier.clone()).filter(recent);
        if recent.count(&transaction).await? > 0 {
            return Ok(false);
        }
        mail_token::Entity::delete_many()
            .filter(earlier)
            .exec(&transaction)
            .await?;
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

    /// Takes a secret for one of `purposes`: it works once. Also says whether it came in time.
    pub(crate) async fn take_mail_token(
        &self,
        secret: &Secret,
        purposes: &[Purpose],
        now: DateTime<Utc>,
    ) -> Result<Option<(MailToken, bool)>, DbErr> {
        let found = mail_token::Entity::find_by_id(secret.hash())
            .one(self.database.read())
            .await?;
        let Some(model) = found else { return Ok(None) };
        let Some(purpose) = purposes.iter().find(|purpose| purpose.as_str() == model.purpose) else {
            return Ok(None);
        };
        // Of two who send it at once, one deletes the row.
        let taken = mail_token::Entity::delete_by_id(&model.token_hash)
            .exec(self.database.write())
            .await?;
        let in_time = model.expires_at > now;
        let token = MailToken {
            user_id: model.user_id,
            purpose: *purpose,
            email: model.email,
        };
        Ok((taken.rows_affected > 0).then_some((token, in_time)))
    }
}
