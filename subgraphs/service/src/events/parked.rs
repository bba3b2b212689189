//! The table `event_parked`: events of others that were refused here too often, until an operator replays them.
//!
//! Only a broker needs it: without one, whoever wrote an event keeps it in the outbox until it is taken, and parks it
//! there.

use super::entity::parked::{ActiveModel, Column, Entity, Model};
use super::inbox::consume;
use super::{ConsumeError, EventConsumer, storable};
use crate::clock::Clock;
use crate::contract::events::Event;
use crate::database::Database;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr,
};

/// How long an event that is replayed is one replica's.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// Events that are replayed in one round.
const DUE_MAX: u64 = 50;

/// The parked events of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    database: Database,
}

impl Parked {
    pub(crate) fn new(database: Database) -> Parked {
        Parked { database }
    }

    /// Stores an event, as it arrived. One that is there already stays as it is.
    pub(super) async fn park(&self, id: &str, event: &str, error: &str, now: DateTime<Utc>) -> Result<(), DbErr> {
        let row = ActiveModel {
            id: Set(id.to_owned()),
            event: Set(storable(event)),
            error: Set(storable(error)),
            parked_at: Set(now),
            next_at: Set(None),
        };
        match Entity::insert(row).exec_without_returning(self.database.write()).await {
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(()),
            stored => stored.map(|_| ()),
        }
    }

    /// Number of events that are parked.
    pub(super) async fn count(&self) -> Result<u64, DbErr> {
        let parked = Entity::find().filter(Column::NextAt.is_null());
        parked.count(self.database.read()).await
    }

    /// Lets the events take effect that an operator wants to; those that fail again are parked again.
    pub(super) async fn replay_due(&self, consumer: &dyn EventConsumer, clock: &Clock) -> Result<(), DbErr> {
        let due = Entity::find()
            .filter(Column::NextAt.lte(clock.now()))
            .order_by_asc(Column::NextAt)
            .order_by_asc(Column::Id)
            .limit(DUE_MAX)
            .all(self.database.read())
            .await?;
        for row in due {
            let claimed = Entity::update_many()
                .col_expr(Column::NextAt, Expr::value(Some(clock.now() + LEASE)))
                .filter(Column::Id.eq(&row.id))
                .filter(Column::NextAt.eq(row.next_at))
                .exec(self.database.write())
                .await?;
            if claimed.rows_affected == 1 {
                self.replay(consumer, &row).await?;
            }
        }
        Ok(())
    }

    async fn replay(&self, consumer: &dyn EventConsumer, row: &Model) -> Result<(), DbErr> {
        let id = &row.id;
        let taken = match serde_json::from_str::<Event>(&row.event) {
            Ok(event) => consume(consumer, &event).await,
            Err(error) => Err(ConsumeError::failed(error)),
        };
        let Err(error) = taken else {
            tracing::info!(event.id = id, "Event `{id}` was replayed");
            Entity::delete_by_id(id).exec(self.database.write()).await?;
            return Ok(());
        };
        let error = format!("{:#}", anyhow::Error::from(error));
        tracing::error!(event.id = id, error, "Event `{id}` failed again, and stays parked");
        Entity::update_many()
            .col_expr(Column::NextAt, Expr::value(None::<DateTime<Utc>>))
            .col_expr(Column::Error, Expr::value(storable(&error)))
            .filter(Column::Id.eq(id))
            .exec(self.database.write())
            .await?;
        Ok(())
    }
}
