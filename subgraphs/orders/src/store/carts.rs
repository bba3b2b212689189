//! Carts.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use service::database::{Database, OneOf as _, Transaction};

use super::rows::{signed, units};
use super::{Store, StoreError};
use crate::domain::{Cart, CartLine};
use crate::entity::{cart, cart_line};

/// What became of an edit of a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CartEdit {
    /// Stored.
    Done,
    /// Not stored: the cart would hold more than `LINES_MAX` variants.
    TooManyLines,
    /// Not stored: this entry would hold more than `QUANTITY_MAX` units.
    TooManyUnits(usize),
    /// Not stored: this entry names a line that is not in the user's cart.
    LineNotFound(usize),
    /// Not stored: there is no such account any more.
    Erased,
}

impl Store {
    /// The cart of a user, who may never have had one.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn cart(&self, user_id: &str) -> Result<Option<Cart>, StoreError> {
        Ok(self.carts.load(user_id.to_owned()).await?)
    }

    /// Sets the units of lines of the user's cart, 0 to remove; all of them, or none.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn cart_set(
        &self,
        user_id: &str,
        changed: &[(String, u32)],
        now: DateTime<Utc>,
    ) -> Result<CartEdit, StoreError> {
        let database = self.database.begin().await?;
        let cart_id = open_cart(&database, user_id, now).await?;
        for (position, (line_id, quantity)) in changed.iter().enumerate() {
            let mine = cart_line::Column::Id
                .eq(line_id)
                .and(cart_line::Column::CartId.eq(&cart_id));
            let known = cart_line::Entity::find()
                .filter(mine.clone())
                .one(&database)
                .await?
                .is_some();
            if !known {
                database.rollback().await?;
                return Ok(CartEdit::LineNotFound(position));
            }
            if *quantity == 0 {
                cart_line::Entity::delete_many().filter(mine).exec(&database).await?;
            } else {
                cart_line::Entity::update_many()
                    .col_expr(cart_line::Column::Quantity, Expr::value(signed(*quantity)))
                    .filter(mine)
                    .exec(&database)
                    .await?;
            }
        }
        database.commit().await?;
        Ok(CartEdit::Done)
    }

    /// Empties the user's cart.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn cart_clear(&self, user_id: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let database = self.database.begin().await?;
        let cart_id = open_cart(&database, user_id, now).await?;
        cart_line::Entity::delete_many()
            .filter(cart_line::Column::CartId.eq(cart_id))
            .exec(&database)
            .await?;
        database.commit().await?;
        Ok(())
    }
}

/// The carts of these users; who never had one is left out.
pub(super) async fn carts_by_user(
    database: &Database,
    user_ids: Vec<String>,
) -> Result<HashMap<String, Cart>, StoreError> {
    let rows = cart::Entity::find()
        .find_also_related(cart_line::Entity)
        .filter(cart::Column::UserId.is_one_of(user_ids))
        .filter(cart::Column::ErasedAt.is_null())
        .order_by_asc(cart_line::Column::Id)
        .all(database.read())
        .await?;
    let mut carts: HashMap<String, Cart> = HashMap::new();
    for (cart, line) in rows {
        let cart = carts.entry(cart.user_id.clone()).or_insert(Cart {
            id: cart.id,
            user_id: cart.user_id,
            lines: Vec::new(),
            updated_at: cart.updated_at,
        });
        cart.lines.extend(line.map(|line| CartLine {
            id: line.id,
            variant_id: line.variant_id,
            quantity: units(line.quantity),
        }));
    }
    Ok(carts)
}

/// Empties the user's cart, and keeps what is left of it from being filled again.
pub(super) async fn erase_cart(database: &Transaction, user_id: &str, now: DateTime<Utc>) -> Result<(), DbErr> {
    let cart_id = open_cart(database, user_id, now).await?;
    cart_line::Entity::delete_many()
        .filter(cart_line::Column::CartId.eq(&cart_id))
        .exec(database)
        .await?;
    cart::Entity::update_many()
        .col_expr(cart::Column::ErasedAt, Expr::value(now))
        .filter(cart::Column::Id.eq(cart_id))
        .exec(database)
        .await?;
    Ok(())
}

/// Makes the carts of users if need be; also notes that they change now, and so holds their rows until the transaction
/// ends.
pub(super) async fn touch_carts(database: &Transaction, times: &BTreeMap<&str, DateTime<Utc>>) -> Result<(), DbErr> {
    let rows = times.iter().map(|(user_id, now)| cart::ActiveModel {
        id: Set(service::id::new("crt")),
        user_id: Set((*user_id).to_owned()),
        updated_at: Set(*now),
        erased_at: Set(None),
    });
    let known = OnConflict::column(cart::Column::UserId)
        .update_column(cart::Column::UpdatedAt)
        .to_owned();
    cart::Entity::insert_many(rows)
        .on_conflict(known)
        .exec_without_returning(database)
        .await?;
    Ok(())
}

/// [`touch_carts`] of one user, and the cart's id.
async fn open_cart(database: &Transaction, user_id: &str, now: DateTime<Utc>) -> Result<String, DbErr> {
    touch_carts(database, &BTreeMap::from([(user_id, now)])).await?;
    let cart = cart::Entity::find()
        .filter(cart::Column::UserId.eq(user_id))
        .one(database)
        .await?;
    cart.map(|cart| cart.id)
        .ok_or_else(|| DbErr::RecordNotFound("the cart".to_owned()))
}
