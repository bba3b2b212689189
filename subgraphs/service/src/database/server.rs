//! Connections to a database server, PostgreSQL or MySQL/MariaDB.
//!
//! The driver's pool makes them, and tests each that is given back by asking the server once more, which takes as long as
//! a short statement. So one that has just answered is kept at hand here for whoever comes next, and given back only when
//! it is not sure to work: it was left in the middle of something, has failed, or has not been used for a while. The driver
//! itself waits for answers without end; here nobody does, neither who asks nor what is done in the background.

use super::{CONNECT_TIMEOUT, DatabaseOptions, TRUSTED_FOR};
use sea_orm::sea_query::Values;
use sea_orm::sqlx::pool::{Pool, PoolConnection};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, IntoArguments};
use sea_orm::{ConnAcquireErr, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// A connection is given back so often at least: the driver closes those that are too old.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Gives connections to one database of a server.
#[async_trait::async_trait]
pub(super) trait Server: fmt::Debug + Send + Sync {
    /// A connection, once one is free.
    ///
    /// # Errors
    /// [`DbErr::ConnectionAcquire`] when none comes in time, or all are closed; [`DbErr::Conn`] when the server refuses.
    async fn session(&self) -> Result<Box<dyn Session>, DbErr>;

    /// How many connections are open and used by nobody, and how many are in use.
    fn sizes(&self) -> (u32, u32);

    /// Leaves no connection aside that nobody uses, for those who take theirs from the driver's pool.
    fn give_back(&self);

    /// Closes every connection, those in use when they are given back.
    async fn close(&self);
}

/// A connection, for one who uses it. Who drops it within a transaction rolls that back, by closing it.
#[async_trait::async_trait]
pub(super) trait Session: fmt::Debug + Send {
    /// Runs a statement, for the number of rows that it changed.
    async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr>;

    /// Runs a statement that is not worth to be prepared.
    async fn execute_unprepared(&mut self, sql: String) -> Result<ExecResult, DbErr>;

    /// The first row of what a statement answers.
    async fn query_one(&mut self, statement: Statement) -> Result<Option<QueryResult>, DbErr>;

    /// All rows of it.
    async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr>;

    /// Begins a transaction; there must be none.
    async fn begin(&mut self) -> Result<(), DbErr>;

    /// Ends it, by `COMMIT` or `ROLLBACK`.
    async fn end(&mut self, how: End) -> Result<(), DbErr>;
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Commit,
    Rollback,
}

/// The connections of one pool.
#[derive(Debug)]
pub(super) struct ServerPool<DB: sqlx::Database> {
    pool: Pool<DB>,
    /// Those that were used a moment ago, the last of them last.
    kept: Arc<Mutex<Vec<Kept<DB>>>>,
    permits: Arc<Semaphore>,
    max: u32,
    answer_timeout: Duration,
}

#[derive(Debug)]
struct Kept<DB: sqlx::Database> {
    connection: Lent<DB>,
    since: Instant,
    used_at: Instant,
}

impl<DB: sqlx::Database> ServerPool<DB> {
    /// At most `connections_max` at once; `pool` must not have fewer.
    pub(super) fn new(pool: Pool<DB>, options: &DatabaseOptions) -> ServerPool<DB> {
        let max = options.connections_max;
        let permits = usize::try_from(max).unwrap_or(Semaphore::MAX_PERMITS);
        ServerPool {
            pool,
            kept: Arc::default(),
            permits: Arc::new(Semaphore::new(permits)),
            max,
            answer_timeout: options.answer_timeout,
        }
    }

    async fn acquire(&self) -> Result<Lease<DB>, DbErr> {
        let permit = timeout(CONNECT_TIMEOUT, Arc::clone(&self.permits).acquire_owned());
        let permit = permit
            .await
            .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?
            .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?;
        let kept = {
            let mut kept = locked(&self.kept);
            give_back_unused(&mut kept);
            kept.pop()
        };
        let (connection, since) = match kept {
            Some(kept) => (kept.connection, kept.since),
            None => {
                let connection = Lent {
                    connection: Some(self.pool.acquire().await.map_err(not_acquired)?),
                    answer_timeout: self.answer_timeout,
                };
                (connection, Instant::now())
            }
        };
        Ok(Lease {
            connection,
            state: State::Free,
            since,
            kept: Arc::clone(&self.kept),
            permit,
        })
    }
}

fn locked<DB: sqlx::Database>(kept: &Mutex<Vec<Kept<DB>>>) -> MutexGuard<'_, Vec<Kept<DB>>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves those that were used a moment ago. The driver tests the others, and closes them when nobody needs them.
fn give_back_unused<DB: sqlx::Database>(kept: &mut Vec<Kept<DB>>) {
    kept.retain(|kept| kept.used_at.elapsed() < TRUSTED_FOR);
}

fn not_acquired(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}

/// Whether the connection is broken, or was ended by the server: then what was being committed is perhaps committed. Not when the
/// database has an opinion of a statement.
fn is_of_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        // The classes of SQLSTATE of connections, and of servers that are shut down.
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("08") || code.starts_with("57P")),
        _ => false,
    }
}

fn failed(error: sqlx::Error) -> DbErr {
    let is_of_connection = is_of_connection(&error);
    let error = RuntimeErr::SqlxError(error.into());
    if is_of_connection {
        DbErr::Conn(error)
    } else {
        DbErr::Exec(error)
    }
}

/// A connection of the driver's pool. Who drops it gives it back: the driver tests it in the background, and reads what is
/// left of an answer.
#[derive(Debug)]
struct Lent<DB: sqlx::Database> {
    /// `None` once it is closed.
    connection: Option<PoolConnection<DB>>,
    answer_timeout: Duration,
}

impl<DB: sqlx::Database> Lent<DB> {
    /// Leaves one here that is closed.
    fn take(&mut self) -> Lent<DB> {
        Lent {
            connection: self.connection.take(),
            answer_timeout: self.answer_timeout,
        }
    }

    /// Takes leave of the server, in the background and for 5 s at most.
    fn close(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }

    /// Closes it at once: nobody is there to take leave of.
    fn cut(&mut self) {
        drop(self.connection.take().map(PoolConnection::detach));
    }
}

impl<DB: sqlx::Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        // What the driver does when a connection is dropped, but for the bound: a place in its pool is held until then.
        let (giving_back, answer_timeout) = (connection.return_to_pool(), self.answer_timeout);
        tokio::spawn(async move {
            if timeout(answer_timeout, giving_back).await.is_err() {
                tracing::warn!("A connection to the database was closed, since its test was not answered in time");
            }
        });
    }
}

/// A connection in use.
#[derive(Debug)]
struct Lease<DB: sqlx::Database> {
    connection: Lent<DB>,
    state: State,
    since: Instant,
    kept: Arc<Mutex<Vec<Kept<DB>>>>,
    permit: OwnedSemaphorePermit,
}

/// What a connection is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// A statement that has not been answered, or in a way that leaves it open what comes next.
    Statement,
    /// A transaction that perhaps has begun and perhaps has not ended.
    Transaction,
}

impl<DB: sqlx::Database> Lease<DB> {
    fn answer_timeout(&self) -> Duration {
        self.connection.answer_timeout
    }

    /// Where the next statement goes. When it is given up half-way, the state tells.
    fn connection(&mut self) -> Result<&mut DB::Connection, DbErr> {
        if self.state == State::Free {
            self.state = State::Statement;
        }
        let closed = || DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
        self.connection.connection.as_deref_mut().ok_or_else(closed)
    }

    /// The answer to a statement. What the database itself says of it, success or not, is all that comes. When nothing came
    /// in time, the connection is broken, and nothing more is asked on it, no rollback either.
    fn heard<T>(&mut self, answer: Result<Result<T, sqlx::Error>, Elapsed>) -> Result<T, DbErr> {
        let answer = answer.unwrap_or_else(|_| {
            self.connection.cut();
            Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into()))
        });
        let is_heard = match &answer {
            Ok(_) => true,
            Err(error) => matches!(error, sqlx::Error::Database(_)) && !is_of_connection(error),
        };
        if !is_heard {
            // What broke this connection may have broken the others: let the driver test them.
            locked(&self.kept).clear();
        } else if self.state == State::Statement {
            self.state = State::Free;
        }
        answer.map_err(failed)
    }
}

#[async_trait::async_trait]
impl<DB: sqlx::Database> Server for ServerPool<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    SqlxValues: IntoArguments<DB>,
    ExecResult: From<DB::QueryResult>,
    QueryResult: From<DB::Row>,
{
    async fn session(&self) -> Result<Box<dyn Session>, DbErr> {
        Ok(Box::new(self.acquire().await?))
    }

    fn sizes(&self) -> (u32, u32) {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(self.max);
        let in_use = self.max.saturating_sub(free);
        (self.pool.size().saturating_sub(in_use), in_use)
    }

    fn give_back(&self) {
        locked(&self.kept).clear();
    }

    async fn close(&self) {
        self.permits.close();
        self.give_back();
        self.pool.close().await;
    }
}

#[async_trait::async_trait]
impl<DB: sqlx::Database> Session for Lease<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    SqlxValues: IntoArguments<DB>,
    ExecResult: From<DB::QueryResult>,
    QueryResult: From<DB::Row>,
{
    async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        let answer_timeout = self.answer_timeout();
        let done = timeout(answer_timeout, query(statement).execute(self.connection()?)).await;
        self.heard(done).map(ExecResult::from)
    }

    async fn execute_unprepared(&mut self, sql: String) -> Result<ExecResult, DbErr> {
        let answer_timeout = self.answer_timeout();
        let done = timeout(answer_timeout, self.connection()?.execute(AssertSqlSafe(sql))).await;
        self.heard(done).map(ExecResult::from)
    }

    async fn query_one(&mut self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let answer_timeout = self.answer_timeout();
        let row = timeout(answer_timeout, query(statement).fetch_optional(self.connection()?)).await;
        Ok(self.heard(row)?.map(QueryResult::from))
    }

    async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let answer_timeout = self.answer_timeout();
        let rows = timeout(answer_timeout, query(statement).fetch_all(self.connection()?)).await;
        Ok(self.heard(rows)?.into_iter().map(QueryResult::from).collect())
    }

    async fn begin(&mut self) -> Result<(), DbErr> {
        self.state = State::Transaction;
        self.execute_unprepared("BEGIN".to_owned()).await?;
        Ok(())
    }

    async fn end(&mut self, how: End) -> Result<(), DbErr> {
        self.execute_unprepared(how.sql().to_owned()).await?;
        self.state = State::Free;
        Ok(())
    }
}

impl End {
    fn sql(self) -> &'static str {
        match self {
            End::Commit => "COMMIT",
            End::Rollback => "ROLLBACK",
        }
    }
}

fn query<DB: sqlx::Database>(statement: Statement) -> Query<'static, DB, SqlxValues>
where
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.unwrap_or_else(|| Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

impl<DB: sqlx::Database> Drop for Lease<DB> {
    fn drop(&mut self) {
        match self.state {
            State::Free if self.since.elapsed() < KEPT_FOR => {
                let mut kept = locked(&self.kept);
                give_back_unused(&mut kept);
                // Asked under the lock: who closes takes all that are kept after that.
                if !self.permit.semaphore().is_closed() {
                    kept.push(Kept {
                        connection: self.connection.take(),
                        since: self.since,
                        used_at: Instant::now(),
                    });
                }
            }
            State::Free | State::Statement => {}
            // Whether it has begun or ended may not be known: the server ends it with the connection.
            State::Transaction => self.connection.close(),
        }
    }
}
