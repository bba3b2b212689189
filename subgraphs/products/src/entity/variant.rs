//! What is bought.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "variant")]
pub struct Model {
    /// `var_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// `prod_…`
    pub product_id: String,
    /// Order within the product.
    pub position: i32,
    /// Unique.
    pub sku: String,
    /// The options joined.
    pub title: String,
    /// Digits below the bars.
    pub barcode: Option<String>,
    /// Of one unit.
    pub weight_grams: Option<i32>,
    /// Of one unit.
    pub length_mm: Option<i32>,
    /// Of one unit.
    pub width_mm: Option<i32>,
    /// Of one unit.
    pub height_mm: Option<i32>,
    /// `standard`, `reduced` or `zero`.
    pub tax_class: String,
    /// JSON list of `NameValue`; the search index of it is [`variant_option`](super::variant_option).
    #[sea_orm(column_type = "Text")]
    pub options: String,
    /// False once it was taken out of the product; orders still name it.
    pub is_active: bool,
    /// Milliseconds since the epoch.
    pub created_at_ms: i64,
    /// Milliseconds since the epoch.
    pub updated_at_ms: i64,
}

/// Joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
