//! Addresses are compared letter by letter on MySQL too, whose usual collations take `á` for `a`: two people could not
//! both have an account, and what is found by an address could belong to another one.
//!
//! Only the columns that statements compare. The other databases compare so by themselves.

use sea_orm::DatabaseBackend;
use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_exact_addresses"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DatabaseBackend::MySql {
            return Ok(());
        }
        for table in ["user", "mail_outbox"] {
            let exact = format!(
                "ALTER TABLE `{table}` MODIFY email varchar(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"
            );
            manager.get_connection().execute_unprepared(&exact).await?;
        }
        Ok(())
    }
}
