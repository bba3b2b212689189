//! Table `payment`: one row per payment attempt.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub order_id: String,
    /// The order's id while the payment is open, else null: the unique index lets an order have one open payment.
    pub open_slot: Option<String>,
    pub order_number: String,
    pub user_id: String,
    pub gateway: String,
    pub status: String,
    pub amount_minor: i64,
    pub authorized_minor: i64,
    pub captured_minor: i64,
    pub refunded_minor: i64,
    /// What failed refunds were to give back.
    pub refunds_failed_minor: i64,
    pub currency_code: String,
    pub gateway_reference: Option<String>,
    /// JSON of the domain's `NextAction`.
    pub next_action: Option<String>,
    pub method_kind: Option<String>,
    pub method_brand: Option<String>,
    pub method_last4: Option<String>,
    pub method_expiry_month: Option<i32>,
    pub method_expiry_year: Option<i32>,
    pub decline_code: Option<String>,
    pub decline_message: Option<String>,
    pub payment_method_token: Option<String>,
    pub return_url: Option<String>,
    pub request_hash: String,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl Related<super::payment_transaction::Entity> for Entity {
    fn to() -> RelationDef {
        let transaction = Entity::belongs_to(super::payment_transaction::Entity).from(Column::Id);
        transaction.to(super::payment_transaction::Column::PaymentId).into()
    }
}

impl ActiveModelBehavior for ActiveModel {}
