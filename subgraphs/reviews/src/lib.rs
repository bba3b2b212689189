//! The reviews service: what people think of products.
//!
//! Owns the entity `Review` (`id`), and adds `rating` and `reviews` to `Product`, and `reviews` to `User`, of which it
//! knows only the ids. Invariants: one review for each person and product; a review by a buyer is marked as such, also
//! when the order is paid after it was written; of an account that was erased nothing is here, and nothing comes any more.

mod config;
mod domain;
mod entity;
mod graphql;
mod internal;
mod migration;
mod store;

pub use config::ReviewsConfig;

use internal::Consumer;
use service::database::Database;
use service::{Routes, Service, ServiceContext};
use std::sync::Arc;
use store::Store;

/// The reviews service.
#[derive(Debug)]
pub struct Reviews;

/// The federation SDL of the subgraph.
#[must_use]
pub fn sdl() -> String {
    graphql::sdl()
}

impl Service for Reviews {
    const NAME: &'static str = "reviews";
    const EVENTS: bool = true;
    type Config = ReviewsConfig;
    type Migrator = migration::Migrator;

    fn sdl() -> String {
        sdl()
    }

    async fn seed(database: &Database) -> anyhow::Result<()> {
        Ok(store::seed(database).await?)
    }

    async fn routes(context: ServiceContext, config: ReviewsConfig) -> anyhow::Result<Routes> {
        let store = Store::new(context.database.clone(), context.clock.clone());
        Ok(Routes {
            public: graphql::router(store.clone(), config, context.verifier),
            events: Some(Arc::new(Consumer { store })),
            ..Routes::default()
        })
    }
}
