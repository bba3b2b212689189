//! Options of a variant as rows, to filter and count by.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "variant_option")]
pub struct Model {
    /// `var_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub variant_id: String,
    /// `Size`
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// `M`
    pub value: String,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
