//! Rows whose time has come, each handed to one caller.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::SimpleExpr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select};
use service::database::{Database, take_due};

use crate::entity::{payment, payment_transaction, webhook_event};

/// A part of the work, which waits for no other: a slow gateway holds up nothing but its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// What is to be done at the gateway of this name.
    Of(String),
    /// The rest: what belongs to gateways that are not configured here any more.
    AllBut(Vec<String>),
}

impl Share {
    fn has(&self, gateway: impl ColumnTrait) -> SimpleExpr {
        match self {
            Self::Of(name) => gateway.eq(name),
            Self::AllBut(names) => gateway.is_not_in(names),
        }
    }
}

/// A table of things to do, each at its time.
pub(super) trait Due: EntityTrait {
    const ID: Self::Column;
    const NEXT_AT: Self::Column;

    fn id(row: &Self::Model) -> &str;

    fn of(share: &Share, select: Select<Self>) -> Select<Self>;
}

impl Due for payment_transaction::Entity {
    const ID: Self::Column = payment_transaction::Column::Id;
    const NEXT_AT: Self::Column = payment_transaction::Column::NextAt;

    fn id(row: &Self::Model) -> &str {
        &row.id
    }

    fn of(share: &Share, select: Select<Self>) -> Select<Self> {
        select
            .inner_join(payment::Entity)
            .filter(share.has(payment::Column::Gateway))
    }
}

impl Due for webhook_event::Entity {
    const ID: Self::Column = webhook_event::Column::Id;
    const NEXT_AT: Self::Column = webhook_event::Column::NextAt;

    fn id(row: &Self::Model) -> &str {
        &row.id
    }

    fn of(share: &Share, select: Select<Self>) -> Select<Self> {
        select.filter(share.has(webhook_event::Column::Gateway))
    }
}

/// Takes at most `limit` rows of `share` that are due now, the oldest first: nobody else gets them for the lease.
///
/// * `times`: now, and how long a lease is.
pub(super) async fn take<E: Due>(
    database: &Database,
    share: &Share,
    limit: u64,
    (now, lease): (DateTime<Utc>, TimeDelta),
) -> Result<Vec<E::Model>, DbErr> {
    let mut due = E::of(share, E::find())
        .filter(E::NEXT_AT.lte(now))
        .order_by_asc(E::NEXT_AT)
        .limit(limit)
        .all(database.read())
        .await?;
    let ids = due.iter().map(|row| E::id(row).to_owned()).collect();
    let taken = take_due::<E>(database, (E::ID, E::NEXT_AT), ids, (now, now + lease)).await?;
    due.retain(|row| taken.contains(E::id(row)));
    Ok(due)
}
