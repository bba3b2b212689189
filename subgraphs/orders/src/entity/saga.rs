//! Table `saga`: where each order is on its way, and who drives it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "saga")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: String,
    pub step: String,
    pub attempt: i32,
    /// When the step is due; null when the saga is done.
    pub next_at: Option<DateTimeUtc>,
    /// Until when one runner works on the step.
    pub lease_until: Option<DateTimeUtc>,
    /// Which claim the lease belongs to; one that lost its lease stores nothing.
    pub lease_owner: Option<String>,
    pub reserved_until: Option<DateTimeUtc>,
    pub stock_committed: bool,
    /// JSON.
    #[sea_orm(column_type = "Text", nullable)]
    pub payment_request: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
