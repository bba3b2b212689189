//! Table `order_line`: what was bought, as it was then.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order_line")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub order_id: String,
    pub position: i32,
    pub variant_id: String,
    pub product_id: String,
    pub title: String,
    pub sku: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub image_url: Option<String>,
    pub quantity: i32,
    pub unit_price_minor: i64,
    pub total_minor: i64,
    pub tax_minor: i64,
    pub refunded_quantity: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
