//! Who bought or wrote here: one at a time changes what is theirs, and nothing is added for those who were erased.

use crate::entity::person;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use service::database::{OneOf as _, Transaction};
use std::collections::{BTreeSet, HashSet};

/// Keeps others from changing what these people have here until the transaction ends; says who of them was erased.
///
/// Whoever adds something of a person, or erases them, calls this first, and looks at what is there only then. So of two
/// transactions about one person the second waits here for the first, and sees all that it did: one that adds after an
/// erasure finds the mark, an erasure after one that adds finds the rows, and of a review and the purchase of what it is
/// about one finds the other. That holds because no snapshot is older than the lock: PostgreSQL (READ COMMITTED) takes one for
/// each statement, and MySQL and MariaDB (REPEATABLE READ) at the first plain SELECT, which these are not. SQLite has one
/// transaction that writes at a time.
///
/// # Errors
/// [`DbErr`] when the database fails, or somebody else takes too long.
pub(super) async fn lock(transaction: &Transaction, user_ids: &BTreeSet<&str>) -> Result<HashSet<String>, DbErr> {
    if user_ids.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = user_ids.iter().map(|user_id| person::ActiveModel {
        user_id: Set((*user_id).to_owned()),
        erased_at_ms: Set(None),
    });
    let known = OnConflict::column(person::Column::UserId)
        .do_nothing_on([person::Column::UserId])
        .to_owned();
    person::Entity::insert_many(rows)
        .on_conflict(known)
        .exec_without_returning(transaction)
        .await?;
    // In one order for all, like the rows above, so that nobody waits for each other in a circle.
    let people = person::Entity::find()
        .filter(person::Column::UserId.is_one_of(user_ids.iter().copied()))
        .order_by_asc(person::Column::UserId)
        .lock_exclusive()
        .all(transaction)
        .await?;
    let erased = people.into_iter().filter(|person| person.erased_at_ms.is_some());
    Ok(erased.map(|person| person.user_id).collect())
}

/// Notes that somebody, who is locked, was erased.
pub(super) async fn mark_erased(transaction: &Transaction, user_id: &str, now: DateTime<Utc>) -> Result<(), DbErr> {
    person::Entity::update_many()
        .col_expr(person::Column::ErasedAtMs, Expr::value(now.timestamp_millis()))
        .filter(person::Column::UserId.eq(user_id))
        .exec(transaction)
        .await?;
    Ok(())
}
