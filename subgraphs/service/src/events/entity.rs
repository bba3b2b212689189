//! The tables of events, the same in every service.

/// Table `event_outbox`: events that this service wrote.
pub(super) mod outbox {
    use sea_orm::entity::prelude::*;

    /// An event. It waits while it has `next_at`; else it was sent, or it is parked.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "event_outbox")]
    pub(crate) struct Model {
        /// `evt_…`
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// What it happened to. Events of one subject are sent one after the other.
        pub subject: String,
        /// Their order.
        pub version: i64,
        /// JSON of the event.
        #[sea_orm(column_type = "Text")]
        pub event: String,
        /// Times that it was sent in vain.
        pub attempt: i32,
        /// How often of these it was refused by somebody who was there.
        pub refusals: i32,
        /// When it is sent (again). Whoever sends it moves this to the end of the lease first.
        pub next_at: Option<DateTimeUtc>,
        /// When everybody had taken it.
        pub sent_at: Option<DateTimeUtc>,
        /// Why it was sent in vain the last time.
        #[sea_orm(column_type = "Text")]
        pub error: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Table `event_parked`: events of others that were refused here too often.
pub(super) mod parked {
    use sea_orm::entity::prelude::*;

    /// An event that waits for an operator; while it has `next_at`, it is being replayed.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "event_parked")]
    pub(crate) struct Model {
        /// `evt_…`, or the place in the stream of a message that is no event of ours.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// As it arrived.
        #[sea_orm(column_type = "Text")]
        pub event: String,
        /// Why it failed the last time.
        #[sea_orm(column_type = "Text")]
        pub error: String,
        pub parked_at: DateTimeUtc,
        /// When it is tried again. Whoever does moves this to the end of the lease first.
        pub next_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Table `event_inbox`: events of others that took effect here.
pub(super) mod inbox {
    use sea_orm::entity::prelude::*;

    /// An event that must not take effect again.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "event_inbox")]
    pub(crate) struct Model {
        /// `evt_…`
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// For pruning.
        pub received_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
