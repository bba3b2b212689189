//! What is loaded in batches.

use crate::domain::category::Category;
use crate::domain::listing::{ProductFilter, ProductOrder};
use crate::domain::product::{Price, PriceRange, Product, Variant};
use crate::store::{Store, StoreError};
use service::loader::Loader;
use service::money::Currency;
use service::paging::{Page, PageArgs};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// A clone for each request.
#[derive(Clone)]
pub(super) struct Loaders {
    pub(super) products: Loader<String, Product>,
    pub(super) products_by_slug: Loader<String, Product>,
    pub(super) price_ranges: Loader<(String, Currency), PriceRange>,
    pub(super) variants: Loader<String, Variant>,
    pub(super) variants_by_sku: Loader<String, Variant>,
    /// All active variants of a product.
    pub(super) variants_of: Loader<String, Vec<Variant>>,
    pub(super) variants_below: Loader<(String, PageArgs), Page<Variant>>,
    pub(super) variant_counts: Loader<String, u64>,
    pub(super) prices: Loader<(String, Currency), Price>,
    pub(super) categories: Loader<String, Category>,
    pub(super) child_categories: Loader<String, Vec<Category>>,
    pub(super) ancestor_categories: Loader<String, Vec<Category>>,
    pub(super) categories_of: Loader<String, Vec<Category>>,
    pub(super) products_below: Loader<(String, ListRequest), Page<Product>>,
    pub(super) product_counts_below: Loader<(String, Arc<ProductFilter>), u64>,
}

/// What a list of products was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ListRequest {
    pub(super) filter: Arc<ProductFilter>,
    pub(super) order: ProductOrder,
    pub(super) args: PageArgs,
}

impl Loaders {
    pub(super) fn new(store: &Store) -> Loaders {
        Loaders {
            products: loader(store, |store, ids| async move { store.products(ids).await }),
            products_by_slug: loader(store, |store, slugs| async move { store.products_by_slug(slugs).await }),
            price_ranges: loader(store, |store, keys| async move { store.price_ranges(keys).await }),
            variants: loader(store, |store, ids| async move { store.variants(ids).await }),
            variants_by_sku: loader(store, |store, skus| async move { store.variants_by_sku(skus).await }),
            variants_of: loader(store, |store, ids| async move { store.variants_of(ids).await }),
            variants_below: loader(store, variants_below),
            variant_counts: loader(store, |store, ids| async move { store.variant_counts(ids).await }),
            prices: loader(store, |store, keys| async move { store.prices(keys).await }),
            categories: loader(store, |store, ids| async move { store.categories(ids).await }),
            child_categories: loader(store, |store, ids| async move { store.child_categories(ids).await }),
            ancestor_categories: loader(store, |store, ids| async move { store.ancestor_categories(ids).await }),
            categories_of: loader(store, |store, ids| async move { store.categories_of(ids).await }),
            products_below: loader(store, products_below),
            product_counts_below: loader(store, product_counts_below),
        }
    }
}

/// A loader whose batches `load` from the store.
fn loader<K, V, F, Fut>(store: &Store, load: F) -> Loader<K, V>
where
    K: Eq + Hash + Clone + std::fmt::Debug + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    F: Fn(Store, Vec<K>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<HashMap<K, V>, StoreError>> + Send + 'static,
{
    let store = store.clone();
    Loader::new(move |keys| load(store.clone(), keys))
}

/// Keys of one batch by the arguments that they were asked with: each group is one statement.
fn by_arguments<A: Eq + Hash>(keys: Vec<(String, A)>) -> HashMap<A, Vec<String>> {
    let mut groups: HashMap<A, Vec<String>> = HashMap::new();
    for (id, arguments) in keys {
        groups.entry(arguments).or_default().push(id);
    }
    groups
}

async fn variants_below(
    store: Store,
    keys: Vec<(String, PageArgs)>,
) -> Result<HashMap<(String, PageArgs), Page<Variant>>, StoreError> {
    let mut pages = HashMap::new();
    for (args, ids) in by_arguments(keys) {
        let found = store.variants_below(ids, &args).await?;
        pages.extend(found.into_iter().map(|(id, page)| ((id, args.clone()), page)));
    }
    Ok(pages)
}

async fn products_below(
    store: Store,
    keys: Vec<(String, ListRequest)>,
) -> Result<HashMap<(String, ListRequest), Page<Product>>, StoreError> {
    let mut pages = HashMap::new();
    for (request, ids) in by_arguments(keys) {
        let ListRequest { filter, order, args } = &request;
        let found = store.list_products_below(ids, filter, *order, args).await?;
        pages.extend(found.into_iter().map(|(id, page)| ((id, request.clone()), page)));
    }
    Ok(pages)
}

async fn product_counts_below(
    store: Store,
    keys: Vec<(String, Arc<ProductFilter>)>,
) -> Result<HashMap<(String, Arc<ProductFilter>), u64>, StoreError> {
    let mut counts = HashMap::new();
    for (filter, ids) in by_arguments(keys) {
        let found = store.count_products_below(ids, &filter).await?;
        counts.extend(found.into_iter().map(|(id, count)| ((id, Arc::clone(&filter)), count)));
    }
    Ok(counts)
}
