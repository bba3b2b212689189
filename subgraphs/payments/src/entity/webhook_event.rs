//! Table `webhook_event`: every verified webhook, once.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_event")]
pub(crate) struct Model {
    /// Gateway and the gateway's event id: `sandbox:evt_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub gateway: String,
    pub payment_id: Option<String>,
    /// The gateway's own id of the payment.
    pub gateway_reference: Option<String>,
    /// As received; empty when processed.
    #[sea_orm(column_type = "Text")]
    pub body: String,
    pub received_at: DateTimeUtc,
    pub attempt: i32,
    /// When the runner looks at it; null when processed or given up.
    pub next_at: Option<DateTimeUtc>,
    pub processed_at: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
