//! `Review` and lists of them.

use super::owners::{Product, User};
use crate::domain::{self, ReviewOrder};
use async_graphql::{Enum, ID, Object};
use service::scalars::DateTime;

#[derive(Clone)]
pub struct Review {
    id: ID,
    review: domain::Review,
}

impl From<domain::Review> for Review {
    fn from(review: domain::Review) -> Review {
        Review {
            id: ID(review.id.clone()),
            review,
        }
    }
}

service::connection!(Review, ReviewConnection, ReviewEdge);

#[Object]
impl Review {
    pub(super) async fn id(&self) -> &ID {
        &self.id
    }

    async fn product(&self) -> Option<Product> {
        Some(Product {
            id: ID(self.review.product_id.clone()),
        })
    }

    async fn author(&self) -> Option<User> {
        Some(User {
            id: ID(self.review.user_id.clone()),
        })
    }

    /// 1 to 5.
    async fn rating(&self) -> i32 {
        self.review.rating
    }

    async fn title(&self) -> Option<&str> {
        self.review.title.as_deref()
    }

    /// Plain text.
    async fn body(&self) -> &str {
        &self.review.body
    }

    /// The author bought the product (from `orders.paid` events).
    async fn verified_purchase(&self) -> bool {
        self.review.is_verified
    }

    async fn created_at(&self) -> DateTime {
        self.review.created_at.into()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ReviewSort {
    Newest,
    RatingDesc,
    RatingAsc,
}

impl From<ReviewSort> for ReviewOrder {
    fn from(sort: ReviewSort) -> ReviewOrder {
        match sort {
            ReviewSort::Newest => ReviewOrder::Newest,
            ReviewSort::RatingDesc => ReviewOrder::RatingDescending,
            ReviewSort::RatingAsc => ReviewOrder::RatingAscending,
        }
    }
}
