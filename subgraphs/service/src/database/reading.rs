//! What reads.

use super::server::Server;
use super::statements::{Run, Target, run_statements};
use futures::FutureExt;
use sea_orm::{DatabaseBackend, DatabaseConnection, DatabaseExecutor, DbErr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Runs statements that read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) source: Source,
    pub(super) backend: DatabaseBackend,
    pub(super) statements: Arc<AtomicU64>,
}

/// Where it reads.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A SQLite file, by connections that only read.
    File(DatabaseConnection),
    Server(Arc<dyn Server>),
}

impl Reader {
    fn backend(&self) -> DatabaseBackend {
        self.backend
    }

    async fn run<T>(&self, statement: impl Run<T>) -> Result<T, DbErr> {
        match &self.source {
            Source::File(pool) => statement(Target::File(DatabaseExecutor::Connection(pool))).await,
            Source::Server(server) => statement(Target::Server(&mut *server.session().await?)).await,
        }
    }
}

run_statements!(Reader);
