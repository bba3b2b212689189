//! A category; the tree is in [`category_ancestor`](super::category_ancestor).

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "category")]
pub struct Model {
    /// `cat_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Unique.
    pub slug: String,
    /// What shoppers read.
    pub name: String,
    /// A line or two.
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    /// `None` for a root.
    pub parent_id: Option<String>,
    /// Order among siblings.
    pub position: i32,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_at_ms: i64,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
