//! Carts, orders and the order saga.
//!
//! Owns carts, orders with what was true when they were placed, and the saga that leads an order from its placing to
//! its end. Keys of entities: `Order id`, `Cart id`. Invariants: an order's stock is reserved before it can be paid and
//! committed before money is taken; what is not known is never undone; whoever dies leaves a saga that the next one
//! takes up. Stock itself belongs to products, money to payments.

pub mod checkout;
mod config;
pub mod domain;
pub mod driver;
mod entity;
mod graphql;
mod internal;
pub mod migration;
pub mod neighbours;
pub mod paying;

pub mod store;
pub mod upkeep;

use std::sync::Arc;

use service::database::Database;
use service::{Routes, Service, ServiceContext};

pub use config::Config;
pub use migration::Migrator;

use crate::checkout::Checkout;
use crate::driver::Driver;
use crate::internal::Consumer;
use crate::neighbours::Neighbours;
use crate::store::Store;

/// The orders service.
pub struct Orders;

impl Service for Orders {
    const NAME: &'static str = "orders";
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
        let store = Store::new(context.database);
        let driver = Driver::new(store, Neighbours::new(context.peers), context.clock, context.relay);
        let checkout = Checkout {
            driver: driver.clone(),
            pricing: Arc::new(config.pricing()?),
            currency_default: config.currency_default,
        };
        tokio::spawn(upkeep::run(driver.clone(), context.shutdown.clone()));
        tokio::spawn(driver.clone().run(context.shutdown));
        Ok(Routes {
            public: graphql::router(checkout, context.verifier),
            events: Some(Arc::new(Consumer { driver })),
            ..Routes::default()
        })
    }
}

/// The subgraph's federation SDL.
#[must_use]
pub fn sdl() -> String {
    graphql::sdl()
}
