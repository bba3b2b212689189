//! Composition from outside: SDL in, supergraph or errors out.

mod conformance;
mod fixtures;
mod fuzz;
mod generate;
mod large;
mod locations;
mod malformed;
mod meaning;
mod order;
mod variants;
