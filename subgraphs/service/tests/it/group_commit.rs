//! Writers of one SQLite file are committed together, and notice nothing else of it.

use futures::future::{join_all, poll_immediate};
use sea_orm::{ConnectionTrait, DatabaseBackend, SqlErr, Statement};
use service::database::{Database, DatabaseOptions, DbErr, Transaction};
use service::testing::TempSqlite;
use std::pin::pin;

struct Shelf {
    database: Database,
    sqlite: TempSqlite,
}

impl Shelf {
    /// A table of ids, of which each may name another one that must be there at the commit.
    async fn new() -> Shelf {
        let sqlite = TempSqlite::new();
        let options = DatabaseOptions {
            durable: true,
            ..DatabaseOptions::default()
        };
        let database = Database::connect(&sqlite.url, &options).await.unwrap();
        let table = "CREATE TABLE item (id INTEGER PRIMARY KEY,
            other INTEGER REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED)";
        database.write().execute_unprepared(table).await.unwrap();
        Shelf { database, sqlite }
    }

    async fn begin(&self) -> Transaction {
        self.database.begin().await.unwrap()
    }

    /// As a reader sees them.
    async fn ids(&self) -> Vec<i32> {
        ids(self.database.read()).await
    }

    /// Commits that the write-ahead log holds: each has waited for the disk once.
    fn commits(&self) -> usize {
        let path = self.sqlite.url.trim_start_matches("sqlite:");
        let log = std::fs::read(format!("{path}-wal")).unwrap();
        let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
        let page_bytes = usize::try_from(number(8)).unwrap();
        // A header of 32 bytes; then pages, with 24 bytes before each of them. The last of a commit says how large the
        // database is then. (https://sqlite.org/fileformat2.html#walformat)
        let frames = (32..log.len()).step_by(24 + page_bytes);
        frames.filter(|frame| number(frame + 4) != 0).count()
    }
}

async fn ids(connection: &impl ConnectionTrait) -> Vec<i32> {
    let query = Statement::from_string(DatabaseBackend::Sqlite, "SELECT id FROM item ORDER BY id");
    let rows = connection.query_all_raw(query).await.unwrap();
    rows.iter().map(|row| row.try_get("", "id").unwrap()).collect()
}

async fn insert(connection: &impl ConnectionTrait, id: i32) -> Result<(), DbErr> {
    let insert = Statement::from_string(DatabaseBackend::Sqlite, format!("INSERT INTO item (id) VALUES ({id})"));
    connection.execute_raw(insert).await.map(drop)
}

#[tokio::test]
async fn who_waits_for_the_disk_waits_once_and_together() {
    let shelf = Shelf::new().await;
    let before = shelf.commits();
    let first = shelf.begin().await;
    insert(&first, 0).await.unwrap();
    let transactions = join_all((1..=5).map(|id| {
        let shelf = &shelf;
        async move {
            let transaction = shelf.begin().await;
            insert(&transaction, id).await.unwrap();
            transaction.commit().await.unwrap();
        }
    }));
    let statements = join_all((6..=10).map(|id| insert(shelf.database.write(), id)));
    let mut others = pin!(futures::future::join(transactions, statements));
    assert!(poll_immediate(&mut others).await.is_none(), "they wait for the first");
    assert!(shelf.ids().await.is_empty());
    let (committed, _) = tokio::join!(first.commit(), others);
    committed.unwrap();
    assert_eq!(shelf.ids().await, (0..=10).collect::<Vec<_>>());
    assert_eq!(shelf.commits() - before, 1);
    insert(shelf.database.write(), 11).await.unwrap();
    assert_eq!(shelf.commits() - before, 2, "one alone waits for nobody");
}

/// A commit of the row 1 that waits for its group, and a transaction of that group, which has seen it and written the row 2.
async fn two_of_a_group(shelf: &Shelf) -> (impl Future<Output = Result<(), DbErr>> + Unpin, Transaction) {
    let (first, second) = (shelf.begin().await, shelf.begin());
    let mut second = pin!(second);
    assert!(poll_immediate(&mut second).await.is_none());
    insert(&first, 1).await.unwrap();
    let mut first = Box::pin(first.commit());
    assert!(poll_immediate(&mut first).await.is_none());
    let second = second.await;
    assert_eq!(ids(&second).await, [1]);
    insert(&second, 2).await.unwrap();
    (first, second)
}

#[tokio::test]
async fn a_commit_is_acknowledged_when_that_of_the_group_is() {
    let shelf = Shelf::new().await;
    let (mut first, second) = two_of_a_group(&shelf).await;
    assert!(poll_immediate(&mut first).await.is_none(), "the group is not committed");
    assert!(shelf.ids().await.is_empty());
    second.commit().await.unwrap();
    first.await.unwrap();
    assert_eq!(shelf.ids().await, [1, 2]);
}

#[tokio::test]
async fn who_fails_undoes_nothing_of_others_and_hears_so_when_these_are_stored() {
    let shelf = Shelf::new().await;
    let first = shelf.begin().await;
    insert(&first, 1).await.unwrap();
    let second = async {
        let transaction = shelf.begin().await;
        insert(&transaction, 2).await.unwrap();
        let failed = insert(&transaction, 1).await.unwrap_err();
        assert!(matches!(failed.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))));
        assert_eq!(shelf.ids().await, [1], "what is in its way is there to stay");
        transaction.commit().await.unwrap_err();
    };
    let mut second = pin!(second);
    assert!(poll_immediate(&mut second).await.is_none());
    let mut third = pin!(insert(shelf.database.write(), 3));
    assert!(poll_immediate(&mut third).await.is_none());
    let (committed, (), stored) = tokio::join!(first.commit(), second, third);
    committed.unwrap();
    stored.unwrap();
    assert_eq!(shelf.ids().await, [1, 3]);
}

#[tokio::test]
async fn a_commit_that_fails_fails_for_the_whole_group() {
    let shelf = Shelf::new().await;
    let first = shelf.begin().await;
    insert(&first, 1).await.unwrap();
    let wrong = "INSERT INTO item (id, other) VALUES (2, 77)";
    let mut second = pin!(shelf.database.write().execute_unprepared(wrong));
    assert!(poll_immediate(&mut second).await.is_none());
    let (first, second) = tokio::join!(first.commit(), second);
    assert!(first.is_err() && second.is_err());
    assert!(shelf.ids().await.is_empty());
    // Whoever may have seen it hears so; who begins now has not.
    assert!(shelf.database.settled(0).await.is_err());
    let lost = shelf.database.lost_commits();
    shelf.database.settled(lost).await.unwrap();
    insert(shelf.database.write(), 3).await.unwrap();
    assert_eq!(shelf.ids().await, [3]);
}

/// As SQLite does when the disk is full.
#[tokio::test]
async fn what_sqlite_rolls_back_by_itself_is_not_acknowledged_and_leaves_nothing_behind() {
    let shelf = Shelf::new().await;
    let first = shelf.begin().await;
    insert(&first, 1).await.unwrap();
    let second = async {
        let transaction = shelf.begin().await;
        transaction.execute_unprepared("ROLLBACK").await.unwrap();
        transaction.commit().await
    };
    let mut second = pin!(second);
    assert!(poll_immediate(&mut second).await.is_none());
    let (first, second) = tokio::join!(first.commit(), second);
    assert!(first.is_err() && second.is_err());
    // A connection that still counted a transaction would commit nothing after the first rollback.
    let undone = shelf.begin().await;
    insert(&undone, 2).await.unwrap();
    undone.rollback().await.unwrap();
    for id in [3, 4] {
        let transaction = shelf.begin().await;
        insert(&transaction, id).await.unwrap();
        transaction.commit().await.unwrap();
    }
    assert_eq!(shelf.ids().await, [3, 4]);
}

#[tokio::test]
async fn who_drops_their_transaction_can_wait_for_what_it_saw() {
    let shelf = Shelf::new().await;
    shelf.database.settled(0).await.unwrap();
    let (first, second) = two_of_a_group(&shelf).await;
    drop(second);
    shelf.database.settled(0).await.unwrap();
    assert_eq!(shelf.ids().await, [1]);
    first.await.unwrap();
}
