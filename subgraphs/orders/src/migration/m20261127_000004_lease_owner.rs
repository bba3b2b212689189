//! Leases know whose they are.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261127_000004_lease_owner"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("saga")
            .add_column(ColumnDef::new("lease_owner").string_len(40))
            .to_owned();
        manager.alter_table(table).await
    }
}
