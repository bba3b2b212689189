//! The shapes in which services talk to each other on their internal listener: requests, replies and events.
//!
//! Plain serde types with public fields and nothing else. A change here is a change of a wire format: add optional
//! fields, never rename or remove one that a running release still sends.

pub mod events;
pub mod payments;
pub mod products;
pub mod users;
