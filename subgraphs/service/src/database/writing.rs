//! What writes: single statements, and transactions. On SQLite both take turns ([`super::group_commit`]).

use super::group_commit::{GroupCommit, Turn, Wish, begin, ended};
use futures::FutureExt;
use futures::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbErr, ExecResult,
    QueryResult, Statement,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// Runs single statements that write, each a transaction of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    pub(super) pool: DatabaseConnection,
    /// On SQLite.
    pub(super) group_commit: Option<GroupCommit>,
    pub(super) statements: Arc<AtomicU64>,
}

impl Writer {
    /// As [`super::Database::begin`].
    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        let open = match &self.group_commit {
            None => Open::Alone(begin(&self.pool).await?),
            Some(group_commit) => Open::Turn(group_commit.turn(Wish::Transaction).await?),
        };
        Ok(Transaction {
            backend: self.backend(),
            open: Mutex::new(Some(open)),
            statements: Arc::clone(&self.statements),
        })
    }

    fn backend(&self) -> DatabaseBackend {
        self.pool.get_database_backend()
    }

    async fn run<T>(&self, statement: impl Run<T>) -> Result<T, DbErr> {
        let Some(group_commit) = &self.group_commit else {
            return statement(DatabaseExecutor::Connection(&self.pool)).await;
        };
        let turn = group_commit.turn(Wish::Statement).await?;
        let answer = statement(turn.transaction().into()).await;
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
    /// `None` once a statement has failed, on SQLite.
    open: Mutex<Option<Open>>,
    statements: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Open {
    /// On a connection of its own.
    Alone(DatabaseTransaction),
    /// In its turn.
    Turn(Turn),
}

impl Transaction {
    /// Makes what was written permanent: it is on the disk when this answers.
    ///
    /// # Errors
    /// [`DbErr`] when the database fails, or a statement of it has failed before.
    pub async fn commit(self) -> Result<(), DbErr> {
        match self.open.into_inner() {
            Some(Open::Alone(transaction)) => transaction.commit().await,
            Some(Open::Turn(turn)) => turn.commit().await,
            None => Err(ended()),
        }
    }

    /// Undoes what was written. What was read is on the disk when this answers.
    ///
    /// # Errors
    /// [`DbErr`] when the database fails; then too, nothing was written.
    pub async fn rollback(self) -> Result<(), DbErr> {
        match self.open.into_inner() {
            Some(open) => open.rollback().await,
            None => Ok(()),
        }
    }

    fn backend(&self) -> DatabaseBackend {
        self.backend
    }

    async fn run<T>(&self, statement: impl Run<T>) -> Result<T, DbErr> {
        let mut open = self.open.lock().await;
        let transaction = match open.as_ref() {
            Some(Open::Alone(transaction)) => return statement(transaction.into()).await,
            Some(Open::Turn(turn)) => turn.transaction(),
            None => return Err(ended()),
        };
        let answer = statement(transaction.into()).await;
        match open.take_if(|_| answer.is_err()) {
            Some(failed) => heard(answer, failed.rollback().await),
            None => answer,
        }
    }
}

impl Open {
    async fn rollback(self) -> Result<(), DbErr> {
        match self {
            Open::Alone(transaction) => transaction.rollback().await,
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

/// Runs a statement on what it is given.
trait Run<T>: for<'a> FnOnce(DatabaseExecutor<'a>) -> BoxFuture<'a, Result<T, DbErr>> + Send {}

impl<T, F> Run<T> for F where F: for<'a> FnOnce(DatabaseExecutor<'a>) -> BoxFuture<'a, Result<T, DbErr>> + Send {}

/// The four ways to run a statement are the same for both.
macro_rules! run_statements {
    ($type:ty) => {
        #[async_trait::async_trait]
        impl ConnectionTrait for $type {
            fn get_database_backend(&self) -> DatabaseBackend {
                self.backend()
            }

            async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
                self.statements.fetch_add(1, Ordering::Relaxed);
                self.run(|on: DatabaseExecutor<'_>| async move { on.execute_raw(statement).await }.boxed())
                    .await
            }

            async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
                let sql = sql.to_owned();
                self.run(|on: DatabaseExecutor<'_>| async move { on.execute_unprepared(&sql).await }.boxed())
                    .await
            }

            async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
                self.statements.fetch_add(1, Ordering::Relaxed);
                self.run(|on: DatabaseExecutor<'_>| async move { on.query_one_raw(statement).await }.boxed())
                    .await
            }

            async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
                self.statements.fetch_add(1, Ordering::Relaxed);
                self.run(|on: DatabaseExecutor<'_>| async move { on.query_all_raw(statement).await }.boxed())
                    .await
            }
        }
    };
}

run_statements!(Writer);
run_statements!(Transaction);
