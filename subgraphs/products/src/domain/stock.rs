//! The life of a reservation.
//!
//! ```text
//!              reserve                 commit
//!   (nothing) ────────▶ RESERVED ──────────────▶ COMMITTED
//!       │  │               │  │                     ▲
//!       │  │refused        │  │ lapsed (sweep)      │ commit, when the units are still free
//!       │  ▼               │  ▼                     │
//!       │ REFUSED          │ EXPIRED ───────────────┘
//!       │  │               │  │
//!       ▼  ▼    release    ▼  ▼
//!       RELEASED (a tombstone: a reserve that arrives later is refused)
//! ```

/// Where a reservation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReservationState {
    /// The units are set aside.
    Reserved,
    /// Some units were not there; nothing is set aside.
    Refused,
    /// It lapsed, and the units are free again.
    Expired,
    /// The units left the stock.
    Committed,
    /// Given up; the end.
    Released,
}

impl ReservationState {
    /// The word in the database.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ReservationState::Reserved => "RESERVED",
            ReservationState::Refused => "REFUSED",
            ReservationState::Expired => "EXPIRED",
            ReservationState::Committed => "COMMITTED",
            ReservationState::Released => "RELEASED",
        }
    }

    /// Reads the word in the database.
    #[must_use]
    pub(crate) fn from_stored(word: &str) -> Option<ReservationState> {
        [
            Self::Reserved,
            Self::Refused,
            Self::Expired,
            Self::Committed,
            Self::Released,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
    }
}

/// How long a reservation holds, in milliseconds: 20 minutes, a backstop above the 15 minutes that an order has.
pub(crate) const RESERVATION_MS: i64 = 20 * 60 * 1000;
