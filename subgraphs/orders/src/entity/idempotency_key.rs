//! Table `idempotency_key`: what a shopper's key was used for.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_key")]
pub(crate) struct Model {
    /// SHA-256 of scope, user (or order) and key, in hexadecimal: keys are of any length, indexes are not.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub request_hash: String,
    pub order_id: String,
    pub payment_id: Option<String>,
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
