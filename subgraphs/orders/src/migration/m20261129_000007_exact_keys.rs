//! MySQL compares keys of refunds letter by letter as the domain does: by its usual collations `Refund-A` is `refund-a`, so that
//! the second could never be stored. The other databases compare so by themselves.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000007_exact_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != sea_orm::DatabaseBackend::MySql {
            return Ok(());
        }
        let exact = "ALTER TABLE `order_refund` MODIFY `idempotency_key` varchar(200) CHARACTER SET utf8mb4 \
                     COLLATE utf8mb4_bin NOT NULL";
        manager.get_connection().execute_unprepared(exact).await?;
        Ok(())
    }
}
