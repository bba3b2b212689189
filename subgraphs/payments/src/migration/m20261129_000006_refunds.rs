//! What failed refunds were to give back, what a refund was asked for, so that its key stands for one request, and when a call was
//! first sent.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000006_refunds"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let failed = ColumnDef::new("refunds_failed_minor")
            .big_integer()
            .not_null()
            .default(0)
            .to_owned();
        for (table, column) in [
            ("payment", failed),
            (
                "payment_transaction",
                ColumnDef::new("asked_minor").big_integer().to_owned(),
            ),
            ("payment_transaction", timestamp(manager, "sent_at")),
        ] {
            let alter = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
