//! What the tests over the whole product share: built binaries, processes, fixture subgraphs, a plain GraphQL interpreter.
//!
//! Holds no test itself; those are in `tests/it`.

pub mod deployment;
pub mod fixture_subgraphs;
pub mod interpreter;
pub mod processes;
