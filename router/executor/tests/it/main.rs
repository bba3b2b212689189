//! Tests of the executor: a plan, canned answers of subgraphs, and the answer of the client.

#![allow(clippy::unwrap_used)] // All of this is tests; the lint knows only functions marked as such.

mod bounds;
mod completion;
mod contexts;
mod entities;
mod entity_store;
mod failures;
mod fixtures;
mod garbage;
mod harness;
mod http;
mod random;
mod random_shapes;
mod random_stages;
mod reference;
mod variables;
