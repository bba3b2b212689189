//! Adding to carts: what several shoppers add at the same time is stored in one transaction.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Func, OnConflict};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, DbErr, EntityTrait as _, QueryFilter as _};
use service::database::{Database, OneOf as _, Transaction};
use service::together::{Stored, Storing, Together};
use std::collections::{BTreeMap, HashMap};

use super::carts::{CartEdit, touch_carts};
use super::rows::{signed, units};
use super::{Store, StoreError};
use crate::domain::{LINES_MAX, QUANTITY_MAX};
use crate::entity::{cart, cart_line};

/// Adds to carts with others.
pub(super) type Adding = Together<Storing<Additions>>;

pub(super) struct Additions {
    pub(super) database: Database,
}

/// What one shopper adds.
pub(super) struct Addition {
    user_id: String,
    /// Variants, and how many units of each.
    added: Vec<(String, u32)>,
    now: DateTime<Utc>,
}

impl Store {
    /// Adds units of variants to the user's cart; all of them, or none.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn cart_add(
        &self,
        user_id: &str,
        added: Vec<(String, u32)>,
        now: DateTime<Utc>,
    ) -> Result<CartEdit, StoreError> {
        let addition = Addition {
            user_id: user_id.to_owned(),
            added,
            now,
        };
        Ok(self.adding.store(addition).await?)
    }
}

#[async_trait::async_trait]
impl Stored for Additions {
    type Change = Addition;
    type Outcome = CartEdit;

    /// Each may have many lines; a transaction is to be short.
    const AT_ONCE: usize = 16;

    async fn store(&self, additions: &[Addition]) -> Result<Vec<CartEdit>, DbErr> {
        let database = self.database.begin().await?;
        let edits = add(&database, additions).await?;
        match edits.contains(&CartEdit::Done) {
            true => database.commit().await?,
            false => database.rollback().await?,
        }
        Ok(edits)
    }
}

/// A cart, as it is before something is added or ordered.
pub(super) struct Found {
    id: String,
    pub(super) quantities: HashMap<String, u32>,
    is_erased: bool,
}

/// Adds what can be, of each shopper all or nothing.
async fn add(database: &Transaction, additions: &[Addition]) -> Result<Vec<CartEdit>, DbErr> {
    let mut times: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
    for Addition { user_id, now, .. } in additions {
        let last = times.entry(user_id).or_insert(*now);
        *last = Ord::max(*last, *now);
    }
    touch_carts(database, &times).await?;
    let mut carts = carts(database, times.keys().copied()).await?;
    let mut lines: BTreeMap<(String, &str), u32> = BTreeMap::new();
    let mut edits = Vec::with_capacity(additions.len());
    for addition in additions {
        let cart = carts
            .get_mut(&addition.user_id)
            .ok_or_else(|| DbErr::RecordNotFound("the cart".to_owned()))?;
        let edit = cart.add(&addition.added);
        edits.push(edit);
        if edit != CartEdit::Done {
            continue;
        }
        for (variant_id, quantity) in &addition.added {
            let line = lines.entry((cart.id.clone(), variant_id)).or_default();
            *line = line.saturating_add(*quantity);
        }
    }
    add_lines(database, lines).await?;
    Ok(edits)
}

impl Found {
    /// Adds all, or nothing.
    fn add(&mut self, added: &[(String, u32)]) -> CartEdit {
        if self.is_erased {
            return CartEdit::Erased;
        }
        let mut quantities = self.quantities.clone();
        for (position, (variant_id, added)) in added.iter().enumerate() {
            let quantity = quantities.entry(variant_id.clone()).or_default();
            *quantity = quantity.saturating_add(*added);
            if *quantity > QUANTITY_MAX {
                return CartEdit::TooManyUnits(position);
            }
        }
        if quantities.len() > LINES_MAX {
            return CartEdit::TooManyLines;
        }
        self.quantities = quantities;
        CartEdit::Done
    }
}

/// The carts of users, all of whom have one.
pub(super) async fn carts(
    database: &Transaction,
    user_ids: impl Iterator<Item = &str>,
) -> Result<HashMap<String, Found>, DbErr> {
    let rows = cart::Entity::find()
        .find_also_related(cart_line::Entity)
        .filter(cart::Column::UserId.is_one_of(user_ids))
        .all(database)
        .await?;
    let mut carts: HashMap<String, Found> = HashMap::new();
    for (cart, line) in rows {
        let cart = carts.entry(cart.user_id).or_insert(Found {
            id: cart.id,
            quantities: HashMap::new(),
            is_erased: cart.erased_at.is_some(),
        });
        let line = line.map(|line| (line.variant_id, units(line.quantity)));
        cart.quantities.extend(line);
    }
    Ok(carts)
}

/// Units are added to what a line has, not set: what was ordered meanwhile has left it.
async fn add_lines(database: &Transaction, lines: BTreeMap<(String, &str), u32>) -> Result<(), DbErr> {
    if lines.is_empty() {
        return Ok(());
    }
    let rows = lines
        .into_iter()
        .map(|((cart_id, variant_id), quantity)| cart_line::ActiveModel {
            id: Set(service::id::new("cln")),
            cart_id: Set(cart_id),
            variant_id: Set(variant_id.to_owned()),
            quantity: Set(signed(quantity)),
        });
    let column = cart_line::Column::Quantity;
    let added = match database.get_database_backend() {
        DatabaseBackend::MySql => Func::cust("VALUES").arg(Expr::col(column)).into(),
        _ => Expr::col((Alias::new("excluded"), column)),
    };
    let known = OnConflict::columns([cart_line::Column::CartId, cart_line::Column::VariantId])
        .value(column, Expr::col((cart_line::Entity, column)).add(added))
        .to_owned();
    cart_line::Entity::insert_many(rows)
        .on_conflict(known)
        .exec_without_returning(database)
        .await?;
    Ok(())
}
