//! Webhooks that wait to be worked on.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, ExprTrait as _, QueryFilter as _, QuerySelect as _, SqlErr};
use service::database::{Database, OneOf as _};
use service::together::{Stored, Storing, Together};

use super::due::{self, Share};
use super::{Store, StoreError};
use crate::entity::webhook_event;

/// Most webhooks that are forgotten at once: a deletion is to be short.
const FORGOTTEN_MAX: u64 = 500;

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
    /// As received.
    pub body: String,
    /// Times it was worked on in vain.
    pub attempt: i32,
}

/// Stores webhooks, those that come at the same time by one statement.
pub(super) type Receiving = Together<Storing<Webhooks>>;

pub(super) struct Webhooks {
    pub(super) database: Database,
}

#[async_trait::async_trait]
impl Stored for Webhooks {
    /// With the time at which it came.
    type Change = (NewWebhook, DateTime<Utc>);
    type Outcome = ();

    /// A webhook may have 256 kB.
    const AT_ONCE: usize = 16;

    async fn store(&self, received: &[(NewWebhook, DateTime<Utc>)]) -> Result<Vec<()>, DbErr> {
        let rows = received.iter().map(|(webhook, now)| to_row(webhook, *now));
        webhook_event::Entity::insert_many(rows)
            .exec_without_returning(self.database.write())
            .await?;
        Ok(vec![(); received.len()])
    }
}

fn to_row(webhook: &NewWebhook, now: DateTime<Utc>) -> webhook_event::ActiveModel {
    // An event that is about no payment at all is kept, and nothing is done with it.
    let about_payment = webhook.payment_id.is_some() || webhook.gateway_reference.is_some();
    webhook_event::ActiveModel {
        id: Set(format!("{}:{}", webhook.gateway, webhook.event_id)),
        gateway: Set(webhook.gateway.clone()),
        payment_id: Set(webhook.payment_id.clone()),
        gateway_reference: Set(webhook.gateway_reference.clone()),
        body: Set(webhook.body.clone()),
        received_at: Set(now),
        attempt: Set(0),
        next_at: Set(about_payment.then_some(now)),
        processed_at: Set(None),
    }
}

impl Store {
    /// Stores a webhook; false when it was there before.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn webhook_received(&self, webhook: NewWebhook, now: DateTime<Utc>) -> Result<bool, StoreError> {
        match self.receiving.store((webhook, now)).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// At most `limit` webhooks of `share` to work on now; each is handed to one caller for the lease.
    ///
    /// * `times`: now, and how long a lease is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn take_due_webhooks(
        &self,
        share: &Share,
        limit: u64,
        times: (DateTime<Utc>, TimeDelta),
    ) -> Result<Vec<DueWebhook>, StoreError> {
        let rows = due::take::<webhook_event::Entity>(&self.database, share, limit, times).await?;
        let webhook = |row: webhook_event::Model| DueWebhook {
            id: row.id,
            gateway: row.gateway,
            payment_id: row.payment_id,
            gateway_reference: row.gateway_reference,
            body: row.body,
            attempt: row.attempt,
        };
        Ok(rows.into_iter().map(webhook).collect())
    }

    /// Webhooks are done with. What they said of the shopper is not kept.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn webhooks_processed(&self, done: &[DueWebhook], now: DateTime<Utc>) -> Result<(), StoreError> {
        let ids = done.iter().map(|webhook| webhook.id.as_str());
        webhook_event::Entity::update_many()
            .col_expr(webhook_event::Column::NextAt, Expr::value(None::<DateTime<Utc>>))
            .col_expr(webhook_event::Column::ProcessedAt, Expr::value(Some(now)))
            .col_expr(webhook_event::Column::Body, Expr::value(""))
            .filter(webhook_event::Column::Id.is_one_of(ids))
            .exec(self.database.write())
            .await?;
        Ok(())
    }

    /// Forgets webhooks that came before then and wait for nothing, some of them; whether there may be more.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_webhooks(&self, before: DateTime<Utc>) -> Result<bool, StoreError> {
        use webhook_event::Column;
        // Nearly all wait for nothing: as an alternative, SQLite does not take that for what is sought first.
        let waits_for_nothing = Column::ProcessedAt.is_not_null().or(Column::NextAt.is_null());
        let old = webhook_event::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::ReceivedAt.lt(before))
            .filter(waits_for_nothing)
            .limit(FORGOTTEN_MAX);
        let ids: Vec<String> = old.into_tuple().all(self.database.read()).await?;
        let is_full = ids.len() as u64 == FORGOTTEN_MAX;
        if !ids.is_empty() {
            let these = webhook_event::Entity::delete_many().filter(Column::Id.is_one_of(ids));
            these.exec(self.database.write()).await?;
        }
        Ok(is_full)
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
            // Another replica may have taken it over and be done with it.
            .filter(webhook_event::Column::ProcessedAt.is_null())
            .exec(self.database.write())
            .await?;
        Ok(())
    }
}
