//! Tests of the executor: a plan, canned answers of subgraphs, and the answer of the client.

#![allow(clippy::unwrap_used)] // All of this is tests; the lint knows only functions marked as such.

mod completion;
mod entities;
mod failures;
mod fixtures;
mod harness;
mod http;
mod reference;
mod variables;
