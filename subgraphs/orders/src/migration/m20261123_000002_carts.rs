//! Carts and their lines.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261123_000002_carts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let cart = Table::create()
            .table("cart")
            .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
            .col(ColumnDef::new("user_id").string_len(40).not_null().unique_key())
            .col(timestamp(manager, "updated_at").not_null())
            .to_owned();
        manager.create_table(cart).await?;
        let line = Table::create()
            .table("cart_line")
            .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
            .col(ColumnDef::new("cart_id").string_len(40).not_null())
            .col(ColumnDef::new("variant_id").string_len(40).not_null())
            .col(ColumnDef::new("quantity").integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .name("cart_line_cart")
                    .from("cart_line", "cart_id")
                    .to("cart", "id"),
            )
            .to_owned();
        manager.create_table(line).await?;
        let mut by_variant = Index::create();
        by_variant
            .name("cart_line_variant")
            .table("cart_line")
            .col("cart_id")
            .col("variant_id");
        manager.create_index(by_variant.unique().to_owned()).await
    }
}
