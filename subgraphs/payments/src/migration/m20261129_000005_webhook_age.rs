//! Webhooks in the order in which they are forgotten. By itself: on PostgreSQL a migration is one transaction, and the next one
//! would keep everybody from the transactions of payments while this one reads every webhook.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000005_webhook_age"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_age = Index::create()
            .name("webhook_event_received")
            .table("webhook_event")
            .col("received_at")
            .to_owned();
        manager.create_index(by_age).await
    }
}
