//! Composition from outside: SDL in, supergraph or errors out.

mod conformance;
mod fixtures;
mod generate;
mod large;
mod locations;
mod malformed;
mod meaning;
mod order;
mod variants;
