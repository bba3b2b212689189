//! The shop's services as real processes: one dies at the worst moment, comes back, and then the books must balance.
//!
//! By default some of the abort points, lost answers and freezes, a few kills at random, and the race for the last ten units,
//! on SQLite. All of it: see `subgraphs/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test says what it did, or why it did not")]

mod books;
mod clocks;
mod cuts;
mod database_restart;
mod extent;
mod freezes;
mod last_units;
mod link;
mod points;
mod postgres;
mod random;
mod shop;
mod story;
