//! How much of everything is tried: `CRASH_ALL`, `CRASH_CHECKOUTS` and `CRASH_KILLS` in the environment.

use anyhow::{Context as _, Result};

/// One case in so many is taken, or all.
pub(crate) fn step(by_default: usize) -> usize {
    if std::env::var_os("CRASH_ALL").is_some() {
        1
    } else {
        by_default
    }
}

/// A number that may be set.
pub(crate) fn number(name: &str, by_default: u64) -> Result<u64> {
    std::env::var(name).map_or(Ok(by_default), |value| {
        value.parse().with_context(|| format!("`{name}` is a whole number"))
    })
}
