//! Versioned changes of the tables, oldest first. A migration that was released never changes.

#![allow(
    elided_lifetimes_in_paths,
    reason = "async-trait wants the signature as the trait has it"
)]

mod m20261123_000001_payments;
mod m20261127_000002_references;
mod m20261128_000003_rekeyed;
mod m20261129_000004_exact_texts;
mod m20261129_000005_webhook_age;
mod m20261129_000006_refunds;

use sea_orm_migration::prelude::*;

/// All migrations of this service.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_payments::Migration),
            Box::new(m20261127_000002_references::Migration),
            Box::new(service::events::Migration),
            Box::new(m20261128_000003_rekeyed::Migration),
            Box::new(service::events::LongEvents),
            Box::new(m20261129_000004_exact_texts::Migration),
            Box::new(m20261129_000005_webhook_age::Migration),
            Box::new(m20261129_000006_refunds::Migration),
        ]
    }
}
