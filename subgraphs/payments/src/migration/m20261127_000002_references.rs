//! Webhooks that name a payment by the gateway's id alone, and the way from that id to the payment.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261127_000002_references"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = Table::alter()
            .table("webhook_event")
            .add_column(ColumnDef::new("gateway_reference").string_len(255))
            .to_owned();
        manager.alter_table(column).await?;
        let by_reference = Index::create()
            .name("payment_gateway_reference")
            .table("payment")
            .col("gateway_reference")
            .to_owned();
        manager.create_index(by_reference).await
    }
}
