//! How events reach those who read them.

use crate::contract::events::{Event, PATH, readers};
use crate::peer::{PeerClient, PeerError, Peers};
use futures::future::join_all;
use http::{Method, StatusCode};

/// Carries events. One that is acknowledged is stored, by its readers or by a broker, and never sent again.
#[async_trait::async_trait]
pub trait Transport: Send + Sync {
    /// Sends an event, and waits until it is acknowledged. It may be sent again although it was.
    async fn send(&self, event: &Event) -> Result<(), SendError>;
}

/// Why an event was not acknowledged, as far as we know.
#[derive(Debug, thiserror::Error)]
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
}

#[async_trait::async_trait]
impl Transport for PeerTransport {
    async fn send(&self, event: &Event) -> Result<(), SendError> {
        let sent = readers(&event.event_type).iter().map(|name| async move {
            let Some(peer) = self.peers.get(name) else {
                return Err(SendError::Unreachable(format!("`{name}` has no address")));
            };
            push(peer, event).await
        });
        // To all of them, whatever the others answer; the inbox of those who took it knows it the next time.
        join_all(sent).await.into_iter().collect()
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

/// 401 is a key that was not rolled out everywhere, which says nothing about the event either.
fn is_busy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
