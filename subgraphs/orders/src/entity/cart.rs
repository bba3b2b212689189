//! Table `cart`: one row per user who ever filled one.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "cart")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub user_id: String,
    pub updated_at: DateTimeUtc,
    /// Since when there is no such account.
    pub erased_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl Related<super::cart_line::Entity> for Entity {
    fn to() -> RelationDef {
        let line = Entity::belongs_to(super::cart_line::Entity).from(Column::Id);
        line.to(super::cart_line::Column::CartId).into()
    }
}

impl ActiveModelBehavior for ActiveModel {}
