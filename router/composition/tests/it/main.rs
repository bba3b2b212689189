//! Composition from outside: SDL in, supergraph or errors out.

mod conformance;
mod fixtures;
mod large;
mod malformed;
mod meaning;
