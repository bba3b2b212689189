//! MySQL compares keys of refunds letter by letter as the domain does: by its usual collations `Refund-A` is `refund-a`, so that
//! the second could never be stored. The other databases compare so by themselves.

use sea_orm_migration::prelude::*;
use service::database::{alter_on_mysql, exact_varchar};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000007_exact_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key = exact_varchar(200);
        let exact = format!("ALTER TABLE `order_refund` MODIFY `idempotency_key` {key} NOT NULL");
        alter_on_mysql(manager, &[exact]).await
    }
}
