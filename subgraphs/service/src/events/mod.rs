//! Events between services: written in the transaction of what happened, sent until they are taken, and taken once.
//!
//! A service that changes something calls [`write`] in the transaction of the change, which stores the event in the
//! table `event_outbox`. Its relay sends what waits there through a [`Transport`], in the order of versions for each
//! subject, until everybody who reads the event took it. A service that reads events gives an [`EventConsumer`], which
//! calls [`take_in`] in the transaction of the effect: the table `event_inbox` lets each event take effect once.
//!
//! Events go by signed requests to each reader, or by NATS JetStream where [`EventOptions::nats`] says so.
//!
//! What was refused too often is *parked*: it waits for an operator, and what comes after it goes on. So consumers
//! cannot count on any order, and tell newer from older by [`Event::aggregate_version`].
//!
//! A service that does either sets [`crate::Service::EVENTS`], and has [`Migration`] and [`LongEvents`] among its
//! migrations. What the events are is in [`crate::contract::events`].

mod entity;
mod inbox;
mod legacy;
mod migration;
mod nats;
pub(crate) mod operator;
mod outbox;
mod parked;
mod relay;
#[cfg(test)]
mod tests;
mod transport;

pub use crate::contract::events::Event;
pub use inbox::{ConsumeError, EventConsumer, Notes, take_in, take_in_all};
pub use migration::{LongEvents, Migration};
pub use nats::NatsOptions;
pub use outbox::write;
pub use relay::RelayBell;
pub use transport::{SendError, Transport};

pub(crate) use inbox::router;
pub(crate) use nats::{Nats, Subscriber};
pub(crate) use parked::Parked;
pub(crate) use relay::Relay;
pub(crate) use transport::PeerTransport;

use chrono::TimeDelta;

/// How events are kept and sent.
#[derive(Clone, Debug)]
pub struct EventOptions {
    /// Times that an event may be refused before it is parked. Not being reachable is no refusal.
    pub refusals_max: i32,
    /// How long an event that was sent, and the id of one that was taken in, are kept.
    pub kept: TimeDelta,
    /// The broker; without one, events go to each reader by itself.
    pub nats: Option<NatsOptions>,
}

impl Default for EventOptions {
    fn default() -> Self {
        EventOptions {
            refusals_max: 20,
            kept: TimeDelta::days(30),
            nats: None,
        }
    }
}

/// A text of others that every database keeps: PostgreSQL keeps no U+0000, which an error may quote.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
