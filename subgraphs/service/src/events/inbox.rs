//! The table `event_inbox`, and the ways in which events arrive there.

use super::entity::inbox::{ActiveModel, Column, Entity};
use super::migration::ID_BYTES_MAX;
use crate::contract::events::{BATCH_MAX, BATCH_PATH, BatchReply, Event, NotTaken, PATH, Unreadable};
use crate::database::Database;
use crate::together::{Stored, Storing, Together};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::join_all;
use http::StatusCode;
use sea_orm::sea_query::{Expr, InsertStatement, Query, SelectStatement, UnionType};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IdenStatic, QueryFilter, SqlErr};
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
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
    /// The consumer panicked: a fault of ours, which the event may bring about each time.
    #[error("the reader panicked")]
    Panicked,
    /// It could not be stored. Says nothing about the event, which comes again until it can.
    #[error("the event could not be stored")]
    Failed(#[source] anyhow::Error),
}

impl ConsumeError {
    /// The effect could not be stored.
    pub fn failed(error: impl Into<anyhow::Error>) -> ConsumeError {
        ConsumeError::Failed(error.into())
    }

    /// Whether it is for the event's sake, which is parked when that happens too often.
    pub(super) fn is_refusal(&self) -> bool {
        !matches!(self, ConsumeError::Failed(_))
    }
}

/// Lets an event take effect, however it arrived. A panic is an error like others: who takes the events of all subjects
/// must outlive one of them.
pub(super) async fn consume(consumer: &dyn EventConsumer, event: &Event) -> Result<(), ConsumeError> {
    // What the panic left half done is a transaction, which is rolled back.
    let consumed = AssertUnwindSafe(consumer.consume(event)).catch_unwind().await;
    consumed.unwrap_or_else(|_| {
        tracing::error!(
            event.id,
            event.r#type = event.event_type,
            "The reader of event `{}` panicked",
            event.id
        );
        Err(ConsumeError::Panicked)
    })
}

/// Notes an event as taken in, in the transaction of its effect. False when it was before: then there must be no
/// effect, and the transaction can do nothing more (PostgreSQL has ended it).
///
/// # Errors
/// [`DbErr`] when the database fails.
pub async fn take_in(connection: &impl ConnectionTrait, event_id: &str, now: DateTime<Utc>) -> Result<bool, DbErr> {
    match take_in_all(connection, [(event_id, now)]).await {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error),
    }
}

/// [`take_in`] of several, by one statement.
///
/// # Errors
/// A violated constraint when one of them was taken in before, which is not said: then there must be no effect of any.
/// [`DbErr`] when the database fails.
pub async fn take_in_all<'a>(
    connection: &impl ConnectionTrait,
    events: impl IntoIterator<Item = (&'a str, DateTime<Utc>)>,
) -> Result<(), DbErr> {
    let rows = events.into_iter().map(|(event_id, now)| ActiveModel {
        id: Set(event_id.to_owned()),
        received_at: Set(now),
    });
    // Not ON CONFLICT, whose MySQL form counts a row that stays as it is like a new one.
    Entity::insert_many(rows).exec_without_returning(connection).await?;
    Ok(())
}

/// [`take_in`] of events without an effect on what was read a moment ago: each is noted only while that still holds. Those
/// that come at the same time are noted by one statement. Cheap to clone.
#[derive(Clone)]
pub struct Notes {
    noting: Together<Storing<Noting>>,
}

impl Notes {
    /// In the inbox of `database`.
    #[must_use]
    pub fn new(database: Database) -> Notes {
        Notes {
            noting: Together::new(Storing(Noting { database })),
        }
    }

    /// Notes the event while `holds` has a row; `None` when it has none, false when it was noted before.
    ///
    /// * `holds`: one row at most, of no columns yet.
    ///
    /// # Errors
    /// [`DbErr`] when the database fails.
    pub async fn take_in_while(
        &self,
        event_id: &str,
        now: DateTime<Utc>,
        holds: SelectStatement,
    ) -> Result<Option<bool>, DbErr> {
        let note = Note {
            event_id: event_id.to_owned(),
            now,
            holds,
        };
        self.noting.store(note).await
    }
}

struct Note {
    event_id: String,
    now: DateTime<Utc>,
    holds: SelectStatement,
}

struct Noting {
    database: Database,
}

#[async_trait::async_trait]
impl Stored for Noting {
    type Change = Note;
    /// As [`Notes::take_in_while`] answers.
    type Outcome = Option<bool>;

    const AT_ONCE: usize = BATCH_MAX;

    async fn store(&self, notes: &[Note]) -> Result<Vec<Option<bool>>, DbErr> {
        if notes.len() > 1 && self.database.write().support_returning() {
            return self.note_all(notes).await;
        }
        let mut noted = Vec::with_capacity(notes.len());
        for note in notes {
            noted.push(self.note(note).await?);
        }
        Ok(noted)
    }
}

impl Noting {
    async fn note(&self, note: &Note) -> Result<Option<bool>, DbErr> {
        let insert = insert_notes(std::slice::from_ref(note))?;
        match self.database.write().execute(&insert).await {
            Ok(inserted) => Ok((inserted.rows_affected() == 1).then_some(true)),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    /// One statement, which fails when one of them was noted before.
    async fn note_all(&self, notes: &[Note]) -> Result<Vec<Option<bool>>, DbErr> {
        let mut insert = insert_notes(notes)?;
        insert.returning_col(Column::Id);
        let rows = self.database.write().query_all(&insert).await?;
        let noted = rows.iter().map(|row| row.try_get("", Column::Id.as_str()));
        let noted: HashSet<String> = noted.collect::<Result<_, _>>()?;
        let is_noted = |note: &Note| noted.contains(&note.event_id).then_some(true);
        Ok(notes.iter().map(is_noted).collect())
    }
}

fn insert_notes(notes: &[Note]) -> Result<InsertStatement, DbErr> {
    let mut rows = notes.iter().map(|note| {
        let mut row = note.holds.clone();
        row.exprs([Expr::value(note.event_id.as_str()), Expr::value(note.now)]);
        row
    });
    let mut all = rows.next().ok_or(DbErr::RecordNotInserted)?;
    all.unions(rows.map(|row| (UnionType::All, row)));
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([Column::Id, Column::ReceivedAt])
        .select_from(all)
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(insert)
}

/// Forgets events that were taken in before then.
pub(super) async fn prune(database: &Database, before: DateTime<Utc>) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::ReceivedAt.lt(before))
        .exec(database.write())
        .await?;
    Ok(())
}

/// `POST /internal/events` and `POST /internal/events/batch`, as [`super::PeerTransport`] sends them.
///
/// The first answers 204 for an event that took effect, had before, or is of no interest here; 400 for one that cannot be
/// read or makes the reader panic; 503 while it cannot be stored. The second answers 200 with what became of each, or 413
/// for too many.
pub(crate) fn router(consumer: Arc<dyn EventConsumer>) -> Router {
    Router::new()
        .route(PATH, post(receive))
        .route(BATCH_PATH, post(receive_batch))
        .with_state(consumer)
}

async fn receive(State(consumer): State<Arc<dyn EventConsumer>>, Json(event): Json<Event>) -> Response {
    match take(&*consumer, &event).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(NotTaken::Refused(reason)) => (StatusCode::BAD_REQUEST, reason + "\n").into_response(),
        Err(NotTaken::Later { later }) => (StatusCode::SERVICE_UNAVAILABLE, later + "\n").into_response(),
    }
}

async fn receive_batch(State(consumer): State<Arc<dyn EventConsumer>>, Json(events): Json<Vec<Event>>) -> Response {
    if events.len() > BATCH_MAX {
        let reason = format!("at most {BATCH_MAX} events at once\n");
        return (StatusCode::PAYLOAD_TOO_LARGE, reason).into_response();
    }
    // At the same time, so that what they store can be stored together.
    let taken = join_all(events.iter().map(|event| take(&*consumer, event))).await;
    let reply: BatchReply = taken.into_iter().map(Result::err).collect();
    Json(reply).into_response()
}

/// Why an event is refused whose id cannot be stored.
pub(super) const BAD_ID: &str = "the id of an event is 1 to 80 bytes, none of them a control character";

/// Whether the id of an event can be stored: PostgreSQL keeps no U+0000.
pub(super) fn has_usable_id(event: &Event) -> bool {
    (1..=ID_BYTES_MAX as usize).contains(&event.id.len()) && !event.id.contains(char::is_control)
}

/// Lets an event take effect; else says why not.
async fn take(consumer: &dyn EventConsumer, event: &Event) -> Result<(), NotTaken> {
    if !has_usable_id(event) {
        return Err(NotTaken::Refused(BAD_ID.to_owned()));
    }
    match consume(consumer, event).await {
        Ok(()) => Ok(()),
        Err(error) if error.is_refusal() => Err(NotTaken::Refused(format!("{:#}", anyhow::Error::from(error)))),
        // Not stored, so not acknowledged: it comes again. Why is for our log alone.
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::error!(
                error,
                event.id,
                event.r#type = event.event_type,
                "Event `{}` failed",
                event.id
            );
            Err(NotTaken::Later {
                later: "the event could not be stored".to_owned(),
            })
        }
    }
}
