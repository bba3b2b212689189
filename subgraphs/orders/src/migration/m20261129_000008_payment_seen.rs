//! Orders know which state of their payment they have heard of last, and how often their shoppers tried to pay. Keys can be
//! forgotten by their age.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000008_payment_seen"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ColumnDef::new("saga_payment_version")
                .big_integer()
                .not_null()
                .default(0)
                .take(),
            ColumnDef::new("saga_payment_attempts")
                .integer()
                .not_null()
                .default(0)
                .take(),
        ];
        for column in columns {
            // One at a time: SQLite adds no more in a statement.
            let table = Table::alter().table("orders").add_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        let by_age = Index::create()
            .name("idempotency_key_created")
            .table("idempotency_key")
            .col("created_at")
            .to_owned();
        manager.create_index(by_age).await
    }
}
