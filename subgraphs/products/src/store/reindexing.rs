//! Indexes every product anew, for a migration that comes with other search tokens.

use super::catalogue_changes::search_document;
use super::search::{index, unindex};
use super::{Result, from_json};
use crate::entity::{product, variant};
use sea_orm::sea_query::{Order, Query};
use sea_orm::{ColumnTrait, ConnectionTrait};

/// Products that are read at once.
const PRODUCTS_MAX: u64 = 200;

/// Indexes all products, also those that are in the index already.
///
/// Names the columns that it reads: later migrations may add others.
///
/// # Errors
/// [`StoreError`](super::StoreError).
pub(crate) async fn reindex<C: ConnectionTrait>(connection: &C) -> Result<()> {
    use product::Column::{Attributes, Description, Id, Options, Title};
    let mut after = String::new();
    loop {
        let mut select = Query::select();
        select
            .columns([Id, Title, Description, Attributes, Options])
            .from(product::Entity)
            .and_where(Id.gt(&after))
            .order_by(Id, Order::Asc)
            .limit(PRODUCTS_MAX);
        let rows = connection.query_all(&select).await?;
        for row in &rows {
            let id: String = row.try_get("", "id")?;
            let [title, attributes, options]: [String; 3] = [
                row.try_get("", "title")?,
                row.try_get("", "attributes")?,
                row.try_get("", "options")?,
            ];
            let description: Option<String> = row.try_get("", "description")?;
            let (attributes, options) = (
                from_json::<Vec<_>>("attributes", &id, &attributes)?,
                from_json::<Vec<_>>("options", &id, &options)?,
            );
            let skus = skus(connection, &id).await?;
            let skus = skus.iter().map(String::as_str);
            let document = search_document(&title, description.as_deref(), &attributes, &options, skus);
            unindex(connection, &id).await?;
            index(connection, &id, document).await?;
            after = id;
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}

/// Of the variants that are on sale.
async fn skus<C: ConnectionTrait>(connection: &C, product_id: &str) -> Result<Vec<String>> {
    let mut select = Query::select();
    select
        .column(variant::Column::Sku)
        .from(variant::Entity)
        .and_where(variant::Column::ProductId.eq(product_id))
        .and_where(variant::Column::IsActive.eq(true))
        .order_by(variant::Column::Position, Order::Asc);
    let rows = connection.query_all(&select).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get("", "sku"))
        .collect::<std::result::Result<_, _>>()?)
}
