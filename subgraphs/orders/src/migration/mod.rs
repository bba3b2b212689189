//! Versioned changes of the tables, oldest first. A migration that was released never changes.

#![allow(
    elided_lifetimes_in_paths,
    reason = "async-trait wants the signature as the trait has it"
)]

mod m20261123_000001_orders;
mod m20261123_000002_carts;
mod m20261123_000003_events;
mod m20261127_000004_lease_owner;
mod m20261128_000005_saga_in_orders;
mod m20261128_000006_erased_carts;
mod m20261129_000007_exact_keys;
mod m20261129_000008_payment_seen;

use sea_orm_migration::prelude::*;

/// All migrations of this service.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_orders::Migration),
            Box::new(m20261123_000002_carts::Migration),
            Box::new(m20261123_000003_events::Migration),
            Box::new(m20261127_000004_lease_owner::Migration),
            Box::new(service::events::Migration),
            Box::new(m20261128_000005_saga_in_orders::Migration),
            Box::new(m20261128_000006_erased_carts::Migration),
            Box::new(service::events::LongEvents),
            Box::new(m20261129_000007_exact_keys::Migration),
            Box::new(m20261129_000008_payment_seen::Migration),
        ]
    }
}
