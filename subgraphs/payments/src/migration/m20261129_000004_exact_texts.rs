//! MySQL compares keys and a gateway's ids letter by letter as the domain does: by its usual collations `evt_1a` is `evt_1A`, so
//! that the second webhook counted as the first one repeated. And its `text` ends at 65,535 bytes, less than a webhook may
//! have. The other databases compare so by themselves, and have no such bound.

use sea_orm_migration::prelude::*;
use service::database::{alter_on_mysql, exact_varchar};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000004_exact_texts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (id, key) = (exact_varchar(255), exact_varchar(200));
        let changes = [
            format!(
                "ALTER TABLE `webhook_event` MODIFY `id` {id} NOT NULL, MODIFY `gateway_reference` {id}, \
                 MODIFY `body` mediumtext NOT NULL"
            ),
            format!("ALTER TABLE `payment` MODIFY `gateway_reference` {id}"),
            format!("ALTER TABLE `payment_transaction` MODIFY `idempotency_key` {key} NOT NULL"),
        ];
        alter_on_mysql(manager, &changes).await
    }
}
