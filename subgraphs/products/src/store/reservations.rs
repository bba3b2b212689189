//! Reservations: units set aside for an order, committed or given back. The life of one is in `domain::stock`.
//!
//! Each command is one transaction (those that come at the same time are tried in one, by `together`): the reservation's row first, then the stock in the order of the variants' ids, so
//! that two orders with the same variants never wait for each other in a circle.

use super::offers::Offer;
use super::stock::Units;
use super::{Result, Store, StoreError, from_json, insert_once, time, to_json};
use crate::domain::stock::{RESERVATION_MS, ReservationState};
use crate::entity::{reservation, reservation_line, restock, stock};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use service::contract::products::{
    CommitReply, EXTENSION_SECONDS_MAX, ExtendReply, ReleaseReply, ReservationReply, ReservationRequest, RestockReply,
    RestockRequest, Shortage, ShortageReason, VariantQuantity, VariantQuote,
};
use service::database::{OneOf as _, Transaction};
use service::fault;
use std::collections::HashMap;

/// The id was used before with another body: a mistake of the caller, told by status 409.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReservationConflict;

pub(super) type Answer<T> = std::result::Result<T, ReservationConflict>;

/// Reservations that one sweep lets lapse; the next one goes on.
const SWEEP_MAX: u64 = 200;

impl Store {
    /// [`Reservations::reserve`](super::Reservations::reserve) in a transaction of its own.
    pub(super) async fn reserve(
        &self,
        order_id: &str,
        request: &ReservationRequest,
        offers: &HashMap<String, Offer>,
        quotes: Vec<VariantQuote>,
    ) -> Result<Answer<ReservationReply>> {
        let mut attempt = self.try_reserve(order_id, request, offers, quotes.clone()).await?;
        // Units of lapsed reservations are free for this one, however long ago the last sweep was.
        if matches!(attempt, Attempt::Short(_)) && self.sweep_reservations().await? > 0 {
            attempt = self.try_reserve(order_id, request, offers, quotes).await?;
        }
        match attempt {
            Attempt::Answered(answer) => Ok(answer),
            Attempt::Short(shortages) => self.refuse(order_id, request, shortages).await,
        }
    }

    /// What is answered when the units are set aside, and when that ends.
    pub(super) fn reserved(&self, quotes: Vec<VariantQuote>) -> (ReservationReply, i64) {
        let expires_at_ms = self.now_ms() + RESERVATION_MS;
        let reply = ReservationReply::Reserved {
            expires_at: time(expires_at_ms),
            variants: quotes,
        };
        (reply, expires_at_ms)
    }

    async fn try_reserve(
        &self,
        order_id: &str,
        request: &ReservationRequest,
        offers: &HashMap<String, Offer>,
        quotes: Vec<VariantQuote>,
    ) -> Result<Attempt> {
        let (lines, mut shortages) = offered(&request.lines, offers);
        let (reply, expires_at_ms) = self.reserved(quotes);
        let transaction = self.database.begin().await?;
        let row = self.reservation(order_id, request, &reply, expires_at_ms);
        if shortages.is_empty() && !insert_once(&transaction, row).await? {
            let row = find(&transaction, order_id).await?;
            return repeated(row, request).map(Attempt::Answered);
        }
        for line in &lines {
            let units = Units {
                on_hand: 0,
                reserved: signed(line.quantity),
            };
            if !self.change_stock(&transaction, &line.variant_id, units).await? {
                shortages.push(self.shortage(&transaction, &line.variant_id).await?);
            }
        }
        if !shortages.is_empty() {
            transaction.rollback().await?;
            shortages.sort_by(|a, b| a.variant_id.cmp(&b.variant_id));
            return Ok(Attempt::Short(shortages));
        }
        insert_lines(&transaction, [(order_id, lines)]).await?;
        fault::point("products.reserve.storing");
        transaction.commit().await?;
        fault::point("products.reserve.stored");
        Ok(Attempt::Answered(Ok(reply)))
    }

    /// Stores that there was not enough, so that the order stays refused.
    async fn refuse(
        &self,
        order_id: &str,
        request: &ReservationRequest,
        shortages: Vec<Shortage>,
    ) -> Result<Answer<ReservationReply>> {
        let reply = ReservationReply::Refused { shortages };
        let transaction = self.database.begin().await?;
        let row = self.reservation(order_id, request, &reply, self.now_ms());
        if !insert_once(&transaction, row).await? {
            let row = find(&transaction, order_id).await?;
            return repeated(row, request);
        }
        fault::point("products.reserve.storing");
        transaction.commit().await?;
        fault::point("products.reserve.stored");
        Ok(Ok(reply))
    }

    pub(super) fn reservation(
        &self,
        order_id: &str,
        request: &ReservationRequest,
        reply: &ReservationReply,
        expires_at_ms: i64,
    ) -> reservation::ActiveModel {
        let state = match reply {
            ReservationReply::Reserved { .. } => ReservationState::Reserved,
            _ => ReservationState::Refused,
        };
        let now = self.now_ms();
        reservation::ActiveModel {
            order_id: Set(order_id.to_owned()),
            state: Set(state.as_str().to_owned()),
            request: Set(to_json(request)),
            reply: Set(to_json(reply)),
            expires_at_ms: Set(expires_at_ms),
            created_at_ms: Set(now),
            updated_at_ms: Set(now),
        }
    }

    /// [`Reservations::commit`](super::Reservations::commit) in a transaction of its own.
    pub(super) async fn commit_reservation(&self, order_id: &str) -> Result<CommitReply> {
        let transaction = self.database.begin().await?;
        if self
            .turn(
                &transaction,
                &[order_id],
                ReservationState::Reserved,
                ReservationState::Committed,
            )
            .await?
        {
            for line in lines(&transaction, order_id).await? {
                self.change_stock(
                    &transaction,
                    &line.variant_id,
                    Units {
                        on_hand: -line.quantity,
                        reserved: -line.quantity,
                    },
                )
                .await?;
            }
            fault::point("products.commit.storing");
            transaction.commit().await?;
            fault::point("products.commit.stored");
            return Ok(CommitReply::Committed);
        }
        if self
            .turn(
                &transaction,
                &[order_id],
                ReservationState::Expired,
                ReservationState::Committed,
            )
            .await?
        {
            let mut shortages = Vec::new();
            for line in lines(&transaction, order_id).await? {
                let units = Units {
                    on_hand: -line.quantity,
                    reserved: 0,
                };
                if !self.change_stock(&transaction, &line.variant_id, units).await? {
                    shortages.push(self.shortage(&transaction, &line.variant_id).await?);
                }
            }
            if !shortages.is_empty() {
                transaction.rollback().await?;
                return Ok(CommitReply::Refused { shortages });
            }
            transaction.commit().await?;
            return Ok(CommitReply::Committed);
        }
        let Some(row) = find(&transaction, order_id).await? else {
            return Ok(CommitReply::NotFound);
        };
        Ok(match ReservationState::from_stored(&row.state) {
            Some(ReservationState::Committed) => CommitReply::Committed,
            Some(ReservationState::Refused) => match from_json("reply", order_id, &row.reply)? {
                ReservationReply::Refused { shortages } => CommitReply::Refused { shortages },
                _ => CommitReply::NotFound,
            },
            _ => CommitReply::Released,
        })
    }

    /// Keeps a reservation longer; never shorter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn extend_reservation(&self, order_id: &str, until_ms: i64) -> Result<ExtendReply> {
        let until_ms = Ord::min(until_ms, self.now_ms() + EXTENSION_SECONDS_MAX * 1000);
        reservation::Entity::update_many()
            .col_expr(reservation::Column::ExpiresAtMs, Expr::value(until_ms))
            .col_expr(reservation::Column::UpdatedAtMs, Expr::value(self.now_ms()))
            .filter(reservation::Column::OrderId.eq(order_id))
            .filter(reservation::Column::State.eq(ReservationState::Reserved.as_str()))
            .filter(reservation::Column::ExpiresAtMs.lt(until_ms))
            .exec(self.database.write())
            .await?;
        let row = find(self.database.write(), order_id).await?;
        Ok(
            match row.filter(|row| row.state == ReservationState::Reserved.as_str()) {
                Some(row) => ExtendReply::Extended {
                    expires_at: time(row.expires_at_ms),
                },
                None => ExtendReply::NotReserved,
            },
        )
    }

    /// Gives the units back, and leaves a tombstone so that a reserve that arrives late is refused.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn release_reservation(&self, order_id: &str) -> Result<ReleaseReply> {
        let transaction = self.database.begin().await?;
        let now = self.now_ms();
        let tombstone = reservation::ActiveModel {
            order_id: Set(order_id.to_owned()),
            state: Set(ReservationState::Released.as_str().to_owned()),
            request: Set(String::new()),
            reply: Set(to_json(&ReservationReply::Released)),
            expires_at_ms: Set(now),
            created_at_ms: Set(now),
            updated_at_ms: Set(now),
        };
        // The update comes first: it takes the row's lock at once, where two inserts that fail would share it and then
        // wait for each other.
        if self
            .turn(
                &transaction,
                &[order_id],
                ReservationState::Reserved,
                ReservationState::Released,
            )
            .await?
        {
            self.give_back(&transaction, order_id).await?;
        } else if !self
            .turn(
                &transaction,
                &[order_id],
                ReservationState::Expired,
                ReservationState::Released,
            )
            .await?
            && !self
                .turn(
                    &transaction,
                    &[order_id],
                    ReservationState::Refused,
                    ReservationState::Released,
                )
                .await?
            && !insert_once(&transaction, tombstone).await?
        {
            let row = find(&transaction, order_id).await?;
            match row.and_then(|row| ReservationState::from_stored(&row.state)) {
                Some(ReservationState::Committed) => return Ok(ReleaseReply::Committed),
                Some(ReservationState::Released) => return Ok(ReleaseReply::Released),
                // A reserve slipped in between: its row is there now, so the second time is the last.
                _ => {
                    transaction.rollback().await?;
                    return Box::pin(self.release_reservation(order_id)).await;
                }
            }
        }
        transaction.commit().await?;
        fault::point("products.release.stored");
        Ok(ReleaseReply::Released)
    }

    /// Brings units of a committed order back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn restock(&self, restock_id: &str, request: &RestockRequest) -> Result<Answer<RestockReply>> {
        let transaction = self.database.begin().await?;
        let claim = restock::ActiveModel {
            restock_id: Set(restock_id.to_owned()),
            order_id: Set(request.order_id.clone()),
            request: Set(to_json(request)),
            reply: Set(to_json(&RestockReply::Restocked)),
            created_at_ms: Set(self.now_ms()),
        };
        if !insert_once(&transaction, claim).await? {
            let row = restock::Entity::find_by_id(restock_id).one(&transaction).await?;
            return match row.filter(|row| row.request == to_json(request)) {
                Some(row) => Ok(Ok(from_json("reply", restock_id, &row.reply)?)),
                None => Ok(Err(ReservationConflict)),
            };
        }
        if !self.put_back(&transaction, request).await? {
            // Not stored: the order may be committed by the time the caller tries again.
            transaction.rollback().await?;
            return Ok(Ok(RestockReply::Refused));
        }
        fault::point("products.restock.storing");
        transaction.commit().await?;
        fault::point("products.restock.stored");
        Ok(Ok(RestockReply::Restocked))
    }

    /// Lets reservations lapse whose time is over. Gives their number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn sweep_reservations(&self) -> Result<usize> {
        let now = self.now_ms();
        let due: Vec<String> = reservation::Entity::find()
            .select_only()
            .column(reservation::Column::OrderId)
            .filter(reservation::Column::State.eq(ReservationState::Reserved.as_str()))
            .filter(reservation::Column::ExpiresAtMs.lte(now))
            .limit(SWEEP_MAX)
            .into_tuple()
            .all(self.database.read())
            .await?;
        let mut lapsed = 0;
        for order_id in due {
            let transaction = self.database.begin().await?;
            // It may have been extended, committed or swept by another replica meanwhile.
            let still_due = reservation::Entity::update_many()
                .col_expr(
                    reservation::Column::State,
                    Expr::value(ReservationState::Expired.as_str()),
                )
                .col_expr(reservation::Column::UpdatedAtMs, Expr::value(now))
                .filter(reservation::Column::OrderId.eq(&order_id))
                .filter(reservation::Column::State.eq(ReservationState::Reserved.as_str()))
                .filter(reservation::Column::ExpiresAtMs.lte(now))
                .exec(&transaction)
                .await?;
            if still_due.rows_affected == 1 {
                self.give_back(&transaction, &order_id).await?;
                lapsed += 1;
            }
            transaction.commit().await?;
        }
        Ok(lapsed)
    }

    async fn give_back(&self, transaction: &Transaction, order_id: &str) -> Result<()> {
        for line in lines(transaction, order_id).await? {
            self.change_stock(
                transaction,
                &line.variant_id,
                Units {
                    on_hand: 0,
                    reserved: -line.quantity,
                },
            )
            .await?;
        }
        Ok(())
    }

    async fn put_back(&self, transaction: &Transaction, request: &RestockRequest) -> Result<bool> {
        let row = find(transaction, &request.order_id).await?;
        if row.is_none_or(|row| row.state != ReservationState::Committed.as_str()) {
            return Ok(false);
        }
        let mut lines: Vec<&VariantQuantity> = request.lines.iter().collect();
        lines.sort_by(|a, b| a.variant_id.cmp(&b.variant_id));
        for line in lines {
            let quantity = signed(line.quantity);
            let restocked = reservation_line::Column::Restocked;
            let within = reservation_line::Column::Quantity
                .into_expr()
                .sub(restocked.into_expr())
                .gte(quantity);
            let counted = reservation_line::Entity::update_many()
                .col_expr(restocked, restocked.into_expr().add(quantity))
                .filter(reservation_line::Column::OrderId.eq(&request.order_id))
                .filter(reservation_line::Column::VariantId.eq(&line.variant_id))
                .filter(within)
                .exec(transaction)
                .await?;
            if counted.rows_affected == 0 {
                return Ok(false);
            }
            self.change_stock(
                transaction,
                &line.variant_id,
                Units {
                    on_hand: quantity,
                    reserved: 0,
                },
            )
            .await?;
        }
        Ok(true)
    }

    /// Moves reservations from one state to another, those that are in it; whether all were.
    pub(super) async fn turn(
        &self,
        transaction: &Transaction,
        order_ids: &[&str],
        from: ReservationState,
        to: ReservationState,
    ) -> std::result::Result<bool, DbErr> {
        let turned = reservation::Entity::update_many()
            .col_expr(reservation::Column::State, Expr::value(to.as_str()))
            .col_expr(reservation::Column::UpdatedAtMs, Expr::value(self.now_ms()))
            .filter(reservation::Column::OrderId.is_one_of(order_ids.iter().copied()))
            .filter(reservation::Column::State.eq(from.as_str()))
            .exec(transaction)
            .await?;
        Ok(usize::try_from(turned.rows_affected) == Ok(order_ids.len()))
    }

    async fn shortage<C: ConnectionTrait>(&self, connection: &C, variant_id: &str) -> Result<Shortage> {
        let stock = stock::Entity::find_by_id(variant_id).one(connection).await?;
        let quantity_available = stock.map_or(0, |stock| i64::from(stock.on_hand) - i64::from(stock.reserved));
        let reason = ShortageReason::OutOfStock;
        Ok(Shortage {
            variant_id: variant_id.to_owned(),
            reason,
            quantity_available,
        })
    }
}

/// What became of trying to reserve.
enum Attempt {
    /// There is an answer, and it is stored.
    Answered(Answer<ReservationReply>),
    /// There is not enough at the moment, and nothing is stored.
    Short(Vec<Shortage>),
}

/// The lines that can be sold, in the order in which stock is changed; and why the others cannot.
pub(super) fn offered<'a>(
    wanted: &'a [VariantQuantity],
    offers: &HashMap<String, Offer>,
) -> (Vec<&'a VariantQuantity>, Vec<Shortage>) {
    let (mut lines, mut shortages) = (Vec::new(), Vec::new());
    for line in wanted {
        let offer = offers.get(&line.variant_id);
        match offer.map_or(Some(ShortageReason::NotFound), Offer::refusal) {
            None => lines.push(line),
            Some(reason) => shortages.push(Shortage {
                variant_id: line.variant_id.clone(),
                reason,
                quantity_available: 0,
            }),
        }
    }
    lines.sort_by(|a, b| a.variant_id.cmp(&b.variant_id));
    (lines, shortages)
}

/// Quantities are at most `QUANTITY_MAX`.
pub(super) fn signed(quantity: u32) -> i32 {
    i32::try_from(quantity).unwrap_or(i32::MAX)
}

/// Stores the lines of reservations.
pub(super) async fn insert_lines<'a, L>(
    transaction: &Transaction,
    reservations: impl IntoIterator<Item = (&'a str, L)>,
) -> std::result::Result<(), DbErr>
where
    L: IntoIterator<Item = &'a VariantQuantity>,
{
    let rows = reservations.into_iter().flat_map(|(order_id, lines)| {
        lines.into_iter().map(move |line| reservation_line::ActiveModel {
            order_id: Set(order_id.to_owned()),
            variant_id: Set(line.variant_id.clone()),
            quantity: Set(signed(line.quantity)),
            restocked: Set(0),
        })
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    reservation_line::Entity::insert_many(rows)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// The stored answer, if the row is of the same request.
fn repeated(row: Option<reservation::Model>, request: &ReservationRequest) -> Result<Answer<ReservationReply>> {
    let Some(row) = row else {
        return Ok(Err(ReservationConflict));
    };
    if row.state == ReservationState::Released.as_str() {
        return Ok(Ok(ReservationReply::Released));
    }
    if row.request != to_json(request) {
        return Ok(Err(ReservationConflict));
    }
    Ok(Ok(from_json("reply", &row.order_id, &row.reply)?))
}

async fn find<C: ConnectionTrait>(connection: &C, order_id: &str) -> Result<Option<reservation::Model>> {
    Ok(reservation::Entity::find_by_id(order_id).one(connection).await?)
}

async fn lines(transaction: &Transaction, order_id: &str) -> Result<Vec<reservation_line::Model>> {
    reservation_line::Entity::find()
        .filter(reservation_line::Column::OrderId.eq(order_id))
        .order_by_asc(reservation_line::Column::VariantId)
        .all(transaction)
        .await
        .map_err(StoreError::from)
}
