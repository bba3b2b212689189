//! MySQL compares keys and a gateway's ids letter by letter as the domain does: by its usual collations `evt_1a` is `evt_1A`, so
//! that the second webhook counted as the first one repeated. And its `text` ends at 65,535 bytes, less than a webhook may
//! have. The other databases compare so by themselves, and have no such bound.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000004_exact_texts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != sea_orm::DatabaseBackend::MySql {
            return Ok(());
        }
        let exact = |length| format!("varchar({length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin");
        let (id, key) = (exact(255), exact(200));
        for change in [
            format!(
                "`webhook_event` MODIFY `id` {id} NOT NULL, MODIFY `gateway_reference` {id}, MODIFY `body` mediumtext NOT NULL"
            ),
            format!("`payment` MODIFY `gateway_reference` {id}"),
            format!("`payment_transaction` MODIFY `idempotency_key` {key} NOT NULL"),
        ] {
            let alter = format!("ALTER TABLE {change}");
            manager.get_connection().execute_unprepared(&alter).await?;
        }
        Ok(())
    }
}
