//! Table `orders`: one row per order.

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
    pub version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl Related<super::saga::Entity> for Entity {
    fn to() -> RelationDef {
        let saga = Entity::belongs_to(super::saga::Entity).from(Column::Id);
        saga.to(super::saga::Column::OrderId).into()
    }
}

impl Related<super::order_refund::Entity> for Entity {
    fn to() -> RelationDef {
        let refund = Entity::belongs_to(super::order_refund::Entity).from(Column::Id);
        refund.to(super::order_refund::Column::OrderId).into()
    }
}

impl ActiveModelBehavior for ActiveModel {}
