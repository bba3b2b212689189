//! Events in the tables that services had of their own before `event_outbox` and `event_inbox`.
//!
//! To be deleted, with those tables, in the release after the one that brought this.

use super::entity::{inbox, outbox};
use super::{inbox as taken, outbox as written};
use crate::contract::events::Event;
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, ExprTrait};
use sea_orm_migration::SchemaManager;

/// Rows of each table that are moved at once.
const ROWS_MAX: u64 = 200;

/// Moves some of what is left in the old tables to the new ones; whether there may be more. May be repeated at any time, by
/// several processes at once.
pub(super) async fn take_over(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    let connection = manager.get_connection();
    let mut moved = Vec::new();
    if manager.has_table("outbox_event").await? {
        moved.push(move_outbox(connection).await?);
    }
    // Orders', and reviews'.
    for (table, key) in [("inbox_event", "id"), ("inbox", "event_id")] {
        if manager.has_table(table).await? {
            moved.push(move_inbox(connection, table, key).await?);
        }
    }
    Ok(moved.contains(&ROWS_MAX))
}

/// Gives the number of events.
async fn move_outbox(connection: &impl ConnectionTrait) -> Result<u64, DbErr> {
    // Users had a row for each consumer of an event.
    let select = Query::select()
        .columns(["id", "event"])
        .distinct()
        .from("outbox_event")
        .order_by("id", sea_orm::Order::Asc)
        .limit(ROWS_MAX)
        .to_owned();
    let rows = connection.query_all(&select).await?;
    for row in &rows {
        let (id, text): (String, String) = (row.try_get("", "id")?, row.try_get("", "event")?);
        let event: Event = serde_json::from_str(&text)
            .map_err(|error| DbErr::Custom(format!("event `{id}` of `outbox_event` cannot be read: {error}")))?;
        if outbox::Entity::find_by_id(&id).one(connection).await?.is_none() {
            unless_there(written::write(connection, std::slice::from_ref(&event)).await)?;
        }
        delete(connection, "outbox_event", "id", &id).await?;
    }
    Ok(rows.len() as u64)
}

/// Gives the number of ids.
async fn move_inbox(connection: &impl ConnectionTrait, table: &'static str, key: &'static str) -> Result<u64, DbErr> {
    let select = Query::select().column(key).from(table).limit(ROWS_MAX).to_owned();
    let now = crate::clock::Clock::System.now();
    let rows = connection.query_all(&select).await?;
    for row in &rows {
        let id: String = row.try_get("", key)?;
        if inbox::Entity::find_by_id(&id).one(connection).await?.is_none() {
            unless_there(taken::take_in(connection, &id, now).await)?;
        }
        delete(connection, table, key, &id).await?;
    }
    Ok(rows.len() as u64)
}

/// Another process may have moved the row at the same time.
fn unless_there<T>(moved: Result<T, DbErr>) -> Result<(), DbErr> {
    match moved {
        Err(error) if matches!(error.sql_err(), Some(sea_orm::SqlErr::UniqueConstraintViolation(_))) => Ok(()),
        other => other.map(|_| ()),
    }
}

async fn delete(
    connection: &impl ConnectionTrait,
    table: &'static str,
    key: &'static str,
    id: &str,
) -> Result<(), DbErr> {
    let delete = Query::delete()
        .from_table(table)
        .and_where(Expr::col(key).eq(id))
        .to_owned();
    connection.execute(&delete).await?;
    Ok(())
}
