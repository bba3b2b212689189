//! The plumbing as a service uses it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod answers;
mod database;
mod endpoint;
mod group_commit;
mod peer;
mod schema;
mod silence;
mod tokens;
mod update_all;
