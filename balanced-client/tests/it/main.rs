//! The client against real sockets on 127.0.0.2 and up, with names that the tests give addresses to.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod balance;
mod failure;
mod harness;
mod probe;
