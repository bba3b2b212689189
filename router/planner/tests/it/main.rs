//! Tests of planning: fixtures, conformance suites, and operations that make planners explode.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that fails may panic, and says what it skips"
)]

mod conformance;
