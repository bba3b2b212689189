//! Events taken in (once each), and events to be pushed.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    SqlErr,
};
use service::contract::events::{Event, ORDERS_PAID, OrderPaid, OrderPaidLine};

use super::changes::Extra;
use super::{Store, StoreError};
use crate::domain::OrderFile;
use crate::entity::{inbox_event, outbox_event};

const DUE_MAX: u64 = 50;

/// An event that its consumer has not acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub struct DueEvent {
    /// The event.
    pub event: Event,
    /// Times it was pushed in vain.
    pub attempt: i32,
}

/// Notes that an event was taken in; a second time is a violation of its primary key.
pub(super) async fn take_in(
    connection: &impl ConnectionTrait,
    event_id: &str,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = inbox_event::ActiveModel {
        id: Set(event_id.to_owned()),
        received_at: Set(now),
    };
    inbox_event::Entity::insert(row)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

pub(super) async fn insert_paid_event(connection: &impl ConnectionTrait, file: &OrderFile) -> Result<(), DbErr> {
    let Some(now) = file.new_events.last().map(|event| event.at) else {
        return Ok(());
    };
    let lines = file.lines.iter().map(|line| OrderPaidLine {
        product_id: line.product_id.clone(),
        variant_id: line.variant_id.clone(),
        quantity: line.quantity,
    });
    let data = OrderPaid {
        order_id: file.order.id.clone(),
        user_id: file.order.user_id.clone(),
        lines: lines.collect(),
    };
    let plain = |error: serde_json::Error| DbErr::Custom(error.to_string());
    let event = Event {
        specversion: "1.0".to_owned(),
        id: service::id::new("evt"),
        source: "orders".to_owned(),
        event_type: ORDERS_PAID.to_owned(),
        subject: file.order.id.clone(),
        time: now,
        aggregate_version: file.order.version,
        data: serde_json::to_value(data).map_err(plain)?,
    };
    let row = outbox_event::ActiveModel {
        id: Set(event.id.clone()),
        event: Set(serde_json::to_string(&event).map_err(plain)?),
        attempt: Set(0),
        next_at: Set(now),
    };
    outbox_event::Entity::insert(row)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

impl Store {
    /// Changes an order because of an event, once: the same event again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn change_once(
        &self,
        order_id: &str,
        (event_id, now): (&str, DateTime<Utc>),
        act: impl Fn(&mut OrderFile),
    ) -> Result<(), StoreError> {
        let extra = Extra {
            event: Some((event_id, now)),
            ..Extra::default()
        };
        let changed = self.change_with(order_id, extra, |file| {
            act(file);
            Ok::<(), std::convert::Infallible>(())
        });
        match changed.await {
            Err(StoreError::Database(error))
                if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// When the oldest event happened that its consumer has not acknowledged.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn oldest_event(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        // Ids grow with time.
        let oldest = outbox_event::Entity::find()
            .order_by_asc(outbox_event::Column::Id)
            .one(self.database.read())
            .await?;
        let event = oldest.and_then(|row| serde_json::from_str::<Event>(&row.event).ok());
        Ok(event.map(|event| event.time))
    }

    /// Forgets the ids of events that were taken in before then.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn prune_inbox(&self, before: DateTime<Utc>) -> Result<(), StoreError> {
        inbox_event::Entity::delete_many()
            .filter(inbox_event::Column::ReceivedAt.lt(before))
            .exec(self.database.write())
            .await?;
        Ok(())
    }

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

    /// The consumer has stored the event.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn event_acknowledged(&self, event_id: &str) -> Result<(), StoreError> {
        outbox_event::Entity::delete_by_id(event_id)
            .exec(self.database.write())
            .await?;
        Ok(())
    }

    /// The consumer did not answer; the event is pushed again at `next_at`.
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
}
