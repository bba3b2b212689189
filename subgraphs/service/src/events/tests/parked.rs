//! Events that are parked where they were read.

use super::*;
use crate::events::parked::Parked;
use crate::events::{ConsumeError, EventConsumer};
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes every event, or panics.
#[derive(Default)]
struct Reader {
    panics: AtomicBool,
    taken: Mutex<Vec<Event>>,
}

#[async_trait::async_trait]
impl EventConsumer for Reader {
    async fn consume(&self, event: &Event) -> Result<(), ConsumeError> {
        assert!(!self.panics.load(Ordering::SeqCst), "a fault of the reader");
        self.taken.lock().unwrap().push(event.clone());
        Ok(())
    }
}

/// What replays the events of `reader`.
fn replaying(database: &Database, reader: &Arc<Reader>) -> Relay {
    Relay {
        consumer: Some(reader.clone()),
        ..relay(database, &Recorder::new(take), &Clock::System)
    }
}

/// Parks an event, and has it tried again.
async fn park_and_replay(database: &Database, event: &Event) {
    let json = serde_json::to_string(event).unwrap();
    let now = Clock::System.now();
    let parked = Parked::new(database.clone());
    parked.park(&event.id, &json, "refused", now).await.unwrap();
    assert_eq!(operator::replay(database, Some(&event.id), now).await.unwrap(), 1);
}

#[tokio::test]
async fn an_event_whose_reader_panics_is_parked_again_and_others_are_replayed() {
    let sqlite = crate::testing::TempSqlite::new();
    let database = open::<Migrator>(&sqlite.url).await;
    let reader = Arc::new(Reader::default());
    let relay = replaying(&database, &reader);
    let event = event("ord_a", 1, &Clock::System);
    park_and_replay(&database, &event).await;
    reader.panics.store(true, Ordering::SeqCst);
    relay.replay().await.unwrap();
    assert_eq!(operator::list(&database).await.unwrap()[0].error, "the reader panicked");

    reader.panics.store(false, Ordering::SeqCst);
    let again = operator::replay(&database, None, Clock::System.now()).await.unwrap();
    relay.replay().await.unwrap();
    assert_eq!((again, operator::list(&database).await.unwrap()), (1, vec![]));
    assert_eq!(*reader.taken.lock().unwrap(), [event]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_100_kb_is_sent_parked_and_replayed() {
    each_database(|url| async move {
        let database = open::<Migrator>(&url).await;
        let (heard, reader) = (Recorder::new(take), Arc::new(Reader::default()));
        let relay = Relay {
            consumer: Some(reader.clone()),
            ..relay(&database, &heard, &Clock::System)
        };
        let long = Event {
            data: serde_json::json!({ "name": "x".repeat(100_000) }),
            ..event("ord_a", 1, &Clock::System)
        };
        write(database.write(), std::slice::from_ref(&long)).await.unwrap();
        round(&relay).await;
        assert_eq!(heard.acknowledged(), [("ord_a".to_owned(), 1)], "on {url}");

        park_and_replay(&database, &long).await;
        round(&relay).await;
        let taken = reader.taken.lock().unwrap().clone();
        assert_eq!(taken, [long], "on {url}");
        database.close().await;
    })
    .await;
}

/// PostgreSQL keeps no U+0000.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_said_of_an_event_it_is_parked() {
    each_database(|url| async move {
        let database = open::<Migrator>(&url).await;
        let parked = Parked::new(database.clone());
        let now = Clock::System.now();
        parked.park("evt_read", "\0", "it says `\0`", now).await.unwrap();
        let written = event("ord_a", 1, &Clock::System);
        write(database.write(), std::slice::from_ref(&written)).await.unwrap();
        let clock = Clock::manual(Utc::now());
        let refusing = Recorder::new(|_| Err(SendError::Refused("it says `\0`".to_owned())));
        let relay = relay(&database, &refusing, &clock);
        for _ in 0..3 {
            round(&relay).await;
            clock.advance(Duration::from_secs(60));
        }
        let listed = operator::list(&database).await.unwrap();
        let errors: Vec<&str> = listed.iter().map(|event| event.error.as_str()).collect();
        assert_eq!(errors, ["it says `\u{fffd}`"; 2], "on {url}");
        database.close().await;
    })
    .await;
}
