//! Events through a real NATS, whose address is in `TEST_NATS_URL`.

use super::{Migrator, event, open};
use crate::clock::Clock;
use crate::database::Database;
use crate::events::nats::{Nats, NatsOptions, Subscriber, parse_servers};
use crate::events::parked::Parked;
use crate::events::transport::{SendError, Transport};
use crate::events::{ConsumeError, Event, EventConsumer, EventOptions, Relay, RelayBell, operator, take_in, write};
use crate::testing::TempSqlite;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of its own for a test, on the server that the environment names.
fn options() -> Option<NatsOptions> {
    let Ok(url) = std::env::var("TEST_NATS_URL") else {
        println!("skipped: TEST_NATS_URL is not set");
        return None;
    };
    Some(NatsOptions {
        url,
        credentials_file: None,
        ca_file: None,
        stream: crate::id::new("test"),
        kept: Duration::from_secs(600),
    })
}

/// Remembers what took effect; may be in trouble, with every event then.
struct Reader {
    database: Database,
    taken: Mutex<Vec<String>>,
    failed: AtomicU32,
    trouble: Mutex<Option<Trouble>>,
}

type Trouble = fn(&Event) -> ConsumeError;

fn cannot_store(_: &Event) -> ConsumeError {
    ConsumeError::failed(anyhow::anyhow!("out of order"))
}

fn cannot_read(event: &Event) -> ConsumeError {
    event.read::<u8>().unwrap_err().into()
}

fn panics(_: &Event) -> ConsumeError {
    panic!("a fault of the reader")
}

impl Reader {
    fn new(database: &Database) -> Arc<Reader> {
        Arc::new(Reader {
            database: database.clone(),
            taken: Mutex::default(),
            failed: AtomicU32::new(0),
            trouble: Mutex::default(),
        })
    }

    fn has_trouble(&self, trouble: Option<Trouble>) {
        *self.trouble.lock().unwrap() = trouble;
    }

    async fn wait_for(&self, ids: &[String]) {
        let mut wanted = ids.to_vec();
        wanted.sort();
        wait_until(async || {
            let mut taken = self.taken.lock().unwrap().clone();
            taken.sort();
            taken == wanted
        })
        .await;
    }
}

#[async_trait::async_trait]
impl EventConsumer for Reader {
    async fn consume(&self, event: &Event) -> Result<(), ConsumeError> {
        let trouble = *self.trouble.lock().unwrap();
        if let Some(trouble) = trouble {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return Err(trouble(event));
        }
        let transaction = self.database.begin().await.map_err(ConsumeError::failed)?;
        let is_new = take_in(&transaction, &event.id, event.time)
            .await
            .map_err(ConsumeError::failed)?;
        if is_new {
            transaction.commit().await.map_err(ConsumeError::failed)?;
            self.taken.lock().unwrap().push(event.id.clone());
        }
        Ok(())
    }
}

async fn wait_until(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it comes about in time");
}

/// A reader with a database and a stream of its own, on the broker that the environment names.
struct Scene {
    options: NatsOptions,
    nats: Nats,
    database: Database,
    reader: Arc<Reader>,
    stop: CancellationToken,
    _file: TempSqlite,
}

impl Scene {
    async fn open() -> Option<Scene> {
        let options = options()?;
        let file = TempSqlite::new();
        let database = open::<Migrator>(&file.url).await;
        Some(Scene {
            nats: Nats::connect(options.clone(), "both").await.unwrap(),
            options,
            reader: Reader::new(&database),
            database,
            stop: CancellationToken::new(),
            _file: file,
        })
    }

    /// Has a replica of the reader take what comes by `nats`.
    fn subscribe(&self, nats: &Nats) {
        let subscriber = Subscriber {
            service: "reader",
            nats: nats.clone(),
            consumer: self.reader.clone(),
            parked: Parked::new(self.database.clone()),
            clock: Clock::System,
            refusals_max: 2,
        };
        tokio::spawn(subscriber.run(self.stop.clone()));
    }

    fn relay(&self) -> Relay {
        Relay {
            service: "writer",
            database: self.database.clone(),
            transport: Arc::new(self.nats.clone()),
            clock: Clock::System,
            options: EventOptions::default(),
            bell: RelayBell::default(),
            consumer: Some(self.reader.clone()),
        }
    }

    async fn close(self) {
        self.stop.cancel();
        self.nats.delete_stream().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_a_reader_share_what_a_relay_publishes() {
    let Some(scene) = Scene::open().await else { return };
    let Scene {
        nats, database, reader, ..
    } = &scene;
    let mut ids = Vec::new();
    for version in 1..=40 {
        let event = event("ord_a", version, &Clock::System);
        write(database.write(), std::slice::from_ref(&event)).await.unwrap();
        ids.push(event.id);
    }
    // Published before anybody reads, and with no stream there.
    scene.relay().round(&scene.stop).await.unwrap();
    assert_eq!(
        crate::events::outbox::Outbox::new(database.clone())
            .waiting()
            .await
            .unwrap(),
        0
    );
    for replica in ["reader-1", "reader-2"] {
        scene.subscribe(&Nats::connect(scene.options.clone(), replica).await.unwrap());
    }
    reader.wait_for(&ids).await;
    // What is sent again is dropped by the broker; what it has forgotten, by the inbox.
    let again = event("ord_b", 1, &Clock::System);
    for _ in 0..3 {
        nats.send(&again).await.unwrap();
    }
    ids.push(again.id);
    reader.wait_for(&ids).await;
    assert_eq!(nats.stored().await, 41);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_refuses_is_parked_and_replayed() {
    let Some(scene) = Scene::open().await else { return };
    let Scene {
        nats, database, reader, ..
    } = &scene;
    scene.subscribe(nats);
    reader.has_trouble(Some(cannot_read));
    let event = event("usr_a", 1, &Clock::System);
    nats.send(&event).await.unwrap();
    nats.send_raw("not an event").await;
    let unnamed = Event {
        id: "e".repeat(81),
        ..self::event("usr_b", 1, &Clock::System)
    };
    nats.send_raw(serde_json::to_string(&unnamed).unwrap()).await;
    wait_until(async || operator::list(database).await.unwrap().len() == 3).await;
    let listed = operator::list(database).await.unwrap();
    let lines: Vec<String> = listed.iter().map(ToString::to_string).collect();
    assert!(
        lines[0].starts_with(&format!("{}\tread\ttest.changed\tusr_a\t", event.id)),
        "{lines:?}"
    );
    assert!(
        lines[0].contains("\tthe data of `test.changed` cannot be read: "),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("nats:2\tread\t?\t?\t?\tno event: "), "{lines:?}");

    assert!(lines[2].contains("the id of an event is 1 to 80 bytes"), "{lines:?}");

    // It fails again, and then not.
    let relay = scene.relay();
    for (trouble, left) in [(Some(cannot_store as Trouble), 3), (None, 2)] {
        reader.has_trouble(trouble);
        assert_eq!(
            operator::replay(database, Some(&event.id), Clock::System.now())
                .await
                .unwrap(),
            1
        );
        relay.replay().await.unwrap();
        assert_eq!(operator::list(database).await.unwrap().len(), left);
    }
    reader.wait_for(&[event.id]).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_reader_panics_is_parked_and_the_next_is_taken() {
    let Some(scene) = Scene::open().await else { return };
    let Scene {
        nats, database, reader, ..
    } = &scene;
    scene.subscribe(nats);
    reader.has_trouble(Some(panics));
    nats.send(&event("usr_a", 1, &Clock::System)).await.unwrap();
    wait_until(async || operator::list(database).await.unwrap().len() == 1).await;
    assert_eq!(operator::list(database).await.unwrap()[0].error, "the reader panicked");
    assert_eq!(reader.failed.load(Ordering::SeqCst), 2);

    reader.has_trouble(None);
    let next = event("usr_a", 2, &Clock::System);
    nats.send(&next).await.unwrap();
    reader.wait_for(&[next.id]).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_cannot_store_comes_until_it_can() {
    let Some(scene) = Scene::open().await else { return };
    let Scene {
        nats, database, reader, ..
    } = &scene;
    scene.subscribe(nats);
    reader.has_trouble(Some(cannot_store));
    let event = event("usr_a", 1, &Clock::System);
    nats.send(&event).await.unwrap();
    // Once more than it may be refused.
    wait_until(async || reader.failed.load(Ordering::SeqCst) >= 3).await;
    reader.has_trouble(None);
    reader.wait_for(&[event.id]).await;
    assert_eq!(operator::list(database).await.unwrap(), []);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_waited_for() {
    // A port that nobody listens at, since its listener is gone.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let options = NatsOptions {
        url: format!("nats://{address}"),
        credentials_file: None,
        ca_file: None,
        stream: "test".to_owned(),
        kept: Duration::from_secs(600),
    };
    let nats = Nats::connect(options, "writer").await.unwrap();
    let sent = nats.send(&event("ord_a", 1, &Clock::System)).await;
    assert!(matches!(sent, Err(SendError::Unreachable(_))), "{sent:?}");
}

#[tokio::test]
async fn a_wrong_address_is_told_without_its_password() {
    let options = NatsOptions {
        url: "http://shop:hunter2@nats:4222".to_owned(),
        credentials_file: None,
        ca_file: None,
        stream: "test".to_owned(),
        kept: Duration::from_secs(600),
    };
    let error = Nats::connect(options, "writer").await.unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "NATS_URL must be `nats://host:port` or `tls://host:port`"
    );
}

#[test]
fn user_and_password_are_taken_out_of_the_address() {
    let (servers, login) = parse_servers("tls://shop:p%40ss@one:4222, tls://two:4333").unwrap();
    let hosts: Vec<(&str, u16)> = servers.iter().map(|server| (server.host(), server.port())).collect();
    assert_eq!(hosts, [("one", 4222), ("two", 4333)]);
    assert!(
        servers
            .iter()
            .all(|server| server.tls_required() && !server.has_user_pass())
    );
    assert_eq!(login, Some(("shop".to_owned(), "p@ss".to_owned())));
    assert_eq!(parse_servers("nats://one:4222").unwrap().1, None);
}

impl Nats {
    /// Number of messages in the stream.
    async fn stored(&self) -> u64 {
        self.stream().await.unwrap().cached_info().state.messages
    }

    async fn send_raw(&self, text: impl Into<bytes::Bytes>) {
        let subject = format!("{}.raw", self.options.stream);
        let published = self.context.publish(subject, text.into()).await.unwrap();
        published.await.unwrap();
    }

    async fn delete_stream(&self) {
        self.context.delete_stream(&self.options.stream).await.unwrap();
    }
}
