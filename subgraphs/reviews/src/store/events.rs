//! What events of other services do here; each once.

use super::{Result, Store, people};
use crate::entity::{purchase, review};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, SqlErr};
use service::contract::events::BATCH_MAX;
use service::database::{Database, OneOf as _, Transaction};
use service::events;
use service::together::{Stored, Storing, Together};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What an event does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Somebody bought these products.
    Bought { user_id: String, product_ids: Vec<String> },
    /// Somebody's account was deleted; so is what they wrote, and nothing of theirs is taken in any more.
    Erased { user_id: String },
}

impl Effect {
    fn user_id(&self) -> &str {
        match self {
            Effect::Bought { user_id, .. } | Effect::Erased { user_id } => user_id,
        }
    }
}

/// Lets events take effect, those that come at the same time in one transaction.
pub(super) type Applying = Together<Storing<Effects>>;

pub(super) struct Effects {
    pub(super) database: Database,
}

/// An event, by its id, and what it does.
pub(super) struct Arrival {
    event_id: String,
    now: DateTime<Utc>,
    effect: Effect,
}

impl Store {
    /// Applies an event unless it was before.
    pub(crate) async fn apply(&self, event_id: &str, effect: Effect) -> Result<()> {
        let arrival = Arrival {
            event_id: event_id.to_owned(),
            now: self.clock.now(),
            effect,
        };
        match self.applying.store(arrival).await {
            // Another one of the same event was faster.
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => return Ok(()),
            applied => {
                if applied? {
                    self.changes.note();
                }
            }
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Stored for Effects {
    type Change = Arrival;
    /// Whether one of all changed a review.
    type Outcome = bool;

    /// As many as come in one request.
    const AT_ONCE: usize = BATCH_MAX;

    async fn store(&self, arrivals: &[Arrival]) -> std::result::Result<Vec<bool>, DbErr> {
        let transaction = self.database.begin().await?;
        // In one order for all, so that two replicas never wait for each other in a circle.
        let ids: BTreeSet<_> = arrivals.iter().map(|one| (one.event_id.as_str(), one.now)).collect();
        events::take_in_all(&transaction, ids).await?;
        let people = arrivals.iter().map(|one| one.effect.user_id()).collect();
        let mut erased = people::lock(&transaction, &people).await?;
        for arrival in arrivals {
            if let Effect::Erased { user_id } = &arrival.effect {
                erase(&transaction, user_id, arrival.now).await?;
                erased.insert(user_id.clone());
            }
        }
        // An account that is gone has bought nothing, whatever comes beside it or later.
        let are_verified = add_purchases(&transaction, &purchases(arrivals, &erased)).await?;
        transaction.commit().await?;
        let is_erasure = |one: &Arrival| matches!(one.effect, Effect::Erased { .. });
        Ok(vec![are_verified || arrivals.iter().any(is_erasure); arrivals.len()])
    }
}

/// Who bought which products.
type Purchases<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn purchases<'a>(arrivals: &'a [Arrival], erased: &HashSet<String>) -> Purchases<'a> {
    let mut purchases = Purchases::new();
    for arrival in arrivals {
        if let Effect::Bought { user_id, product_ids } = &arrival.effect
            && !erased.contains(user_id)
        {
            let theirs = purchases.entry(user_id).or_default();
            theirs.extend(product_ids.iter().map(String::as_str));
        }
    }
    purchases
}

/// Notes purchases, in one order for all, and that reviews of what was bought are of buyers. Whether that changed one.
async fn add_purchases(transaction: &Transaction, purchases: &Purchases<'_>) -> std::result::Result<bool, DbErr> {
    let rows = purchases.iter().flat_map(|(user_id, product_ids)| {
        product_ids.iter().map(|product_id| purchase::ActiveModel {
            user_id: Set((*user_id).to_owned()),
            product_id: Set((*product_id).to_owned()),
        })
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(false);
    }
    let known = OnConflict::columns([purchase::Column::UserId, purchase::Column::ProductId])
        .do_nothing_on([purchase::Column::UserId, purchase::Column::ProductId])
        .to_owned();
    purchase::Entity::insert_many(rows)
        .on_conflict(known)
        .exec_without_returning(transaction)
        .await?;
    let bought = purchases.iter().map(|(user_id, product_ids)| {
        let is_theirs = review::Column::UserId.eq(*user_id);
        is_theirs.and(review::Column::ProductId.is_one_of(product_ids.iter().copied()))
    });
    let verified = review::Entity::update_many()
        .col_expr(review::Column::IsVerified, Expr::value(true))
        .filter(review::Column::IsVerified.eq(false))
        .filter(bought.fold(Condition::any(), Condition::add))
        .exec(transaction)
        .await?;
    Ok(verified.rows_affected > 0)
}

async fn erase(transaction: &Transaction, user_id: &str, now: DateTime<Utc>) -> std::result::Result<(), DbErr> {
    people::mark_erased(transaction, user_id, now).await?;
    review::Entity::delete_many()
        .filter(review::Column::UserId.eq(user_id))
        .exec(transaction)
        .await?;
    purchase::Entity::delete_many()
        .filter(purchase::Column::UserId.eq(user_id))
        .exec(transaction)
        .await?;
    Ok(())
}
