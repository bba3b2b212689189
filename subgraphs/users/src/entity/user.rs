//! Table `user`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub email: String,
    pub email_verified: bool,
    pub password_hash: String,
    pub display_name: String,
    /// As `domain::folded` makes it of the name; null when a release that did not know it wrote the row.
    pub folded_name: Option<String>,
    pub phone: Option<String>,
    pub locale: Option<String>,
    pub avatar_url: Option<String>,
    /// Names of roles with spaces between them.
    pub roles: String,
    pub default_shipping_address_id: Option<String>,
    pub default_billing_address_id: Option<String>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
