//! Erasure of accounts, and the events that tell other services.

use super::Store;
use super::attempts::forget;
use super::mail_outbox::{NewMail, insert_mail};
use super::users::lock_user;
use crate::domain::{Attempts, Occasion};
use crate::entity::{erased_user, mail_outbox, outbox_event, user};
use chrono::{DateTime, Duration, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use service::contract::events::{Event, USERS_ERASED, UserErased};

/// Events that are taken at once.
const DUE_MAX: u64 = 50;

/// An event that its consumer has not acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DueEvent {
    pub(crate) event: Event,
    /// Name of the service that must hear of it.
    pub(crate) consumer: String,
    /// Times it was pushed in vain.
    pub(crate) attempt: i32,
}

impl Store {
    /// Deletes an account with all that belongs to it, and stores the event for each of `consumers` and a last mail;
    /// false when there is no such account (any more).
    pub(crate) async fn erase_user(
        &self,
        user_id: &str,
        consumers: &[&str],
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let transaction = self.database.begin().await?;
        let Some(erased) = lock_user(&transaction, user_id).await? else {
            return Ok(false);
        };
        // Addresses, sessions and tokens go with it.
        user::Entity::delete_by_id(user_id).exec(&transaction).await?;
        let of_user = mail_outbox::Column::UserId.eq(user_id);
        mail_outbox::Entity::delete_many()
            .filter(of_user.or(mail_outbox::Column::Email.eq(&erased.email)))
            .exec(&transaction)
            .await?;
        forget(&transaction, &Attempts::login_to(&erased.email)).await?;
        let row = erased_user::ActiveModel {
            user_id: Set(user_id.to_owned()),
            erased_at: Set(now),
        };
        erased_user::Entity::insert(row)
            .exec_without_returning(&transaction)
            .await?;
        insert_events(&transaction, user_id, consumers, now).await?;
        let farewell = NewMail {
            occasion: Occasion::AccountErased,
            email: erased.email,
            user_id: None,
        };
        insert_mail(&transaction, farewell, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Events to push now, oldest first; each is handed to one caller for `lease`.
    pub(crate) async fn take_due_events(&self, now: DateTime<Utc>, lease: Duration) -> Result<Vec<DueEvent>, DbErr> {
        use outbox_event::Column;
        let due = outbox_event::Entity::find()
            .filter(Column::NextAt.lte(now))
            .order_by_asc(Column::NextAt)
            .order_by_asc(Column::Id)
            .limit(DUE_MAX)
            .all(self.database.read())
            .await?;
        let mut taken = Vec::new();
        for row in due {
            let this = Column::Id.eq(&row.id).and(Column::Consumer.eq(&row.consumer));
            let claimed = outbox_event::Entity::update_many()
                .col_expr(Column::NextAt, Expr::value(now + lease))
                .filter(this.and(Column::NextAt.eq(row.next_at)))
                .exec(self.database.write())
                .await?;
            if claimed.rows_affected == 1 {
                let unreadable = |error: serde_json::Error| DbErr::Custom(format!("event `{}`: {error}", row.id));
                taken.push(DueEvent {
                    event: serde_json::from_str(&row.event).map_err(unreadable)?,
                    consumer: row.consumer,
                    attempt: row.attempt,
                });
            }
        }
        Ok(taken)
    }

    /// The consumer has stored the event.
    pub(crate) async fn event_acknowledged(&self, due: &DueEvent) -> Result<(), DbErr> {
        let this = (due.event.id.clone(), due.consumer.clone());
        outbox_event::Entity::delete_by_id(this)
            .exec(self.database.write())
            .await?;
        Ok(())
    }

    /// The consumer did not answer; the event is pushed again at `next_at`.
    pub(crate) async fn event_postponed(&self, due: &DueEvent, next_at: DateTime<Utc>) -> Result<(), DbErr> {
        use outbox_event::Column;
        outbox_event::Entity::update_many()
            .col_expr(Column::Attempt, Expr::value(due.attempt + 1))
            .col_expr(Column::NextAt, Expr::value(next_at))
            .filter(Column::Id.eq(&due.event.id).and(Column::Consumer.eq(&due.consumer)))
            .exec(self.database.write())
            .await?;
        Ok(())
    }
}

async fn insert_events(
    connection: &impl ConnectionTrait,
    user_id: &str,
    consumers: &[&str],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let plain = |error: serde_json::Error| DbErr::Custom(error.to_string());
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
        data: serde_json::to_value(data).map_err(plain)?,
    };
    let text = serde_json::to_string(&event).map_err(plain)?;
    let rows = consumers.iter().map(|consumer| outbox_event::ActiveModel {
        id: Set(event.id.clone()),
        consumer: Set((*consumer).to_owned()),
        event: Set(text.clone()),
        attempt: Set(0),
        next_at: Set(now),
    });
    outbox_event::Entity::insert_many(rows)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}
