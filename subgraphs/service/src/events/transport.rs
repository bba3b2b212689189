//! How events reach those who read them.

use crate::contract::events::{BATCH_MAX, BATCH_PATH, BatchReply, Event, NotTaken, PATH, readers};
use crate::peer::{PeerClient, PeerError, Peers};
use futures::future::join_all;
use http::{Method, StatusCode};
use std::collections::BTreeMap;

/// Carries events. One that is acknowledged is stored, by its readers or by a broker, and never sent again.
#[async_trait::async_trait]
pub trait Transport: Send + Sync {
    /// Sends an event, and waits until it is acknowledged. It may be sent again although it was.
    async fn send(&self, event: &Event) -> Result<(), SendError>;

    /// Sends several at the same time; answers in their order.
    async fn send_all(&self, events: &[Event]) -> Vec<Result<(), SendError>> {
        join_all(events.iter().map(|event| self.send(event))).await
    }
}

/// Why an event was not acknowledged, as far as we know.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// Somebody is not there, or cannot take anything at the moment: says nothing about the event.
    #[error("{0}")]
    Unreachable(String),
    /// Somebody was there, and did not take this event.
    #[error("{0}")]
    Refused(String),
}

/// Signed requests to each reader, over HTTP or within the process: whatever `Peers` holds.
pub(crate) struct PeerTransport {
    peers: Peers,
}

impl PeerTransport {
    pub(crate) fn new(peers: Peers) -> PeerTransport {
        PeerTransport { peers }
    }

    async fn push_to(&self, reader: &str, events: &[&Event]) -> Vec<Result<(), SendError>> {
        let Some(peer) = self.peers.get(reader) else {
            let error = SendError::Unreachable(format!("`{reader}` has no address"));
            return vec![Err(error); events.len()];
        };
        let pushed = events.chunks(BATCH_MAX).map(|events| push_batch(peer, events));
        join_all(pushed).await.concat()
    }
}

#[async_trait::async_trait]
impl Transport for PeerTransport {
    async fn send(&self, event: &Event) -> Result<(), SendError> {
        self.send_all(std::slice::from_ref(event)).await.into_iter().collect()
    }

    /// One request to each reader. To all of them, whatever the others answer; the inbox of those who took an event knows
    /// it the next time.
    async fn send_all(&self, events: &[Event]) -> Vec<Result<(), SendError>> {
        let mut by_reader: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            for reader in readers(&event.event_type) {
                by_reader.entry(reader).or_default().push(place);
            }
        }
        let pushing = by_reader.iter().map(|(reader, places)| async move {
            let theirs: Vec<&Event> = places.iter().map(|place| &events[*place]).collect();
            self.push_to(reader, &theirs).await
        });
        let pushed = join_all(pushing).await;
        let mut outcomes = vec![Ok(()); events.len()];
        for (places, pushed) in by_reader.values().zip(pushed) {
            for (place, outcome) in places.iter().zip(pushed) {
                let known = &mut outcomes[*place];
                *known = std::mem::replace(known, Ok(())).and(outcome);
            }
        }
        outcomes
    }
}

/// Sends events to one reader in one request. One that does not take lists, or not this one, is asked for each.
async fn push_batch(peer: &PeerClient, events: &[&Event]) -> Vec<Result<(), SendError>> {
    if events.len() > 1 {
        match peer.call::<_, BatchReply>(Method::POST, BATCH_PATH, Some(events)).await {
            Ok(reply) => {
                return events
                    .iter()
                    .enumerate()
                    .map(|(place, _)| heard(&reply, place))
                    .collect();
            }
            Err(PeerError::Status { status, .. }) if !is_busy(status) => {}
            Err(error) => return vec![Err(SendError::Unreachable(error.to_string())); events.len()],
        }
    }
    join_all(events.iter().map(|event| push(peer, event))).await
}

fn heard(reply: &BatchReply, place: usize) -> Result<(), SendError> {
    match reply.get(place) {
        Some(None) => Ok(()),
        Some(Some(NotTaken::Refused(reason))) => Err(SendError::Refused(reason.clone())),
        Some(Some(NotTaken::Later { later })) => Err(SendError::Unreachable(later.clone())),
        None => Err(SendError::Unreachable(
            "the reader did not say what became of it".to_owned(),
        )),
    }
}

async fn push(peer: &PeerClient, event: &Event) -> Result<(), SendError> {
    match peer
        .call::<Event, serde::de::IgnoredAny>(Method::POST, PATH, Some(event))
        .await
    {
        Ok(_) => Ok(()),
        Err(error @ PeerError::Status { status, .. }) if !is_busy(status) => Err(SendError::Refused(error.to_string())),
        Err(error) => Err(SendError::Unreachable(error.to_string())),
    }
}

/// 401 is a key that was not rolled out everywhere, and 408 a slow connection: neither says anything about the event.
fn is_busy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
