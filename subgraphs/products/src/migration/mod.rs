//! The tables, one change a file. Released ones are never edited: expand first, contract in a later release.

#![allow(
    elided_lifetimes_in_paths,
    reason = "the trait of sea-orm-migration writes `&SchemaManager`"
)]
#![allow(
    unreachable_pub,
    reason = "the migrator is named by a public trait, from a private module"
)]

mod m0001_catalogue;
mod m0002_stock;
mod m0003_search;
mod m0004_long_texts;
mod m0005_exact_texts;
mod m0006_search_again;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All migrations, oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_catalogue::Migration),
            Box::new(m0002_stock::Migration),
            Box::new(m0003_search::Migration),
            Box::new(m0004_long_texts::Migration),
            Box::new(m0005_exact_texts::Migration),
            Box::new(m0006_search_again::Migration),
        ]
    }
}

/// Length of ids: a prefix of up to five letters and 26 digits.
const ID: u32 = 32;
