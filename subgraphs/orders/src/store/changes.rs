//! Changing orders, each change in one local transaction.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use service::database::{Transaction, only_changes};
use service::{events, fault};

use super::events::write_paid_event;
use super::rows::{event_to_row, line_to_row, order_to_row, refund_to_row};
use super::{Placed, Store, StoreError};
use crate::domain::{LEASE, OrderFile, OrderStatus};
use crate::entity::{cart, cart_line, idempotency_key, order_event, order_refund, orders};

/// How often a change is tried again when somebody else was faster.
const CHANGE_ATTEMPTS_MAX: u32 = 5;

/// Most sagas that the runner takes at once.
const DUE_MAX: u64 = 50;

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
        self.change_with(order_id, Extra::default(), decide).await
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
            read: Some(read),
            key: Some(key),
            lease: Some((lease, now)),
            ..Extra::default()
        };
        let changed = self.change_with(&order_id, extra, decide).await?;
        Ok(changed.map(|changed| changed.map(|((), file)| file)))
    }

    /// [`Store::change`] by whoever has driven the saga a step. Their lease goes on for another [`LEASE`] when there is
    /// more to do now, else it ends. `None`, and nothing is stored, when the lease ran out and somebody else has taken the
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
            read: Some(driven.file.clone()),
            driven: Some(driven),
            ..Extra::default()
        };
        let changed = self.change_with(order_id, extra, |file| {
            act(file);
            Ok::<(), std::convert::Infallible>(())
        });
        Ok(changed.await?.and_then(Result::ok).map(|((), file)| file))
    }

    pub(super) async fn change_with<T, E>(
        &self,
        order_id: &str,
        mut extra: Extra<'_>,
        decide: impl Fn(&mut OrderFile) -> Result<T, E>,
    ) -> Result<Option<Result<(T, OrderFile), E>>, StoreError> {
        let mut read = extra.read.take();
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
                self.update(&before, &after, &extra).await?
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

    /// Writes the difference, unless the order has changed since it was read, or the lease is somebody else's.
    async fn update(&self, before: &OrderFile, after: &OrderFile, extra: &Extra<'_>) -> Result<Update, DbErr> {
        let order_id = &after.order.id;
        if is_of_row_alone(before, after, extra) {
            fault::point_at("orders.saga.storing", after.saga.step.as_str());
            return update_row(self.database.write(), before, after, extra).await;
        }
        let database = self.database.begin().await?;
        let updated = update_row(&database, before, after, extra).await?;
        if !matches!(updated, Update::Written) {
            database.rollback().await?;
            return Ok(updated);
        }
        for line in after.lines.iter().filter(|line| !before.lines.contains(line)) {
            line_to_row(order_id, line).update_without_returning(&database).await?;
        }
        for refund in after.refunds.iter().filter(|refund| !before.refunds.contains(refund)) {
            let row = refund_to_row(order_id, refund);
            if before.refunds.iter().any(|known| known.id == refund.id) {
                row.update_without_returning(&database).await?;
            } else {
                order_refund::Entity::insert(row)
                    .exec_without_returning(&database)
                    .await?;
            }
        }
        insert_events(&database, after).await?;
        if let (Some(key), Some(event)) = (extra.key, after.new_events.first()) {
            idempotency_key::Entity::insert(key_to_row(order_id, key, event.at))
                .exec_without_returning(&database)
                .await?;
        }
        fault::point_at("orders.saga.storing", after.saga.step.as_str());
        if let Some((event_id, now)) = extra.event
            && !events::take_in(&database, event_id, now).await?
        {
            database.rollback().await?;
            return Ok(Update::KnownEvent);
        }
        self.follow(before, after, &database).await?;
        database.commit().await?;
        Ok(Update::Written)
    }

    /// Notes the event that changes nothing, unless the order has changed since it was read: then it might after all.
    async fn leave(&self, before: &OrderFile, extra: &Extra<'_>) -> Result<Update, DbErr> {
        let Some((event_id, now)) = extra.event else {
            return Ok(Update::Written);
        };
        let mut unchanged = Query::select();
        unchanged
            .from(orders::Entity)
            .and_where(orders::Column::Id.eq(&before.order.id))
            .and_where(orders::Column::Version.eq(before.order.version));
        let taken = events::take_in_while(self.database.write(), (event_id, now), unchanged).await?;
        Ok(match taken {
            Some(true) => Update::Written,
            Some(false) => Update::KnownEvent,
            None => Update::Stale,
        })
    }

    /// What a change of status brings with it in this database.
    async fn follow(&self, before: &OrderFile, after: &OrderFile, database: &Transaction) -> Result<(), DbErr> {
        let reached = |status| before.order.status != status && after.order.status == status;
        if reached(OrderStatus::AwaitingPayment) && before.order.status == OrderStatus::Pending && after.order.from_cart
        {
            empty_cart(database, after).await?;
        }
        if reached(OrderStatus::Paid) {
            write_paid_event(database, after).await?;
        }
        Ok(())
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

    /// Orders whose saga is due and not being worked on, the most urgent first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn due(&self, now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        use orders::Column;
        let due = orders::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::SagaNextAt.lte(now))
            .filter(Column::SagaLeaseUntil.is_null().or(Column::SagaLeaseUntil.lte(now)))
            .order_by_asc(Column::SagaNextAt)
            .limit(DUE_MAX);
        Ok(due.into_tuple::<String>().all(self.database.read()).await?)
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

/// What else a change stores.
#[derive(Default)]
pub(super) struct Extra<'a> {
    /// The order as it was read before; read anew when it has changed since.
    pub(super) read: Option<OrderFile>,
    pub(super) key: Option<&'a KeyUse>,
    pub(super) event: Option<(&'a str, DateTime<Utc>)>,
    /// The step of the saga that it ends.
    pub(super) driven: Option<Driven<'a>>,
    /// Who drives the saga from now on.
    pub(super) lease: Option<(&'a str, DateTime<Utc>)>,
}

impl Extra<'_> {
    /// Whether there is something to store when the order stays as it is.
    fn is_stored_anyway(&self) -> bool {
        self.key.is_some() || self.driven.is_some() || self.lease.is_some()
    }
}

enum Update {
    Written,
    /// Somebody else was faster; read again.
    Stale,
    /// The saga is somebody else's.
    LeaseLost,
    /// The event that the change is because of was taken in before.
    KnownEvent,
}

/// Whether nothing is written but the order's row, which then needs no transaction around it.
fn is_of_row_alone(before: &OrderFile, after: &OrderFile, extra: &Extra<'_>) -> bool {
    let is_same =
        before.lines == after.lines && before.refunds == after.refunds && before.order.status == after.order.status;
    is_same && after.new_events.is_empty() && extra.key.is_none() && extra.event.is_none()
}

/// Writes what has changed in the order's row.
async fn update_row(
    database: &impl ConnectionTrait,
    before: &OrderFile,
    after: &OrderFile,
    extra: &Extra<'_>,
) -> Result<Update, DbErr> {
    use orders::Column;
    let [old, new] = [before, after].map(|file| order_to_row(&file.order, &file.saga));
    // Somebody may be in the middle of a step: the lease stays theirs unless it is said whose it is.
    let mut row = only_changes(&old, new);
    let mut update = orders::Entity::update_many()
        .filter(Column::Id.eq(&after.order.id))
        .filter(Column::Version.eq(before.order.version));
    if let Some(Driven { lease, now, .. }) = extra.driven {
        update = update.filter(Column::SagaLeaseOwner.eq(lease));
        (row.saga_lease_until, row.saga_lease_owner) = (Set(None), Set(None));
        if after.command(now).is_some() {
            hold(&mut row, lease, now);
        }
    }
    if let Some((lease, now)) = extra.lease {
        hold(&mut row, lease, now);
    }
    if update.set(row).exec(database).await?.rows_affected == 1 {
        return Ok(Update::Written);
    }
    let Some(Driven { lease, .. }) = extra.driven else {
        return Ok(Update::Stale);
    };
    let holder = orders::Entity::find_by_id(&after.order.id).one(database).await?;
    let is_held = holder.is_some_and(|row| row.saga_lease_owner.as_deref() == Some(lease));
    Ok(if is_held { Update::Stale } else { Update::LeaseLost })
}

pub(super) fn hold(row: &mut orders::ActiveModel, lease: &str, now: DateTime<Utc>) {
    row.saga_lease_until = Set(Some(now + LEASE));
    row.saga_lease_owner = Set(Some(lease.to_owned()));
}

pub(super) fn key_to_row(order_id: &str, key: &KeyUse, now: DateTime<Utc>) -> idempotency_key::ActiveModel {
    idempotency_key::ActiveModel {
        id: Set(key.id.clone()),
        request_hash: Set(key.request_hash.clone()),
        order_id: Set(order_id.to_owned()),
        payment_id: Set(key.payment_id.clone()),
        created_at: Set(now),
    }
}

async fn insert_events(database: &impl ConnectionTrait, file: &OrderFile) -> Result<(), DbErr> {
    if file.new_events.is_empty() {
        return Ok(());
    }
    let rows = file.new_events.iter().map(|event| event_to_row(&file.order.id, event));
    order_event::Entity::insert_many(rows)
        .exec_without_returning(database)
        .await?;
    Ok(())
}

/// Takes what was ordered out of the cart, and nothing else: the shopper may have added something meanwhile.
async fn empty_cart(database: &impl ConnectionTrait, file: &OrderFile) -> Result<(), DbErr> {
    let mut carts = Query::select();
    carts
        .column(cart::Column::Id)
        .from(cart::Entity)
        .and_where(cart::Column::UserId.eq(&file.order.user_id));
    let ordered = file.lines.iter().map(|line| line.variant_id.as_str());
    cart_line::Entity::delete_many()
        .filter(cart_line::Column::CartId.in_subquery(carts))
        .filter(cart_line::Column::VariantId.is_in(ordered))
        .exec(database)
        .await?;
    Ok(())
}
