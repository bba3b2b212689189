//! When a transaction got another key towards the gateway.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261128_000003_rekeyed"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = Table::alter()
            .table("payment_transaction")
            .add_column(timestamp(manager, "rekeyed_at"))
            .to_owned();
        manager.alter_table(column).await
    }
}
