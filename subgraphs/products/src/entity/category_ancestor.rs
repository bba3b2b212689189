//! The closure of the tree: one row for each category and each one above it, itself included at depth 0.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "category_ancestor")]
pub struct Model {
    /// `cat_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub category_id: String,
    /// `cat_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub ancestor_id: String,
    /// Steps from the ancestor down to the category.
    pub depth: i32,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
