//! Ratings as many shoppers look at them: those of one list of products are counted once in a moment, and given to all
//! who ask for that list.

use super::{Result, Store};
use crate::domain::RatingSummary;
use service::recent::Recent;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Products in all lists together whose ratings are kept: some 100 B each.
const PRODUCTS_MAX: u64 = 100_000;

/// By the ids of the products, in order.
pub(super) type Ratings = Recent<Vec<String>, Arc<HashMap<String, RatingSummary>>>;

pub(super) fn ratings(age_max: Duration) -> Ratings {
    Recent::new(age_max, PRODUCTS_MAX, |product_ids, _| product_ids.len())
}

impl Store {
    /// [`Store::ratings`] of a moment ago.
    pub(crate) async fn recent_ratings(&self, mut product_ids: Vec<String>) -> Result<HashMap<String, RatingSummary>> {
        product_ids.sort_unstable();
        let counting = async { self.ratings(product_ids.clone()).await.map(Arc::new) };
        let recent = self.ratings.get(&product_ids, counting).await?;
        Ok(HashMap::clone(&recent))
    }
}
