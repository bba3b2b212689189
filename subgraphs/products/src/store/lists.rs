//! Lists of products as many shoppers look at them: each is made once in a moment, and given to all who ask.

use super::{Result, Store};
use crate::domain::listing::{Facet, ProductFilter, ProductOrder};
use crate::domain::product::Product;
use service::paging::{Page, PageArgs};
use service::recent::{Changes, Recent};
use std::sync::Arc;
use std::time::Duration;

/// Products on all pages together that are kept, and entries of their filters: some 2 kB each.
const PRODUCTS_MAX: u64 = 10_000;

/// Totals that are kept, and entries of their filters.
const TOTALS_MAX: u64 = 2_000;

/// Values of all facets together that are kept: some 100 B each.
const FACET_VALUES_MAX: u64 = 100_000;

/// What names a page.
type PageKey = (Arc<ProductFilter>, ProductOrder, PageArgs);

/// The lists that were made a moment ago. Who may see them is part of what names them: the filter has the statuses.
pub(super) struct Lists {
    pages: Recent<PageKey, Arc<Page<Product>>>,
    totals: Recent<Arc<ProductFilter>, Option<u64>>,
    facets: Recent<Arc<ProductFilter>, Arc<Vec<Facet>>>,
}

impl Lists {
    pub(super) fn new(age_max: Duration, changes: &Changes) -> Lists {
        Lists {
            pages: Recent::new(
                age_max,
                PRODUCTS_MAX,
                |(filter, ..): &PageKey, page: &Arc<Page<Product>>| filter.entries() + page.rows.len(),
            )
            .cleared_by(changes),
            totals: Recent::new(age_max, TOTALS_MAX, |filter: &Arc<ProductFilter>, _| {
                1 + filter.entries()
            })
            .cleared_by(changes),
            facets: Recent::new(
                age_max,
                FACET_VALUES_MAX,
                |filter: &Arc<ProductFilter>, facets: &Arc<Vec<Facet>>| {
                    let values = facets.iter().map(|facet| facet.values.len());
                    filter.entries() + values.sum::<usize>()
                },
            )
            .cleared_by(changes),
        }
    }
}

impl Store {
    /// [`Store::list_products`] of a moment ago.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn recent_products(
        &self,
        filter: &Arc<ProductFilter>,
        order: ProductOrder,
        args: &PageArgs,
    ) -> Result<Arc<Page<Product>>> {
        let key = (Arc::clone(filter), order, args.clone());
        let listing = async { self.list_products(filter, order, args).await.map(Arc::new) };
        self.lists.pages.get(&key, listing).await
    }

    /// [`Store::count_products`] of a moment ago.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn recent_total(&self, filter: &Arc<ProductFilter>) -> Result<Option<u64>> {
        self.lists.totals.get(filter, self.count_products(filter)).await
    }

    /// [`Store::facets`] of a moment ago.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn recent_facets(&self, filter: &Arc<ProductFilter>) -> Result<Arc<Vec<Facet>>> {
        let counting = async { self.facets(filter).await.map(Arc::new) };
        self.lists.facets.get(filter, counting).await
    }
}
