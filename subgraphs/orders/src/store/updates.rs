//! Writing what has changed of orders: several orders that change at the same time are written in one transaction.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Condition, ExprTrait as _, Query};
use sea_orm::{ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};
use service::database::{Database, OneOf as _, RowChange, RowsOf, Transaction, update_all};
use service::together::{Stored, Storing, Together};
use service::{events, fault};

use super::KeyUse;
use super::events::paid_event;
use super::placing::{hold, key_to_row};
use super::rows::{event_to_row, line_to_row, order_to_row, refund_to_row, signed};
use crate::domain::{Lane, OrderFile, OrderStatus};
use crate::entity::{cart, cart_line, idempotency_key, order_event, order_refund, orders};

/// Writes changes with those of others.
pub(super) type Updating = Together<Storing<Updates>>;

pub(super) struct Updates {
    pub(super) database: Database,
}

/// What an order was when it was read, and what it is to be.
pub(super) struct Change {
    pub(super) before: OrderFile,
    pub(super) after: OrderFile,
    pub(super) extra: Extra,
}

/// What else a change stores.
#[derive(Clone, Default)]
pub(super) struct Extra {
    pub(super) key: Option<KeyUse>,
    pub(super) event: Option<(String, DateTime<Utc>)>,
    /// Who has driven the saga the step that this ends.
    pub(super) drive: Option<Drive>,
    /// Who drives the saga from now on.
    pub(super) lease: Option<(String, DateTime<Utc>)>,
}

/// How a saga is driven.
#[derive(Clone)]
pub(super) struct Drive {
    pub(super) lease: String,
    pub(super) now: DateTime<Utc>,
    /// The steps at which it is driven on; any when absent.
    pub(super) lane: Option<Lane>,
}

impl Drive {
    fn goes_on(&self, file: &OrderFile) -> bool {
        let is_in_lane = self.lane.is_none_or(|lane| lane.contains(&file.saga.step));
        is_in_lane && file.command(self.now).is_some()
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// It is stored.
    Written,
    /// Somebody else was faster; read again.
    Stale,
    /// The saga is somebody else's.
    LeaseLost,
    /// The event that the change is because of was taken in before.
    KnownEvent,
}

impl Extra {
    /// Whether there is something to store when the order stays as it is.
    pub(super) fn is_stored_anyway(&self) -> bool {
        self.key.is_some() || self.drive.is_some() || self.lease.is_some()
    }
}

impl Change {
    /// Whether nothing is written but the order's row, which then needs no transaction around it.
    fn is_of_row_alone(&self) -> bool {
        let (before, after) = (&self.before, &self.after);
        let is_same =
            before.lines == after.lines && before.refunds == after.refunds && before.order.status == after.order.status;
        is_same && after.new_events.is_empty() && self.extra.key.is_none() && self.extra.event.is_none()
    }

    /// Whether the order has come from one status to another, be it on its way to a third.
    fn moves(&self, from: OrderStatus, to: OrderStatus) -> bool {
        let mut moves = self.after.new_events.iter();
        moves.any(|event| event.from_status == Some(from) && event.to_status == to)
    }

    fn point_of_storing(&self) {
        fault::point_at("orders.saga.storing", self.after.saga.step.as_str());
    }
}

#[async_trait::async_trait]
impl Stored for Updates {
    /// In a box: an order with its lines is large for what is handed on so often.
    type Change = Box<Change>;
    type Outcome = Update;

    /// Each may write a statement for each of its lines; a transaction is to be short.
    const AT_ONCE: usize = 16;

    async fn store(&self, changes: &[Box<Change>]) -> Result<Vec<Update>, DbErr> {
        write(&self.database, changes).await
    }
}

/// Writes all changes but those whose order has changed since it was read, or whose lease is somebody else's.
///
/// An event that was taken in before stops all the others: such a change must come alone.
pub(super) async fn write(database: &Database, changes: &[Box<Change>]) -> Result<Vec<Update>, DbErr> {
    if let [change] = changes
        && change.is_of_row_alone()
    {
        change.point_of_storing();
        return update_rows(database.write(), &[change]).await;
    }
    let transaction = database.begin().await?;
    let mut updates = vec![Update::Stale; changes.len()];
    // In one order, so that two replicas hardly ever wait for each other in a circle.
    let mut ordered: Vec<(&Change, &mut Update)> = changes.iter().map(AsRef::as_ref).zip(&mut updates).collect();
    ordered.sort_by(|(a, _), (b, _)| a.after.order.id.cmp(&b.after.order.id));
    let rows: Vec<&Change> = ordered.iter().map(|(change, _)| *change).collect();
    let updated = update_rows(&transaction, &rows).await?;
    let mut written = Vec::with_capacity(changes.len());
    for ((change, update), updated) in ordered.into_iter().zip(updated) {
        *update = updated;
        if updated == Update::Written {
            update_parts(&transaction, change).await?;
            written.push(change);
        }
    }
    insert_beside(&transaction, &written).await?;
    for change in &written {
        change.point_of_storing();
    }
    for change in written.iter().filter_map(|change| change.extra.event.as_ref()) {
        let (event_id, now) = change;
        if !events::take_in(&transaction, event_id, *now).await? {
            transaction.rollback().await?;
            return Ok(vec![Update::KnownEvent; changes.len()]);
        }
    }
    match written.is_empty() {
        true => transaction.rollback().await?,
        false => transaction.commit().await?,
    }
    Ok(updates)
}

/// Without the lease, which is taken without a new version.
const ROWS: RowsOf<orders::Column> = {
    use orders::Column::{
        ExpiresAt, Id, PaymentId, SagaAttempt, SagaNextAt, SagaPaymentAttempts, SagaPaymentRequest, SagaPaymentVersion,
        SagaReservedUntil, SagaStep, SagaStockCommitted, Status, Version,
    };
    RowsOf {
        key: Id,
        usual: &[
            Status,
            PaymentId,
            ExpiresAt,
            Version,
            SagaStep,
            SagaAttempt,
            SagaNextAt,
            SagaReservedUntil,
            SagaStockCommitted,
            SagaPaymentRequest,
            SagaPaymentVersion,
            SagaPaymentAttempts,
        ],
    }
};

/// Writes what has changed in the orders' rows.
async fn update_rows(database: &impl ConnectionTrait, changes: &[&Change]) -> Result<Vec<Update>, DbErr> {
    let rows: Vec<_> = changes.iter().map(|change| row_change(change)).collect();
    let written = update_all(database, ROWS, &rows).await?;
    let mut updates = Vec::with_capacity(changes.len());
    for (change, written) in changes.iter().zip(written) {
        updates.push(match (written, &change.extra.drive) {
            (true, _) => Update::Written,
            (false, None) => Update::Stale,
            (false, Some(Drive { lease, .. })) => {
                let holder = orders::Entity::find_by_id(&change.after.order.id).one(database).await?;
                match holder.is_some_and(|row| row.saga_lease_owner.as_ref() == Some(lease)) {
                    true => Update::Stale,
                    false => Update::LeaseLost,
                }
            }
        });
    }
    Ok(updates)
}

fn row_change(change: &Change) -> RowChange<orders::ActiveModel> {
    use orders::Column;
    let Change { before, after, extra } = change;
    let [before_row, mut row] = [before, after].map(|file| {
        let mut row = order_to_row(&file.order, &file.saga);
        // Somebody may be in the middle of a step: the lease stays theirs unless it is said whose it is.
        (row.saga_lease_until, row.saga_lease_owner) = (NotSet, NotSet);
        row
    });
    let mut guards = vec![(Column::Version, before.order.version.into())];
    if let Some(drive) = &extra.drive {
        guards.push((Column::SagaLeaseOwner, drive.lease.as_str().into()));
        (row.saga_lease_until, row.saga_lease_owner) = (Set(None), Set(None));
        if drive.goes_on(after) {
            hold(&mut row, &drive.lease, drive.now);
        }
    }
    if let Some((lease, now)) = &extra.lease {
        hold(&mut row, lease, *now);
    }
    RowChange {
        id: after.order.id.clone(),
        before: before_row,
        after: row,
        guards,
    }
}

/// Writes what has changed in lines and refunds, and what a change of status brings with it in the cart.
async fn update_parts(database: &Transaction, change: &Change) -> Result<(), DbErr> {
    let Change { before, after, .. } = change;
    let order_id = &after.order.id;
    for line in after.lines.iter().filter(|line| !before.lines.contains(line)) {
        line_to_row(order_id, line).update_without_returning(database).await?;
    }
    for refund in after.refunds.iter().filter(|refund| !before.refunds.contains(refund)) {
        let row = refund_to_row(order_id, refund);
        if before.refunds.iter().any(|known| known.id == refund.id) {
            row.update_without_returning(database).await?;
        } else {
            order_refund::Entity::insert(row)
                .exec_without_returning(database)
                .await?;
        }
    }
    let is_reserved = change.moves(OrderStatus::Pending, OrderStatus::AwaitingPayment);
    if is_reserved && after.order.from_cart {
        empty_cart(database, after).await?;
    }
    Ok(())
}

/// Inserts what changes bring along: history, keys, and events for others.
async fn insert_beside(database: &Transaction, changes: &[&Change]) -> Result<(), DbErr> {
    let history = changes.iter().flat_map(|Change { after, .. }| {
        let events = after.new_events.iter();
        events.map(|event| event_to_row(&after.order.id, event))
    });
    let history: Vec<_> = history.collect();
    if !history.is_empty() {
        order_event::Entity::insert_many(history)
            .exec_without_returning(database)
            .await?;
    }
    let keys = changes.iter().filter_map(|Change { after, extra, .. }| {
        let event = after.new_events.first()?;
        Some(key_to_row(&after.order.id, extra.key.as_ref()?, event.at))
    });
    let keys: Vec<_> = keys.collect();
    if !keys.is_empty() {
        idempotency_key::Entity::insert_many(keys)
            .exec_without_returning(database)
            .await?;
    }
    // Not one that was given back in vain, and so is paid once more.
    let paid = changes
        .iter()
        .filter(|change| change.moves(OrderStatus::PaymentProcessing, OrderStatus::Paid));
    let paid: Vec<_> = paid
        .filter_map(|change| paid_event(&change.after).transpose())
        .collect::<Result<_, _>>()?;
    events::write(database, &paid).await
}

/// Takes what was ordered out of the cart, and nothing else: the shopper may have added something meanwhile.
async fn empty_cart(database: &impl ConnectionTrait, file: &OrderFile) -> Result<(), DbErr> {
    use cart_line::Column;
    let carts = || {
        let mut carts = Query::select();
        carts
            .column(cart::Column::Id)
            .from(cart::Entity)
            .and_where(cart::Column::UserId.eq(&file.order.user_id));
        Column::CartId.in_subquery(carts)
    };
    let mut ordered: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for line in &file.lines {
        ordered.entry(line.quantity).or_default().push(&line.variant_id);
    }
    let all_of_it = ordered.iter().fold(Condition::any(), |any, (quantity, variants)| {
        let variants = Column::VariantId.is_one_of(variants.iter().copied());
        any.add(variants.and(Column::Quantity.lte(signed(*quantity))))
    });
    let delete = cart_line::Entity::delete_many().filter(carts()).filter(all_of_it);
    let emptied = delete.exec(database).await?.rows_affected;
    if emptied == file.lines.len() as u64 {
        return Ok(());
    }
    for (quantity, variants) in ordered {
        let quantity = signed(quantity);
        cart_line::Entity::update_many()
            .col_expr(Column::Quantity, Column::Quantity.into_expr().sub(quantity))
            .filter(carts())
            .filter(Column::VariantId.is_one_of(variants))
            .filter(Column::Quantity.gt(quantity))
            .exec(database)
            .await?;
    }
    Ok(())
}
