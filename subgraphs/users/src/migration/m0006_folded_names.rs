//! Names in the form in which support looks for them, without case and accents: what a database makes of those itself differs,
//! and SQLite knows no letters but those of ASCII.
//!
//! May be null: a release before this one does not write it. The sweep fills what such a one leaves.

use crate::store::fold_names;
use sea_orm::DatabaseBackend;
use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_folded_names"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // MySQL keeps what a migration made before it failed.
        if !manager.has_column("user", "folded_name").await? {
            let mut folded = ColumnDef::new("folded_name");
            match manager.get_database_backend() {
                DatabaseBackend::MySql => folded.custom("text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
                _ => folded.text(),
            };
            let mut table = Table::alter();
            table.table("user").add_column(folded);
            manager.alter_table(table).await?;
        }
        fold_names(manager.get_connection()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::alter();
        table.table("user").drop_column("folded_name");
        manager.alter_table(table).await
    }
}
