//! What is loaded in batches.

use crate::domain::{RatingSummary, Review, ReviewOrder};
use crate::store::{Owner, Store, StoreError};
use service::loader::Loader;
use service::paging::{Page, PageArgs};
use std::collections::HashMap;

/// A clone for each request.
#[derive(Clone)]
pub(super) struct Loaders {
    pub(super) reviews: Loader<String, Review>,
    pub(super) reviews_of: Loader<(String, ListRequest), Page<Review>>,
    pub(super) review_counts: Loader<(String, Owner), u64>,
    pub(super) ratings: Loader<String, RatingSummary>,
}

/// What a list of reviews was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ListRequest {
    pub(super) owner: Owner,
    pub(super) order: ReviewOrder,
    pub(super) args: PageArgs,
}

impl Loaders {
    pub(super) fn new(store: &Store) -> Loaders {
        let (reviews, lists, counts, ratings) = (store.clone(), store.clone(), store.clone(), store.clone());
        Loaders {
            reviews: Loader::new(move |ids| {
                let store = reviews.clone();
                async move { store.reviews(ids).await }
            }),
            reviews_of: Loader::new(move |keys| reviews_of(lists.clone(), keys)),
            review_counts: Loader::new(move |keys| review_counts(counts.clone(), keys)),
            ratings: Loader::new(move |ids| {
                let store = ratings.clone();
                async move { store.ratings(ids).await }
            }),
        }
    }
}

/// One statement for each set of arguments that the batch has.
async fn reviews_of(
    store: Store,
    keys: Vec<(String, ListRequest)>,
) -> Result<HashMap<(String, ListRequest), Page<Review>>, StoreError> {
    let mut groups: HashMap<ListRequest, Vec<String>> = HashMap::new();
    for (id, request) in keys {
        groups.entry(request).or_default().push(id);
    }
    let mut pages = HashMap::new();
    for (request, ids) in groups {
        let found = store
            .reviews_of(request.owner, ids, request.order, &request.args)
            .await?;
        pages.extend(found.into_iter().map(|(id, page)| ((id, request.clone()), page)));
    }
    Ok(pages)
}

async fn review_counts(store: Store, keys: Vec<(String, Owner)>) -> Result<HashMap<(String, Owner), u64>, StoreError> {
    let mut counts = HashMap::new();
    for owner in [Owner::Product, Owner::User] {
        let ids: Vec<String> = keys
            .iter()
            .filter(|key| key.1 == owner)
            .map(|key| key.0.clone())
            .collect();
        if !ids.is_empty() {
            let found = store.review_counts(owner, ids).await?;
            counts.extend(found.into_iter().map(|(id, count)| ((id, owner), count)));
        }
    }
    Ok(counts)
}
