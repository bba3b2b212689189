//! A change of stock by hand, by the key that makes its retry harmless.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stock_adjustment")]
pub struct Model {
    /// Of the caller.
    #[sea_orm(primary_key, auto_increment = false)]
    pub idempotency_key: String,
    /// `var_…`
    pub variant_id: String,
    /// Units added, or removed.
    pub delta: i32,
    /// For people.
    pub reason: String,
    /// Who did it.
    pub user_id: String,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
