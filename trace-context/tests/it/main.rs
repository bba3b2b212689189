//! Contexts as the specification says, and spans as a collector gets them.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod context;
mod export;
