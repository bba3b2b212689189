//! MySQL compares these texts letter by letter as the domain does: by its usual collations `recount-A` is `recount-a`, so that
//! the second of two adjustments was taken for the first one repeated; `Color` and `color` could not both be attributes of a
//! product; and `/ガラス` was taken when `/カラス` was.
//!
//! Only the columns that statements compare, and no titles and names, which are sorted by the shop's collation. The other
//! databases compare so by themselves.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use sea_orm_migration::prelude::DeriveMigrationName;
use sea_orm_migration::{MigrationTrait, SchemaManager, async_trait};

/// See the module.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Tables, and their columns with the length of each.
const EXACT: [(&str, &[(&str, u32)]); 5] = [
    ("stock_adjustment", &[("idempotency_key", 128)]),
    ("product_attribute", &[("name", 100), ("value", 100)]),
    ("variant_option", &[("name", 100), ("value", 100)]),
    ("product", &[("slug", 80)]),
    ("category", &[("slug", 80)]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DatabaseBackend::MySql {
            return Ok(());
        }
        for (table, columns) in EXACT {
            let modify = columns.iter().map(|(column, length)| {
                format!("MODIFY `{column}` varchar({length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL")
            });
            let exact = format!("ALTER TABLE `{table}` {}", modify.collect::<Vec<_>>().join(", "));
            manager.get_connection().execute_unprepared(&exact).await?;
        }
        Ok(())
    }
}
