//! An answered restock.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "restock")]
pub struct Model {
    /// Of the caller.
    #[sea_orm(primary_key, auto_increment = false)]
    pub restock_id: String,
    /// `ord_…`
    pub order_id: String,
    /// The request as JSON.
    #[sea_orm(column_type = "Text")]
    pub request: String,
    /// The answer as JSON.
    #[sea_orm(column_type = "Text")]
    pub reply: String,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
