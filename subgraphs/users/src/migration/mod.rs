//! Versioned changes of the tables, one a file: expand first, contract in a later release.

#![allow(
    elided_lifetimes_in_paths,
    reason = "`async_trait` matches the trait's signatures to the letter"
)]

mod m0001_accounts;
mod m0002_sessions;
mod m0003_outboxes;
mod m0004_exact_addresses;
mod m0005_token_ages;
mod m0006_folded_names;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All migrations of this service, oldest first.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_accounts::Migration),
            Box::new(m0002_sessions::Migration),
            Box::new(m0003_outboxes::Migration),
            Box::new(service::events::Migration),
            Box::new(m0004_exact_addresses::Migration),
            Box::new(m0005_token_ages::Migration),
            Box::new(service::events::LongEvents),
            Box::new(m0006_folded_names::Migration),
        ]
    }
}
