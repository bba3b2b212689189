//! What is loaded in batches, and given for a moment to all who look at the same.

use crate::domain::category::Category;
use crate::domain::listing::{ProductFilter, ProductOrder};
use crate::domain::product::{Price, PriceRange, Product, Stock, Variant};
use crate::store::{Store, StoreError};

use async_graphql::Context;
use service::auth::ViewerExt;
use service::graphql::do_not_share;
use service::loader::{LoadError, Loader};
use service::money::Currency;
use service::paging::{Page, PageArgs};
use service::recent::Recent;
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

/// Most rows of one loader that are kept, and entries of filters in their keys, some 2 kB each: no more products are looked at in a
/// moment.
const KEPT_MAX: u64 = 2_000;

/// A clone for each request.
#[derive(Clone)]
pub(super) struct Loaders {
    pub(super) products: RecentLoader<String, Product>,
    pub(super) products_by_slug: RecentLoader<String, Product>,
    pub(super) price_ranges: RecentLoader<(String, Currency), PriceRange>,
    pub(super) variants: RecentLoader<String, Variant>,
    pub(super) variants_by_sku: RecentLoader<String, Variant>,
    /// Never old: what sells changes it.
    pub(super) stocks: Loader<String, Stock>,
    /// All active variants of a product.
    pub(super) variants_of: RecentLoader<String, Vec<Variant>>,
    pub(super) variants_below: RecentLoader<(String, PageArgs), Page<Variant>>,
    pub(super) variant_counts: RecentLoader<String, u64>,
    pub(super) prices: RecentLoader<(String, Currency), Price>,
    pub(super) categories: RecentLoader<String, Category>,
    pub(super) child_categories: RecentLoader<String, Vec<Category>>,
    pub(super) ancestor_categories: RecentLoader<String, Vec<Category>>,
    pub(super) categories_of: RecentLoader<String, Vec<Category>>,
    pub(super) products_below: RecentLoader<(String, ListRequest), Page<Product>>,
    pub(super) product_counts_below: RecentLoader<(String, Arc<ProductFilter>), u64>,
}

/// What a list of products was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ListRequest {
    pub(super) filter: Arc<ProductFilter>,
    pub(super) order: ProductOrder,
    pub(super) args: PageArgs,
}

/// Loads in batches, and gives shoppers what was loaded a moment ago.
///
/// Keys must be short: they are kept too, also those that name nothing.
#[derive(Clone)]
pub(super) struct RecentLoader<K: Key, V: Loaded> {
    loader: Loader<K, V>,
    recent: Arc<Recent<K, Option<V>>>,
}

impl<K: Key, V: Loaded> RecentLoader<K, V> {
    /// The value of `key`, or `None` when there is none; as it is now for those who write the catalogue.
    pub(super) async fn load(&self, context: &Context<'_>, key: K) -> Result<Option<V>, LoadError> {
        if context.viewer().scopes.contains("products:write") {
            return self.loader.load(key).await;
        }
        let loaded = self.recent.get(&key, self.loader.load(key.clone())).await;
        if loaded.is_err() {
            // An entity that could not be read is answered as if it were unknown.
            do_not_share(context);
        }
        loaded
    }
}

impl Loaders {
    pub(super) fn new(store: &Store) -> Loaders {
        Loaders {
            products: single(store, |store, ids| async move { store.products(ids).await }),
            products_by_slug: single(store, |store, slugs| async move { store.products_by_slug(slugs).await }),
            price_ranges: single(store, |store, keys| async move { store.price_ranges(keys).await }),
            variants: single(store, |store, ids| async move { store.variants(ids).await }),
            variants_by_sku: single(store, |store, skus| async move { store.variants_by_sku(skus).await }),
            stocks: loader(store, |store, ids| async move { store.stocks(ids).await }),
            variants_of: list(store, |store, ids| async move { store.variants_of(ids).await }),
            variants_below: recent(store, |_, page| page_rows(page), variants_below),
            variant_counts: single(store, |store, ids| async move { store.variant_counts(ids).await }),
            prices: single(store, |store, keys| async move { store.prices(keys).await }),
            categories: single(store, |store, ids| async move { store.categories(ids).await }),
            child_categories: list(store, |store, ids| async move { store.child_categories(ids).await }),
            ancestor_categories: list(store, |store, ids| async move { store.ancestor_categories(ids).await }),
            categories_of: list(store, |store, ids| async move { store.categories_of(ids).await }),
            products_below: recent(
                store,
                |(_, list), page| list.filter.entries() + page_rows(page),
                products_below,
            ),
            product_counts_below: recent(store, |(_, filter), _| 1 + filter.entries(), product_counts_below),
        }
    }
}

/// What is asked for.
pub(super) trait Key: Eq + Hash + Clone + Debug + Send + Sync + 'static {}

impl<K: Eq + Hash + Clone + Debug + Send + Sync + 'static> Key for K {}

/// What is found.
pub(super) trait Loaded: Clone + Send + Sync + 'static {}

impl<V: Clone + Send + Sync + 'static> Loaded for V {}

/// Loads batches of keys from the store.
trait Load<K, V>: Fn(Store, Vec<K>) -> Self::Loading + Clone + Send + Sync + 'static {
    type Loading: Future<Output = Result<HashMap<K, V>, StoreError>> + Send + 'static;
}

impl<K, V, F, Fut> Load<K, V> for F
where
    F: Fn(Store, Vec<K>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<HashMap<K, V>, StoreError>> + Send + 'static,
{
    type Loading = Fut;
}

/// A loader whose batches `load` from the store.
fn loader<K: Key, V: Loaded>(store: &Store, load: impl Load<K, V>) -> Loader<K, V> {
    let store = store.clone();
    Loader::new(move |keys| load(store.clone(), keys))
}

/// The same with what was loaded a moment ago, in which a value counts as so many `rows`.
fn recent<K: Key, V: Loaded>(
    store: &Store,
    rows: fn(&K, &Option<V>) -> usize,
    load: impl Load<K, V>,
) -> RecentLoader<K, V> {
    RecentLoader {
        loader: loader(store, load),
        recent: Arc::new(store.recent(KEPT_MAX, rows)),
    }
}

fn single<K: Key, V: Loaded>(store: &Store, load: impl Load<K, V>) -> RecentLoader<K, V> {
    recent(store, |_, _| 1, load)
}

fn list<K: Key, V: Loaded>(store: &Store, load: impl Load<K, Vec<V>>) -> RecentLoader<K, Vec<V>> {
    recent(store, |_, list| list.as_ref().map_or(1, Vec::len), load)
}

fn page_rows<V>(page: &Option<Page<V>>) -> usize {
    page.as_ref().map_or(1, |page| page.rows.len())
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
