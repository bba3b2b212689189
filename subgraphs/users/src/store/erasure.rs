//! Erasure of accounts, and the event that tells other services.

use super::Store;
use super::attempts::forget;
use super::mail_outbox::{NewMail, forget_mails, insert_mail};
use super::users::{Credentials, lock_verified};
use crate::domain::{Attempts, Occasion};
use crate::entity::{erased_user, mail_outbox, user};
use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait};
use service::contract::events::{Event, USERS_ERASED, UserErased};
use service::events;

impl Store {
    /// Deletes an account with all that belongs to it, and stores the event and, if it `is_told`, a last mail; false when
    /// there is no such account, or the password that was verified is not its own, any more.
    pub(crate) async fn erase_user(
        &self,
        verified: &Credentials,
        is_told: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        let Some(erased) = lock_verified(&transaction, verified).await? else {
            return Ok(false);
        };
        let user_id = erased.id.as_str();
        // Addresses, sessions and tokens go with it.
        user::Entity::delete_by_id(user_id).exec(&transaction).await?;
        let of_user = mail_outbox::Column::UserId.eq(user_id);
        forget_mails(&transaction, of_user.or(mail_outbox::Column::Email.eq(&erased.email))).await?;
        forget(&transaction, &Attempts::login_to(&erased.email)).await?;
        let row = erased_user::ActiveModel {
            user_id: Set(user_id.to_owned()),
            erased_at: Set(now),
        };
        erased_user::Entity::insert(row)
            .exec_without_returning(&transaction)
            .await?;
        write_event(&transaction, user_id, now).await?;
        let farewell = NewMail {
            occasion: Occasion::AccountErased,
            email: erased.email,
            user_id: None,
        };
        if is_told {
            insert_mail(&transaction, farewell, now).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

async fn write_event(connection: &impl ConnectionTrait, user_id: &str, now: DateTime<Utc>) -> Result<(), DbErr> {
    let data = UserErased {
        user_id: user_id.to_owned(),
    };
    let event = Event {
        specversion: "1.0".to_owned(),
        id: service::id::new("evt"),
        source: "users".to_owned(),
        event_type: USERS_ERASED.to_owned(),
        subject: user_id.to_owned(),
        time: now,
        // The last thing that ever happens to an account, and the only one that is told.
        aggregate_version: 1,
        data: serde_json::to_value(data).map_err(|error| DbErr::Custom(error.to_string()))?,
    };
    events::write(connection, &[event]).await
}
