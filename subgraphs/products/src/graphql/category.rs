//! `Category`.

use super::connection::ProductConnection;
use super::inputs::{ProductFilter, ProductSort};
use super::loaders::Loaders;
use crate::domain::category;
use crate::store::Store;
use async_graphql::{Context, ID, Object, Result};
use service::auth::ViewerExt;
use service::paging::PageArgs;

#[derive(Clone)]
pub struct Category {
    id: ID,
    category: category::Category,
}

impl From<category::Category> for Category {
    fn from(category: category::Category) -> Category {
        Category {
            id: ID(category.id.clone()),
            category,
        }
    }
}

#[Object]
impl Category {
    pub(super) async fn id(&self) -> &ID {
        &self.id
    }

    async fn slug(&self) -> &str {
        &self.category.slug
    }

    async fn name(&self) -> &str {
        &self.category.name
    }

    async fn description(&self) -> Option<&str> {
        self.category.description.as_deref()
    }

    async fn parent(&self, context: &Context<'_>) -> Result<Option<Category>> {
        let Some(parent_id) = self.category.parent_id.clone() else {
            return Ok(None);
        };
        Ok(context
            .data::<Loaders>()?
            .categories
            .load(context, parent_id)
            .await?
            .map(Category::from))
    }

    /// From the root to the parent.
    async fn ancestors(&self, context: &Context<'_>) -> Result<Vec<Category>> {
        let ancestors = context
            .data::<Loaders>()?
            .ancestor_categories
            .load(context, self.category.id.clone())
            .await?;
        Ok(ancestors.unwrap_or_default().into_iter().map(Category::from).collect())
    }

    async fn children(&self, context: &Context<'_>) -> Result<Vec<Category>> {
        let children = context
            .data::<Loaders>()?
            .child_categories
            .load(context, self.category.id.clone())
            .await?;
        Ok(children.unwrap_or_default().into_iter().map(Category::from).collect())
    }

    #[allow(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn products(
        &self,
        context: &Context<'_>,
        #[graphql(default_with = "Some(20)")] first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<ProductFilter>,
        #[graphql(default_with = "Some(ProductSort::Relevance)")] sort: Option<ProductSort>,
    ) -> Result<ProductConnection> {
        let args = PageArgs::parse(first, after, last, before)?;
        let main_currency = context.data::<Store>()?.main_currency();
        let filter = filter
            .unwrap_or_default()
            .parse(None, context.viewer(), main_currency)?;
        ProductConnection::below(context, self.category.id.clone(), filter, sort, args).await
    }
}
