//! How long a request may still take, and how that travels: header `x-hansa-deadline-ms`, the milliseconds left.
//!
//! The budget: client 15 s; router to subgraph 5 s for queries and 12 s for mutations; a service that was told no
//! deadline takes 12 s.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::{Duration, Instant};

/// Milliseconds that the caller still waits. A duration, not an instant: machines' clocks differ.
pub const DEADLINE_HEADER: HeaderName = HeaderName::from_static("x-hansa-deadline-ms");

/// Longest time a service works on one request, whatever the caller says.
pub const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(12);

tokio::task_local! {
    static CURRENT: Deadline;
}

/// The instant at which the caller stops waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `timeout` from now.
    #[must_use]
    pub fn after(timeout: Duration) -> Deadline {
        Deadline(Instant::now() + timeout)
    }

    /// What the caller said, at most [`REQUEST_TIMEOUT_MAX`] from now.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Deadline {
        let said = headers
            .get(DEADLINE_HEADER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        Deadline::after(
            said.map_or(REQUEST_TIMEOUT_MAX, Duration::from_millis)
                .min(REQUEST_TIMEOUT_MAX),
        )
    }

    /// The deadline of the request that the current task works on, if it works on one.
    #[must_use]
    pub fn current() -> Option<Deadline> {
        CURRENT.try_with(|deadline| *deadline).ok()
    }

    /// Runs `work` with this as its current deadline; peers that it calls are told what is left.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Time left; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The instant itself.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.0
    }

    /// The header's value for a call that may use all the time that is left.
    #[must_use]
    pub fn header_value(self) -> HeaderValue {
        HeaderValue::from(u64::try_from(self.remaining().as_millis()).unwrap_or(u64::MAX))
    }
}
