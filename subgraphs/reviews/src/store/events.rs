//! What events of other services do here; each once.

use super::{Result, Store};
use crate::entity::{purchase, review};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use service::events;

/// What an event does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Somebody bought these products.
    Bought { user_id: String, product_ids: Vec<String> },
    /// Somebody's account was deleted; so is what they wrote.
    Erased { user_id: String },
}

impl Store {
    /// Applies an event unless it was before.
    pub(crate) async fn apply(&self, event_id: &str, effect: Effect) -> Result<()> {
        let transaction = self.database.begin().await?;
        if !events::take_in(&transaction, event_id, self.clock.now()).await? {
            return Ok(());
        }
        let is_erasure = matches!(effect, Effect::Erased { .. });
        match effect {
            Effect::Bought { user_id, product_ids } => {
                let rows = product_ids.iter().map(|product_id| purchase::ActiveModel {
                    user_id: Set(user_id.clone()),
                    product_id: Set(product_id.clone()),
                });
                let known = OnConflict::columns([purchase::Column::UserId, purchase::Column::ProductId])
                    .do_nothing_on([purchase::Column::UserId, purchase::Column::ProductId])
                    .to_owned();
                purchase::Entity::insert_many(rows)
                    .on_conflict(known)
                    .exec_without_returning(&transaction)
                    .await?;
                review::Entity::update_many()
                    .col_expr(review::Column::IsVerified, Expr::value(true))
                    .filter(review::Column::UserId.eq(&user_id))
                    .filter(review::Column::ProductId.is_in(product_ids))
                    .exec(&transaction)
                    .await?;
            }
            Effect::Erased { user_id } => {
                review::Entity::delete_many()
                    .filter(review::Column::UserId.eq(&user_id))
                    .exec(&transaction)
                    .await?;
                purchase::Entity::delete_many()
                    .filter(purchase::Column::UserId.eq(&user_id))
                    .exec(&transaction)
                    .await?;
            }
        }
        transaction.commit().await?;
        if is_erasure {
            self.ratings.clear();
        }
        Ok(())
    }
}
