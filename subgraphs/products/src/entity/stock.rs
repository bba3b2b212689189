//! Units of a variant; `0 <= reserved <= on_hand` is also a check of the database.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stock")]
pub struct Model {
    /// `var_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub variant_id: String,
    /// In the warehouse.
    pub on_hand: i32,
    /// Set aside for orders.
    pub reserved: i32,
    /// When to order more.
    pub low_stock_threshold: i32,
    /// Milliseconds since the epoch.
    pub updated_at_ms: i64,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
