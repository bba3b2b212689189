//! Stock: reading it, the one statement by which it is changed, and adjustments by hand.

use super::{Result, Store, insert_once, time};
use crate::domain::problem::{Changed, Problem, ProblemCode};
use crate::domain::product::Stock;
use crate::entity::{stock, stock_adjustment};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use service::database::OneOf as _;
use std::collections::HashMap;

/// A change of a variant's stock.
#[derive(Clone, Copy, Default)]
pub(super) struct Units {
    pub(super) on_hand: i32,
    pub(super) reserved: i32,
}

impl From<stock::Model> for Stock {
    fn from(row: stock::Model) -> Stock {
        Stock {
            on_hand: row.on_hand,
            reserved: row.reserved,
            low_stock_threshold: row.low_stock_threshold,
            updated_at: time(row.updated_at_ms),
        }
    }
}

impl Store {
    /// Stock by variant; unknown ids are missing.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn stocks(&self, variant_ids: Vec<String>) -> Result<HashMap<String, Stock>> {
        let rows = stock::Entity::find()
            .filter(stock::Column::VariantId.is_one_of(variant_ids))
            .all(self.database.read());
        let stocks = rows.await?.into_iter().map(|row| (row.variant_id.clone(), row.into()));
        Ok(stocks.collect())
    }

    /// Changes the stock of a variant by one statement, unless it would break `0 <= reserved <= on_hand`; whether it
    /// did.
    pub(super) async fn change_stock<C: ConnectionTrait>(
        &self,
        connection: &C,
        variant_id: &str,
        by: Units,
    ) -> std::result::Result<bool, DbErr> {
        let on_hand = || stock::Column::OnHand.into_expr();
        let reserved = || stock::Column::Reserved.into_expr();
        let changed = stock::Entity::update_many()
            .col_expr(stock::Column::OnHand, on_hand().add(by.on_hand))
            .col_expr(stock::Column::Reserved, reserved().add(by.reserved))
            .col_expr(stock::Column::UpdatedAtMs, Expr::value(self.now_ms()))
            .filter(stock::Column::VariantId.eq(variant_id))
            .filter(reserved().add(by.reserved).gte(0))
            .filter(on_hand().lte(ON_HAND_MAX - by.on_hand))
            .filter(on_hand().sub(reserved()).gte(by.reserved - by.on_hand))
            .exec(connection)
            .await?;
        Ok(changed.rows_affected == 1)
    }
}

/// At or below this many available units somebody should order more.
pub(super) const LOW_STOCK_THRESHOLD: i32 = 5;

/// Most units of one variant on hand: far from the limits of 32 bits.
const ON_HAND_MAX: i32 = 1_000_000_000;

/// Most units of one adjustment.
const DELTA_MAX: u32 = 1_000_000;

/// Units added to a variant by hand, or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Adjustment {
    /// Makes a retry harmless; 1 to 128 characters.
    pub(crate) idempotency_key: String,
    /// `var_…`
    pub(crate) variant_id: String,
    /// Not 0.
    pub(crate) delta: i32,
    /// For people; 1 to 200 characters.
    pub(crate) reason: String,
    /// Who does it. `usr_…`
    pub(crate) user_id: String,
}

impl Adjustment {
    /// Checks the limits above.
    ///
    /// # Errors
    /// Every problem.
    pub(crate) fn check(&self) -> Changed<()> {
        let mut problems = Vec::new();
        for (path, text, max) in [
            ("input.idempotencyKey", &self.idempotency_key, 128),
            ("input.reason", &self.reason, 200),
        ] {
            if !(1..=max).contains(&text.chars().count()) {
                problems.push(Problem::at(
                    path,
                    ProblemCode::Invalid,
                    format!("Between 1 and {max} characters."),
                ));
            } else if text.contains('\0') {
                problems.push(Problem::at(path, ProblemCode::Invalid, "No character U+0000."));
            }
        }
        if self.delta == 0 || self.delta.unsigned_abs() > DELTA_MAX {
            let message = format!("At most {DELTA_MAX} units, and not 0.");
            problems.push(Problem::at("input.delta", ProblemCode::Invalid, message));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

impl Store {
    /// Adjusts the stock of a variant once for each key.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn adjust_stock(&self, adjustment: &Adjustment) -> Result<Changed<()>> {
        let transaction = self.database.begin().await?;
        let row = stock_adjustment::ActiveModel {
            idempotency_key: Set(adjustment.idempotency_key.clone()),
            variant_id: Set(adjustment.variant_id.clone()),
            delta: Set(adjustment.delta),
            reason: Set(adjustment.reason.clone()),
            user_id: Set(adjustment.user_id.clone()),
            created_at_ms: Set(self.now_ms()),
        };
        if !insert_once(&transaction, row).await? {
            let row = stock_adjustment::Entity::find_by_id(&adjustment.idempotency_key)
                .one(&transaction)
                .await?;
            // On MySQL a key is also found by one with spaces behind it.
            let is_same = row.is_some_and(|row| {
                row.idempotency_key == adjustment.idempotency_key
                    && row.variant_id == adjustment.variant_id
                    && row.delta == adjustment.delta
            });
            let message = "This key was used for another adjustment.";
            let reused = || vec![Problem::at("input.idempotencyKey", ProblemCode::Invalid, message)];
            return Ok(if is_same { Ok(()) } else { Err(reused()) });
        }
        let units = Units {
            on_hand: adjustment.delta,
            reserved: 0,
        };
        if self.change_stock(&transaction, &adjustment.variant_id, units).await? {
            self.commit_change(transaction).await?;
            return Ok(Ok(()));
        }
        let problem = match stock::Entity::find_by_id(&adjustment.variant_id)
            .one(&transaction)
            .await?
        {
            None => Problem::at("input.variantId", ProblemCode::NotFound, "No variant has this id."),
            Some(_) if adjustment.delta > 0 => {
                let message = format!("More than {ON_HAND_MAX} units would be on hand.");
                Problem::at("input.delta", ProblemCode::Invalid, message)
            }
            Some(stock) => {
                let message = format!("{} on hand, of which {} are reserved.", stock.on_hand, stock.reserved);
                Problem::at("input.delta", ProblemCode::StockBelowReserved, message)
            }
        };
        transaction.rollback().await?;
        Ok(Err(vec![problem]))
    }
}
