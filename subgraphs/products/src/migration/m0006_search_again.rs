//! Search tokens are made in another way: `hoodies` finds `Hoodie`, and `Material:Cotton` is two words. What is in the index was
//! made in the old way, so that it would no longer be found.

use crate::store::reindex;
use sea_orm::DbErr;
use sea_orm_migration::prelude::DeriveMigrationName;
use sea_orm_migration::{MigrationTrait, SchemaManager, async_trait};

/// See the module.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        reindex(manager.get_connection())
            .await
            .map_err(|error| DbErr::Custom(format!("{:#}", anyhow::Error::from(error))))
    }
}
