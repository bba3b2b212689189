//! Changing orders, each change in one local transaction.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use service::database::OneOf as _;

use super::updates::{self, Change, Drive, Extra, Update};
use super::{Placed, Store, StoreError};
use crate::domain::{LEASE, Lane, OrderFile, OrderStatus, Step};
use crate::entity::{idempotency_key, orders};

/// How often a change is tried again when somebody else was faster.
const CHANGE_ATTEMPTS_MAX: u32 = 5;

/// Most keys that are forgotten at once.
const KEYS_FORGOTTEN_MAX: u64 = 500;

/// A saga whose next try is further away than this was tried often.
const HELD_UP: TimeDelta = TimeDelta::seconds(30);

/// A key of a caller: what it is for, and what was asked with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Hash of scope, owner and key.
    pub id: String,
    /// Hash of the request.
    pub request_hash: String,
    /// The payment that was started with it, for payments.
    pub payment_id: Option<String>,
}

/// A saga that somebody drives.
#[derive(Clone, Copy, Debug)]
pub struct Driven<'a> {
    /// The order, as they read it last.
    pub file: &'a OrderFile,
    /// What [`Store::claim`] gave them.
    pub lease: &'a str,
    /// The time.
    pub now: DateTime<Utc>,
    /// The steps at which they drive it on, and not at others; any when absent.
    pub lane: Option<Lane>,
}

impl Store {
    /// What `key_id` was used for.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn key(&self, key_id: &str) -> Result<Option<Placed>, StoreError> {
        let row = idempotency_key::Entity::find_by_id(key_id)
            .one(self.database.read())
            .await?;
        Ok(row.map(|row| Placed::KnownKey {
            order_id: row.order_id,
            payment_id: row.payment_id,
            request_hash: row.request_hash,
        }))
    }

    /// Changes an order as `decide` says, in one local transaction. `decide` may run several times, and must do nothing but change its argument.
    ///
    /// Answers with `None` when there is no such order, else with what `decide` said and the file as it is now. An
    /// `Err` of `decide` stores nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails, or others keep changing the order.
    pub async fn change<T, E>(
        &self,
        order_id: &str,
        decide: impl Fn(&mut OrderFile) -> Result<T, E>,
    ) -> Result<Option<Result<(T, OrderFile), E>>, StoreError> {
        self.change_with(order_id, None, Extra::default(), decide).await
    }

    /// [`Store::change`] of the order as it was read a moment ago, which stores that `key` was used for it, and gives
    /// the saga to `lease`: whoever drives it now is told so when they come back, and what they hear does not count.
    ///
    /// # Errors
    /// As [`Store::change`]; also when the key was used before.
    pub async fn take_over<E>(
        &self,
        read: OrderFile,
        (key, lease, now): (&KeyUse, &str, DateTime<Utc>),
        decide: impl Fn(&mut OrderFile) -> Result<(), E>,
    ) -> Result<Option<Result<OrderFile, E>>, StoreError> {
        let order_id = read.order.id.clone();
        let extra = Extra {
            key: Some(key.clone()),
            lease: Some((lease.to_owned(), now)),
            ..Extra::default()
        };
        let changed = self.change_with(&order_id, Some(read), extra, decide).await?;
        Ok(changed.map(|changed| changed.map(|((), file)| file)))
    }

    /// [`Store::change`] by whoever has driven the saga a step. Their lease goes on for another [`LEASE`] when there is
    /// more for them to do now, else it ends. `None`, and nothing is stored, when the lease ran out and somebody else has taken the
    /// saga over: what they hear counts.
    ///
    /// # Errors
    /// As [`Store::change`].
    pub async fn finish_step(
        &self,
        driven: Driven<'_>,
        act: impl Fn(&mut OrderFile),
    ) -> Result<Option<OrderFile>, StoreError> {
        let order_id = &driven.file.order.id;
        let extra = Extra {
            drive: Some(Drive {
                lease: driven.lease.to_owned(),
                now: driven.now,
                lane: driven.lane,
            }),
            ..Extra::default()
        };
        let changed = self.change_with(order_id, Some(driven.file.clone()), extra, |file| {
            act(file);
            Ok::<(), std::convert::Infallible>(())
        });
        Ok(changed.await?.and_then(Result::ok).map(|((), file)| file))
    }

    /// * `read`: the order as it was read before; it is read anew when it has changed since.
    pub(super) async fn change_with<T, E>(
        &self,
        order_id: &str,
        mut read: Option<OrderFile>,
        extra: Extra,
        decide: impl Fn(&mut OrderFile) -> Result<T, E>,
    ) -> Result<Option<Result<(T, OrderFile), E>>, StoreError> {
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let before = match read.take() {
                Some(file) => Some(file),
                None => self.file(order_id).await?,
            };
            let Some(before) = before else {
                return Ok(None);
            };
            let mut after = before.clone();
            let decided = match decide(&mut after) {
                Ok(decided) => decided,
                Err(error) => return Ok(Some(Err(error))),
            };
            let stored = if after != before || extra.is_stored_anyway() {
                after.order.version = before.order.version + 1;
                let (after, extra) = (after.clone(), extra.clone());
                self.update(Box::new(Change { before, after, extra })).await?
            } else {
                self.leave(&before, &extra).await?
            };
            match stored {
                Update::Written => {
                    after.new_events.clear();
                    return Ok(Some(Ok((decided, after))));
                }
                Update::Stale => {}
                Update::LeaseLost | Update::KnownEvent => return Ok(None),
            }
        }
        Err(StoreError::Contended {
            id: order_id.to_owned(),
        })
    }

    /// Writes the difference, with what is written of other orders at this moment.
    async fn update(&self, change: Box<Change>) -> Result<Update, DbErr> {
        // Such an event is rare. One that was taken in before must not stop what others write.
        if change.extra.event.is_some() {
            let updated = updates::write(&self.database, &[change]).await?;
            return updated.into_iter().next().ok_or(DbErr::RecordNotUpdated);
        }
        self.updating.store(change).await
    }

    /// Notes the event that changes nothing, unless the order has changed since it was read: then it might after all.
    async fn leave(&self, before: &OrderFile, extra: &Extra) -> Result<Update, DbErr> {
        let Some((event_id, now)) = &extra.event else {
            return Ok(Update::Written);
        };
        let mut unchanged = Query::select();
        unchanged
            .from(orders::Entity)
            .and_where(orders::Column::Id.eq(&before.order.id))
            .and_where(orders::Column::Version.eq(before.order.version));
        let taken = self.notes.take_in_while(event_id, *now, unchanged).await?;
        Ok(match taken {
            Some(true) => Update::Written,
            Some(false) => Update::KnownEvent,
            None => Update::Stale,
        })
    }

    /// Takes the saga of an order over for [`LEASE`], if it is due and nobody else works on it. Gives the lease, for
    /// [`Store::finish_step`].
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn claim(&self, order_id: &str, now: DateTime<Utc>) -> Result<Option<String>, StoreError> {
        use orders::Column;
        let lease = service::id::new("lse");
        let claimed = orders::Entity::update_many()
            .col_expr(Column::SagaLeaseUntil, Expr::value(Some(now + LEASE)))
            .col_expr(Column::SagaLeaseOwner, Expr::value(Some(lease.as_str())))
            .filter(Column::Id.eq(order_id))
            .filter(Column::SagaNextAt.lte(now))
            .filter(Column::SagaLeaseUntil.is_null().or(Column::SagaLeaseUntil.lte(now)))
            .exec(self.database.write())
            .await?;
        Ok((claimed.rows_affected == 1).then_some(lease))
    }

    /// At most `count` orders whose saga is at a step of `lane`, due and not being worked on, the most urgent first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn due(&self, lane: Lane, now: DateTime<Utc>, count: u64) -> Result<Vec<String>, StoreError> {
        use orders::Column;
        let due = orders::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::SagaNextAt.lte(now))
            .filter(Column::SagaStep.is_in(lane.iter().map(|step| step.as_str())))
            .filter(Column::SagaLeaseUntil.is_null().or(Column::SagaLeaseUntil.lte(now)))
            .order_by_asc(Column::SagaNextAt)
            .limit(count);
        Ok(due.into_tuple::<String>().all(self.database.read()).await?)
    }

    /// Forgets keys that were used before then, at most [`KEYS_FORGOTTEN_MAX`]: a shop that sells much has more of them than
    /// one statement should hold. Gives how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn forget_keys(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        use idempotency_key::Column;
        let old = idempotency_key::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::CreatedAt.lt(before))
            .limit(KEYS_FORGOTTEN_MAX);
        let old = old.into_tuple::<String>().all(self.database.read()).await?;
        if old.is_empty() {
            return Ok(0);
        }
        let forgotten = idempotency_key::Entity::delete_many()
            .filter(Column::Id.is_one_of(old))
            .exec(self.database.write())
            .await?;
        Ok(forgotten.rows_affected)
    }

    /// Number of sagas by step, without those that are done.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn open_sagas(&self) -> Result<HashMap<String, i64>, StoreError> {
        use orders::Column;
        let counts = orders::Entity::find()
            .select_only()
            .column(Column::SagaStep)
            .column_as(Column::Id.count(), "count")
            .filter(Column::SagaNextAt.is_not_null())
            .group_by(Column::SagaStep)
            .into_tuple::<(String, i64)>()
            .all(self.database.read())
            .await?;
        Ok(counts.into_iter().collect())
    }

    /// How many sagas wait for long until a step is tried again that nobody but another service has to take: it failed, or
    /// was refused, time and again. And how many wait for a payment whose goods nobody keeps for it any more, since products
    /// gave no answer.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn held_up(&self, now: DateTime<Utc>) -> Result<i64, StoreError> {
        use orders::Column;
        let waits_for_people = [Step::AwaitPayment, Step::AwaitOutcome].map(Step::as_str);
        let is_tried_late = Column::SagaNextAt
            .gt(now + HELD_UP)
            .and(Column::SagaStep.is_not_in(waits_for_people));
        let is_not_extended = Column::SagaStep
            .eq(Step::AwaitOutcome.as_str())
            .and(Column::Status.eq(OrderStatus::PaymentProcessing.as_str()))
            .and(Column::SagaReservedUntil.lt(now));
        let count = orders::Entity::find()
            .select_only()
            .column_as(Column::Id.count(), "count")
            .filter(Column::SagaNextAt.is_not_null())
            .filter(is_tried_late.or(is_not_extended))
            .into_tuple::<i64>()
            .one(self.database.read())
            .await?;
        Ok(count.unwrap_or_default())
    }

    /// Since when the saga is due that has been due the longest.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn longest_due(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        use orders::Column;
        let first = orders::Entity::find()
            .select_only()
            .column(Column::SagaNextAt)
            .filter(Column::SagaNextAt.is_not_null())
            .order_by_asc(Column::SagaNextAt)
            .limit(1)
            .into_tuple::<DateTime<Utc>>()
            .one(self.database.read())
            .await?;
        Ok(first)
    }
}
