//! Tests of planning: fixtures, conformance suites, and operations that make planners explode.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that fails may panic, and says what it skips"
)]

mod conformance;
mod fixtures;
mod growth;
mod simulation;

use std::path::PathBuf;

/// Where the shared suites are; tests that need them pass without.
fn conformance_dir() -> Option<PathBuf> {
    let dir = std::env::var_os("CONFORMANCE_DIR").map(PathBuf::from);
    if dir.is_none() {
        println!("skipped: CONFORMANCE_DIR is not set");
    }
    dir
}
