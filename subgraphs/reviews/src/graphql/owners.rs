//! `Product` and `User`, which other subgraphs own: the fields that reviews adds to them.

use super::loaders::{ListRequest, Loaders};
use super::review::{Review, ReviewConnection, ReviewSort};
use crate::domain;
use crate::store::Owner;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use service::graphql::{BAD_USER_INPUT, error, wants_total_count};
use service::paging::{Page, PageArgs, RawPageArgs};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Rows of a list when the client names no number, and at most.
const FIRST_DEFAULT: u32 = 10;
const FIRST_MAX: u32 = 100;

pub struct Product {
    pub(super) id: ID,
}

#[Object]
impl Product {
    async fn id(&self) -> &ID {
        &self.id
    }

    async fn rating(&self, context: &Context<'_>) -> Result<Option<RatingSummary>> {
        let summary = context.data::<Loaders>()?.ratings.load(self.id.0.clone()).await?;
        Ok(Some(summary.unwrap_or_default().into()))
    }

    async fn reviews(
        &self,
        context: &Context<'_>,
        #[graphql(default_with = "Some(10)")] first: Option<i32>,
        after: Option<String>,
        #[graphql(default_with = "Some(ReviewSort::Newest)")] sort: Option<ReviewSort>,
    ) -> Result<Option<ReviewConnection>> {
        let list = List {
            owner: Owner::Product,
            id: &self.id,
            sort: sort.unwrap_or(ReviewSort::Newest),
        };
        list.load(context, first, after).await.map(Some)
    }
}

pub struct User {
    pub(super) id: ID,
}

#[Object]
impl User {
    async fn id(&self) -> &ID {
        &self.id
    }

    async fn reviews(
        &self,
        context: &Context<'_>,
        #[graphql(default_with = "Some(10)")] first: Option<i32>,
        after: Option<String>,
    ) -> Result<Option<ReviewConnection>> {
        let list = List {
            owner: Owner::User,
            id: &self.id,
            sort: ReviewSort::Newest,
        };
        list.load(context, first, after).await.map(Some)
    }
}

/// Different lists in one request, of whichever products and users: each is a statement, and others wait meanwhile.
const LISTS_MAX: usize = 20;

/// The lists that a request has asked for. In its data.
#[derive(Default)]
pub(super) struct ListsAsked(Mutex<HashSet<ListRequest>>);

impl ListsAsked {
    fn note(&self, request: &ListRequest) -> Result<()> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.contains(request) {
            return Ok(());
        }
        if asked.len() == LISTS_MAX {
            let message = format!("a request may ask for {LISTS_MAX} different lists of reviews; ask for others later");
            return Err(error(BAD_USER_INPUT, message));
        }
        asked.insert(request.clone());
        Ok(())
    }
}

struct List<'a> {
    owner: Owner,
    id: &'a ID,
    sort: ReviewSort,
}

impl List<'_> {
    async fn load(&self, context: &Context<'_>, first: Option<i32>, after: Option<String>) -> Result<ReviewConnection> {
        let raw = RawPageArgs {
            first,
            after,
            ..RawPageArgs::default()
        };
        let args = PageArgs::parse_with(raw, FIRST_DEFAULT, FIRST_MAX)?;
        let request = ListRequest {
            owner: self.owner,
            order: self.sort.into(),
            args,
        };
        context.data::<ListsAsked>()?.note(&request)?;
        let loaders = context.data::<Loaders>()?;
        let page = loaders.reviews_of.load((self.id.0.clone(), request)).await?;
        let mut page = page.unwrap_or_else(Page::empty);
        if wants_total_count(context) {
            page.total = Some(
                loaders
                    .review_counts
                    .load((self.id.0.clone(), self.owner))
                    .await?
                    .unwrap_or_default(),
            );
        }
        Ok(page.map(Review::from).into())
    }
}

#[derive(SimpleObject)]
pub struct RatingSummary {
    /// Null without reviews.
    average: Option<f64>,
    count: i32,
    /// Number of reviews with one star, two stars, and so on: five numbers.
    histogram: Vec<i32>,
}

impl From<domain::RatingSummary> for RatingSummary {
    fn from(summary: domain::RatingSummary) -> RatingSummary {
        RatingSummary {
            average: summary.average(),
            count: summary.count(),
            histogram: summary.histogram.to_vec(),
        }
    }
}
