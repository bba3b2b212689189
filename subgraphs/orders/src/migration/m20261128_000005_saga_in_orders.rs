//! The saga of an order is part of its row: a step is one statement, under one version.
//!
//! Replicas of an older release must be stopped first: they look for the table `saga`.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261128_000005_saga_in_orders"
    }
}

/// Name in `orders`, and in `saga` before.
const COLUMNS: [(&str, &str); 8] = [
    ("saga_step", "step"),
    ("saga_attempt", "attempt"),
    ("saga_next_at", "next_at"),
    ("saga_lease_until", "lease_until"),
    ("saga_lease_owner", "lease_owner"),
    ("saga_reserved_until", "reserved_until"),
    ("saga_stock_committed", "stock_committed"),
    ("saga_payment_request", "payment_request"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ColumnDef::new("saga_step")
                .string_len(24)
                .not_null()
                .default("DONE")
                .take(),
            ColumnDef::new("saga_attempt").integer().not_null().default(0).take(),
            timestamp(manager, "saga_next_at"),
            timestamp(manager, "saga_lease_until"),
            ColumnDef::new("saga_lease_owner").string_len(40).take(),
            timestamp(manager, "saga_reserved_until"),
            ColumnDef::new("saga_stock_committed")
                .boolean()
                .not_null()
                .default(false)
                .take(),
            ColumnDef::new("saga_payment_request").text().take(),
        ];
        for column in columns {
            // One at a time: SQLite adds no more in a statement.
            let table = Table::alter().table("orders").add_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        manager.execute(copy()).await?;
        let due = Index::create()
            .name("orders_saga_due")
            .table("orders")
            .col("saga_next_at")
            .to_owned();
        manager.create_index(due).await?;
        manager.drop_table(Table::drop().table("saga").to_owned()).await
    }
}

/// Every order has a saga.
fn copy() -> UpdateStatement {
    let mut copy = Query::update();
    copy.table("orders");
    for (to, from) in COLUMNS {
        let mut value = Query::select();
        value
            .column(("saga", from))
            .from("saga")
            .and_where(Expr::col(("saga", "order_id")).equals(("orders", "id")));
        copy.value(to, value);
    }
    copy
}
