//! The service's database: SQLite, PostgreSQL or MySQL/MariaDB, by `DATABASE_URL`.
//!
//! SQLite gets one connection that writes and a pool that reads (WAL), so that a write never waits for itself and a
//! read never for a write. Knows no tables but the migrations'.

mod group_commit;
mod mysql;
mod one_of;
mod reading;
mod server;
mod statements;
mod update_all;
mod writing;

use chrono::{DateTime, Utc};
use futures::{FutureExt as _, TryFutureExt as _};
use sea_orm::sea_query::{ColumnDef, IntoIden, Query};
use sea_orm::sqlx;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{Connection as _, Executor as _};
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction,
    EntityTrait, IdenStatic, RuntimeErr, Statement, TransactionTrait,
};
use sea_orm_migration::{MigratorTrait, SchemaManager};

pub use mysql::{alter_on_mysql, exact_varchar};
pub use one_of::OneOf;
pub use reading::Reader;
pub use sea_orm::DbErr;
pub use update_all::{RowChange, RowsOf, update_all};
pub use writing::{Transaction, Writer};

use group_commit::GroupCommit;
use reading::Source;
use server::{Server, ServerPool};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use writing::Turns;

/// How to use a database.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// Most connections; on SQLite, most connections that read.
    pub connections_max: u32,
    /// Wait for the disk at every commit (SQLite `synchronous=FULL`): for money and orders. Others may lose the last
    /// moment before a power cut, but are never damaged.
    pub durable: bool,
    /// Bytes that must be free where a SQLite file is; with less, [`Database::has_room`] says no.
    pub free_bytes_min: u64,
    /// Longest wait for the answer of a server to a statement, `BEGIN`, `COMMIT` and `ROLLBACK` among them; not to those of
    /// migrations. After it the connection is taken for broken.
    pub answer_timeout: Duration,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        DatabaseOptions {
            connections_max: 8,
            durable: false,
            free_bytes_min: 64 << 20,
            answer_timeout: ANSWER_TIMEOUT,
        }
    }
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// `DATABASE_URL` has another scheme.
    #[error("DATABASE_URL must begin with `sqlite:`, `postgres:` or `mysql:`")]
    UnknownScheme,
    /// A database in memory would be another one for each connection.
    #[error("SQLite in memory is not supported: give a file, such as `sqlite:./data/users.sqlite`")]
    InMemory,
    /// The folder of the SQLite file cannot be made.
    #[error("the folder `{folder}` could not be created")]
    Folder {
        /// The folder.
        folder: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody listens there, or not in time.
    #[error("`{url}` did not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    NoAnswer {
        /// The address, without the password.
        url: String,
    },
    /// The database refuses, or the file cannot be opened.
    #[error("could not connect to `{url}`: {reason}")]
    Refused {
        /// The address, without the password.
        url: String,
        /// What the database or the operating system says.
        reason: String,
    },
}

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What SQLite answers after it.
const SQLITE_BUSY: u32 = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server answers each statement of ours within moments, or after 5 s that it could not have a lock; who has heard nothing
/// after four times that will hear nothing any more, since the machine is gone, or what is between has forgotten the connection.
/// The system would notice after a quarter of an hour, and never if nothing was on its way.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const STATEMENT_CACHE: usize = 256;
/// A connection that was in use so shortly ago is not asked whether it still works: that would be one more round trip
/// for each statement.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// A statement waits at most 5 s for a lock, and who does nothing for 15 s in the middle of a transaction loses it with its
/// locks: a process that froze, or whose machine is gone, must not hold up the others. Statements, not parameters of the
/// connection, which poolers refuse.
const POSTGRES_PATIENCE: &str = "SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '15s'";
/// Reading one page costs about as much as reading the next one, as on every disk that does not turn; a value that somebody has
/// set stays. By PostgreSQL's own, 4, a list of keys in a small table is found by reading all of it, and a connection keeps
/// that plan while the table grows, until it is analysed.
const POSTGRES_COSTS: &str = "SELECT set_config('random_page_cost', '1.1', false) FROM pg_settings \
    WHERE name = 'random_page_cost' AND source = 'default'";
/// [`POSTGRES_PATIENCE`]; MySQL, to which the second is a comment, has no such bound.
const MYSQL_PATIENCE: &str =
    "SET SESSION innodb_lock_wait_timeout = 5 /*M! , SESSION idle_write_transaction_timeout = 15 */";
/// For the one that holds the lock of migrations, and those that wait for it.
const POSTGRES_ENDLESS_PATIENCE: &str = "SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
/// Tables of more than ten pages: PostgreSQL takes a table that it has never looked at for one of these.
const LARGE_TABLES: &str = "SELECT quote_ident(relname) AS name FROM pg_class \
    WHERE relkind = 'r' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) \
    AND pg_relation_size(oid) > 10 * current_setting('block_size')::bigint";
/// Key of the advisory lock that migrations take on PostgreSQL; any constant will do ("hansa" in ASCII).
const MIGRATION_LOCK: i64 = 0x68_61_6e_73_61;
/// Asks for the lock that migrations take on MySQL: 1 is ours, 0 that another had it for a second, null that it failed. Its name
/// is the server's, so it holds that of the database, shortened: MySQL takes at most 64 characters. A second, so that the
/// connection is never silent for long.
const MYSQL_MIGRATION_LOCK: &str =
    "SELECT GET_LOCK(CONCAT('hansa.migrate.', LEFT(SHA2(DATABASE(), 256), 40)), 1) AS taken";
const MYSQL_MIGRATION_UNLOCK: &str = "SELECT RELEASE_LOCK(CONCAT('hansa.migrate.', LEFT(SHA2(DATABASE(), 256), 40)))";
/// Longest wait for another process that migrates: with a large shop that may take minutes; after ten, somebody should look.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(600);

/// A connected database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    reader: Reader,
    writer: Writer,
    /// For migrations. On SQLite the only connection that writes.
    schema: DatabaseConnection,
    statements: Arc<AtomicU64>,
    connections_max: u32,
    disk: Option<Disk>,
}

/// Where a SQLite file grows.
#[derive(Clone, Debug)]
struct Disk {
    folder: PathBuf,
    free_bytes_min: u64,
}

impl Database {
    /// Connects to `url`: `sqlite:path`, `postgres://…` or `mysql://…`. A missing SQLite file is created.
    ///
    /// # Errors
    /// [`ConnectError`]; no message holds the password.
    pub async fn connect(url: &str, options: &DatabaseOptions) -> Result<Database, ConnectError> {
        let mut disk = None;
        let (source, schema) = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => {
                disk = Some(Disk {
                    folder: create_folder(url)?,
                    free_bytes_min: options.free_bytes_min,
                });
                // In this order: the first makes the file.
                let write = open(sqlite(url, options, Access::Write)).await?;
                (Source::File(open(sqlite(url, options, Access::Read)).await?), write)
            }
            Some("postgres" | "postgresql" | "mysql") => {
                let pool = open(networked(url, options.connections_max)).await?;
                (Source::Server(server(&pool, options)), pool)
            }
            _ => return Err(ConnectError::UnknownScheme),
        };
        let turns = match &source {
            Source::File(_) => Turns::Grouped(GroupCommit::new(schema.clone())),
            Source::Server(server) => Turns::Server(Arc::clone(server)),
        };
        let statements: Arc<AtomicU64> = Arc::default();
        let backend = schema.get_database_backend();
        Ok(Database {
            reader: Reader {
                source,
                backend,
                statements: Arc::clone(&statements),
            },
            writer: Writer {
                turns,
                backend,
                statements: Arc::clone(&statements),
            },
            schema,
            statements,
            connections_max: options.connections_max + u32::from(backend == DatabaseBackend::Sqlite),
            disk,
        })
    }

    /// Whether what is written will find room: false when the disk of a SQLite file is all but full. A server knows
    /// for itself.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let Some(disk) = &self.disk else {
            return true;
        };
        match rustix::fs::statvfs(&disk.folder) {
            Ok(found) => found.f_bavail.saturating_mul(found.f_frsize) >= disk.free_bytes_min,
            // A file system that does not tell is not full for that.
            Err(_) => true,
        }
    }

    /// For statements that only read.
    #[must_use]
    pub fn read(&self) -> &Reader {
        &self.reader
    }

    /// For single statements that write.
    #[must_use]
    pub fn write(&self) -> &Writer {
        &self.writer
    }

    /// Begins a transaction that writes. On SQLite one at a time, and several may be committed at once: who has one must
    /// not wait for another, nor for anybody who does.
    ///
    /// # Errors
    /// [`DbErr`] when the database does not answer, or no connection becomes free.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        self.writer.begin().await
    }

    /// How many commits were lost, of several transactions perhaps: what [`Database::settled`] compares.
    #[must_use]
    pub fn lost_commits(&self) -> u64 {
        match &self.writer.turns {
            Turns::Grouped(group_commit) => group_commit.lost(),
            Turns::Server(_) => 0,
        }
    }

    /// Waits until all is on the disk that those may have seen who dropped their transactions. Who commits or rolls back
    /// waits for that then.
    ///
    /// * `lost_before`: [`Database::lost_commits`] before they were begun.
    ///
    /// # Errors
    /// [`DbErr`] when it may have been lost.
    pub async fn settled(&self, lost_before: u64) -> Result<(), DbErr> {
        match &self.writer.turns {
            Turns::Grouped(group_commit) => group_commit.settled(lost_before).await,
            Turns::Server(_) => Ok(()),
        }
    }

    /// For statements about tables, as migrations run them; each is a transaction of its own, and takes as long as it takes.
    #[must_use]
    pub fn schema(&self) -> SchemaManager<'_> {
        SchemaManager::new(self.for_schema())
    }

    /// What migrations take their connections from.
    fn for_schema(&self) -> &DatabaseConnection {
        if let Source::Server(server) = &self.reader.source {
            server.give_back();
        }
        &self.schema
    }

    /// Brings the tables up to date. Several processes may try at once: one migrates, the others wait; on SQLite and MySQL for
    /// ten minutes.
    ///
    /// # Errors
    /// [`DbErr`] of the migration that failed, and those before it stay; or of the wait for another process that migrates.
    pub async fn migrate<M: MigratorTrait>(&self) -> Result<(), DbErr> {
        let pool = self.for_schema();
        if has_all::<M>(pool).await? {
            return Ok(());
        }
        if pool.get_database_backend() == DatabaseBackend::Sqlite {
            let transaction = begin_patiently(pool).await?;
            M::up(&transaction, None).await?;
            return transaction.commit().await;
        }
        // The lock belongs to a session, so it is held by a transaction beside the migrations' own connection.
        let lock = pool.begin().await?;
        if pool.get_database_backend() == DatabaseBackend::MySql {
            require_utf8(&lock).await?;
            take_mysql_lock(&lock).await?;
        } else {
            lock.execute_unprepared(POSTGRES_ENDLESS_PATIENCE).await?;
            lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
                .await?;
        }
        let migrated = M::up(pool, None).await;
        if pool.get_database_backend() == DatabaseBackend::MySql {
            lock.execute_unprepared(MYSQL_MIGRATION_UNLOCK).await?;
        }
        lock.commit().await?;
        migrated
    }

    /// Lets PostgreSQL look at what is in its tables, after much was written at once: until it does so by itself, a minute
    /// later, it plans statements as if they were small. Not those that are: of one that it has never looked at it expects
    /// that it grows, and what it knows once, it plans by until it looks again.
    ///
    /// # Errors
    /// [`DbErr`] when the database does not answer.
    pub async fn analyze(&self) -> Result<(), DbErr> {
        if self.writer.get_database_backend() != DatabaseBackend::Postgres {
            return Ok(());
        }
        let large = Statement::from_string(DatabaseBackend::Postgres, LARGE_TABLES);
        for row in self.reader.query_all_raw(large).await? {
            let table: String = row.try_get("", "name")?;
            // Like a migration, this takes as long as it takes.
            let analyze = format!("ANALYZE {table}");
            self.for_schema().execute_unprepared(&analyze).await?;
        }
        Ok(())
    }

    /// Whether every migration has been applied. There may be others, of a later release: the replicas of this one work on
    /// while it goes out, and when it is taken back.
    ///
    /// # Errors
    /// [`DbErr`] when the database does not answer.
    pub async fn schema_is_current<M: MigratorTrait>(&self) -> Result<bool, DbErr> {
        has_all::<M>(&self.reader).await
    }

    /// Number of SQL statements so far, without `BEGIN` and `COMMIT`: tests compare it before and after a request.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// The same connections for background work, whose statements are counted apart: so that what a request takes can
    /// be told.
    #[must_use]
    pub fn for_background(&self) -> Database {
        let statements: Arc<AtomicU64> = Arc::default();
        Database {
            reader: Reader {
                statements: Arc::clone(&statements),
                ..self.reader.clone()
            },
            writer: Writer {
                statements: Arc::clone(&statements),
                ..self.writer.clone()
            },
            schema: self.schema.clone(),
            statements,
            connections_max: self.connections_max,
            disk: self.disk.clone(),
        }
    }

    /// How many connections there are, of readers and writers together.
    #[must_use]
    pub fn connections(&self) -> Connections {
        let (idle, in_use) = match &self.reader.source {
            Source::Server(server) => server.sizes(),
            Source::File(read) => [read, &self.schema]
                .map(|pool| sizes(pool.get_sqlite_connection_pool()))
                .into_iter()
                .fold((0, 0), |(idle, in_use), pool| (idle + pool.0, in_use + pool.1)),
        };
        Connections {
            idle,
            in_use,
            max: self.connections_max,
        }
    }

    /// Closes every connection; SQLite tidies its files up.
    pub async fn close(&self) {
        let file = match &self.reader.source {
            Source::Server(server) => return server.close().await,
            Source::File(file) => file,
        };
        for connection in [file, &self.schema] {
            if let Err(error) = connection.close_by_ref().await {
                tracing::warn!(error = %error, "The database connection did not close cleanly");
            }
        }
    }
}

/// Connections of one process to its database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Open, and used by nobody.
    pub idle: u32,
    /// In use by a statement or transaction.
    pub in_use: u32,
    /// Most that may be open.
    pub max: u32,
}

/// Connections that are idle, and those in use.
fn sizes(pool: &sqlx::SqlitePool) -> (u32, u32) {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    (idle, pool.size().saturating_sub(idle))
}

/// Whether the database was there, and a statement failed.
#[must_use]
pub fn is_of_statement(error: &DbErr) -> bool {
    matches!(error, DbErr::Exec(_) | DbErr::Query(_))
}

/// Takes rows from others who would: moves the instant in `next_at` to `until` for those of `ids` for which it has come
/// at `now`. Gives the ids of those that it took.
///
/// # Errors
/// [`DbErr`] when the database fails.
pub async fn take_due<E: EntityTrait>(
    database: &Database,
    (id, next_at): (E::Column, E::Column),
    ids: Vec<String>,
    (now, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<HashSet<String>, DbErr> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let due = |ids: &[String]| {
        let mut update = Query::update();
        update
            .table(E::default())
            .value(next_at, Some(until))
            .and_where(id.is_one_of(ids))
            .and_where(next_at.lte(now));
        update
    };
    if database.writer.support_returning() {
        let rows = database.writer.query_all(due(&ids).returning_col(id)).await?;
        return rows.iter().map(|row| row.try_get("", id.as_str())).collect();
    }
    let mut taken = HashSet::new();
    for id in ids {
        let one = due(std::slice::from_ref(&id));
        if database.writer.execute(&one).await?.rows_affected() == 1 {
            taken.insert(id);
        }
    }
    Ok(taken)
}

/// A column for an instant with microseconds, UTC: `timestamptz` on PostgreSQL, `datetime(6)` on MySQL (whose
/// `timestamp` has whole seconds and ends in 2038), text on SQLite. In entities: `DateTimeUtc`.
#[must_use]
pub fn timestamp(manager: &SchemaManager<'_>, name: impl IntoIden) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    if manager.get_database_backend() == DatabaseBackend::MySql {
        column.custom("datetime(6)");
    } else {
        column.timestamp_with_time_zone();
    }
    column
}

/// Begins a transaction on a SQLite file once no other process writes to it, however often that takes longer than
/// [`BUSY_TIMEOUT`].
async fn begin_patiently(pool: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let began = Instant::now();
    loop {
        match group_commit::begin(pool).await {
            Err(error) if is_busy(&error) && began.elapsed() < MIGRATION_PATIENCE => {}
            Err(error) if is_busy(&error) => return Err(migrates_too_long()),
            begun => return begun,
        }
    }
}

/// Whether another process had the lock of a SQLite file for longer than [`BUSY_TIMEOUT`].
fn is_busy(error: &DbErr) -> bool {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    // The lowest byte of an extended code is what it is about.
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

fn migrates_too_long() -> DbErr {
    DbErr::Custom(format!(
        "another process has migrated this database for {} s: see whether it hangs, and try again",
        MIGRATION_PATIENCE.as_secs()
    ))
}

/// Waits until no other process migrates this database.
async fn take_mysql_lock(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    let began = Instant::now();
    while began.elapsed() < MIGRATION_PATIENCE {
        let ask = Statement::from_string(DatabaseBackend::MySql, MYSQL_MIGRATION_LOCK);
        let row = connection.query_one_raw(ask).await?;
        let taken: Option<i64> = row.map(|row| row.try_get("", "taken")).transpose()?.flatten();
        match taken {
            Some(1) => return Ok(()),
            Some(_) => {}
            None => {
                let failed = "the server could not give the lock of migrations (GET_LOCK)";
                return Err(DbErr::Custom(failed.to_owned()));
            }
        }
    }
    Err(migrates_too_long())
}

/// Older servers make databases in Latin-1, which refuses the first Chinese name, long after the shop has opened.
async fn require_utf8(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    let query = Statement::from_string(DatabaseBackend::MySql, "SELECT @@character_set_database AS charset");
    let row = connection.query_one_raw(query).await?;
    let charset: String = row
        .map(|row| row.try_get("", "charset"))
        .transpose()?
        .unwrap_or_default();
    if charset == "utf8mb4" {
        return Ok(());
    }
    let remedy = "ALTER DATABASE <name> CHARACTER SET utf8mb4";
    Err(DbErr::Custom(format!(
        "the database's character set is `{charset}`, and must be utf8mb4: `{remedy}`"
    )))
}

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Read,
    Write,
}

fn sqlite(url: &str, options: &DatabaseOptions, access: Access) -> ConnectOptions {
    let synchronous = if options.durable {
        SqliteSynchronous::Full
    } else {
        SqliteSynchronous::Normal
    };
    let connections = if access == Access::Write {
        1
    } else {
        options.connections_max
    };
    let mut connect = pooled(url, connections);
    connect.test_before_acquire(false).map_sqlx_sqlite_opts(move |sqlite| {
        let sqlite = sqlite
            .create_if_missing(true)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .statement_cache_capacity(STATEMENT_CACHE)
            .pragma("temp_store", "memory");
        match access {
            Access::Write => sqlite.journal_mode(SqliteJournalMode::Wal).synchronous(synchronous),
            // A write through the reading pool is a bug; this makes it fail instead of waiting for the lock.
            Access::Read => sqlite.pragma("query_only", "on"),
        }
    });
    connect.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|connection, _| Box::pin(async move { has_no_transaction(connection).await }))
    });
    connect
}

/// Whether another one may use the connection. When SQLite has rolled a transaction back by itself (disk full, I/O error),
/// the connection still counts it: what begins next would be a savepoint of nothing, and never be committed.
async fn has_no_transaction(connection: &mut sqlx::SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // The rollback of a transaction that was dropped comes before it.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// Connections to a server, which may have gone away.
fn networked(url: &str, connections_max: u32) -> ConnectOptions {
    let mut connect = pooled(url, connections_max);
    connect
        .test_before_acquire_if_idle_for(TRUSTED_FOR)
        .map_sqlx_postgres_opts(|postgres| postgres.statement_cache_capacity(STATEMENT_CACHE))
        .map_sqlx_mysql_opts(|mysql| mysql.statement_cache_capacity(STATEMENT_CACHE))
        .map_sqlx_postgres_pool_opts(|pool| {
            pool.after_connect(|connection, _| {
                let settings = async move {
                    connection.execute(POSTGRES_PATIENCE).await?;
                    connection.execute(POSTGRES_COSTS).await.map(drop)
                };
                settings.boxed()
            })
        })
        .map_sqlx_mysql_pool_opts(|pool| {
            pool.after_connect(|connection, _| connection.execute(MYSQL_PATIENCE).map_ok(drop).boxed())
        });
    connect
}

/// What keeps the connections of `pool` at hand.
fn server(pool: &DatabaseConnection, options: &DatabaseOptions) -> Arc<dyn Server> {
    if pool.get_database_backend() == DatabaseBackend::MySql {
        Arc::new(ServerPool::new(pool.get_mysql_connection_pool().clone(), options))
    } else {
        Arc::new(ServerPool::new(pool.get_postgres_connection_pool().clone(), options))
    }
}

fn pooled(url: &str, connections_max: u32) -> ConnectOptions {
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(connections_max)
        .acquire_timeout(CONNECT_TIMEOUT)
        .sqlx_logging(false);
    connect
}

async fn open(options: ConnectOptions) -> Result<DatabaseConnection, ConnectError> {
    let url = without_password(options.get_url());
    sea_orm::Database::connect(options).await.map_err(|error| {
        let Some(cause) = root_cause(&error) else {
            return ConnectError::NoAnswer { url };
        };
        ConnectError::Refused { url, reason: cause }
    })
}

/// The innermost error, which alone says what is wrong; `None` when time was up.
fn root_cause(error: &DbErr) -> Option<String> {
    match error {
        DbErr::ConnectionAcquire(_) => return None,
        DbErr::Conn(RuntimeErr::SqlxError(error)) if matches!(**error, sqlx::Error::PoolTimedOut) => return None,
        _ => {}
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    Some(cause.to_string())
}

/// Makes the folder of a SQLite file, if need be, and gives it.
fn create_folder(url: &str) -> Result<PathBuf, ConnectError> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" || url.contains("mode=memory") {
        return Err(ConnectError::InMemory);
    }
    let folder = match Path::new(path).parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let failed = |source| ConnectError::Folder {
        folder: folder.display().to_string(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    Ok(folder.to_path_buf())
}

/// Whether every migration of `M` has been applied, whatever others have.
async fn has_all<M: MigratorTrait>(connection: &impl ConnectionTrait) -> Result<bool, DbErr> {
    match M::get_pending_migrations_read_only(connection).await {
        Ok(pending) => Ok(pending.is_empty()),
        // It takes those that it does not know for files that were lost.
        Err(DbErr::Custom(_)) => {
            let applied = "SELECT version FROM seaql_migrations".to_owned();
            let applied = Statement::from_string(connection.get_database_backend(), applied);
            let rows = connection.query_all_raw(applied).await?;
            let names = rows.iter().map(|row| row.try_get::<String>("", "version"));
            let names: HashSet<String> = names.collect::<Result<_, _>>()?;
            Ok(M::migrations().iter().all(|migration| names.contains(migration.name())))
        }
        Err(error) => Err(error),
    }
}

fn without_password(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else {
        return "the database".to_owned();
    };
    // PostgreSQL's driver takes it from there, too.
    let is_in_query = parsed.query_pairs().any(|(name, _)| name == "password");
    if is_in_query {
        parsed.set_query(None);
    }
    if parsed.password().is_some() && parsed.set_password(Some("***")).is_err() {
        return "the database".to_owned();
    }
    if is_in_query || parsed.password().is_some() {
        parsed.to_string()
    } else {
        url.to_owned()
    }
}
