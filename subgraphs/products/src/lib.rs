//! The products service: products, variants, categories, prices, search and stock.
//!
//! Owns the entities `Product` (`id`), `ProductVariant` (`id`, `sku`) and `Category` (`id`). Invariants: every variant
//! has a price in the main currency; `0 <= reserved <= on_hand`; a reservation is committed or given back once. Knows
//! an order only by its id, and a user not at all.

mod config;
mod domain;
mod entity;
mod graphql;
mod internal;
mod media;
mod migration;
mod store;
mod sweep;

pub use config::ProductsConfig;

use graphql::MediaUrls;
use service::database::Database;
use service::graphql::SharedAnswers;
use service::{Routes, Service, ServiceContext};
use std::time::Duration;
use store::Store;

/// The products service.
#[derive(Debug)]
pub struct Products;

/// The federation SDL of the subgraph.
#[must_use]
pub fn sdl() -> String {
    graphql::sdl()
}

impl Service for Products {
    const NAME: &'static str = "products";
    // Stock that was promised to an order must survive a power cut.
    const DURABLE: bool = true;
    type Config = ProductsConfig;
    type Migrator = migration::Migrator;

    fn sdl() -> String {
        sdl()
    }

    async fn seed(database: &Database) -> anyhow::Result<()> {
        Ok(store::seed(database).await?)
    }

    async fn routes(context: ServiceContext, config: ProductsConfig) -> anyhow::Result<Routes> {
        // Half for what answers are made of, half for the answers.
        let age_max = Duration::from_millis(config.catalogue_age_max_ms) / 2;
        let store = Store::new(context.database, config.main_currency, context.clock, age_max);
        let shared = SharedAnswers::new(age_max, store.changes());
        let media_urls = MediaUrls::new(&config.media_base_url);
        tokio::spawn(sweep::run(store.clone(), context.shutdown.clone()));
        Ok(Routes {
            public: graphql::router(store.clone(), media_urls.clone(), context.verifier, shared)
                .merge(media::router(store.clone())),
            internal: internal::router(store, media_urls),
            ..Routes::default()
        })
    }
}
