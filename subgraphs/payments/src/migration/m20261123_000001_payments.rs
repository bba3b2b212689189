//! Payments, their transactions, webhooks received, and events for orders.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261123_000001_payments"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_payment(manager).await?;
        create_transaction(manager).await?;
        create_webhook_event(manager).await?;
        create_outbox_event(manager).await
    }
}

async fn create_payment(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("payment")
        .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
        .col(ColumnDef::new("order_id").string_len(40).not_null())
        .col(ColumnDef::new("open_slot").string_len(40).unique_key())
        .col(ColumnDef::new("order_number").string_len(40).not_null())
        .col(ColumnDef::new("user_id").string_len(40).not_null())
        .col(ColumnDef::new("gateway").string_len(40).not_null())
        .col(ColumnDef::new("status").string_len(24).not_null())
        .col(ColumnDef::new("amount_minor").big_integer().not_null())
        .col(ColumnDef::new("authorized_minor").big_integer().not_null())
        .col(ColumnDef::new("captured_minor").big_integer().not_null())
        .col(ColumnDef::new("refunded_minor").big_integer().not_null())
        .col(ColumnDef::new("currency_code").string_len(3).not_null())
        .col(ColumnDef::new("gateway_reference").string_len(255))
        .col(ColumnDef::new("next_action").text())
        .col(ColumnDef::new("method_kind").string_len(40))
        .col(ColumnDef::new("method_brand").string_len(40))
        .col(ColumnDef::new("method_last4").string_len(8))
        .col(ColumnDef::new("method_expiry_month").integer())
        .col(ColumnDef::new("method_expiry_year").integer())
        .col(ColumnDef::new("decline_code").string_len(80))
        .col(ColumnDef::new("decline_message").string_len(500))
        .col(ColumnDef::new("payment_method_token").string_len(255))
        .col(ColumnDef::new("return_url").text())
        .col(ColumnDef::new("request_hash").string_len(64).not_null())
        .col(ColumnDef::new("version").big_integer().not_null())
        .col(timestamp(manager, "created_at").not_null())
        .col(timestamp(manager, "updated_at").not_null())
        .to_owned();
    manager.create_table(table).await?;
    let by_order = Index::create()
        .name("payment_order")
        .table("payment")
        .col("order_id")
        .col("id")
        .to_owned();
    manager.create_index(by_order).await?;
    let by_status = Index::create()
        .name("payment_status")
        .table("payment")
        .col("status")
        .col("id")
        .to_owned();
    manager.create_index(by_status).await
}

async fn create_transaction(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("payment_transaction")
        .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
        .col(ColumnDef::new("payment_id").string_len(40).not_null())
        .col(ColumnDef::new("idempotency_key").string_len(200).not_null())
        .col(ColumnDef::new("kind").string_len(16).not_null())
        .col(ColumnDef::new("status").string_len(16).not_null())
        .col(ColumnDef::new("amount_minor").big_integer().not_null())
        .col(ColumnDef::new("gateway_reference").string_len(255))
        .col(ColumnDef::new("error_code").string_len(80))
        .col(ColumnDef::new("attempt").integer().not_null())
        .col(timestamp(manager, "next_at"))
        .col(timestamp(manager, "created_at").not_null())
        .foreign_key(
            ForeignKey::create()
                .name("payment_transaction_payment")
                .from("payment_transaction", "payment_id")
                .to("payment", "id"),
        )
        .to_owned();
    manager.create_table(table).await?;
    let by_key = Index::create()
        .name("payment_transaction_key")
        .table("payment_transaction")
        .col("payment_id")
        .col("idempotency_key")
        .unique()
        .to_owned();
    manager.create_index(by_key).await?;
    let due = Index::create()
        .name("payment_transaction_due")
        .table("payment_transaction")
        .col("next_at")
        .to_owned();
    manager.create_index(due).await
}

async fn create_webhook_event(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("webhook_event")
        .col(ColumnDef::new("id").string_len(255).not_null().primary_key())
        .col(ColumnDef::new("gateway").string_len(40).not_null())
        .col(ColumnDef::new("payment_id").string_len(40))
        .col(ColumnDef::new("body").text().not_null())
        .col(timestamp(manager, "received_at").not_null())
        .col(ColumnDef::new("attempt").integer().not_null())
        .col(timestamp(manager, "next_at"))
        .col(timestamp(manager, "processed_at"))
        .to_owned();
    manager.create_table(table).await?;
    let due = Index::create()
        .name("webhook_event_due")
        .table("webhook_event")
        .col("next_at")
        .to_owned();
    manager.create_index(due).await
}

async fn create_outbox_event(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("outbox_event")
        .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
        .col(ColumnDef::new("event").text().not_null())
        .col(ColumnDef::new("attempt").integer().not_null())
        .col(timestamp(manager, "next_at").not_null())
        .to_owned();
    manager.create_table(table).await?;
    let due = Index::create()
        .name("outbox_event_due")
        .table("outbox_event")
        .col("next_at")
        .to_owned();
    manager.create_index(due).await
}
