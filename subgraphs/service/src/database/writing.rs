//! What writes: single statements, and transactions. On SQLite both take turns ([`super::group_commit`]).

use super::group_commit::{GroupCommit, Turn, Wish, ended};
use super::server::{End, Server, Session};
use super::statements::{Run, Target, run_statements};
use futures::FutureExt;
use sea_orm::{DatabaseBackend, DbErr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::Mutex;

/// Runs single statements that write, each a transaction of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    pub(super) turns: Turns,
    pub(super) backend: DatabaseBackend,
    pub(super) statements: Arc<AtomicU64>,
}

/// Whose turn it is to write.
#[derive(Clone, Debug)]
pub(super) enum Turns {
    /// One after the other, on a SQLite file.
    Grouped(GroupCommit),
    /// The server sees to it.
    Server(Arc<dyn Server>),
}

impl Writer {
    /// As [`super::Database::begin`].
    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        let open = match &self.turns {
            Turns::Grouped(group_commit) => Open::Turn(group_commit.turn(Wish::Transaction).await?),
            Turns::Server(server) => {
                let mut session = server.session().await?;
                session.begin().await?;
                Open::Session(session)
            }
        };
        Ok(Transaction {
            backend: self.backend(),
            open: Mutex::new(Some(open)),
            statements: Arc::clone(&self.statements),
        })
    }

    fn backend(&self) -> DatabaseBackend {
        self.backend
    }

    async fn run<T>(&self, statement: impl Run<T>) -> Result<T, DbErr> {
        let group_commit = match &self.turns {
            Turns::Server(server) => return statement(Target::Server(&mut *server.session().await?)).await,
            Turns::Grouped(group_commit) => group_commit,
        };
        let turn = group_commit.turn(Wish::Statement).await?;
        let answer = statement(Target::File(turn.transaction().into())).await;
        match answer {
            Ok(_) => turn.commit().await.and(answer),
            Err(_) => heard(answer, turn.rollback().await),
        }
    }
}

/// A transaction that writes. Who drops it rolls it back.
#[derive(Debug)]
pub struct Transaction {
    backend: DatabaseBackend,
    /// `None` once a statement has failed: then it has been rolled back.
    /// On MySQL a violated constraint undoes the statement alone.
    open: Mutex<Option<Open>>,
    statements: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Open {
    /// On a connection of its own.
    Session(Box<dyn Session>),
    /// In its turn.
    Turn(Turn),
}

impl Transaction {
    /// Makes what was written permanent: it is on the disk when this answers.
    ///
    /// # Errors
    /// [`DbErr`] when the database fails, or a statement of it has failed before.
    pub async fn commit(mut self) -> Result<(), DbErr> {
        match self.open.get_mut().take() {
            Some(Open::Session(mut session)) => session.end(End::Commit).await,
            Some(Open::Turn(turn)) => turn.commit().await,
            None => Err(ended()),
        }
    }

    /// Undoes what was written. What was read is on the disk when this answers.
    ///
    /// # Errors
    /// [`DbErr`] when the database fails; then too, nothing was written.
    pub async fn rollback(mut self) -> Result<(), DbErr> {
        match self.open.get_mut().take() {
            Some(open) => open.rollback().await,
            None => Ok(()),
        }
    }

    fn backend(&self) -> DatabaseBackend {
        self.backend
    }

    async fn run<T>(&self, statement: impl Run<T>) -> Result<T, DbErr> {
        let mut open = self.open.lock().await;
        let target = match open.as_mut() {
            Some(Open::Session(session)) => Target::Server(session.as_mut()),
            Some(Open::Turn(turn)) => Target::File(turn.transaction().into()),
            None => return Err(ended()),
        };
        let answer = statement(target).await;
        let is_undone = |error: &DbErr| self.backend != DatabaseBackend::MySql || error.sql_err().is_none();
        match open.take_if(|_| answer.as_ref().is_err_and(is_undone)) {
            Some(failed) => heard(answer, failed.rollback().await),
            None => answer,
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // A turn ends when it is dropped; a connection is worth to be kept.
        if let Some(open @ Open::Session(_)) = self.open.get_mut().take() {
            tokio::spawn(open.rollback());
        }
    }
}

impl Open {
    async fn rollback(self) -> Result<(), DbErr> {
        match self {
            Open::Session(mut session) => session.end(End::Rollback).await,
            Open::Turn(turn) => turn.rollback().await,
        }
    }
}

/// What is heard of a statement that failed. That it violates a constraint may come from what others of the group wrote,
/// so this is true only if that is there to stay.
fn heard<T>(failed: Result<T, DbErr>, outcome: Result<(), DbErr>) -> Result<T, DbErr> {
    match &failed {
        Err(error) if error.sql_err().is_some() => outcome.and(failed),
        _ => failed,
    }
}

run_statements!(Writer);
run_statements!(Transaction);
