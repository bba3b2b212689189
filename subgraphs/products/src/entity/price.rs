//! Price of a variant in one currency.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "price")]
pub struct Model {
    /// `var_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub variant_id: String,
    /// ISO 4217.
    #[sea_orm(primary_key, auto_increment = false)]
    pub currency_code: String,
    /// Minor units.
    pub amount_minor: i64,
    /// Struck-through price.
    pub compare_at_minor: Option<i64>,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
