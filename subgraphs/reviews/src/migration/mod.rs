//! The tables, one change a file. Released ones are never edited: expand first, contract in a later release.

#![allow(
    elided_lifetimes_in_paths,
    reason = "the trait of sea-orm-migration writes `&SchemaManager`"
)]
#![allow(
    unreachable_pub,
    reason = "the migrator is named by a public trait, from a private module"
)]

mod m0001_reviews;
mod m0002_people;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All migrations, oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_reviews::Migration),
            Box::new(service::events::Migration),
            Box::new(m0002_people::Migration),
            Box::new(service::events::LongEvents),
        ]
    }
}
