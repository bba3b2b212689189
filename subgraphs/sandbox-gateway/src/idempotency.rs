//! Idempotency keys with Stripe's manners.
//!
//! The first status and body are kept with the key and replayed, errors of the gateway included; the same key with
//! another request is an error; so is a second request while the first still runs. A request that failed validation,
//! and so did nothing, leaves no trace. Keys are forgotten after a day.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::Value;

const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Most keys kept; the sandbox forgets the finished ones rather than grow without end.
const KEYS_MAX: usize = 100_000;

/// All keys seen lately.
#[derive(Default)]
pub struct Keys {
    entries: Mutex<HashMap<String, Entry>>,
}

struct Entry {
    fingerprint: String,
    answer: Option<(StatusCode, Value)>,
    since: Instant,
}

/// What to do with a request that carries a key.
pub enum Claim {
    /// First time: do it, then [`Keys::finish`] or [`Keys::forget`].
    New,
    /// Done before: answer this.
    Replay(StatusCode, Value),
    /// The key belongs to another request.
    Mismatch,
    /// The same request is running right now.
    Running,
}

impl Keys {
    /// Takes `key` for a request whose method, path and body are `fingerprint`.
    pub fn claim(&self, key: &str, fingerprint: String) -> Claim {
        let mut entries = self.lock();
        if entries.len() >= KEYS_MAX {
            entries.retain(|_, entry| entry.answer.is_none());
        }
        match entries.get(key).filter(|entry| entry.since.elapsed() < KEPT) {
            Some(entry) if entry.fingerprint != fingerprint => Claim::Mismatch,
            Some(Entry {
                answer: Some((status, body)),
                ..
            }) => Claim::Replay(*status, body.clone()),
            Some(_) => Claim::Running,
            None => {
                entries.insert(
                    key.to_owned(),
                    Entry {
                        fingerprint,
                        answer: None,
                        since: Instant::now(),
                    },
                );
                Claim::New
            }
        }
    }

    /// Keeps the answer for replays.
    pub fn finish(&self, key: &str, status: StatusCode, body: Value) {
        if let Some(entry) = self.lock().get_mut(key) {
            entry.answer = Some((status, body));
        }
    }

    /// Lets go of a key whose request did nothing.
    pub fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
