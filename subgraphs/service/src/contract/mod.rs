//! What services say to each other on the internal port: the JSON of commands and of events, as Rust types.
//!
//! One module per service that *answers*; the README of that service tells the manners of each endpoint. Says
//! nothing of transport: that is `peer`, and signatures are `internal`.
//!
//! Everything here is read by services of another version while a release rolls out: fields are only added, with a
//! `serde` default, and no meaning is ever changed.

pub mod events;
pub mod payments;
pub mod products;
