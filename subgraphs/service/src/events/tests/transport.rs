//! Events by signed requests to their readers, several in one.

use super::*;
use crate::auth::InternalKey;
use crate::contract::events::{BATCH_PATH, ORDERS_PAID, PATH, USERS_ERASED};
use crate::events::{ConsumeError, EventConsumer, PeerTransport, router};
use crate::peer::Peers;
use crate::testing::TempSqlite;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use http::StatusCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes every event but those of subjects that are called `bad`, or `panic`, at which it panics; those that begin with `full`
/// once there is room.
#[derive(Default)]
struct Reader {
    has_room: AtomicBool,
    taken: Mutex<Vec<String>>,
    paths: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl EventConsumer for Reader {
    async fn consume(&self, event: &Event) -> Result<(), ConsumeError> {
        assert_ne!(event.subject, "panic", "a fault of the reader");
        if event.subject == "bad" {
            event.read::<u8>()?;
        }
        if event.subject.starts_with("full") && !self.has_room.load(Ordering::SeqCst) {
            return Err(ConsumeError::failed(anyhow::anyhow!("no room")));
        }
        self.taken.lock().unwrap().push(event.subject.clone());
        Ok(())
    }
}

impl Reader {
    /// Its endpoints; without the one for several events, as an older release has it.
    fn serve(self: &Arc<Reader>, takes_lists: bool) -> Router {
        let reader = Arc::clone(self);
        router(Arc::<Reader>::clone(self)).layer(from_fn(move |request: Request, next: Next| {
            let path = request.uri().path().to_owned();
            let is_known = takes_lists || path != BATCH_PATH;
            reader.paths.lock().unwrap().push(path);
            async move {
                match is_known {
                    true => next.run(request).await,
                    false => axum::response::IntoResponse::into_response(StatusCode::NOT_FOUND),
                }
            }
        }))
    }

    fn taken(&self) -> Vec<String> {
        let mut taken = self.taken.lock().unwrap().clone();
        taken.sort();
        taken
    }

    fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }
}

fn of_type(event_type: &str, subject: &str) -> Event {
    Event {
        event_type: event_type.to_owned(),
        ..event(subject, 1, &Clock::System)
    }
}

fn peers() -> Peers {
    Peers::in_process(&InternalKey::generate())
}

/// What became of each event, by one word.
fn words(outcomes: Vec<Result<(), SendError>>) -> Vec<&'static str> {
    let word = |outcome: Result<(), SendError>| match outcome {
        Ok(()) => "taken",
        Err(SendError::Refused(_)) => "refused",
        Err(SendError::Unreachable(_)) => "unreachable",
    };
    outcomes.into_iter().map(word).collect()
}

#[tokio::test]
async fn several_events_are_one_request_to_each_reader() {
    let (peers, reviews, orders) = (peers(), Arc::new(Reader::default()), Arc::new(Reader::default()));
    peers.reviews.as_ref().unwrap().bind(reviews.serve(true));
    peers.orders.as_ref().unwrap().bind(orders.serve(true));
    let events = [
        of_type(ORDERS_PAID, "ord_1"),
        of_type(ORDERS_PAID, "bad"),
        of_type(ORDERS_PAID, "full"),
        of_type(USERS_ERASED, "usr_1"),
        of_type("nobody.cares", "x"),
    ];
    let outcomes = PeerTransport::new(peers).send_all(&events).await;
    assert_eq!(words(outcomes), ["taken", "refused", "unreachable", "taken", "taken"]);
    assert_eq!(
        (reviews.taken(), reviews.paths()),
        (vec!["ord_1".into(), "usr_1".into()], vec![BATCH_PATH.into()])
    );
    assert_eq!(
        (orders.taken(), orders.paths()),
        (vec!["usr_1".into()], vec![PATH.into()])
    );
}

#[tokio::test]
async fn an_event_whose_reader_panics_is_refused_alone() {
    let (peers, reviews) = (peers(), Arc::new(Reader::default()));
    peers.reviews.as_ref().unwrap().bind(reviews.serve(true));
    let transport = PeerTransport::new(peers);
    let events = ["ord_1", "panic", "ord_2"].map(|subject| of_type(ORDERS_PAID, subject));
    assert_eq!(words(transport.send_all(&events).await), ["taken", "refused", "taken"]);
    assert_eq!(words(transport.send_all(&events[1..2]).await), ["refused"]);
    assert_eq!(reviews.taken(), ["ord_1", "ord_2"]);
    assert_eq!(reviews.paths(), [BATCH_PATH, PATH]);
}

#[tokio::test]
async fn a_reader_that_takes_no_lists_is_asked_for_each() {
    let (peers, reviews) = (peers(), Arc::new(Reader::default()));
    peers.reviews.as_ref().unwrap().bind(reviews.serve(false));
    let events = ["ord_1", "bad", "full", "ord_2"].map(|subject| of_type(ORDERS_PAID, subject));
    let outcomes = PeerTransport::new(peers).send_all(&events).await;
    assert_eq!(words(outcomes), ["taken", "refused", "unreachable", "taken"]);
    assert_eq!(reviews.taken(), ["ord_1", "ord_2"]);
    assert_eq!(reviews.paths(), [BATCH_PATH, PATH, PATH, PATH, PATH]);
}

#[tokio::test]
async fn who_is_away_says_nothing_about_events_of_others() {
    let (peers, reviews) = (peers(), Arc::new(Reader::default()));
    peers.reviews.as_ref().unwrap().bind(reviews.serve(true));
    let events = [of_type(ORDERS_PAID, "ord_1"), of_type(USERS_ERASED, "usr_1")];
    // Nobody is bound to orders, which reads the second.
    let outcomes = PeerTransport::new(peers).send_all(&events).await;
    assert_eq!(words(outcomes), ["taken", "unreachable"]);
    assert_eq!(reviews.taken(), ["ord_1", "usr_1"]);
}

#[tokio::test]
async fn a_reader_whose_database_fails_for_long_has_every_event_in_the_end() {
    let clock = Clock::manual(Utc::now());
    let sqlite = TempSqlite::new();
    let database = open::<Migrator>(&sqlite.url).await;
    let (peers, reviews) = (peers(), Arc::new(Reader::default()));
    peers.reviews.as_ref().unwrap().bind(reviews.serve(true));
    let relay = Relay {
        transport: Arc::new(PeerTransport::new(peers)),
        ..relay(&database, &Recorder::new(take), &clock)
    };
    let outbox = crate::events::outbox::Outbox::new(database.clone());
    // The first alone, the others in one request.
    for subjects in [vec!["full_1"], vec!["full_2", "full_3", "bad"]] {
        let events: Vec<Event> = subjects.iter().map(|subject| of_type(ORDERS_PAID, subject)).collect();
        write(database.write(), &events).await.unwrap();
        for _ in 0..10 {
            round(&relay).await;
            clock.advance(Duration::from_secs(60));
        }
    }
    assert_eq!(
        (outbox.waiting().await.unwrap(), outbox.parked().await.unwrap()),
        (3, 1),
        "only what was refused is parked"
    );
    reviews.has_room.store(true, Ordering::SeqCst);
    round(&relay).await;
    assert_eq!(reviews.taken(), ["full_1", "full_2", "full_3"]);
    assert_eq!(outbox.waiting().await.unwrap(), 0);
}

/// As its port answers when the body did not come in time.
#[tokio::test]
async fn a_slow_connection_says_nothing_about_events() {
    let peers = peers();
    let late = Router::new().fallback(async || StatusCode::REQUEST_TIMEOUT);
    peers.reviews.as_ref().unwrap().bind(late);
    let transport = PeerTransport::new(peers);
    let events = ["ord_1", "ord_2"].map(|subject| of_type(ORDERS_PAID, subject));
    assert_eq!(words(transport.send_all(&events).await), ["unreachable", "unreachable"]);
    assert_eq!(words(transport.send_all(&events[..1]).await), ["unreachable"]);
}

#[tokio::test]
async fn an_id_that_not_every_database_keeps_is_refused() {
    let (peers, reviews) = (peers(), Arc::new(Reader::default()));
    peers.reviews.as_ref().unwrap().bind(reviews.serve(true));
    let mut events = ["ord_1", "ord_2"].map(|subject| of_type(ORDERS_PAID, subject));
    events[0].id.push('\0');
    let outcomes = PeerTransport::new(peers).send_all(&events).await;
    assert_eq!(words(outcomes), ["refused", "taken"]);
}
