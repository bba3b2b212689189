//! Somebody who bought or wrote: what all that changes theirs locks first, and whether the account was erased.

use sea_orm::entity::prelude::*;

/// A row. It stays when the account is erased, and nothing else of them does.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "person")]
pub struct Model {
    /// `usr_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: String,
    /// Milliseconds since the epoch.
    pub erased_at_ms: Option<i64>,
}

/// Nothing is joined.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
