//! Lists of products, with facets beside the page.

use super::inputs::ProductSort;
use super::loaders::{ListRequest, Loaders};
use super::product::Product;
use crate::domain::listing::{self, ProductFilter, ProductOrder, TOTAL_MAX};
use crate::store::Store;
use async_graphql::{Context, Enum, Object, Result, SimpleObject, Value};
use service::graphql::{Plain, PlainObject};
use service::paging::{Page, PageArgs};
use service::scalars::PageInfo;
use std::sync::Arc;

/// A page of products. Totals and facets are computed only when they are asked for.
pub struct ProductConnection {
    edges: Vec<ProductEdge>,
    page_info: PageInfo,
    filter: Arc<ProductFilter>,
    /// The category whose list it is.
    below: Option<String>,
}

impl ProductConnection {
    /// A page of all products that match.
    pub(super) async fn list(
        context: &Context<'_>,
        filter: ProductFilter,
        sort: Option<ProductSort>,
        args: PageArgs,
    ) -> Result<ProductConnection> {
        let order = order(sort);
        let args = args.of_order(order.name(&filter))?;
        let filter = Arc::new(filter);
        let page = context.data::<Store>()?.recent_products(&filter, order, &args).await?;
        Ok(ProductConnection::new(Page::clone(&page), filter, None))
    }

    /// A page of the products of a category, batched with those of other categories.
    pub(super) async fn below(
        context: &Context<'_>,
        category_id: String,
        filter: ProductFilter,
        sort: Option<ProductSort>,
        args: PageArgs,
    ) -> Result<ProductConnection> {
        let order = order(sort);
        let args = args.of_order(order.name(&filter))?;
        let filter = Arc::new(filter);
        let request = ListRequest {
            filter: Arc::clone(&filter),
            order,
            args,
        };
        let page = context
            .data::<Loaders>()?
            .products_below
            .load(context, (category_id.clone(), request))
            .await?;
        Ok(ProductConnection::new(
            page.unwrap_or_else(Page::empty),
            filter,
            Some(category_id),
        ))
    }

    fn new(
        page: Page<crate::domain::product::Product>,
        filter: Arc<ProductFilter>,
        below: Option<String>,
    ) -> ProductConnection {
        let page_info = PageInfo {
            has_next_page: page.has_next,
            has_previous_page: page.has_previous,
            start_cursor: page.rows.first().map(|(cursor, _)| cursor.encode()),
            end_cursor: page.rows.last().map(|(cursor, _)| cursor.encode()),
        };
        let edge = |(cursor, product): (service::paging::Cursor, _)| ProductEdge {
            cursor: cursor.encode(),
            node: Product::from(product),
        };
        ProductConnection {
            edges: page.rows.into_iter().map(edge).collect(),
            page_info,
            filter,
            below,
        }
    }
}

fn order(sort: Option<ProductSort>) -> ProductOrder {
    sort.unwrap_or(ProductSort::Relevance).into()
}

#[Object]
impl ProductConnection {
    async fn edges(&self) -> &[ProductEdge] {
        &self.edges
    }

    async fn nodes(&self) -> Vec<&Product> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }

    /// Exact up to 10 000, else null.
    async fn total_count(&self, context: &Context<'_>) -> Result<Option<i32>> {
        let total = match &self.below {
            None => context.data::<Store>()?.recent_total(&self.filter).await?,
            Some(category_id) => {
                let key = (category_id.clone(), Arc::clone(&self.filter));
                let total = context
                    .data::<Loaders>()?
                    .product_counts_below
                    .load(context, key)
                    .await?
                    .unwrap_or_default();
                Some(total).filter(|total| *total <= TOTAL_MAX)
            }
        };
        Ok(total.and_then(|total| i32::try_from(total).ok()))
    }

    async fn facets(&self, context: &Context<'_>) -> Result<Vec<Facet>> {
        let mut filter = ProductFilter::clone(&self.filter);
        filter.within_category_id.clone_from(&self.below);
        let facets = context.data::<Store>()?.recent_facets(&Arc::new(filter)).await?;
        Ok(facets.iter().cloned().map(Facet::from).collect())
    }
}

#[derive(SimpleObject)]
pub struct ProductEdge {
    cursor: String,
    node: Product,
}

/// Counts for one filter, over the matches of all the others.
#[derive(SimpleObject)]
pub struct Facet {
    /// Which part of `ProductFilter` the values go into.
    kind: FacetKind,
    name: String,
    values: Vec<Plain<FacetValue>>,
}

/// Parts of `ProductFilter`: `categoryIds`, `available`, `options`, `attributes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "listing::FacetKind")]
pub enum FacetKind {
    Category,
    Availability,
    Option,
    Attribute,
}

#[derive(SimpleObject)]
pub struct FacetValue {
    value: String,
    label: String,
    count: i32,
    selected: bool,
}

impl PlainObject for FacetValue {
    fn value(&self, field: &str) -> Option<Value> {
        Some(match field {
            "value" => self.value.as_str().into(),
            "label" => self.label.as_str().into(),
            "count" => self.count.into(),
            "selected" => self.selected.into(),
            _ => return None,
        })
    }
}

impl From<listing::Facet> for Facet {
    fn from(facet: listing::Facet) -> Facet {
        let value = |listing::FacetValue {
                         value,
                         label,
                         count,
                         selected,
                     }| FacetValue {
            value,
            label,
            count: i32::try_from(count).unwrap_or(i32::MAX),
            selected,
        };
        Facet {
            kind: facet.kind.into(),
            name: facet.name,
            values: facet.values.into_iter().map(value).map(Plain).collect(),
        }
    }
}
