//! One variant of a reservation.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reservation_line")]
pub struct Model {
    /// `ord_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: String,
    /// `var_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub variant_id: String,
    /// Units.
    pub quantity: i32,
    /// Units that came back after the commit.
    pub restocked: i32,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
