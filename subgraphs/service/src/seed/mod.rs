//! The demo shop: one deterministic data set that each service reads for its own tables.
//!
//! Everything is a pure function of an index: no clock, no state, and no randomness but [`mix`]. So ids, prices and
//! owners agree over five databases without the services asking each other.

pub mod catalogue;
pub mod orders;
pub mod reviews;
pub mod users;

use chrono::{DateTime, TimeZone, Utc};

/// The instant the demo shop opened, 2026-01-05T08:00:00Z. Seeded times count from here, so that they never change.
#[must_use]
pub fn opening() -> DateTime<Utc> {
    Utc.timestamp_opt(1_767_600_000, 0)
        .single()
        .expect("a constant within range")
}

/// A well-mixed number for `index` (the finaliser of splitmix64): the only randomness of the seed data.
///
/// `salt` separates the uses of one index, so that for example the city and the name of user 7 are independent.
#[must_use]
pub fn mix(index: u64, salt: u64) -> u64 {
    let mut z = index
        .wrapping_add(salt.wrapping_mul(0xd134_2543_de82_ef95))
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One of `choices`, chosen by `index` and `salt`.
///
/// # Panics
/// When `choices` is empty; the seed data passes constants.
#[must_use]
pub fn pick<T>(choices: &[T], index: u64, salt: u64) -> &T {
    let position = mix(index, salt) % u64::try_from(choices.len()).expect("a slice is shorter than 2^64");
    &choices[usize::try_from(position).expect("below a slice's length")]
}
