//! Outbox, inbox and relay on every database.

mod nats;
mod nats_login;
mod parked;
mod transport;

use super::entity::{inbox, outbox};
use super::relay::Relay;
use super::transport::{SendError, Transport};
use super::{Event, EventOptions, LongEvents, Migration, Notes, RelayBell, operator, take_in, write};
use crate::clock::Clock;
use crate::database::{Database, DatabaseOptions};
use crate::testing::each_database;
use chrono::{TimeDelta, Utc};
use futures::future::join_all;
use sea_orm::sea_query::{ColumnDef, Query, Table};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager, async_trait};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Migration), Box::new(LongEvents)]
    }
}

async fn open<M: MigratorTrait>(url: &str) -> Database {
    let database = Database::connect(url, &DatabaseOptions::default()).await.unwrap();
    database.migrate::<M>().await.unwrap();
    database
}

type Answer = fn(&Event) -> Result<(), SendError>;

/// Remembers what was sent, and what was acknowledged.
struct Recorder {
    answer: Mutex<Answer>,
    acknowledged: Mutex<Vec<Event>>,
    pause: Duration,
}

impl Recorder {
    fn new(answer: Answer) -> Arc<Recorder> {
        Arc::new(Recorder {
            answer: Mutex::new(answer),
            acknowledged: Mutex::default(),
            pause: Duration::from_millis(2),
        })
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Subjects and versions, in the order in which they were acknowledged.
    fn acknowledged(&self) -> Vec<(String, i64)> {
        let acknowledged = self.acknowledged.lock().unwrap();
        let short = |event: &Event| (event.subject.clone(), event.aggregate_version);
        acknowledged.iter().map(short).collect()
    }
}

#[async_trait::async_trait]
impl Transport for Recorder {
    async fn send(&self, event: &Event) -> Result<(), SendError> {
        tokio::time::sleep(self.pause).await;
        let answer = (*self.answer.lock().unwrap())(event);
        if answer.is_ok() {
            self.acknowledged.lock().unwrap().push(event.clone());
        }
        answer
    }
}

fn refuse(_: &Event) -> Result<(), SendError> {
    Err(SendError::Refused("no, thanks".to_owned()))
}

fn away(_: &Event) -> Result<(), SendError> {
    Err(SendError::Unreachable("nobody there".to_owned()))
}

fn take(_: &Event) -> Result<(), SendError> {
    Ok(())
}

fn relay(database: &Database, transport: &Arc<Recorder>, clock: &Clock) -> Relay {
    Relay {
        service: "test",
        database: database.clone(),
        transport: transport.clone(),
        clock: clock.clone(),
        options: EventOptions {
            refusals_max: 3,
            ..EventOptions::default()
        },
        bell: RelayBell::default(),
        consumer: None,
    }
}

fn event(subject: &str, version: i64, clock: &Clock) -> Event {
    Event {
        specversion: "1.0".to_owned(),
        id: crate::id::new("evt"),
        source: "test".to_owned(),
        event_type: "test.changed".to_owned(),
        subject: subject.to_owned(),
        time: clock.now(),
        aggregate_version: version,
        data: serde_json::json!({ "name": "Größe 39 · 鞋" }),
    }
}

async fn round(relay: &Relay) {
    relay.round(&CancellationToken::new()).await.unwrap();
    relay.replay().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_send_each_event_once_and_each_subject_in_order() {
    each_database(|url| async move {
        let clock = Clock::manual(Utc::now());
        let replicas = [open::<Migrator>(&url).await, open::<Migrator>(&url).await];
        for version in 1..=8 {
            for subject in ["ord_a", "ord_b", "ord_c", "ord_d", "ord_e"] {
                write(replicas[0].write(), &[event(subject, version, &clock)])
                    .await
                    .unwrap();
            }
        }
        let heard = Recorder::new(take);
        let relays = replicas.each_ref().map(|replica| relay(replica, &heard, &clock));
        // A round may end while the other replica still sends the only head there is.
        for _ in 0..20 {
            tokio::join!(round(&relays[0]), round(&relays[1]));
        }
        let mut by_subject: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (subject, version) in heard.acknowledged() {
            by_subject.entry(subject).or_default().push(version);
        }
        let in_order: Vec<i64> = (1..=8).collect();
        assert_eq!(by_subject.len(), 5, "on {url}");
        assert!(
            by_subject.values().all(|versions| *versions == in_order),
            "on {url}: {by_subject:?}"
        );
        for replica in replicas {
            replica.close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_committed_with_its_cause_and_outlives_a_crash_of_its_relay() {
    each_database(|url| async move {
        let clock = Clock::manual(Utc::now());
        let database = open::<Migrator>(&url).await;
        let heard = Recorder::new(take);
        let relay = relay(&database, &heard, &clock);
        let transaction = database.begin().await.unwrap();
        write(&transaction, &[event("ord_a", 1, &clock)]).await.unwrap();
        transaction.rollback().await.unwrap();
        let transaction = database.begin().await.unwrap();
        write(&transaction, &[event("ord_b", 1, &clock)]).await.unwrap();
        transaction.commit().await.unwrap();

        // Somebody takes it and dies.
        let outbox = super::outbox::Outbox::new(database.clone());
        let heads = outbox.heads(clock.now()).await.unwrap();
        let now = clock.now();
        let claims = async |rows| {
            outbox
                .claim(rows, now, now + TimeDelta::seconds(30))
                .await
                .unwrap()
                .len()
        };
        assert_eq!(claims(heads.clone()).await, 1, "on {url}");
        assert_eq!(claims(heads).await, 0, "on {url}");
        round(&relay).await;
        assert_eq!(heard.acknowledged(), [], "on {url}");
        clock.advance(Duration::from_secs(30));
        round(&relay).await;
        assert_eq!(heard.acknowledged(), [("ord_b".to_owned(), 1)], "on {url}");
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_park_an_event_and_silence_never_does() {
    each_database(|url| async move {
        let clock = Clock::manual(Utc::now());
        let database = open::<Migrator>(&url).await;
        let heard = Recorder::new(away);
        let relay = relay(&database, &heard, &clock);
        let outbox = super::outbox::Outbox::new(database.clone());
        for version in [1, 2] {
            write(database.write(), &[event("ord_a", version, &clock)])
                .await
                .unwrap();
        }
        for _ in 0..10 {
            round(&relay).await;
            clock.advance(Duration::from_secs(60));
        }
        assert_eq!(
            (outbox.waiting().await.unwrap(), outbox.parked().await.unwrap()),
            (2, 0)
        );
        let waited = outbox.oldest().await.unwrap().map(|oldest| clock.now() - oldest);
        assert_eq!(waited, Some(TimeDelta::seconds(600)), "on {url}");
        heard.answers(refuse);
        for refusals in 1..=3 {
            assert_eq!(
                outbox.parked().await.unwrap(),
                0,
                "after {} refusals on {url}",
                refusals - 1
            );
            round(&relay).await;
            clock.advance(Duration::from_secs(60));
        }
        assert_eq!(
            (outbox.waiting().await.unwrap(), outbox.parked().await.unwrap()),
            (1, 1)
        );
        let parked = outbox::Entity::find().all(database.read()).await.unwrap().remove(0);
        assert_eq!((parked.refusals, parked.error.as_deref()), (3, Some("no, thanks")));
        // What comes after it goes on.
        heard.answers(take);
        round(&relay).await;
        assert_eq!(heard.acknowledged(), [("ord_a".to_owned(), 2)], "on {url}");

        // The one that was sent is forgotten in time, the one that is parked never.
        outbox.prune(clock.now()).await.unwrap();
        assert_eq!(outbox::Entity::find().count(database.read()).await.unwrap(), 2);
        outbox.prune(clock.now() + TimeDelta::seconds(1)).await.unwrap();
        assert_eq!(
            outbox::Entity::find().count(database.read()).await.unwrap(),
            1,
            "on {url}"
        );
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_what_is_parked_and_has_it_tried_again() {
    each_database(|url| async move {
        let clock = Clock::manual(Utc::now());
        let database = open::<Migrator>(&url).await;
        let heard = Recorder::new(refuse);
        let relay = relay(&database, &heard, &clock);
        let event = event("ord_a", 1, &clock);
        write(database.write(), std::slice::from_ref(&event)).await.unwrap();
        let refused_three_times = async || {
            for _ in 0..3 {
                assert_eq!(operator::list(&database).await.unwrap(), []);
                round(&relay).await;
                clock.advance(Duration::from_secs(60));
            }
        };
        refused_three_times().await;
        let listed = operator::list(&database).await.unwrap();
        let line = listed[0].to_string();
        let expected = format!("{}\twritten\ttest.changed\tord_a\t", event.id);
        assert!(line.starts_with(&expected) && line.ends_with("\tno, thanks"), "{line}");

        let replay = async |id| operator::replay(&database, id, clock.now()).await.unwrap();
        assert_eq!(replay(Some("evt_other")).await, 0);
        assert_eq!(replay(None).await, 1);
        refused_three_times().await;
        assert_eq!(replay(Some(&event.id)).await, 1);
        heard.answers(take);
        round(&relay).await;
        assert_eq!(heard.acknowledged(), [("ord_a".to_owned(), 1)], "on {url}");
        assert_eq!(replay(None).await, 0, "what was sent is not sent again");
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_effect_is_noted_while_that_is_so() {
    each_database(|url| async move {
        let database = open::<Migrator>(&url).await;
        let now = Clock::System.now();
        let notes = Notes::new(database.clone());
        let take_in_while_known = async |event_id, known: &str| {
            let mut holds = Query::select();
            holds.from(inbox::Entity).and_where(inbox::Column::Id.eq(known));
            notes.take_in_while(event_id, now, holds).await.unwrap()
        };
        assert_eq!(take_in_while_known("evt_1", "evt_0").await, None, "on {url}");
        assert!(take_in(database.write(), "evt_0", now).await.unwrap());
        assert_eq!(take_in_while_known("evt_1", "evt_0").await, Some(true), "on {url}");
        assert_eq!(take_in_while_known("evt_1", "evt_0").await, Some(false), "on {url}");
        let notes = [
            ("evt_2", "evt_0"),
            ("evt_3", "evt_none"),
            ("evt_4", "evt_0"),
            ("evt_5", "evt_none"),
        ];
        let at_once = join_all(notes.map(|(event_id, known)| take_in_while_known(event_id, known))).await;
        assert_eq!(at_once, [Some(true), None, Some(true), None], "on {url}");
        let notes = [("evt_6", "evt_0"), ("evt_2", "evt_0"), ("evt_7", "evt_none")];
        let one_known = join_all(notes.map(|(event_id, known)| take_in_while_known(event_id, known))).await;
        assert_eq!(one_known, [Some(true), Some(false), None], "on {url}");
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_deliveries_takes_effect() {
    each_database(|url| async move {
        let database = open::<Migrator>(&url).await;
        let now = Clock::System.now();
        let deliver = async || {
            let transaction = database.begin().await.unwrap();
            let taken = take_in(&transaction, "evt_1", now).await.unwrap();
            if taken {
                transaction.commit().await.unwrap();
            }
            taken
        };
        // One that is rolled back does not count.
        let transaction = database.begin().await.unwrap();
        assert!(take_in(&transaction, "evt_1", now).await.unwrap());
        transaction.rollback().await.unwrap();
        let taken = futures::future::join_all((0..6).map(|_| deliver())).await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "on {url}");
        super::inbox::prune(&database, now).await.unwrap();
        assert!(!deliver().await, "on {url}");
        super::inbox::prune(&database, now + TimeDelta::milliseconds(1))
            .await
            .unwrap();
        assert!(deliver().await, "on {url}");
        database.close().await;
    })
    .await;
}

/// The tables that users had; those of the other services are like them.
struct OldTables;

impl MigrationName for OldTables {
    fn name(&self) -> &'static str {
        "m0001_old"
    }
}

#[async_trait::async_trait]
#[allow(
    elided_lifetimes_in_paths,
    reason = "`async_trait` matches the trait's signatures to the letter"
)]
impl MigrationTrait for OldTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = |name: &'static str| ColumnDef::new(name).string_len(40).not_null().to_owned();
        let mut outbox = Table::create();
        outbox
            .table("outbox_event")
            .col(column("id"))
            .col(column("consumer"))
            .col(ColumnDef::new("event").text().not_null());
        manager.create_table(outbox).await?;
        for (name, key) in [("inbox", "event_id"), ("inbox_event", "id")] {
            let mut inbox = Table::create();
            inbox.table(name).col(column(key));
            manager.create_table(inbox).await?;
        }
        Ok(())
    }
}

struct Before;

impl MigratorTrait for Before {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(OldTables)]
    }
}

struct After;

impl MigratorTrait for After {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(OldTables), Box::new(Migration), Box::new(LongEvents)]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tables_of_before_hold_is_moved() {
    each_database(|url| async move {
        let database = open::<Before>(&url).await;
        let clock = Clock::System;
        let old = [event("usr_a", 1, &clock), event("usr_b", 1, &clock)];
        let insert = async |event: &Event, consumer: &str| {
            let json = serde_json::to_string(event).unwrap();
            let sql = format!(
                "INSERT INTO outbox_event (id, consumer, event) VALUES ('{}', '{consumer}', '{json}')",
                event.id
            );
            database.write().execute_unprepared(&sql).await.unwrap();
        };
        insert(&old[0], "orders").await;
        insert(&old[0], "reviews").await;
        for sql in [
            "INSERT INTO inbox VALUES ('evt_r')",
            "INSERT INTO inbox_event VALUES ('evt_o')",
        ] {
            database.write().execute_unprepared(sql).await.unwrap();
        }
        database.migrate::<After>().await.unwrap();
        // A replica of before goes on for a while.
        insert(&old[1], "orders").await;
        assert!(!super::legacy::take_over(&database.schema()).await.unwrap());

        let heard = Recorder::new(take);
        round(&relay(&database, &heard, &clock)).await;
        let mut acknowledged = heard.acknowledged.lock().unwrap().clone();
        acknowledged.sort_by(|left, right| left.id.cmp(&right.id));
        assert_eq!(acknowledged, old, "on {url}");
        let mut taken = inbox::Entity::find().all(database.read()).await.unwrap();
        taken.sort_by(|left, right| left.id.cmp(&right.id));
        let ids: Vec<&str> = taken.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["evt_o", "evt_r"], "on {url}");
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tables_of_before_hold_is_moved_some_at_a_time() {
    each_database(|url| async move {
        let database = open::<Before>(&url).await;
        let fill = async || {
            let rows: Vec<String> = (0..450).map(|_| format!("('{}')", crate::id::new("evt"))).collect();
            let insert = format!("INSERT INTO inbox VALUES {}", rows.join(", "));
            database.write().execute_unprepared(&insert).await.unwrap();
        };
        let taken = async || inbox::Entity::find().count(database.read()).await.unwrap();
        fill().await;
        database.migrate::<After>().await.unwrap();
        assert_eq!(taken().await, 450, "a migration leaves none, on {url}");
        fill().await;
        for (is_more_left, expected) in [(true, 650), (true, 850), (false, 900)] {
            let moved = super::legacy::take_over(&database.schema()).await.unwrap();
            assert_eq!((moved, taken().await), (is_more_left, expected), "on {url}");
        }
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_told_also_when_nothing_can_be_sent() {
    crate::telemetry::init_metrics();
    let file = crate::testing::TempSqlite::new();
    let database = open::<Migrator>(&file.url).await;
    let stuck = "CREATE TRIGGER stuck BEFORE UPDATE ON event_outbox BEGIN SELECT RAISE(FAIL, 'stuck'); END";
    database.write().execute_unprepared(stuck).await.unwrap();
    write(database.write(), &[event("ord_1", 1, &Clock::System)])
        .await
        .unwrap();
    let relay = Relay {
        service: "stuck",
        ..relay(&database, &Recorder::new(take), &Clock::System)
    };
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(relay.run(shutdown.clone()));
    let mut told = String::new();
    for _ in 0..100 {
        let (_, _, body) = crate::testing::get(&crate::telemetry::metrics_router(), "/metrics").await;
        told = String::from_utf8(body).unwrap();
        if told.contains("events_waiting{service=\"stuck\"} 1") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(told.contains("events_waiting{service=\"stuck\"} 1"), "{told}");
    shutdown.cancel();
    running.await.unwrap();
}
