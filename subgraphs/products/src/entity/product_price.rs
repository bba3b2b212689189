//! Lowest and highest price of the active variants of a product, in each currency; derived from [`price`](super::price).

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product_price")]
pub struct Model {
    /// `prod_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub product_id: String,
    /// ISO 4217.
    #[sea_orm(primary_key, auto_increment = false)]
    pub currency_code: String,
    /// Minor units.
    pub min_minor: i64,
    /// Minor units.
    pub max_minor: i64,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
