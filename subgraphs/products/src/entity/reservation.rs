//! Units set aside for an order.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reservation")]
pub struct Model {
    /// `ord_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: String,
    /// See `ReservationState`.
    pub state: String,
    /// The request as JSON: the same id with another one is a mistake.
    #[sea_orm(column_type = "Text")]
    pub request: String,
    /// The first answer as JSON, for repeated calls.
    #[sea_orm(column_type = "Text")]
    pub reply: String,
    /// Milliseconds since the epoch.
    pub expires_at_ms: i64,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_at_ms: i64,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
