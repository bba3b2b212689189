//! Attributes of a product as rows, to filter and count by.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product_attribute")]
pub struct Model {
    /// `prod_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub product_id: String,
    /// `Brand`
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// `Nordhaven`
    pub value: String,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
