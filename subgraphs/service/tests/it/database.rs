//! Databases of all three kinds.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::prelude::*;
use service::database::{Database, DatabaseOptions, is_of_statement};
use service::testing::{TempSqlite, each_database};
use std::time::Duration;

pub(super) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Counter)]
    }
}

/// The next release, with a migration more.
struct NextMigrator;

impl MigratorTrait for NextMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Counter), Box::new(Next)]
    }
}

struct Next;

impl MigrationName for Next {
    fn name(&self) -> &'static str {
        "m0002_next"
    }
}

#[async_trait::async_trait]
#[allow(
    elided_lifetimes_in_paths,
    reason = "`async_trait` matches the trait's signatures to the letter"
)]
impl MigrationTrait for Next {
    async fn up(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}

struct Counter;

impl MigrationName for Counter {
    fn name(&self) -> &'static str {
        "m0001_counter"
    }
}

#[async_trait::async_trait]
#[allow(
    elided_lifetimes_in_paths,
    reason = "`async_trait` matches the trait's signatures to the letter"
)]
impl MigrationTrait for Counter {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut counter = Table::create();
        counter
            .table("counter")
            .col(ColumnDef::new("value").integer().not_null());
        manager.create_table(counter).await?;
        manager
            .get_connection()
            .execute_unprepared("INSERT INTO counter (value) VALUES (0)")
            .await?;
        Ok(())
    }
}

pub(super) async fn connect(url: &str) -> Database {
    Database::connect(url, &DatabaseOptions::default()).await.unwrap()
}

pub(super) async fn value(database: &Database) -> i32 {
    let statement =
        sea_orm::Statement::from_string(database.read().get_database_backend(), "SELECT value FROM counter");
    database
        .read()
        .query_one_raw(statement)
        .await
        .unwrap()
        .unwrap()
        .try_get("", "value")
        .unwrap()
}

#[tokio::test]
async fn several_processes_may_migrate_at_once() {
    each_database(|url| async move {
        let databases = [connect(&url).await, connect(&url).await, connect(&url).await];
        let [a, b, c] = databases.each_ref().map(Database::migrate::<Migrator>);
        let results = tokio::join!(a, b, c);
        assert!(
            results.0.is_ok() && results.1.is_ok() && results.2.is_ok(),
            "{results:?}"
        );
        assert!(databases[0].schema_is_current::<Migrator>().await.unwrap());
        assert_eq!(value(&databases[0]).await, 0, "migrated once");
    })
    .await;
}

/// As long as it takes, and for those of this database alone.
#[tokio::test]
async fn a_migration_on_mysql_waits_for_another_of_its_database() {
    each_database(|url| async move {
        if !url.starts_with("mysql") {
            return;
        }
        let (other, database) = (connect(&url).await, connect(&url).await);
        let name = |database: &str| format!("CONCAT('hansa.migrate.', LEFT(SHA2({database}, 256), 40))");
        let holder = other.begin().await.unwrap();
        for name in [name("DATABASE()"), name("'elsewhere'"), "'hansa.migrate'".to_owned()] {
            let take = format!("SELECT GET_LOCK({name}, 5)");
            holder.execute_unprepared(&take).await.unwrap();
        }
        let mut migrating = Box::pin(database.migrate::<Migrator>());
        let early = tokio::time::timeout(Duration::from_millis(2_500), &mut migrating).await;
        assert!(early.is_err(), "asked more than once, and still waits: {early:?}");
        let release = format!("DO RELEASE_LOCK({})", name("DATABASE()"));
        holder.execute_unprepared(&release).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(30), migrating).await;
        waited.expect("others' locks do not matter").unwrap();
        assert_eq!(value(&database).await, 0);
        holder.rollback().await.unwrap();
    })
    .await;
}

/// Longer than a statement waits for the file.
#[tokio::test]
async fn a_migration_on_sqlite_waits_for_another_process_that_writes() {
    let sqlite = TempSqlite::new();
    let (other, database) = (connect(&sqlite.url).await, connect(&sqlite.url).await);
    let writing = other.begin().await.unwrap();
    writing
        .execute_unprepared("CREATE TABLE other (id INTEGER)")
        .await
        .unwrap();
    let mut migrating = Box::pin(database.migrate::<Migrator>());
    let early = tokio::time::timeout(Duration::from_millis(6_500), &mut migrating).await;
    assert!(early.is_err(), "it still waits: {early:?}");
    writing.commit().await.unwrap();
    migrating.await.unwrap();
    assert_eq!(value(&database).await, 0);
}

#[tokio::test]
async fn writers_wait_for_each_other() {
    each_database(|url| async move {
        let database = connect(&url).await;
        assert!(!database.schema_is_current::<Migrator>().await.unwrap());
        database.migrate::<Migrator>().await.unwrap();
        let increments = (0..20).map(|_| async {
            let transaction = database.begin().await.unwrap();
            transaction
                .execute_unprepared("UPDATE counter SET value = value + 1")
                .await
                .unwrap();
            transaction.commit().await.unwrap();
        });
        futures::future::join_all(increments).await;
        assert_eq!(value(&database).await, 20);
    })
    .await;
}

#[tokio::test]
async fn statements_are_counted_and_the_reading_side_only_reads() {
    let sqlite = TempSqlite::new();
    let database = connect(&sqlite.url).await;
    database.migrate::<Migrator>().await.unwrap();
    let before = database.statements();
    value(&database).await;
    let transaction = database.begin().await.unwrap();
    transaction
        .execute_unprepared("UPDATE counter SET value = 7")
        .await
        .unwrap();
    assert_eq!(
        value(&database).await,
        0,
        "a reader neither waits nor sees what is not committed"
    );
    transaction.commit().await.unwrap();
    assert_eq!(value(&database).await, 7);
    let refused = database
        .read()
        .execute_unprepared("UPDATE counter SET value = 8")
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
    assert!(database.statements() >= before + 3);
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_said_in_a_line() {
    for (url, expected) in [
        (
            "oracle://x",
            "DATABASE_URL must begin with `sqlite:`, `postgres:` or `mysql:`",
        ),
        ("", "DATABASE_URL must begin with `sqlite:`, `postgres:` or `mysql:`"),
        (
            "sqlite::memory:",
            "SQLite in memory is not supported: give a file, such as `sqlite:./data/users.sqlite`",
        ),
        (
            "sqlite:/proc/nowhere/x.sqlite",
            "the folder `/proc/nowhere` could not be created",
        ),
    ] {
        let error = Database::connect(url, &DatabaseOptions::default()).await.unwrap_err();
        assert_eq!(error.to_string(), expected, "{url}");
    }
}

#[tokio::test]
async fn a_password_in_the_query_is_in_no_message() {
    let url = "postgres://somebody@127.0.0.1:1/shop?password=hunter2";
    let error = Database::connect(url, &DatabaseOptions::default()).await.unwrap_err();
    let message = format!("{error:?}") + &format!("{:#}", anyhow::Error::from(error));
    assert!(!message.contains("hunter2"), "{message}");
}

/// While a release goes out, and when it is taken back.
#[tokio::test]
async fn a_release_works_on_the_tables_of_the_next() {
    each_database(|url| async move {
        let database = connect(&url).await;
        database.migrate::<Migrator>().await.unwrap();
        assert!(!database.schema_is_current::<NextMigrator>().await.unwrap());
        database.migrate::<NextMigrator>().await.unwrap();
        for _ in 0..2 {
            assert!(database.schema_is_current::<Migrator>().await.unwrap());
            assert!(database.schema_is_current::<NextMigrator>().await.unwrap());
            database.migrate::<Migrator>().await.unwrap();
        }
    })
    .await;
}

pub(super) async fn increment(database: &Database) {
    database
        .write()
        .execute_unprepared("UPDATE counter SET value = value + 1")
        .await
        .unwrap();
}

/// Drops `future` after `polls`, between which what it sent is answered.
pub(super) async fn given_up(future: impl Future, polls: i32) {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if futures::poll!(&mut future).is_ready() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn what_is_given_up_half_way_leaves_nothing_behind() {
    each_database(|url| async move {
        let one = DatabaseOptions {
            connections_max: 1,
            ..DatabaseOptions::default()
        };
        let (database, other) = (Database::connect(&url, &one).await.unwrap(), connect(&url).await);
        other.migrate::<Migrator>().await.unwrap();
        for round in 0..20 {
            increment(&database).await;
            given_up(database.begin(), round % 5).await;
            increment(&database).await;
            assert_eq!(
                value(&other).await,
                2 * round + 2,
                "what was written is there for others"
            );
        }
        let left = database.begin().await.unwrap();
        left.execute_unprepared("UPDATE counter SET value = 1000")
            .await
            .unwrap();
        drop(left);
        increment(&database).await;
        assert_eq!(value(&other).await, 41, "a transaction that was left is rolled back");
        let add = "UPDATE counter SET value = value + 1";
        given_up(database.write().execute_unprepared(add), 1).await;
        increment(&database).await;
        let sum = value(&other).await;
        assert!((42..=43).contains(&sum), "{sum}");
    })
    .await;
}

#[tokio::test]
async fn no_more_connections_are_in_use_than_may_be() {
    each_database(|url| async move {
        let few = DatabaseOptions {
            connections_max: 3,
            ..DatabaseOptions::default()
        };
        let database = Database::connect(&url, &few).await.unwrap();
        database.migrate::<Migrator>().await.unwrap();
        let readers = (0..40).map(|_| async {
            value(&database).await;
            let now = database.connections();
            assert!(now.in_use <= now.max, "{now:?}");
        });
        futures::future::join_all(readers).await;
        let mut rounds = 0;
        // A pool takes them back in its own time.
        while database.connections().in_use > 0 && rounds < 500 {
            rounds += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let after = database.connections();
        assert_eq!((after.in_use, after.idle > 0), (0, true), "{after:?}");
        database.migrate::<Migrator>().await.unwrap();
        database.close().await;
        assert!(database.begin().await.is_err(), "it is closed");
        assert_eq!(database.connections().idle, 0);
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_failed_ends_its_transaction() {
    each_database(|url| async move {
        let database = connect(&url).await;
        database.migrate::<Migrator>().await.unwrap();
        let transaction = database.begin().await.unwrap();
        transaction
            .execute_unprepared("UPDATE counter SET value = 5")
            .await
            .unwrap();
        transaction
            .execute_unprepared("UPDATE nowhere SET value = 5")
            .await
            .unwrap_err();
        assert!(
            transaction.commit().await.is_err(),
            "what was rolled back is not acknowledged"
        );
        assert_eq!(value(&database).await, 0);
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_for_a_lock_without_end() {
    each_database(|url| async move {
        let (database, other) = (connect(&url).await, connect(&url).await);
        database.migrate::<Migrator>().await.unwrap();
        let holding = database.begin().await.unwrap();
        let add = "UPDATE counter SET value = value + 1";
        holding.execute_unprepared(add).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_secs(20), other.write().execute_unprepared(add));
        assert!(waiting.await.unwrap().is_err(), "on {url}");
        holding.commit().await.unwrap();
        increment(&other).await;
        assert_eq!(value(&database).await, 2, "on {url}");
    })
    .await;
}

/// What was being committed then is perhaps committed: it must not be done again as after a statement that failed.
#[tokio::test]
async fn a_connection_that_the_server_ends_is_no_statement_that_failed() {
    each_database(|url| async move {
        let (id_of, end) = match url.split(':').next() {
            Some("mysql") => ("SELECT CAST(CONNECTION_ID() AS SIGNED) AS id", "KILL"),
            Some("sqlite") => return,
            _ => ("SELECT pg_backend_pid()::bigint AS id", "SELECT pg_terminate_backend"),
        };
        let (database, other) = (connect(&url).await, connect(&url).await);
        database.migrate::<Migrator>().await.unwrap();
        let transaction = database.begin().await.unwrap();
        transaction
            .execute_unprepared("UPDATE counter SET value = 5")
            .await
            .unwrap();
        let row = transaction.query_one_raw(sea_orm::Statement::from_string(
            transaction.get_database_backend(),
            id_of,
        ));
        let id: i64 = row.await.unwrap().unwrap().try_get("", "id").unwrap();
        other
            .write()
            .execute_unprepared(&format!("{end} ({id})"))
            .await
            .unwrap();
        let error = transaction.commit().await.unwrap_err();
        assert!(!is_of_statement(&error), "{error:?}");
        increment(&database).await;
        assert_eq!(value(&database).await, 1, "on {url}");
    })
    .await;
}

#[tokio::test]
async fn postgresql_plans_for_disks_that_do_not_turn_unless_it_is_told_otherwise() {
    each_database(|url| async move {
        if !url.starts_with("postgres") {
            return;
        }
        let cost = async || {
            let database = connect(&url).await;
            let setting = "SELECT current_setting('random_page_cost') AS cost";
            let setting = sea_orm::Statement::from_string(database.write().get_database_backend(), setting);
            let row = database.read().query_one_raw(setting).await.unwrap().unwrap();
            row.try_get::<String>("", "cost").unwrap()
        };
        assert_eq!(cost().await, "1.1");
        let told =
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET random_page_cost = 2', current_database()); END $$";
        connect(&url).await.write().execute_unprepared(told).await.unwrap();
        assert_eq!(cost().await, "2");
    })
    .await;
}
