//! Table `mail_outbox`: mails that were not sent yet. Holds no secrets; they are made when a mail is sent.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mail_outbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub occasion: String,
    pub email: String,
    pub user_id: Option<String>,
    pub attempt: i32,
    pub created_at: DateTimeUtc,
    pub next_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
