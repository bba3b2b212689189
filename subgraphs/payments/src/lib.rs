//! Payments through a payment gateway.
//!
//! Owns payments, their transactions and what became of each call to a gateway. Key of the entity `Payment`: `id`,
//! which orders chooses. Invariants: an order has at most one open payment; a call is written down before it is made;
//! refunds never exceed what was captured; a status moves back only when a refund fails that had succeeded. Knows nothing of stock
//! and order states.

mod config;
pub mod domain;
mod entity;
pub mod event;
pub mod gateway;
pub mod graphql;
pub mod internal;
pub mod migration;
pub mod processor;
pub mod runner;
pub mod store;
mod upkeep;
pub mod webhook;

use service::database::Database;
use service::{Routes, Service, ServiceContext};

pub use config::{AlipayConfig, Config, Dialect, StripeConfig};
pub use migration::Migrator;
pub use processor::Processor;

use crate::store::Store;

/// The payments service.
pub struct Payments;

impl Service for Payments {
    const NAME: &'static str = "payments";
    const DURABLE: bool = true;
    const EVENTS: bool = true;
    type Config = Config;
    type Migrator = Migrator;

    fn sdl() -> String {
        graphql::sdl()
    }

    async fn seed(database: &Database) -> anyhow::Result<()> {
        store::seed(database).await
    }

    async fn routes(context: ServiceContext, config: Config) -> anyhow::Result<Routes> {
        let store = Store::new(context.database.clone());
        let gateways = config.gateways(&context.clock)?;
        let processor = Processor::new(store, gateways, context.clock.clone(), context.relay);
        for share in processor.shares() {
            tokio::spawn(runner::run(processor.clone(), share, context.shutdown.clone()));
        }
        tokio::spawn(upkeep::run(processor.clone(), context.shutdown.clone()));
        Ok(Routes {
            public: graphql::router(processor.clone(), context.verifier),
            internal: internal::router(processor.clone()),
            webhook: Some(webhook::router(processor)),
            events: None,
        })
    }
}

/// The subgraph's federation SDL.
#[must_use]
pub fn sdl() -> String {
    graphql::sdl()
}
