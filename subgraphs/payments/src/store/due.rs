//! Rows whose time has come, each handed to one caller.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait, ModelTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use service::database::Database;

use crate::entity::{payment_transaction, webhook_event};

/// Most rows that are taken at once.
const DUE_MAX: u64 = 50;

/// A table of things to do, each at its time.
pub(super) trait Due: EntityTrait {
    const ID: Self::Column;
    const NEXT_AT: Self::Column;
}

impl Due for payment_transaction::Entity {
    const ID: Self::Column = payment_transaction::Column::Id;
    const NEXT_AT: Self::Column = payment_transaction::Column::NextAt;
}

impl Due for webhook_event::Entity {
    const ID: Self::Column = webhook_event::Column::Id;
    const NEXT_AT: Self::Column = webhook_event::Column::NextAt;
}

/// Takes what is due at `now`, the oldest first: nobody else gets it for `lease`.
pub(super) async fn take_due<E: Due>(
    database: &Database,
    now: DateTime<Utc>,
    lease: TimeDelta,
) -> Result<Vec<E::Model>, DbErr> {
    let due = E::find()
        .filter(E::NEXT_AT.lte(now))
        .order_by_asc(E::NEXT_AT)
        .limit(DUE_MAX)
        .all(database.read())
        .await?;
    let mut taken = Vec::new();
    for row in due {
        let claimed = E::update_many()
            .col_expr(E::NEXT_AT, Expr::value(now + lease))
            .filter(E::ID.eq(row.get(E::ID)))
            .filter(E::NEXT_AT.eq(row.get(E::NEXT_AT)))
            .exec(database.write())
            .await?;
        if claimed.rows_affected == 1 {
            taken.push(row);
        }
    }
    Ok(taken)
}
