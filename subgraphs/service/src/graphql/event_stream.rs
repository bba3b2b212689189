//! Responses as server-sent events: graphql-sse, distinct connections mode.
//!
//! A stream lasts no longer than the token of whoever asked for it, and no longer than the process: one that stops ends the
//! connection without the event `complete`, so that the client asks again, and another replica answers.

use super::error::finish;
use super::{UNAUTHENTICATED, error};
use async_graphql::{Response, ServerError};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response as HttpResponse};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, unfold};
use futures::{FutureExt, Stream, StreamExt};
use std::convert::Infallible;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Cancelled when the process is to end. An extension of every request.
#[derive(Clone, Default)]
pub(crate) struct Stopping(pub(crate) CancellationToken);

/// What is still to be told.
struct Telling {
    /// `None` when the last of them was told.
    responses: Option<BoxStream<'static, Response>>,
    expiry: BoxFuture<'static, ()>,
    stopping: CancellationToken,
}

/// * `expires_at`: when the viewer's token ends, in seconds since the epoch.
pub(super) fn event_stream(
    responses: impl Stream<Item = Response> + Send + 'static,
    expires_at: Option<i64>,
    Stopping(stopping): Stopping,
) -> HttpResponse {
    let telling = Telling {
        responses: Some(responses.boxed()),
        expiry: expiry(expires_at).boxed(),
        stopping,
    };
    let events = unfold(telling, Telling::next).map(Ok::<Event, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

impl Telling {
    async fn next(mut self) -> Option<(Event, Telling)> {
        let responses = self.responses.as_mut()?;
        let response = tokio::select! {
            biased;
            () = self.stopping.cancelled() => return None,
            () = &mut self.expiry => {
                self.responses = Some(futures::stream::empty().boxed());
                self.expiry = futures::future::pending().boxed();
                Some(Response::from_errors(vec![expired()]))
            }
            response = responses.next() => response,
        };
        let event = match response {
            Some(response) => next_event(response),
            None => {
                self.responses = None;
                // A blank `data` line, since browsers drop events without one.
                Event::default().event("complete").data(" ")
            }
        };
        Some((event, self))
    }
}

fn next_event(mut response: Response) -> Event {
    response.errors.iter_mut().for_each(finish);
    let json = serde_json::to_string(&response).unwrap_or_else(|_| "{\"data\":null}".to_owned());
    Event::default().event("next").data(json)
}

fn expired() -> ServerError {
    error(UNAUTHENTICATED, "the token has expired; ask again with a new one")
        .into_server_error(async_graphql::Pos::default())
}

async fn expiry(expires_at: Option<i64>) {
    let Some(expires_at) = expires_at else {
        return futures::future::pending().await;
    };
    let left = expires_at.saturating_sub(chrono::Utc::now().timestamp());
    tokio::time::sleep(Duration::from_secs(u64::try_from(left).unwrap_or_default())).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::Value;
    use futures::stream::pending;
    use std::time::Instant;

    async fn body(expires_at: Option<i64>, stopping: CancellationToken) -> String {
        let first = futures::stream::once(async { Response::new(Value::from(1)) });
        let response = event_stream(first.chain(pending()), expires_at, Stopping(stopping));
        let body = axum::body::to_bytes(response.into_body(), 10_000);
        let body = tokio::time::timeout(Duration::from_secs(10), body)
            .await
            .expect("it ends");
        String::from_utf8(body.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_stream_ends_with_the_token() {
        let (began, soon) = (Instant::now(), chrono::Utc::now().timestamp() + 2);
        let body = body(Some(soon), CancellationToken::new()).await;
        assert!(began.elapsed() > Duration::from_millis(500), "{:?}", began.elapsed());
        let events: Vec<&str> = body.split("\n\n").collect();
        assert_eq!(events[0], "event: next\ndata: {\"data\":1}");
        assert!(
            events[1].starts_with("event: next\n") && events[1].contains("UNAUTHENTICATED"),
            "{body}"
        );
        assert!(events[2].starts_with("event: complete\n"), "{body}");
    }

    #[tokio::test]
    async fn a_process_that_stops_completes_nothing() {
        let stopping = CancellationToken::new();
        let stop = stopping.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            stop.cancel();
        });
        assert_eq!(body(None, stopping).await, "event: next\ndata: {\"data\":1}\n\n");
    }
}
