//! Events for orders that wait to be acknowledged, and webhooks that wait to be worked on.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    SqlErr,
};
use service::contract::events::Event;

use super::{Store, StoreError};
use crate::entity::{outbox_event, webhook_event};

const DUE_MAX: u64 = 50;

/// An event that orders has not acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub struct DueEvent {
    /// The event.
    pub event: Event,
    /// Times it was pushed in vain.
    pub attempt: i32,
}

/// A verified webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWebhook {
    /// Name of the gateway.
    pub gateway: String,
    /// The gateway's id of the event.
    pub event_id: String,
    /// Our payment, if it names one.
    pub payment_id: Option<String>,
    /// The gateway's id of the payment, if it names that.
    pub gateway_reference: Option<String>,
    /// As received.
    pub body: String,
}

/// A webhook that has not been worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueWebhook {
    /// The row's id.
    pub id: String,
    /// Name of the gateway.
    pub gateway: String,
    /// Our payment, if it names one.
    pub payment_id: Option<String>,
    /// The gateway's id of the payment, if it names that.
    pub gateway_reference: Option<String>,
    /// Times it was worked on in vain.
    pub attempt: i32,
}

pub(super) async fn insert_event(
    connection: &impl ConnectionTrait,
    event: &Event,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = outbox_event::ActiveModel {
        id: Set(event.id.clone()),
        event: Set(serde_json::to_string(event).map_err(|error| DbErr::Custom(error.to_string()))?),
        attempt: Set(0),
        next_at: Set(now),
    };
    outbox_event::Entity::insert(row)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

impl Store {
    /// Events to push now, oldest first; each is handed to one caller for `lease`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn take_due_events(&self, now: DateTime<Utc>, lease: TimeDelta) -> Result<Vec<DueEvent>, StoreError> {
        use outbox_event::Column;
        let due = outbox_event::Entity::find()
            .filter(Column::NextAt.lte(now))
            .order_by_asc(Column::Id)
            .limit(DUE_MAX)
            .all(self.database.read())
            .await?;
        let mut taken = Vec::new();
        for row in due {
            let claimed = outbox_event::Entity::update_many()
                .col_expr(Column::NextAt, Expr::value(now + lease))
                .filter(Column::Id.eq(&row.id))
                .filter(Column::NextAt.eq(row.next_at))
                .exec(self.database.write())
                .await?;
            if claimed.rows_affected == 1 {
                let event = serde_json::from_str(&row.event).map_err(|_| StoreError::Row {
                    id: row.id.clone(),
                    what: "event",
                })?;
                taken.push(DueEvent {
                    event,
                    attempt: row.attempt,
                });
            }
        }
        Ok(taken)
    }

    /// Orders has stored the event.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn event_acknowledged(&self, event_id: &str) -> Result<(), StoreError> {
        outbox_event::Entity::delete_by_id(event_id)
            .exec(self.database.write())
            .await?;
        Ok(())
    }

    /// Orders did not answer; the event is pushed again at `next_at`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn event_postponed(&self, due: &DueEvent, next_at: DateTime<Utc>) -> Result<(), StoreError> {
        outbox_event::Entity::update_many()
            .col_expr(outbox_event::Column::Attempt, Expr::value(due.attempt + 1))
            .col_expr(outbox_event::Column::NextAt, Expr::value(next_at))
            .filter(outbox_event::Column::Id.eq(&due.event.id))
            .exec(self.database.write())
            .await?;
        Ok(())
    }

    /// Stores a webhook; false when it was there before.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn webhook_received(&self, webhook: NewWebhook, now: DateTime<Utc>) -> Result<bool, StoreError> {
        // An event that is about no payment at all is kept, and nothing is done with it.
        let about_payment = webhook.payment_id.is_some() || webhook.gateway_reference.is_some();
        let row = webhook_event::ActiveModel {
            id: Set(format!("{}:{}", webhook.gateway, webhook.event_id)),
            gateway: Set(webhook.gateway),
            payment_id: Set(webhook.payment_id),
            gateway_reference: Set(webhook.gateway_reference),
            body: Set(webhook.body),
            received_at: Set(now),
            attempt: Set(0),
            next_at: Set(about_payment.then_some(now)),
            processed_at: Set(None),
        };
        match webhook_event::Entity::insert(row)
            .exec_without_returning(self.database.write())
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Webhooks to work on now; each is handed to one caller for `lease`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn take_due_webhooks(&self, now: DateTime<Utc>, lease: TimeDelta) -> Result<Vec<DueWebhook>, StoreError> {
        use webhook_event::Column;
        let due = webhook_event::Entity::find()
            .filter(Column::NextAt.lte(now))
            .order_by_asc(Column::NextAt)
            .limit(DUE_MAX)
            .all(self.database.read())
            .await?;
        let mut taken = Vec::new();
        for row in due {
            let claimed = webhook_event::Entity::update_many()
                .col_expr(Column::NextAt, Expr::value(now + lease))
                .filter(Column::Id.eq(&row.id))
                .filter(Column::NextAt.eq(row.next_at))
                .exec(self.database.write())
                .await?;
            if claimed.rows_affected == 1 {
                taken.push(DueWebhook {
                    id: row.id,
                    gateway: row.gateway,
                    payment_id: row.payment_id,
                    gateway_reference: row.gateway_reference,
                    attempt: row.attempt,
                });
            }
        }
        Ok(taken)
    }

    /// A webhook is done with.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn webhook_processed(&self, id: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        webhook_event::Entity::update_many()
            .col_expr(webhook_event::Column::NextAt, Expr::value(None::<DateTime<Utc>>))
            .col_expr(webhook_event::Column::ProcessedAt, Expr::value(Some(now)))
            .filter(webhook_event::Column::Id.eq(id))
            .exec(self.database.write())
            .await?;
        Ok(())
    }

    /// A webhook could not be worked on; it is tried again at `next_at`, or never.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn webhook_postponed(&self, due: &DueWebhook, next_at: Option<DateTime<Utc>>) -> Result<(), StoreError> {
        webhook_event::Entity::update_many()
            .col_expr(webhook_event::Column::NextAt, Expr::value(next_at))
            .col_expr(webhook_event::Column::Attempt, Expr::value(due.attempt + 1))
            .filter(webhook_event::Column::Id.eq(&due.id))
            .exec(self.database.write())
            .await?;
        Ok(())
    }
}
