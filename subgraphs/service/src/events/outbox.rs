//! The table `event_outbox`: what waits to be sent, what was sent, and what is parked.

use super::entity::outbox::{ActiveModel, Column, Entity, Model};
use crate::contract::events::Event;
use crate::database::{Database, OneOf as _, take_due};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, Query, SelectStatement};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

/// Events that are looked at together.
const HEADS_MAX: u64 = 50;

/// Stores events, to be sent once the transaction of `connection` is committed.
///
/// # Errors
/// [`DbErr`] when the database fails, or has one of them already.
pub async fn write(connection: &impl ConnectionTrait, events: &[Event]) -> Result<(), DbErr> {
    if events.is_empty() {
        return Ok(());
    }
    let rows = events.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    Entity::insert_many(rows).exec_without_returning(connection).await?;
    Ok(())
}

fn row(event: &Event) -> Result<ActiveModel, DbErr> {
    Ok(ActiveModel {
        id: Set(event.id.clone()),
        subject: Set(event.subject.clone()),
        version: Set(event.aggregate_version),
        event: Set(serde_json::to_string(event).map_err(|error| DbErr::Custom(error.to_string()))?),
        attempt: Set(0),
        refusals: Set(0),
        next_at: Set(Some(event.time)),
        sent_at: Set(None),
        error: Set(None),
    })
}

/// What became of sending an event in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is sent again then.
    At(DateTime<Utc>),
    /// It waits for an operator.
    Parked,
}

/// The outbox of one service.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    database: Database,
}

impl Outbox {
    pub(super) fn new(database: Database) -> Outbox {
        Outbox { database }
    }

    /// Events that are due, at most one of each subject: none that has an older one before it.
    pub(super) async fn heads(&self, now: DateTime<Utc>) -> Result<Vec<Model>, DbErr> {
        Entity::find()
            .filter(Column::NextAt.lte(now))
            .filter(Expr::exists(older_of_subject()).not())
            .order_by_asc(Column::NextAt)
            .order_by_asc(Column::Id)
            .limit(HEADS_MAX)
            .all(self.database.read())
            .await
    }

    /// Takes those of `rows` until `lease_end` that no other replica has taken since they were read. The instant also
    /// proves to [`Outbox::failed`] whose they are.
    pub(super) async fn claim(
        &self,
        mut rows: Vec<Model>,
        now: DateTime<Utc>,
        lease_end: DateTime<Utc>,
    ) -> Result<Vec<Model>, DbErr> {
        let ids = rows.iter().map(|row| row.id.clone()).collect();
        let columns = (Column::Id, Column::NextAt);
        let taken = take_due::<Entity>(&self.database, columns, ids, (now, lease_end)).await?;
        rows.retain(|row| taken.contains(&row.id));
        Ok(rows)
    }

    /// Everybody took them. True also for those whose lease has run out meanwhile.
    pub(super) async fn sent(&self, ids: Vec<String>, now: DateTime<Utc>) -> Result<(), DbErr> {
        if ids.is_empty() {
            return Ok(());
        }
        Entity::update_many()
            .col_expr(Column::NextAt, Expr::value(None::<DateTime<Utc>>))
            .col_expr(Column::SentAt, Expr::value(Some(now)))
            .col_expr(Column::Error, Expr::value(None::<String>))
            .filter(Column::Id.is_one_of(ids))
            .exec(self.database.write())
            .await?;
        Ok(())
    }

    /// It was sent in vain by whoever had it until `lease_end`; changes nothing when somebody else has it now.
    pub(super) async fn failed(&self, row: &Model, lease_end: DateTime<Utc>, next: Next) -> Result<(), DbErr> {
        let next_at = match next {
            Next::At(instant) => Some(instant),
            Next::Parked => None,
        };
        Entity::update_many()
            .col_expr(Column::Attempt, Expr::value(row.attempt))
            .col_expr(Column::Refusals, Expr::value(row.refusals))
            .col_expr(Column::Error, Expr::value(row.error.clone()))
            .col_expr(Column::NextAt, Expr::value(next_at))
            .filter(Column::Id.eq(&row.id))
            .filter(Column::NextAt.eq(lease_end))
            .exec(self.database.write())
            .await?;
        Ok(())
    }

    /// Number of events that wait.
    pub(super) async fn waiting(&self) -> Result<u64, DbErr> {
        Entity::find()
            .filter(Column::NextAt.is_not_null())
            .count(self.database.read())
            .await
    }

    /// Number of events that are parked.
    pub(super) async fn parked(&self) -> Result<u64, DbErr> {
        Entity::find()
            .filter(Column::NextAt.is_null())
            .filter(Column::SentAt.is_null())
            .count(self.database.read())
            .await
    }

    /// When the event happened that has waited the longest.
    pub(super) async fn oldest(&self) -> Result<Option<DateTime<Utc>>, DbErr> {
        // Ids grow with time.
        let oldest = Entity::find()
            .filter(Column::NextAt.is_not_null())
            .order_by_asc(Column::Id)
            .one(self.database.read())
            .await?;
        let event = oldest.and_then(|row| serde_json::from_str::<Event>(&row.event).ok());
        Ok(event.map(|event| event.time))
    }

    /// Forgets events that were sent before then.
    pub(super) async fn prune(&self, before: DateTime<Utc>) -> Result<(), DbErr> {
        Entity::delete_many()
            .filter(Column::SentAt.lt(before))
            .exec(self.database.write())
            .await?;
        Ok(())
    }
}

/// An event of the same subject that waits, and that comes before the one of the outer query.
fn older_of_subject() -> SelectStatement {
    let older = |column: Column| Expr::col((Alias::new("older"), column));
    let this = |column: Column| Expr::col((Entity, column));
    let same_version = older(Column::Version).eq(this(Column::Version));
    let before = older(Column::Version)
        .lt(this(Column::Version))
        .or(same_version.and(older(Column::Id).lt(this(Column::Id))));
    Query::select()
        .expr(Expr::val(1))
        .from_as(Entity, Alias::new("older"))
        .and_where(older(Column::Subject).eq(this(Column::Subject)))
        .and_where(older(Column::NextAt).is_not_null())
        .and_where(before)
        .to_owned()
}
