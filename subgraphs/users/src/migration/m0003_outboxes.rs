//! Mails and events that wait to be sent, erased accounts, and the age of signing keys.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_outboxes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_outboxes(manager).await?;
        let mut erased_user = Table::create();
        erased_user
            .table("erased_user")
            .col(ColumnDef::new("user_id").string_len(30).not_null().primary_key())
            .col(timestamp(manager, "erased_at").not_null());
        manager.create_table(erased_user).await?;

        let mut signing_key = Table::create();
        signing_key
            .table("signing_key")
            .col(ColumnDef::new("kid").string_len(64).not_null().primary_key())
            .col(timestamp(manager, "first_seen_at").not_null());
        manager.create_table(signing_key).await?;

        // What the hourly sweep looks for.
        for (table, column) in [
            ("session", "expires_at"),
            ("mail_token", "expires_at"),
            ("login_failure", "window_ends_at"),
        ] {
            create_index(manager, table, column).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["session", "mail_token", "login_failure"] {
            let index = Index::drop().name(format!("{table}_by_end")).table(table).to_owned();
            manager.drop_index(index).await?;
        }
        for table in ["signing_key", "erased_user", "outbox_event", "mail_outbox"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

async fn create_index(manager: &SchemaManager<'_>, table: &'static str, column: &'static str) -> Result<(), DbErr> {
    let mut index = Index::create();
    index.name(format!("{table}_by_end")).table(table).col(column);
    manager.create_index(index).await
}

async fn create_outboxes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut mail_outbox = Table::create();
    mail_outbox
        .table("mail_outbox")
        .col(ColumnDef::new("id").string_len(31).not_null().primary_key())
        .col(ColumnDef::new("occasion").string_len(20).not_null())
        .col(ColumnDef::new("email").string_len(254).not_null())
        // No foreign key: the last mail to somebody goes out after the account is gone.
        .col(ColumnDef::new("user_id").string_len(30))
        .col(ColumnDef::new("attempt").integer().not_null())
        .col(timestamp(manager, "created_at").not_null())
        .col(timestamp(manager, "next_at").not_null());
    manager.create_table(mail_outbox).await?;

    let mut outbox_event = Table::create();
    outbox_event
        .table("outbox_event")
        .col(ColumnDef::new("id").string_len(30).not_null())
        // Each service that must hear of the event has a row of its own.
        .col(ColumnDef::new("consumer").string_len(20).not_null())
        .col(ColumnDef::new("event").text().not_null())
        .col(ColumnDef::new("attempt").integer().not_null())
        .col(timestamp(manager, "next_at").not_null())
        .primary_key(Index::create().col("id").col("consumer"));
    manager.create_table(outbox_event).await?;

    for table in ["mail_outbox", "outbox_event"] {
        let mut index = Index::create();
        index.name(format!("{table}_by_due")).table(table).col("next_at");
        manager.create_index(index).await?;
    }
    Ok(())
}
