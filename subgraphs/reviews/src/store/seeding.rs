//! Fills empty tables with the reviews of the demo shop.

use super::Result;
use crate::entity::{purchase, review};
use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait};
use service::database::Database;
use service::seed::reviews;

/// Rows in one statement; eight columns stay far below every database's limit of parameters.
const ROWS_MAX: usize = 500;

/// Stores reviews and purchases, unless there are reviews.
pub(crate) async fn seed(database: &Database) -> Result<()> {
    let transaction = database.begin().await?;
    if review::Entity::find().count(&transaction).await? > 0 {
        return Ok(());
    }
    for chunk in reviews::purchases().chunks(ROWS_MAX) {
        let rows: Vec<_> = chunk
            .iter()
            .map(|(user_id, product_id)| purchase::ActiveModel {
                user_id: Set(user_id.clone()),
                product_id: Set(product_id.clone()),
            })
            .collect();
        purchase::Entity::insert_many(rows)
            .exec_without_returning(&transaction)
            .await?;
    }
    for chunk in reviews::reviews().chunks(ROWS_MAX) {
        let rows: Vec<_> = chunk
            .iter()
            .map(|seed| review::ActiveModel {
                id: Set(seed.id.clone()),
                product_id: Set(seed.product_id.clone()),
                user_id: Set(seed.user_id.clone()),
                rating: Set(seed.rating),
                title: Set(seed.title.clone()),
                body: Set(seed.body.clone()),
                is_verified: Set(seed.is_verified),
                created_at_ms: Set(seed.created_at.timestamp_millis()),
            })
            .collect();
        review::Entity::insert_many(rows)
            .exec_without_returning(&transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}
