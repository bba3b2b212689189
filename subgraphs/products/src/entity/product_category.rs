//! In which categories a product is.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product_category")]
pub struct Model {
    /// `prod_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub product_id: String,
    /// `cat_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub category_id: String,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
