//! When each refresh token was given out, so that those that nobody comes back with can be told from those of a moment ago.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_token_ages"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // May be null: a release before this one does not write it.
        let mut table = Table::alter();
        table.table("refresh_token").add_column(timestamp(manager, "issued_at"));
        manager.alter_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::alter();
        table.table("refresh_token").drop_column("issued_at");
        manager.alter_table(table).await
    }
}
