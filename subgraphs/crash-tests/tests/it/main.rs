//! The shop's services as real processes: one dies at the worst moment, comes back, and then the books must balance.
//!
//! By default each abort point once, a few kills at random, and the race for the last ten units, on SQLite. All of it:
//! see `subgraphs/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod books;
mod last_units;
mod points;
mod random;
mod shop;
