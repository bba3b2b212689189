//! Answers of a moment ago: what came of a query is given to all who ask the same and may see the same.

use crate::auth::Viewer;
use crate::recent::{Changes, Place, Recent};
use async_graphql::Context;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes of all that is kept: requests, answers, and what each entry takes beside them.
const BYTES_MAX: u64 = 32 * 1024 * 1024;
const ENTRY_BYTES: usize = 256;

/// The answers of a subgraph that shows the same to everybody who has no scopes: its queries and entities may look at the
/// viewer's scopes, but never at who it is (a field with [`RequireUser`](crate::auth::RequireUser) is never shared).
///
/// Kept are whole answers to queries, without errors and headers, unless a resolver [forbids it](do_not_share). Who has a
/// scope is always answered anew. Those who come before the first answer is made do not wait for it.
pub struct SharedAnswers(Option<Recent<Bytes, Bytes>>);

impl SharedAnswers {
    /// Answers that are at most `age_max` old, and from after the last of `changes`.
    #[must_use]
    pub fn new(age_max: Duration, changes: &Changes) -> SharedAnswers {
        let weight = |request: &Bytes, answer: &Bytes| request.len() + answer.len() + ENTRY_BYTES;
        SharedAnswers(Some(Recent::new(age_max, BYTES_MAX, weight).cleared_by(changes)))
    }

    /// Executes each request.
    pub(super) fn none() -> SharedAnswers {
        SharedAnswers(None)
    }

    /// Where the answer to the request `body` of `viewer` may be, or be kept.
    pub(super) fn place(&self, viewer: &Viewer, body: &Bytes) -> Option<Place<Bytes>> {
        let recent = self.0.as_ref().filter(|_| viewer.scopes.is_empty())?;
        // A copy, since the bytes of a request may be part of a large buffer.
        recent.place(Bytes::copy_from_slice(body))
    }

    pub(super) fn find(&self, place: &Place<Bytes>) -> Option<Bytes> {
        self.0.as_ref()?.find(place)
    }

    pub(super) fn keep(&self, place: Place<Bytes>, answer: &Bytes) {
        if let Some(recent) = &self.0 {
            // A copy, which is no longer than it needs to be.
            recent.keep(place, Bytes::copy_from_slice(answer));
        }
    }
}

/// Whether the answer to a request may be given to others. In the data of every request.
#[derive(Clone, Default)]
pub(super) struct Sharing {
    is_forbidden: Arc<AtomicBool>,
}

impl Sharing {
    pub(super) fn is_allowed(&self) -> bool {
        !self.is_forbidden.load(Ordering::Acquire)
    }
}

/// Gives the answer that is being made to nobody else: for what must be true to the moment, and what could not be read.
pub fn do_not_share(context: &Context<'_>) {
    if let Some(sharing) = context.data_opt::<Sharing>() {
        sharing.is_forbidden.store(true, Ordering::Release);
    }
}
