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
    /// A clock that runs several times as fast from an instant on, so that a test need not wait for minutes: by how
    /// much, and since when in milliseconds since the epoch. Processes with the same two numbers agree on the time.
    Fast(u32, i64),
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
            Clock::Fast(times, since) => since + (Utc::now().timestamp_millis() - since) * i64::from(*times),
            Clock::Manual(millis) => millis.load(Ordering::SeqCst),
        };
        Utc.timestamp_millis_opt(millis)
            .single()
            .expect("the clock shows a year that chrono knows")
    }

    /// The time that the rest of the world has: a signature's age is measured by it.
    #[must_use]
    pub fn world_now(&self) -> DateTime<Utc> {
        match self {
            Clock::Fast(..) => Clock::System.now(),
            Clock::System | Clock::Manual(_) => self.now(),
        }
    }

    /// Reads `10@1700000000000`: ten times as fast since that instant, in milliseconds since the epoch.
    ///
    /// # Errors
    /// What is wrong with `text`.
    pub fn parse_fast(text: &str) -> Result<Clock, String> {
        let parsed = text
            .split_once('@')
            .and_then(|(times, since)| Some(Clock::Fast(times.parse().ok()?, since.parse().ok()?)));
        match parsed {
            Some(clock @ Clock::Fast(1..=1000, _)) => Ok(clock),
            _ => Err("1 to 1000, `@`, and milliseconds since the epoch".to_owned()),
        }
    }

    /// Moves a manual clock forward; the others ignore it.
    pub fn advance(&self, by: Duration) {
        if let Clock::Manual(millis) = self {
            millis.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 2), Ordering::SeqCst);
        }
    }
}
