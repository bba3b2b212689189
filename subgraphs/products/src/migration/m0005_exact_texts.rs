//! MySQL compares these texts letter by letter as the domain does: by its usual collations `recount-A` is `recount-a`, so that
//! the second of two adjustments was taken for the first one repeated; `Color` and `color` could not both be attributes of a
//! product; and `/ガラス` was taken when `/カラス` was.
//!
//! Only the columns that statements compare, and no titles and names, which are sorted by the shop's collation. The other
//! databases compare so by themselves.

use sea_orm::DbErr;
use sea_orm_migration::prelude::DeriveMigrationName;
use sea_orm_migration::{MigrationTrait, SchemaManager, async_trait};
use service::database::{alter_on_mysql, exact_varchar};

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
        let exact = EXACT.map(|(table, columns)| {
            let modify = columns
                .iter()
                .map(|(column, length)| format!("MODIFY `{column}` {} NOT NULL", exact_varchar(*length)));
            format!("ALTER TABLE `{table}` {}", modify.collect::<Vec<_>>().join(", "))
        });
        alter_on_mysql(manager, &exact).await
    }
}
