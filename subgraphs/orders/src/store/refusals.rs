//! Which new orders are refused, because of what else the buyer has ordered.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use service::database::{OneOf as _, Transaction};

use super::adding::{Found, carts};
use super::placing::New;
use crate::domain::{OrderLine, OrderStatus, UNPAID_ORDERS_MAX};
use crate::entity::orders;

/// Why an order is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// [`UNPAID_ORDERS_MAX`] orders of this user are not paid.
    TooManyUnpaid,
    /// What was in the cart is not in it any more, or another order is about to take it.
    CartTaken,
}

/// By the id of the order's key.
pub(super) type Refusals = HashMap<String, Refusal>;

/// The orders of one user that are not paid.
#[derive(Default)]
struct Unpaid {
    count: usize,
    /// One of them takes what is in the cart as soon as its stock is reserved.
    takes_cart: bool,
}

/// Those of `new` that are refused. Nobody else may store orders until the transaction ends.
pub(super) async fn refusals(database: &Transaction, new: &[&New]) -> Result<Refusals, DbErr> {
    let buyers = new.iter().map(|new| new.file.order.user_id.as_str());
    let mut unpaid = unpaid(database, buyers.collect()).await?;
    // After the orders: what an order takes has left the cart when the order is seen not to be pending.
    let shoppers = new.iter().map(|new| &new.file.order).filter(|order| order.from_cart);
    let shoppers: BTreeSet<&str> = shoppers.map(|order| order.user_id.as_str()).collect();
    let carts = match shoppers.is_empty() {
        true => HashMap::new(),
        false => carts(database, shoppers.into_iter()).await?,
    };
    let mut refused = Refusals::new();
    for New { file, key, .. } in new {
        let order = &file.order;
        let unpaid = unpaid.entry(order.user_id.clone()).or_default();
        let is_in_cart = || carts.get(&order.user_id).is_some_and(|cart| holds(cart, &file.lines));
        if unpaid.count >= UNPAID_ORDERS_MAX {
            refused.insert(key.id.clone(), Refusal::TooManyUnpaid);
        } else if order.from_cart && (unpaid.takes_cart || !is_in_cart()) {
            refused.insert(key.id.clone(), Refusal::CartTaken);
        } else {
            unpaid.count += 1;
            unpaid.takes_cart |= order.from_cart;
        }
    }
    Ok(refused)
}

fn holds(cart: &Found, lines: &[OrderLine]) -> bool {
    let in_cart = |line: &OrderLine| cart.quantities.get(&line.variant_id).copied().unwrap_or_default();
    lines.iter().all(|line| line.quantity <= in_cart(line))
}

async fn unpaid(database: &Transaction, user_ids: BTreeSet<&str>) -> Result<HashMap<String, Unpaid>, DbErr> {
    use orders::Column;
    let rows: Vec<(String, String, bool)> = orders::Entity::find()
        .select_only()
        .columns([Column::UserId, Column::Status, Column::FromCart])
        .filter(Column::UserId.is_one_of(user_ids))
        .filter(Column::Status.is_in(OrderStatus::UNPAID.map(OrderStatus::as_str)))
        .into_tuple()
        .all(database)
        .await?;
    let mut unpaid: HashMap<String, Unpaid> = HashMap::new();
    for (user_id, status, from_cart) in rows {
        let of_user = unpaid.entry(user_id).or_default();
        of_user.count += 1;
        of_user.takes_cart |= from_cart && status == OrderStatus::Pending.as_str();
    }
    Ok(unpaid)
}
