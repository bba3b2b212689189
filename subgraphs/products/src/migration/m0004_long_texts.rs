//! MySQL's `text` ends at 65,535 bytes: a reservation of many lines with long titles and addresses of pictures could never be
//! stored, nor a product whose options have many long values. The other databases have no such bound.
//!
//! The other columns of that type cannot be filled: a description has at most 40 KB, attributes 25 KB, the options of one
//! variant 5 KB, and a restock names ids only.

use sea_orm::DbErr;
use sea_orm_migration::prelude::DeriveMigrationName;
use sea_orm_migration::{MigrationTrait, SchemaManager, async_trait};
use service::database::alter_on_mysql;

/// See the module.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let longer = [
            "ALTER TABLE `reservation` MODIFY `request` mediumtext NOT NULL, MODIFY `reply` mediumtext NOT NULL",
            "ALTER TABLE `product` MODIFY `options` mediumtext NOT NULL, MODIFY `media` mediumtext NOT NULL",
        ];
        alter_on_mysql(manager, &longer).await
    }
}
