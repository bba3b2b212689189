//! Table `order_refund`: money and goods that go, or went, back.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_refund")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub order_id: String,
    pub idempotency_key: String,
    pub request_hash: String,
    pub status: String,
    pub amount_minor: i64,
    /// JSON.
    #[sea_orm(column_type = "Text")]
    pub lines: String,
    pub restock: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
