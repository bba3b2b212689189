//! Running single statements, wherever they go.

use super::server::Session;
use futures::future::BoxFuture;
use sea_orm::{ConnectionTrait, DatabaseExecutor, DbErr, ExecResult, QueryResult, Statement};

/// Where a statement goes.
pub(super) enum Target<'a> {
    /// A SQLite file.
    File(DatabaseExecutor<'a>),
    /// A connection to a server.
    Server(&'a mut dyn Session),
}

impl Target<'_> {
    pub(super) async fn execute(self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Target::File(file) => file.execute_raw(statement).await,
            Target::Server(session) => session.execute(statement).await,
        }
    }

    pub(super) async fn execute_unprepared(self, sql: String) -> Result<ExecResult, DbErr> {
        match self {
            Target::File(file) => file.execute_unprepared(&sql).await,
            Target::Server(session) => session.execute_unprepared(sql).await,
        }
    }

    pub(super) async fn query_one(self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Target::File(file) => file.query_one_raw(statement).await,
            Target::Server(session) => session.query_one(statement).await,
        }
    }

    pub(super) async fn query_all(self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Target::File(file) => file.query_all_raw(statement).await,
            Target::Server(session) => session.query_all(statement).await,
        }
    }
}

/// Runs a statement where it is told to.
pub(super) trait Run<T>: for<'a> FnOnce(Target<'a>) -> BoxFuture<'a, Result<T, DbErr>> + Send {}

impl<T, F> Run<T> for F where F: for<'a> FnOnce(Target<'a>) -> BoxFuture<'a, Result<T, DbErr>> + Send {}

/// The four ways to run a statement, for a type that has a `backend()`, counts its `statements` and can `run` one.
macro_rules! run_statements {
    ($type:ty) => {
        #[async_trait::async_trait]
        impl sea_orm::ConnectionTrait for $type {
            fn get_database_backend(&self) -> sea_orm::DatabaseBackend {
                self.backend()
            }

            async fn execute_raw(&self, statement: sea_orm::Statement) -> Result<sea_orm::ExecResult, DbErr> {
                self.statements.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                self.run(|on: Target<'_>| on.execute(statement).boxed()).await
            }

            async fn execute_unprepared(&self, sql: &str) -> Result<sea_orm::ExecResult, DbErr> {
                let sql = sql.to_owned();
                self.run(|on: Target<'_>| on.execute_unprepared(sql).boxed())
                    .await
            }

            async fn query_one_raw(
                &self,
                statement: sea_orm::Statement,
            ) -> Result<Option<sea_orm::QueryResult>, DbErr> {
                self.statements.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                self.run(|on: Target<'_>| on.query_one(statement).boxed()).await
            }

            async fn query_all_raw(&self, statement: sea_orm::Statement) -> Result<Vec<sea_orm::QueryResult>, DbErr> {
                self.statements.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                self.run(|on: Target<'_>| on.query_all(statement).boxed()).await
            }
        }
    };
}

pub(super) use run_statements;
