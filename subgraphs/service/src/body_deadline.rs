//! A time limit for the bodies of requests: who sends the half of one does not hold a task for ever.
//!
//! Does not limit their size, nor the time that the work on them takes; see [`crate::deadline`] for that.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Longest time a client may take to send its body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// `router`, which answers 408 when a body has not come whole within `timeout`.
pub(crate) fn within(router: Router, timeout: Duration) -> Router {
    router.layer(from_fn_with_state(timeout, answer_in_time))
}

async fn answer_in_time(State(timeout): State<Duration>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let is_late = Arc::<AtomicBool>::default();
    let request = request.map(|body| {
        Body::new(TimedBody {
            body,
            timeout: Box::pin(sleep(timeout)),
            is_late: Arc::clone(&is_late),
        })
    });
    // Who reads the body sees it break off, and cannot tell why.
    let response = next.run(request).await;
    if is_late.load(Ordering::Acquire) {
        return (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n").into_response();
    }
    response
}

/// A body that fails when its time is over.
struct TimedBody {
    body: Body,
    timeout: Pin<Box<Sleep>>,
    is_late: Arc<AtomicBool>,
}

impl http_body::Body for TimedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if self.timeout.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.is_late.store(true, Ordering::Release);
        let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
        Poll::Ready(Some(Err(axum::Error::new(late))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
