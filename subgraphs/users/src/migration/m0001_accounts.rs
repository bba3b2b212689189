//! Accounts and their addresses.

use sea_orm_migration::prelude::*;
use service::database::timestamp;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_accounts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut user = Table::create();
        user.table("user")
            .col(ColumnDef::new("id").string_len(30).not_null().primary_key())
            .col(ColumnDef::new("email").string_len(254).not_null().unique_key())
            .col(ColumnDef::new("email_verified").boolean().not_null())
            .col(ColumnDef::new("password_hash").string_len(200).not_null())
            .col(ColumnDef::new("display_name").string_len(80).not_null())
            .col(ColumnDef::new("phone").string_len(32))
            .col(ColumnDef::new("locale").string_len(35))
            .col(ColumnDef::new("avatar_url").string_len(500))
            .col(ColumnDef::new("roles").string_len(64).not_null())
            // No foreign keys: two tables that point at each other cannot be filled in one order.
            .col(ColumnDef::new("default_shipping_address_id").string_len(30))
            .col(ColumnDef::new("default_billing_address_id").string_len(30))
            .col(timestamp(manager, "created_at").not_null())
            .col(timestamp(manager, "updated_at").not_null());
        manager.create_table(user).await?;

        let mut address = Table::create();
        address
            .table("address")
            .col(ColumnDef::new("id").string_len(30).not_null().primary_key())
            .col(ColumnDef::new("user_id").string_len(30).not_null())
            .col(ColumnDef::new("name").string_len(100).not_null())
            .col(ColumnDef::new("company").string_len(100))
            .col(ColumnDef::new("line1").string_len(200).not_null())
            .col(ColumnDef::new("line2").string_len(200))
            .col(ColumnDef::new("city").string_len(100).not_null())
            .col(ColumnDef::new("region").string_len(100))
            .col(ColumnDef::new("postal_code").string_len(20))
            .col(ColumnDef::new("country_code").string_len(2).not_null())
            .col(ColumnDef::new("phone").string_len(32))
            .foreign_key(
                ForeignKey::create()
                    .name("address_user")
                    .from("address", "user_id")
                    .to("user", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(address).await?;
        manager
            .create_index(
                Index::create()
                    .name("address_by_user")
                    .table("address")
                    .col("user_id")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("address").to_owned()).await?;
        manager.drop_table(Table::drop().table("user").to_owned()).await
    }
}
