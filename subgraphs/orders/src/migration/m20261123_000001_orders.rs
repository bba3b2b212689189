//! Orders with their lines, history, refunds and sagas, keys that were used, and the counter of order numbers.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261123_000001_orders"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_orders(manager).await?;
        create_line(manager).await?;
        create_event(manager).await?;
        create_refund(manager).await?;
        create_saga(manager).await?;
        create_key(manager).await?;
        create_counter(manager).await
    }
}

async fn create_orders(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("orders")
        .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
        .col(ColumnDef::new("number").big_integer().not_null().unique_key())
        .col(ColumnDef::new("user_id").string_len(40).not_null())
        .col(ColumnDef::new("status").string_len(24).not_null())
        .col(ColumnDef::new("failure_reason").string_len(24))
        .col(ColumnDef::new("failure_variant_id").string_len(40))
        .col(ColumnDef::new("currency_code").string_len(3).not_null())
        .col(ColumnDef::new("subtotal_minor").big_integer().not_null())
        .col(ColumnDef::new("shipping_minor").big_integer().not_null())
        .col(ColumnDef::new("tax_minor").big_integer().not_null())
        .col(ColumnDef::new("total_minor").big_integer().not_null())
        .col(ColumnDef::new("refunded_minor").big_integer().not_null())
        .col(ColumnDef::new("shipping_address").text().not_null())
        .col(ColumnDef::new("billing_address").text())
        .col(ColumnDef::new("note").text())
        .col(ColumnDef::new("from_cart").boolean().not_null())
        .col(ColumnDef::new("payment_id").string_len(40))
        .col(timestamp(manager, "placed_at").not_null())
        .col(timestamp(manager, "expires_at"))
        .col(timestamp(manager, "cancelled_at"))
        .col(timestamp(manager, "fulfilled_at"))
        .col(ColumnDef::new("version").big_integer().not_null())
        .to_owned();
    manager.create_table(table).await?;
    let by_user = Index::create()
        .name("orders_user")
        .table("orders")
        .col("user_id")
        .col("id")
        .to_owned();
    manager.create_index(by_user).await?;
    let by_status = Index::create()
        .name("orders_status")
        .table("orders")
        .col("status")
        .col("id")
        .to_owned();
    manager.create_index(by_status).await
}

async fn create_line(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("order_line")
        .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
        .col(ColumnDef::new("order_id").string_len(40).not_null())
        .col(ColumnDef::new("position").integer().not_null())
        .col(ColumnDef::new("variant_id").string_len(40).not_null())
        .col(ColumnDef::new("product_id").string_len(40).not_null())
        .col(ColumnDef::new("title").string_len(500).not_null())
        .col(ColumnDef::new("sku").string_len(64).not_null())
        .col(ColumnDef::new("image_url").text())
        .col(ColumnDef::new("quantity").integer().not_null())
        .col(ColumnDef::new("unit_price_minor").big_integer().not_null())
        .col(ColumnDef::new("total_minor").big_integer().not_null())
        .col(ColumnDef::new("tax_minor").big_integer().not_null())
        .col(ColumnDef::new("refunded_quantity").integer().not_null())
        .foreign_key(
            ForeignKey::create()
                .name("order_line_order")
                .from("order_line", "order_id")
                .to("orders", "id"),
        )
        .to_owned();
    manager.create_table(table).await?;
    let mut by_order = Index::create();
    by_order
        .name("order_line_position")
        .table("order_line")
        .col("order_id")
        .col("position");
    manager.create_index(by_order.unique().to_owned()).await
}

async fn create_event(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("order_event")
        .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
        .col(ColumnDef::new("order_id").string_len(40).not_null())
        .col(timestamp(manager, "at").not_null())
        .col(ColumnDef::new("from_status").string_len(24))
        .col(ColumnDef::new("to_status").string_len(24).not_null())
        .col(ColumnDef::new("message").text())
        .col(ColumnDef::new("actor").string_len(16).not_null())
        .foreign_key(
            ForeignKey::create()
                .name("order_event_order")
                .from("order_event", "order_id")
                .to("orders", "id"),
        )
        .to_owned();
    manager.create_table(table).await?;
    let by_order = Index::create()
        .name("order_event_order_id")
        .table("order_event")
        .col("order_id")
        .col("id")
        .to_owned();
    manager.create_index(by_order).await
}

async fn create_refund(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("order_refund")
        .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
        .col(ColumnDef::new("order_id").string_len(40).not_null())
        .col(ColumnDef::new("idempotency_key").string_len(200).not_null())
        .col(ColumnDef::new("request_hash").string_len(64).not_null())
        .col(ColumnDef::new("status").string_len(16).not_null())
        .col(ColumnDef::new("amount_minor").big_integer().not_null())
        .col(ColumnDef::new("lines").text().not_null())
        .col(ColumnDef::new("restock").boolean().not_null())
        .foreign_key(
            ForeignKey::create()
                .name("order_refund_order")
                .from("order_refund", "order_id")
                .to("orders", "id"),
        )
        .to_owned();
    manager.create_table(table).await?;
    let mut by_key = Index::create();
    by_key
        .name("order_refund_key")
        .table("order_refund")
        .col("order_id")
        .col("idempotency_key");
    manager.create_index(by_key.unique().to_owned()).await
}

async fn create_saga(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("saga")
        .col(ColumnDef::new("order_id").string_len(40).not_null().primary_key())
        .col(ColumnDef::new("step").string_len(24).not_null())
        .col(ColumnDef::new("attempt").integer().not_null())
        .col(timestamp(manager, "next_at"))
        .col(timestamp(manager, "lease_until"))
        .col(timestamp(manager, "reserved_until"))
        .col(ColumnDef::new("stock_committed").boolean().not_null())
        .col(ColumnDef::new("payment_request").text())
        .foreign_key(
            ForeignKey::create()
                .name("saga_order")
                .from("saga", "order_id")
                .to("orders", "id"),
        )
        .to_owned();
    manager.create_table(table).await?;
    manager
        .create_index(Index::create().name("saga_due").table("saga").col("next_at").to_owned())
        .await
}

async fn create_key(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("idempotency_key")
        .col(ColumnDef::new("id").string_len(64).not_null().primary_key())
        .col(ColumnDef::new("request_hash").string_len(64).not_null())
        .col(ColumnDef::new("order_id").string_len(40).not_null())
        .col(ColumnDef::new("payment_id").string_len(40))
        .col(timestamp(manager, "created_at").not_null())
        .to_owned();
    manager.create_table(table).await
}

async fn create_counter(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("counter")
        .col(ColumnDef::new("name").string_len(40).not_null().primary_key())
        .col(ColumnDef::new("value").big_integer().not_null())
        .to_owned();
    manager.create_table(table).await?;
    let first = Query::insert()
        .into_table("counter")
        .columns(["name", "value"])
        .values_panic(["order_number".into(), 100_000_i64.into()])
        .to_owned();
    manager.execute(first).await
}
