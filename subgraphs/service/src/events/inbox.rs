//! The table `event_inbox`, and the ways in which events arrive there.

use super::entity::inbox::{ActiveModel, Column, Entity};
use super::migration::ID_BYTES_MAX;
use crate::contract::events::{Event, Unreadable};
use crate::database::Database;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use http::StatusCode;
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, SqlErr};
use std::sync::Arc;

/// What a service does with the events of others.
#[async_trait::async_trait]
pub trait EventConsumer: Send + Sync {
    /// Lets an event take effect, with [`take_in`] in the transaction of the effect. One that took effect before, and
    /// one of a type that is of no interest here, are successes.
    async fn consume(&self, event: &Event) -> Result<(), ConsumeError>;
}

/// Why an event did not take effect. It comes again.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// Its data is not what its type promises.
    #[error(transparent)]
    Malformed(#[from] Unreadable),
    /// It could not be stored.
    #[error("the event could not be stored")]
    Failed(#[source] anyhow::Error),
}

impl ConsumeError {
    /// The effect could not be stored.
    pub fn failed(error: impl Into<anyhow::Error>) -> ConsumeError {
        ConsumeError::Failed(error.into())
    }
}

/// Notes an event as taken in, in the transaction of its effect. False when it was before: then there must be no
/// effect, and the transaction can do nothing more (PostgreSQL has ended it).
///
/// # Errors
/// [`DbErr`] when the database fails.
pub async fn take_in(connection: &impl ConnectionTrait, event_id: &str, now: DateTime<Utc>) -> Result<bool, DbErr> {
    let row = ActiveModel {
        id: Set(event_id.to_owned()),
        received_at: Set(now),
    };
    // Not ON CONFLICT, whose MySQL form counts a row that stays as it is like a new one.
    match Entity::insert(row).exec_without_returning(connection).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error),
    }
}

/// [`take_in`] in a statement of its own, which does so only while `holds` has a row; `None` when it has none. For an
/// event without an effect on what was read a moment ago.
///
/// * `holds`: one row at most, of no columns yet.
///
/// # Errors
/// [`DbErr`] when the database fails.
pub async fn take_in_while(
    connection: &impl ConnectionTrait,
    (event_id, now): (&str, DateTime<Utc>),
    mut holds: SelectStatement,
) -> Result<Option<bool>, DbErr> {
    holds.exprs([Expr::value(event_id), Expr::value(now)]);
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([Column::Id, Column::ReceivedAt])
        .select_from(holds)
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    match connection.execute(&insert).await {
        Ok(inserted) => Ok((inserted.rows_affected() == 1).then_some(true)),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(Some(false)),
        Err(error) => Err(error),
    }
}

/// Forgets events that were taken in before then.
pub(super) async fn prune(database: &Database, before: DateTime<Utc>) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::ReceivedAt.lt(before))
        .exec(database.write())
        .await?;
    Ok(())
}

/// `POST /internal/events`, as [`super::PeerTransport`] sends them.
///
/// 204 for an event that took effect, had before, or is of no interest here; 400 for one that cannot be read.
pub(crate) fn router(consumer: Arc<dyn EventConsumer>) -> Router {
    Router::new()
        .route(crate::contract::events::PATH, post(receive))
        .with_state(consumer)
}

async fn receive(State(consumer): State<Arc<dyn EventConsumer>>, Json(event): Json<Event>) -> Response {
    if !(1..=ID_BYTES_MAX as usize).contains(&event.id.len()) {
        let reason = format!("the id of an event is 1 to {ID_BYTES_MAX} bytes\n");
        return (StatusCode::BAD_REQUEST, reason).into_response();
    }
    match consumer.consume(&event).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error @ ConsumeError::Malformed(_)) => {
            (StatusCode::BAD_REQUEST, format!("{:#}\n", anyhow::Error::from(error))).into_response()
        }
        // Not stored, so not acknowledged: it comes again.
        Err(error @ ConsumeError::Failed(_)) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::error!(
                error,
                event.id,
                event.r#type = event.event_type,
                "Event `{}` failed",
                event.id
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
