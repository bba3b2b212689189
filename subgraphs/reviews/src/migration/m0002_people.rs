//! People, so that what was erased stays so. Those who bought or wrote before have no row until they do so again.

use super::m0001_reviews::ID;
use crate::entity::person;
use sea_orm::DbErr;
use sea_orm::sea_query::Table;
use sea_orm_migration::prelude::DeriveMigrationName;
use sea_orm_migration::schema::{big_integer_null, string_len};
use sea_orm_migration::{MigrationTrait, SchemaManager, async_trait};

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use person::Column::*;
        let mut people = Table::create();
        people
            .table(person::Entity)
            .col(string_len(UserId, ID).primary_key())
            .col(big_integer_null(ErasedAtMs));
        manager.create_table(people).await
    }
}
