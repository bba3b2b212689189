//! Addresses are compared letter by letter on MySQL too, whose usual collations take `á` for `a`: two people could not
//! both have an account, and what is found by an address could belong to another one.
//!
//! Only the columns that statements compare. The other databases compare so by themselves.

use sea_orm_migration::prelude::*;
use service::database::{alter_on_mysql, exact_varchar};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_exact_addresses"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let exact = ["user", "mail_outbox"]
            .map(|table| format!("ALTER TABLE `{table}` MODIFY `email` {} NOT NULL", exact_varchar(254)));
        alter_on_mysql(manager, &exact).await
    }
}
