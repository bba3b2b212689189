//! Reading the category tree.

use super::{Result, Store};
use crate::domain::category::Category;
use crate::entity::{category, category_ancestor, product_category};
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult};
use service::database::OneOf as _;
use std::collections::HashMap;

#[derive(Debug, FromQueryResult)]
struct CategoryRow {
    id: String,
    slug: String,
    name: String,
    description: Option<String>,
    parent_id: Option<String>,
}

impl From<CategoryRow> for Category {
    fn from(row: CategoryRow) -> Category {
        let CategoryRow {
            id,
            slug,
            name,
            description,
            parent_id,
        } = row;
        Category {
            id,
            slug,
            name,
            description,
            parent_id,
        }
    }
}

/// Whose category a row of [`Store::grouped`] is.
const BELOW: &str = "below_id";

impl Store {
    /// Categories by id; unknown ids are missing.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn categories(&self, ids: Vec<String>) -> Result<HashMap<String, Category>> {
        let categories = self.categories_where(category::Column::Id.is_one_of(ids)).await?;
        Ok(categories
            .into_iter()
            .map(|category| (category.id.clone(), category))
            .collect())
    }

    /// The category at a URL.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn category_by_slug(&self, slug: &str) -> Result<Option<Category>> {
        Ok(self.categories_where(category::Column::Slug.eq(slug)).await?.pop())
    }

    /// The categories without a parent.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn root_categories(&self) -> Result<Vec<Category>> {
        self.categories_where(category::Column::ParentId.is_null()).await
    }

    /// The direct children of each category.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn child_categories(&self, parent_ids: Vec<String>) -> Result<HashMap<String, Vec<Category>>> {
        let mut by_parent: HashMap<String, Vec<Category>> = HashMap::new();
        for category in self
            .categories_where(category::Column::ParentId.is_one_of(parent_ids))
            .await?
        {
            by_parent
                .entry(category.parent_id.clone().unwrap_or_default())
                .or_default()
                .push(category);
        }
        Ok(by_parent)
    }

    /// What is above each category, from the root down to the parent.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn ancestor_categories(&self, ids: Vec<String>) -> Result<HashMap<String, Vec<Category>>> {
        let is_above = category_ancestor::Column::AncestorId
            .into_expr()
            .equals((category::Entity, category::Column::Id));
        let mut select = select_categories();
        select
            .expr_as(category_ancestor::Column::CategoryId.into_expr(), BELOW)
            .inner_join(category_ancestor::Entity, is_above)
            .and_where(category_ancestor::Column::CategoryId.is_one_of(ids))
            .and_where(category_ancestor::Column::Depth.gt(0))
            .order_by(
                (category_ancestor::Entity, category_ancestor::Column::Depth),
                Order::Desc,
            );
        self.grouped(&select).await
    }

    /// The categories in which each product is.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn categories_of(&self, product_ids: Vec<String>) -> Result<HashMap<String, Vec<Category>>> {
        let holds = product_category::Column::CategoryId
            .into_expr()
            .equals((category::Entity, category::Column::Id));
        let mut select = select_categories();
        select
            .expr_as(product_category::Column::ProductId.into_expr(), BELOW)
            .inner_join(product_category::Entity, holds)
            .and_where(product_category::Column::ProductId.is_one_of(product_ids))
            .order_by((category::Entity, category::Column::Position), Order::Asc)
            .order_by((category::Entity, category::Column::Id), Order::Asc);
        self.grouped(&select).await
    }

    async fn grouped(&self, select: &SelectStatement) -> Result<HashMap<String, Vec<Category>>> {
        let mut by_id: HashMap<String, Vec<Category>> = HashMap::new();
        for row in self.database.read().query_all(select).await? {
            let category = CategoryRow::from_query_result(&row, "")?.into();
            by_id.entry(row.try_get("", BELOW)?).or_default().push(category);
        }
        Ok(by_id)
    }

    async fn categories_where(&self, condition: Expr) -> Result<Vec<Category>> {
        let mut select = select_categories();
        select
            .and_where(condition)
            .order_by((category::Entity, category::Column::Position), Order::Asc)
            .order_by((category::Entity, category::Column::Id), Order::Asc);
        let rows = self.database.read().query_all(&select).await?;
        rows.iter()
            .map(|row| Ok(CategoryRow::from_query_result(row, "")?.into()))
            .collect()
    }
}

fn select_categories() -> SelectStatement {
    use category::Column::*;
    let mut select = Query::select();
    select
        .from(category::Entity)
        .exprs([Id, Slug, Name, Description, ParentId].map(|column| column.into_expr()));
    select
}
