//! Composition from outside: SDL in, supergraph or errors out.

mod conformance;
mod fixtures;
mod large;
mod locations;
mod malformed;
mod meaning;
mod variants;
