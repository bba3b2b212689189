//! MySQL's `text` ends at 65,535 bytes: a reservation of many lines with long titles and addresses of pictures could never be
//! stored, nor a product whose options have many long values. The other databases have no such bound.
//!
//! The other columns of that type cannot be filled: a description has at most 40 KB, attributes 25 KB, the options of one
//! variant 5 KB, and a restock names ids only.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use sea_orm_migration::prelude::DeriveMigrationName;
use sea_orm_migration::{MigrationTrait, SchemaManager, async_trait};

/// See the module.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DatabaseBackend::MySql {
            return Ok(());
        }
        for longer in [
            "ALTER TABLE `reservation` MODIFY `request` mediumtext NOT NULL, MODIFY `reply` mediumtext NOT NULL",
            "ALTER TABLE `product` MODIFY `options` mediumtext NOT NULL, MODIFY `media` mediumtext NOT NULL",
        ] {
            manager.get_connection().execute_unprepared(longer).await?;
        }
        Ok(())
    }
}
