//! A product. What is always read with it, and never without, is in its row as JSON.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product")]
pub struct Model {
    /// `prod_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Unique.
    pub slug: String,
    /// What shoppers read.
    pub title: String,
    /// Markdown.
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    /// See `ProductStatus`.
    pub status: String,
    /// JSON list of `NameValue`; the search index of it is [`product_attribute`](super::product_attribute).
    #[sea_orm(column_type = "Text")]
    pub attributes: String,
    /// JSON list of `ProductOption`, derived from the active variants.
    #[sea_orm(column_type = "Text")]
    pub options: String,
    /// JSON list of `Media`.
    #[sea_orm(column_type = "Text")]
    pub media: String,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
    /// Milliseconds since the epoch, whole seconds; the version for `ifUpdatedAt`.
    pub updated_at_ms: i64,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
