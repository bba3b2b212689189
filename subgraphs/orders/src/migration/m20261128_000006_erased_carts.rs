//! The cart of an erased account stays, empty, so that nobody fills it again with a token that is still good.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261128_000006_erased_carts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("cart")
            .add_column(timestamp(manager, "erased_at"))
            .to_owned();
        manager.alter_table(table).await
    }
}
