//! A database server that falls silent: no answer comes, and no end of the connection either.

use super::database::{Migrator, connect, given_up, increment, value};
use sea_orm::ConnectionTrait;
use service::database::{Database, DatabaseOptions, is_of_statement};
use service::testing::each_database;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// Far more than all of a test takes, and far less than a system needs to notice.
const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy that can forget its connections, as an address translation that has lost its table: nothing passes any more, and
/// nobody is told. New ones pass.
struct Line {
    url: String,
    forgotten: watch::Sender<()>,
}

impl Line {
    async fn to(url: &str) -> Line {
        let mut url = Url::parse(url).unwrap();
        let default_port = if url.scheme() == "mysql" { 3306 } else { 5432 };
        let target = (url.host_str().unwrap().to_owned(), url.port().unwrap_or(default_port));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        url.set_ip_host(address.ip()).unwrap();
        url.set_port(Some(address.port())).unwrap();
        let forgotten = watch::Sender::new(());
        let accepting = forgotten.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target.clone(), accepting.subscribe()));
            }
        });
        Line {
            url: url.to_string(),
            forgotten,
        }
    }

    fn forget(&self) {
        self.forgotten.send_replace(());
    }
}

async fn carry(mut client: TcpStream, target: (String, u16), mut forgotten: watch::Receiver<()>) {
    let mut server = TcpStream::connect(target).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        // Until the client lets go of it: then the server may end what it has begun, which no test is to wait for.
        Ok(()) = forgotten.changed() => {
            let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
        }
    }
}

/// One connection, so that whoever does not let go of it is found out.
async fn connect_by(line: &Line) -> Database {
    let options = DatabaseOptions {
        connections_max: 1,
        answer_timeout: Duration::from_secs(1),
        ..DatabaseOptions::default()
    };
    Database::connect(&line.url, &options).await.unwrap()
}

async fn each_server(test: impl AsyncFn(Line, Database)) {
    let test = &test;
    each_database(|url| async move {
        if url.starts_with("sqlite") {
            return;
        }
        connect(&url).await.migrate::<Migrator>().await.unwrap();
        let line = Line::to(&url).await;
        let database = connect_by(&line).await;
        tokio::time::timeout(PATIENCE, test(line, database.clone()))
            .await
            .expect("nobody waits without end");
        tokio::time::timeout(PATIENCE, database.close())
            .await
            .expect("every connection is given back");
    })
    .await;
}

const ADD: &str = "UPDATE counter SET value = value + 1";

#[tokio::test]
async fn a_statement_that_is_not_answered_fails_and_the_next_is_done() {
    each_server(async |line: Line, database: Database| {
        increment(&database).await;
        line.forget();
        let error = database.write().execute_unprepared(ADD).await.unwrap_err();
        assert!(!is_of_statement(&error), "{error:?}");
        assert_eq!(value(&database).await, 1);
    })
    .await;
}

/// As of a connection that breaks then.
#[tokio::test]
async fn a_commit_that_is_not_answered_has_an_unknown_outcome() {
    each_server(async |line: Line, database: Database| {
        let transaction = database.begin().await.unwrap();
        transaction.execute_unprepared(ADD).await.unwrap();
        line.forget();
        let error = transaction.commit().await.unwrap_err();
        assert!(!is_of_statement(&error), "{error:?}");
        assert_eq!(value(&database).await, 0);
    })
    .await;
}

#[tokio::test]
async fn no_rollback_is_waited_for_where_a_statement_was_not_answered() {
    each_server(async |line: Line, database: Database| {
        let transaction = database.begin().await.unwrap();
        transaction.execute_unprepared(ADD).await.unwrap();
        line.forget();
        let error = transaction.execute_unprepared(ADD).await.unwrap_err();
        assert!(!is_of_statement(&error), "{error:?}");
        assert_eq!(database.connections().in_use, 0);
        assert!(transaction.commit().await.is_err());
        assert_eq!(value(&database).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_given_up_half_way_holds_no_connection_without_end() {
    each_server(async |line: Line, database: Database| {
        increment(&database).await;
        line.forget();
        given_up(database.write().execute_unprepared(ADD), 1).await;
        assert_eq!(value(&database).await, 1);
        let transaction = database.begin().await.unwrap();
        line.forget();
        drop(transaction);
        assert_eq!(value(&database).await, 1);
        // What was kept at hand is tested when it is given back.
        line.forget();
        let _ = database.schema();
        assert_eq!(value(&database).await, 1);
    })
    .await;
}
