//! The users service through its GraphQL, as clients and the router see it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod access_table;
mod addresses;
mod authorization;
mod batching;
mod erasure;
mod internal;
mod mails;
mod schema;
mod secrets;
mod sessions;
mod shop;
mod sign_in;
mod smtp;
