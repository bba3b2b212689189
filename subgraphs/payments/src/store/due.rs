//! Rows whose time has come, each handed to one caller.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use service::database::{Database, take_due};

use crate::entity::{payment_transaction, webhook_event};

/// Most rows that are taken at once.
const DUE_MAX: u64 = 50;

/// A table of things to do, each at its time.
pub(super) trait Due: EntityTrait {
    const ID: Self::Column;
    const NEXT_AT: Self::Column;

    fn id(row: &Self::Model) -> &str;
}

impl Due for payment_transaction::Entity {
    const ID: Self::Column = payment_transaction::Column::Id;
    const NEXT_AT: Self::Column = payment_transaction::Column::NextAt;

    fn id(row: &Self::Model) -> &str {
        &row.id
    }
}

impl Due for webhook_event::Entity {
    const ID: Self::Column = webhook_event::Column::Id;
    const NEXT_AT: Self::Column = webhook_event::Column::NextAt;

    fn id(row: &Self::Model) -> &str {
        &row.id
    }
}

/// Takes what is due at `now`, the oldest first: nobody else gets it for `lease`.
pub(super) async fn take<E: Due>(
    database: &Database,
    now: DateTime<Utc>,
    lease: TimeDelta,
) -> Result<Vec<E::Model>, DbErr> {
    let mut due = E::find()
        .filter(E::NEXT_AT.lte(now))
        .order_by_asc(E::NEXT_AT)
        .limit(DUE_MAX)
        .all(database.read())
        .await?;
    let ids = due.iter().map(|row| E::id(row).to_owned()).collect();
    let taken = take_due::<E>(database, (E::ID, E::NEXT_AT), ids, (now, now + lease)).await?;
    due.retain(|row| taken.contains(E::id(row)));
    Ok(due)
}
