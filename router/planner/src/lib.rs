//! Plans operations over a supergraph: which subgraph is asked what, and when.
//!
//! The way: [`normalize`] turns the operation into selection sets by runtime type; [`search`] chooses which [`slots`], that
//! is which subgraph in which stage, resolve each field, looking at one [`place`] at a time, which [`solve`] solves unless one
//! subgraph has everything [`at_once`]; [`fetches`] turns the choices into fetches, whose text [`document`] writes; [`steps`] puts
//! them in order; [`response`] says what the client receives. [`labels`] says on which override labels all of that depends, and
//! [`contexts`] what fields take from objects above them.
//! Does not fetch, and does not know HTTP or JSON.

mod at_once;
mod classes;
mod contexts;
mod document;
mod fetches;
mod introspection;
mod labels;
mod normalize;
mod place;
mod planner;
mod response;
mod search;
mod selection;
mod slots;
mod solve;
mod steps;
mod universe;

pub use planner::{PlanError, Planner};
