//! Plans operations over a supergraph: which subgraph is asked what, and when.
//!
//! The way: [`normalize`] turns the operation into selection sets by runtime type; [`search`] chooses in which subgraph
//! and stage each field is resolved, solving one [`place`] at a time; [`fetches`] turns the choices into fetches, whose
//! text [`document`] writes; [`steps`] puts them in order; [`response`] says what the client receives.
//! Does not fetch, and does not know HTTP or JSON.

mod classes;
mod document;
mod fetches;
mod introspection;
mod normalize;
mod place;
mod planner;
mod response;
mod search;
mod selection;
mod steps;

pub use planner::{PlanError, Planner};
