//! What an operator does with parked events: look at them, and have them tried again.

use super::entity::{outbox, parked};
use crate::contract::events::Event;
use crate::database::Database;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use std::fmt;

/// An event that waits for an operator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParkedEvent {
    /// `evt_…`
    pub(crate) id: String,
    /// Whether this service wrote it and could not send it, or read it and could not let it take effect.
    pub(crate) side: Side,
    /// The event, unless it cannot be read.
    pub(crate) event: Option<Event>,
    /// Why it failed the last time.
    pub(crate) error: String,
}

/// Where an event is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// With the service that wrote it.
    Written,
    /// With a service that reads it.
    Read,
}

/// A line: id, side, type, subject, time, error, with tabs between.
impl fmt::Display for ParkedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Written => "written",
            Side::Read => "read",
        };
        write!(f, "{}\t{side}\t", self.id)?;
        match &self.event {
            Some(event) => write!(f, "{}\t{}\t{}", event.event_type, event.subject, event.time)?,
            None => write!(f, "?\t?\t?")?,
        }
        write!(f, "\t{}", self.error.replace(['\t', '\n'], " "))
    }
}

/// The events that are parked, oldest first.
///
/// # Errors
/// [`DbErr`] when the database fails.
pub(crate) async fn list(database: &Database) -> Result<Vec<ParkedEvent>, DbErr> {
    let written = outbox::Entity::find()
        .filter(outbox::Column::NextAt.is_null())
        .filter(outbox::Column::SentAt.is_null())
        .order_by_asc(outbox::Column::Id)
        .all(database.read())
        .await?;
    let read = parked::Entity::find()
        .filter(parked::Column::NextAt.is_null())
        .order_by_asc(parked::Column::Id)
        .all(database.read())
        .await?;
    let written = written.into_iter().map(|row| ParkedEvent {
        id: row.id,
        side: Side::Written,
        event: serde_json::from_str(&row.event).ok(),
        error: row.error.unwrap_or_default(),
    });
    let read = read.into_iter().map(|row| ParkedEvent {
        id: row.id,
        side: Side::Read,
        event: serde_json::from_str(&row.event).ok(),
        error: row.error,
    });
    Ok(written.chain(read).collect())
}

/// Has the parked event with this id tried again, or all of them for `None`, by the replicas that serve. Gives their
/// number.
///
/// # Errors
/// [`DbErr`] when the database fails.
pub(crate) async fn replay(database: &Database, id: Option<&str>, now: DateTime<Utc>) -> Result<u64, DbErr> {
    let mut written = outbox::Entity::update_many()
        .col_expr(outbox::Column::NextAt, Expr::value(Some(now)))
        .col_expr(outbox::Column::Refusals, Expr::value(0))
        .filter(outbox::Column::NextAt.is_null())
        .filter(outbox::Column::SentAt.is_null());
    let mut read = parked::Entity::update_many()
        .col_expr(parked::Column::NextAt, Expr::value(Some(now)))
        .filter(parked::Column::NextAt.is_null());
    if let Some(id) = id {
        written = written.filter(outbox::Column::Id.eq(id));
        read = read.filter(parked::Column::Id.eq(id));
    }
    let written = written.exec(database.write()).await?;
    let read = read.exec(database.write()).await?;
    Ok(written.rows_affected + read.rows_affected)
}
