//! A review; unique by product and person.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "review")]
pub struct Model {
    /// `rev_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// `prod_…`
    pub product_id: String,
    /// `usr_…`
    pub user_id: String,
    /// 1 to 5.
    pub rating: i32,
    /// A few words.
    pub title: Option<String>,
    /// Plain text.
    #[sea_orm(column_type = "Text")]
    pub body: String,
    /// Whether the author bought the product.
    pub is_verified: bool,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
}

/// Nothing is joined.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
