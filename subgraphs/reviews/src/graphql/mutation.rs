//! `Mutation`, and what it answers.

use super::loaders::Loaders;
use super::review::Review;
use crate::config::ReviewsConfig;
use crate::domain::{NewReview, Problem, ProblemCode};
use crate::store::{Store, StoreError};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use service::auth::{RequireUser, ViewerExt};
use service::graphql::{UNAUTHENTICATED, error};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ProblemCode")]
pub enum ReviewErrorCode {
    NotFound,
    Required,
    RatingOutOfRange,
    TitleTooLong,
    BodyTooLong,
    Invalid,
    AlreadyReviewed,
    NotPurchased,
    ReviewLimit,
}

service::user_error!(ReviewUserError, ReviewErrorCode);

impl From<Problem> for ReviewUserError {
    fn from(problem: Problem) -> ReviewUserError {
        let error = ReviewUserError::new(problem.code.into(), problem.message);
        match problem.field {
            "" => error,
            field => error.at(["input", field]),
        }
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    /// One for each person and product. Needs somebody who is signed in.
    #[graphql(guard = "RequireUser")]
    async fn review_create(&self, context: &Context<'_>, input: ReviewCreateInput) -> Result<ReviewPayload> {
        let new = NewReview {
            product_id: input.product_id.0,
            user_id: context.viewer().require_user()?.to_owned(),
            rating: input.rating,
            title: input.title,
            body: input.body,
        };
        let require_purchase = context.data::<ReviewsConfig>()?.require_purchase;
        let created = match new.check() {
            Ok(new) => match context.data::<Store>()?.create(new, require_purchase).await {
                Err(StoreError::Erased) => return Err(error(UNAUTHENTICATED, "this account was deleted")),
                created => created?.map_err(|problem| vec![problem]),
            },
            Err(problems) => Err(problems),
        };
        Ok(match created {
            Ok(id) => {
                let review = context.data::<Loaders>()?.reviews.load(id).await?;
                ReviewPayload {
                    review: review.map(Review::from),
                    user_errors: Vec::new(),
                }
            }
            Err(problems) => {
                let user_errors = problems.into_iter().map(ReviewUserError::from).collect();
                ReviewPayload {
                    review: None,
                    user_errors,
                }
            }
        })
    }

    /// One's own; anybody's with `reviews:write`.
    #[graphql(guard = "RequireUser")]
    async fn review_delete(&self, context: &Context<'_>, id: ID) -> Result<ReviewDeletePayload> {
        let viewer = context.viewer();
        let author = if viewer.scopes.contains("reviews:write") {
            None
        } else {
            Some(viewer.require_user()?)
        };
        if service::id::is("rev", &id) && context.data::<Store>()?.delete(&id, author).await? {
            return Ok(ReviewDeletePayload {
                deleted_review_id: Some(id),
                user_errors: Vec::new(),
            });
        }
        // Somebody else's review answers the same, although reviews are public: one rule for all that is not one's own.
        let error = ReviewUserError::new(ReviewErrorCode::NotFound, "You have no review with this id.").at(["id"]);
        Ok(ReviewDeletePayload {
            deleted_review_id: None,
            user_errors: vec![error],
        })
    }
}

#[derive(Clone, Debug, InputObject)]
pub struct ReviewCreateInput {
    product_id: ID,
    rating: i32,
    title: Option<String>,
    body: String,
}

#[derive(SimpleObject)]
pub struct ReviewPayload {
    review: Option<Review>,
    user_errors: Vec<ReviewUserError>,
}

#[derive(SimpleObject)]
pub struct ReviewDeletePayload {
    deleted_review_id: Option<ID>,
    user_errors: Vec<ReviewUserError>,
}
