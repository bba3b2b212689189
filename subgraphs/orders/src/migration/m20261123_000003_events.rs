//! Events taken in, and events to be pushed.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261123_000003_events"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let inbox = Table::create()
            .table("inbox_event")
            .col(ColumnDef::new("id").string_len(80).not_null().primary_key())
            .col(timestamp(manager, "received_at").not_null())
            .to_owned();
        manager.create_table(inbox).await?;
        let outbox = Table::create()
            .table("outbox_event")
            .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
            .col(ColumnDef::new("event").text().not_null())
            .col(ColumnDef::new("attempt").integer().not_null())
            .col(timestamp(manager, "next_at").not_null())
            .to_owned();
        manager.create_table(outbox).await?;
        manager
            .create_index(
                Index::create()
                    .name("outbox_event_due")
                    .table("outbox_event")
                    .col("next_at")
                    .to_owned(),
            )
            .await
    }
}
