//! Table `payment_transaction`: one row per thing asked of a gateway, written before the call.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment_transaction")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub payment_id: String,
    /// Unique with `payment_id`.
    pub idempotency_key: String,
    pub kind: String,
    pub status: String,
    pub amount_minor: i64,
    /// What a refund was asked for; null: all that was left, or asked for before this was kept.
    pub asked_minor: Option<i64>,
    pub gateway_reference: Option<String>,
    pub error_code: Option<String>,
    pub attempt: i32,
    /// When the runner looks at it; null when closed.
    pub next_at: Option<DateTimeUtc>,
    pub created_at: DateTimeUtc,
    /// When the key towards the gateway was made anew; null: it is the id.
    pub rekeyed_at: Option<DateTimeUtc>,
    /// When it was first sent; null: when it was written down.
    pub sent_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl Related<super::payment::Entity> for Entity {
    fn to() -> RelationDef {
        let payment = Entity::belongs_to(super::payment::Entity).from(Column::PaymentId);
        payment.to(super::payment::Column::Id).into()
    }
}

impl ActiveModelBehavior for ActiveModel {}
