//! Reserving and committing for several orders at once: those that come at the same time are one transaction, in which
//! each variant's stock is changed once.
//!
//! That is for the usual case alone. When anything is not as it should be (units are missing, a command is repeated),
//! nothing is stored together, and each is decided for itself in `reservations`.

use super::offers::Offer;
use super::reservations::{Answer, insert_lines, offered, signed};
use super::stock::Units;
use super::{Result, Store};
use crate::domain::stock::ReservationState;
use crate::entity::{reservation, reservation_line};
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, QueryFilter, SqlErr};
use service::contract::products::{CommitReply, ReservationReply, ReservationRequest, VariantQuantity};
use service::database::{OneOf as _, Transaction, is_of_statement};
use service::fault;
use service::together::{Stored, Storing, Together};
use std::collections::{BTreeMap, HashMap};

/// Reserves units for orders, and commits them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reservations {
    store: Store,
    steps: Together<Storing<Steps>>,
}

/// What is to be done for one order.
enum Step {
    Reserve {
        row: reservation::ActiveModel,
        lines: Vec<VariantQuantity>,
    },
    Commit {
        order_id: String,
    },
}

impl Reservations {
    pub(crate) fn new(store: Store) -> Reservations {
        let steps = Together::new(Storing(Steps { store: store.clone() }));
        Reservations { store, steps }
    }

    /// Sets the units of all lines aside and prices them, or none. See `subgraphs/products/README.md`.
    ///
    /// * `offers`: the variants of the lines, as they are offered now.
    /// * `picture`: the absolute URL of a stored one.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn reserve(
        &self,
        order_id: &str,
        request: &ReservationRequest,
        offers: &HashMap<String, Offer>,
        picture: impl Fn(&str) -> String,
    ) -> Result<Answer<ReservationReply>> {
        let quotes = request.lines.iter().filter_map(|line| offers.get(&line.variant_id));
        let quotes: Vec<_> = quotes.filter_map(|offer| offer.quote(&picture)).collect();
        let (lines, shortages) = offered(&request.lines, offers);
        if shortages.is_empty() {
            let (reply, expires_at_ms) = self.store.reserved(quotes.clone());
            let step = Step::Reserve {
                row: self.store.reservation(order_id, request, &reply, expires_at_ms),
                lines: lines.into_iter().cloned().collect(),
            };
            if self.is_stored(step).await? {
                return Ok(Ok(reply));
            }
        }
        self.store.reserve(order_id, request, offers, quotes).await
    }

    /// The units leave the stock. A lapsed reservation is committed if its units are still free.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn commit(&self, order_id: &str) -> Result<CommitReply> {
        let order_id = order_id.to_owned();
        let step = Step::Commit {
            order_id: order_id.clone(),
        };
        match self.is_stored(step).await? {
            true => Ok(CommitReply::Committed),
            false => self.store.commit_reservation(&order_id).await,
        }
    }

    async fn is_stored(&self, step: Step) -> Result<bool> {
        match self.steps.store(step).await {
            Ok(is_stored) => Ok(is_stored),
            // A reservation with this id is there.
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

struct Steps {
    store: Store,
}

#[async_trait::async_trait]
impl Stored for Steps {
    type Change = Step;
    /// False when nothing was stored, and the step must be decided for itself.
    type Outcome = bool;

    /// Each may change the stock of many variants; a transaction is to be short.
    const AT_ONCE: usize = 16;

    async fn store(&self, steps: &[Step]) -> std::result::Result<Vec<bool>, DbErr> {
        let transaction = self.store.database.begin().await?;
        let is_stored = match self.write(&transaction, steps).await {
            // A row that somebody holds, or a command that is repeated, must not hold up the others in their turn.
            Err(error) if is_of_statement(&error) && steps.len() > 1 => false,
            written => written?,
        };
        if is_stored {
            points(steps, "storing");
            transaction.commit().await?;
            points(steps, "stored");
        } else {
            transaction.rollback().await?;
        }
        Ok(vec![is_stored; steps.len()])
    }
}

impl Steps {
    /// Reservations first, then the stock, each in one order for all, so that two replicas do not wait for each other in a
    /// circle (but for two that commit the same orders at the same time; then the database ends one of them, and each order is
    /// decided for itself). False when a reservation cannot be committed, or units are missing.
    async fn write(&self, transaction: &Transaction, steps: &[Step]) -> std::result::Result<bool, DbErr> {
        let mut reserved: Vec<(&reservation::ActiveModel, &[VariantQuantity])> = Vec::new();
        let mut committed: Vec<&str> = Vec::new();
        for step in steps {
            match step {
                Step::Reserve { row, lines } => reserved.push((row, lines)),
                Step::Commit { order_id } => committed.push(order_id),
            }
        }
        reserved.sort_by(|(a, _), (b, _)| a.order_id.as_ref().cmp(b.order_id.as_ref()));
        committed.sort_unstable();
        // Before any new row: an order that is reserved at this moment is not committed at this moment.
        let Some(leaving) = self.turn_committed(transaction, &committed).await? else {
            return Ok(false);
        };
        if !reserved.is_empty() {
            let rows = reserved.iter().map(|(row, _)| (*row).clone());
            reservation::Entity::insert_many(rows)
                .exec_without_returning(transaction)
                .await?;
        }
        let mut changes: BTreeMap<&str, Units> = BTreeMap::new();
        for line in reserved.iter().flat_map(|(_, lines)| *lines) {
            changes.entry(&line.variant_id).or_default().reserved += signed(line.quantity);
        }
        for line in &leaving {
            let units = changes.entry(&line.variant_id).or_default();
            units.on_hand -= line.quantity;
            units.reserved -= line.quantity;
        }
        for (variant_id, units) in changes {
            if !self.store.change_stock(transaction, variant_id, units).await? {
                return Ok(false);
            }
        }
        insert_lines(
            transaction,
            reserved
                .iter()
                .map(|(row, lines)| (row.order_id.as_ref().as_str(), *lines)),
        )
        .await?;
        Ok(true)
    }

    /// The lines of reservations that become committed; `None` when one of them is in another state than reserved.
    async fn turn_committed(
        &self,
        transaction: &Transaction,
        order_ids: &[&str],
    ) -> std::result::Result<Option<Vec<reservation_line::Model>>, DbErr> {
        if order_ids.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let (from, to) = (ReservationState::Reserved, ReservationState::Committed);
        let at_once = match transaction.get_database_backend() {
            // Each by its key alone: for a list of keys it may lock all that are reserved.
            DatabaseBackend::MySql => 1,
            _ => order_ids.len(),
        };
        for order_ids in order_ids.chunks(at_once) {
            if !self.store.turn(transaction, order_ids, from, to).await? {
                return Ok(None);
            }
        }
        let lines = reservation_line::Entity::find()
            .filter(reservation_line::Column::OrderId.is_one_of(order_ids.iter().copied()))
            .all(transaction);
        lines.await.map(Some)
    }
}

/// Abort points of those commands that are among `steps`.
fn points(steps: &[Step], moment: &str) {
    for step in steps {
        match step {
            Step::Reserve { .. } => fault::point(&format!("products.reserve.{moment}")),
            Step::Commit { .. } => fault::point(&format!("products.commit.{moment}")),
        }
    }
}
