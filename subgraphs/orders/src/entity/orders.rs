//! Table `orders`: one row per order, with its saga: where it is on its way, and who drives it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub number: i64,
    pub user_id: String,
    pub status: String,
    pub failure_reason: Option<String>,
    pub failure_variant_id: Option<String>,
    pub currency_code: String,
    pub subtotal_minor: i64,
    pub shipping_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub refunded_minor: i64,
    /// JSON.
    #[sea_orm(column_type = "Text")]
    pub shipping_address: String,
    /// JSON.
    #[sea_orm(column_type = "Text", nullable)]
    pub billing_address: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    pub from_cart: bool,
    pub payment_id: Option<String>,
    pub placed_at: DateTimeUtc,
    pub expires_at: Option<DateTimeUtc>,
    pub cancelled_at: Option<DateTimeUtc>,
    pub fulfilled_at: Option<DateTimeUtc>,
    /// Of the row; each change adds one.
    pub version: i64,
    pub saga_step: String,
    pub saga_attempt: i32,
    /// When the step is due; null when the saga is done.
    pub saga_next_at: Option<DateTimeUtc>,
    /// Until when one runner works on the step.
    pub saga_lease_until: Option<DateTimeUtc>,
    /// Which claim the lease belongs to; one that lost its lease stores nothing.
    pub saga_lease_owner: Option<String>,
    pub saga_reserved_until: Option<DateTimeUtc>,
    pub saga_stock_committed: bool,
    /// JSON.
    #[sea_orm(column_type = "Text", nullable)]
    pub saga_payment_request: Option<String>,
    /// Of the newest state of the payment that was heard.
    pub saga_payment_version: i64,
    pub saga_payment_attempts: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl Related<super::order_refund::Entity> for Entity {
    fn to() -> RelationDef {
        let refund = Entity::belongs_to(super::order_refund::Entity).from(Column::Id);
        refund.to(super::order_refund::Column::OrderId).into()
    }
}

impl ActiveModelBehavior for ActiveModel {}
