//! What a refund was asked for, so that its key stands for one request; and processed webhooks in the order in which they are
//! forgotten.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000005_asked"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = Table::alter()
            .table("payment_transaction")
            .add_column(ColumnDef::new("asked_minor").big_integer())
            .to_owned();
        manager.alter_table(column).await?;
        let by_age = Index::create()
            .name("webhook_event_received")
            .table("webhook_event")
            .col("received_at")
            .to_owned();
        manager.create_index(by_age).await
    }
}
