//! Changes of the category tree, and of the closure that is stored beside it.

use super::catalogue_changes::clash;
use super::{Result, Store};
use crate::domain::change::CategoryChange;
use crate::domain::problem::{Changed, Problem, ProblemCode};
use crate::domain::slug::Slug;
use crate::entity::{category, category_ancestor, category_tree, product_category};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use service::database::Transaction;
use service::id;
use std::collections::HashMap;

/// Deepest category, counted from 0 for a root: breadcrumbs must fit on a screen.
const DEPTH_MAX: usize = 9;

impl Store {
    /// Makes a category. Gives its id.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn create_category(&self, change: CategoryChange) -> Result<Changed<String>> {
        let transaction = self.lock_tree().await?;
        let parent_id = change.parent_id.clone().flatten();
        let above = match above(&transaction, parent_id.as_deref()).await? {
            Ok(above) => above,
            Err(problem) => return Ok(Err(vec![problem])),
        };
        let Some(slug) = free_slug(&transaction, &change).await? else {
            return Ok(Err(vec![slug_taken()]));
        };
        let category_id = id::new("cat");
        let now = self.now_ms();
        let siblings = match &parent_id {
            Some(parent_id) => category::Column::ParentId.eq(parent_id),
            None => category::Column::ParentId.is_null(),
        };
        let position = category::Entity::find().filter(siblings).count(&transaction).await?;
        let row = category::ActiveModel {
            id: Set(category_id.clone()),
            slug: Set(slug.as_str().to_owned()),
            name: Set(change.name.unwrap_or_default()),
            description: Set(change.description.flatten()),
            parent_id: Set(parent_id),
            position: Set(i32::try_from(position).unwrap_or(i32::MAX)),
            created_at_ms: Set(now),
            updated_at_ms: Set(now),
        };
        let inserted = category::Entity::insert(row).exec_without_returning(&transaction).await;
        if let Some(problem) = clash(inserted, "input.slug", ProblemCode::SlugTaken)? {
            return Ok(Err(vec![problem]));
        }
        insert_closure(&transaction, &category_id, &above).await?;
        self.commit_change(transaction).await?;
        Ok(Ok(category_id))
    }

    /// Changes a category, and moves all that is below it with it.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn update_category(&self, category_id: &str, change: CategoryChange) -> Result<Changed<String>> {
        let transaction = self.lock_tree().await?;
        let mut update = category::Entity::update_many()
            .col_expr(category::Column::UpdatedAtMs, Expr::value(self.now_ms()))
            .filter(category::Column::Id.eq(category_id));
        if let Some(name) = &change.name {
            update = update.col_expr(category::Column::Name, Expr::value(name.clone()));
        }
        if let Some(slug) = &change.slug {
            update = update.col_expr(category::Column::Slug, Expr::value(slug.as_str()));
        }
        if let Some(description) = &change.description {
            update = update.col_expr(category::Column::Description, Expr::value(description.clone()));
        }
        if let Some(parent_id) = &change.parent_id {
            if let Some(problem) = move_below(&transaction, category_id, parent_id.as_deref()).await? {
                return Ok(Err(vec![problem]));
            }
            update = update.col_expr(category::Column::ParentId, Expr::value(parent_id.clone()));
        }
        let updated = update.exec(&transaction).await;
        let rows = match &updated {
            Ok(updated) => updated.rows_affected,
            Err(_) => 1,
        };
        if let Some(problem) = clash(updated, "input.slug", ProblemCode::SlugTaken)? {
            return Ok(Err(vec![problem]));
        }
        if rows == 0 {
            return Ok(Err(vec![not_found("id")]));
        }
        self.commit_change(transaction).await?;
        Ok(Ok(category_id.to_owned()))
    }

    /// Deletes a category that holds neither categories nor products.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn delete_category(&self, category_id: &str) -> Result<Changed<()>> {
        let transaction = self.lock_tree().await?;
        let children = category::Column::ParentId.eq(category_id);
        let products = product_category::Column::CategoryId.eq(category_id);
        let children = category::Entity::find().filter(children).count(&transaction).await?;
        let products = product_category::Entity::find()
            .filter(products)
            .count(&transaction)
            .await?;
        if children + products > 0 {
            let message = format!("It still holds {children} categories and {products} products.");
            return Ok(Err(vec![Problem::at("id", ProblemCode::CategoryNotEmpty, message)]));
        }
        let deleted = category::Entity::delete_by_id(category_id).exec(&transaction).await?;
        if deleted.rows_affected == 0 {
            return Ok(Err(vec![not_found("id")]));
        }
        self.commit_change(transaction).await?;
        Ok(Ok(()))
    }

    /// Begins a transaction that no other change of the tree runs beside.
    async fn lock_tree(&self) -> Result<Transaction> {
        let transaction = self.database.begin().await?;
        category_tree::Entity::update_many()
            .col_expr(
                category_tree::Column::Version,
                category_tree::Column::Version.into_expr().add(1),
            )
            .exec(&transaction)
            .await?;
        Ok(transaction)
    }
}

fn not_found(path: &str) -> Problem {
    Problem::at(path, ProblemCode::NotFound, "No category has this id.")
}

fn slug_taken() -> Problem {
    Problem::at("input.slug", ProblemCode::SlugTaken, "Another category has this slug.")
}

async fn free_slug(transaction: &Transaction, change: &CategoryChange) -> Result<Option<Slug>> {
    let taken = |slug: Slug| async move {
        category::Entity::find()
            .filter(category::Column::Slug.eq(slug.as_str()))
            .count(transaction)
            .await
    };
    if let Some(slug) = &change.slug {
        return Ok((taken(slug.clone()).await? == 0).then(|| slug.clone()));
    }
    let Some(base) = &change.derived_slug else {
        return Ok(None);
    };
    for number in 1..=100 {
        let slug = if number == 1 {
            base.clone()
        } else {
            base.numbered(number)
        };
        if taken(slug.clone()).await? == 0 {
            return Ok(Some(slug));
        }
    }
    Ok(None)
}

/// The parent and all above it, from the parent up; nothing for a root.
async fn above(
    transaction: &Transaction,
    parent_id: Option<&str>,
) -> Result<std::result::Result<Vec<String>, Problem>> {
    let Some(parent_id) = parent_id else {
        return Ok(Ok(Vec::new()));
    };
    let rows = category_ancestor::Entity::find()
        .filter(category_ancestor::Column::CategoryId.eq(parent_id))
        .order_by_asc(category_ancestor::Column::Depth)
        .all(transaction)
        .await?;
    if rows.is_empty() {
        return Ok(Err(not_found("input.parentId")));
    }
    if rows.len() > DEPTH_MAX {
        let message = format!("Categories are at most {} levels deep.", DEPTH_MAX + 1);
        return Ok(Err(Problem::at("input.parentId", ProblemCode::Invalid, message)));
    }
    Ok(Ok(rows.into_iter().map(|row| row.ancestor_id).collect()))
}

/// The rows of one category in the closure: itself, and `above` from the parent up.
async fn insert_closure(transaction: &Transaction, category_id: &str, above: &[String]) -> Result<()> {
    let ancestors = std::iter::once(category_id).chain(above.iter().map(String::as_str));
    let rows = ancestors
        .enumerate()
        .map(|(depth, ancestor_id)| category_ancestor::ActiveModel {
            category_id: Set(category_id.to_owned()),
            ancestor_id: Set(ancestor_id.to_owned()),
            depth: Set(i32::try_from(depth).unwrap_or(i32::MAX)),
        });
    category_ancestor::Entity::insert_many(rows)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Rewrites the closure of a category and of all below it for a new parent.
async fn move_below(transaction: &Transaction, category_id: &str, parent_id: Option<&str>) -> Result<Option<Problem>> {
    let above = match above(transaction, parent_id).await? {
        Ok(above) => above,
        Err(problem) => return Ok(Some(problem)),
    };
    if above.iter().any(|ancestor_id| ancestor_id == category_id) {
        let message = "A category cannot be placed below itself.";
        return Ok(Some(Problem::at("input.parentId", ProblemCode::CategoryCycle, message)));
    }
    let subtree = category_ancestor::Entity::find()
        .filter(category_ancestor::Column::AncestorId.eq(category_id))
        .all(transaction)
        .await?;
    let members: Vec<String> = subtree.iter().map(|row| row.category_id.clone()).collect();
    let inner = category_ancestor::Entity::find()
        .filter(category_ancestor::Column::CategoryId.is_in(members.clone()))
        .order_by_asc(category_ancestor::Column::Depth)
        .all(transaction)
        .await?;
    let mut within: HashMap<String, Vec<String>> = HashMap::new();
    for row in inner
        .into_iter()
        .filter(|row| row.depth > 0 && members.contains(&row.ancestor_id))
    {
        within.entry(row.category_id).or_default().push(row.ancestor_id);
    }
    let deepest = within.values().map(Vec::len).max().unwrap_or_default();
    if deepest + above.len() > DEPTH_MAX {
        let message = format!("Categories are at most {} levels deep.", DEPTH_MAX + 1);
        return Ok(Some(Problem::at("input.parentId", ProblemCode::Invalid, message)));
    }
    let old = category_ancestor::Column::CategoryId.is_in(members.clone());
    category_ancestor::Entity::delete_many()
        .filter(old)
        .exec(transaction)
        .await?;
    for member in members {
        let mut ancestors = within.remove(&member).unwrap_or_default();
        ancestors.extend(above.iter().cloned());
        insert_closure(transaction, &member, &ancestors).await?;
    }
    Ok(None)
}
