//! `Query`, and the entities.

use super::loaders::Loaders;
use super::owners::{Product, User};
use super::review::Review;
use async_graphql::{Context, ID, Object, Result};
use service::graphql::do_not_share;

pub struct Query;

#[Object]
impl Query {
    async fn review(&self, context: &Context<'_>, id: ID) -> Result<Option<Review>> {
        if !service::id::is("rev", &id) {
            return Ok(None);
        }
        Ok(context.data::<Loaders>()?.reviews.load(id.0).await?.map(Review::from))
    }

    /// `None` for an unknown or malformed id: one `Err` here would null every entity of the batch.
    #[graphql(entity)]
    async fn find_review_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Review>> {
        if !service::id::is("rev", &id) {
            return Ok(None);
        }
        let review = context.data::<Loaders>()?.reviews.load(id.0).await;
        let review = review.unwrap_or_else(|_| {
            do_not_share(context);
            None
        });
        Ok(review.map(Review::from))
    }

    /// Any id: whether there is such a product is for its owner to say.
    #[graphql(entity)]
    async fn find_product_by_id(&self, id: ID) -> Result<Option<Product>> {
        Ok(service::id::is("prod", &id).then_some(Product { id }))
    }

    #[graphql(entity)]
    async fn find_user_by_id(&self, id: ID) -> Result<Option<User>> {
        Ok(service::id::is("usr", &id).then_some(User { id }))
    }
}
