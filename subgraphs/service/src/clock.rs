//! The time, as something that is passed in: so that a test can move it.

use chrono::{DateTime, TimeZone, Utc};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Tells the time. Clones of a manual clock move together.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until [`Clock::advance`]; milliseconds since the epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` until it is moved.
    #[must_use]
    pub fn manual(now: DateTime<Utc>) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(now.timestamp_millis())))
    }

    /// The time, cut to milliseconds: no database of ours loses any of it.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let millis = match self {
            Clock::System => Utc::now().timestamp_millis(),
            Clock::Manual(millis) => millis.load(Ordering::SeqCst),
        };
        Utc.timestamp_millis_opt(millis)
            .single()
            .expect("the clock shows a year that chrono knows")
    }

    /// Moves a manual clock forward; the machine's clock ignores it.
    pub fn advance(&self, by: Duration) {
        if let Clock::Manual(millis) = self {
            millis.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 2), Ordering::SeqCst);
        }
    }
}
