//! Lists of products: filter, order, pages, totals and facets.

use super::products::{ProductRow, active_variants, available_variants, has_stock, has_units};
use super::{Result, Store};
use crate::domain::listing::{
    Facet, FacetKind, FacetValue, PriceBounds, ProductFilter, ProductOrder, TOTAL_MAX, ValueFilter,
};
use crate::domain::product::{Product, ProductStatus};
use crate::entity::{
    category, category_ancestor, price, product, product_attribute, product_category, product_price, stock, variant,
    variant_option,
};
use sea_orm::sea_query::{Alias, Asterisk, Condition, Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, QueryResult};
use service::paging::{Cursor, Keyset, PAGE_PARENT, Page, PageArgs};
use std::collections::HashMap;

/// Most values of one facet, and most rows that are read to make the facets of one kind: those of most products.
const FACET_VALUES_MAX: usize = 50;
const FACET_ROWS_MAX: u64 = 2_000;
const PRODUCT_COUNT: &str = "product_count";

/// The joined search result, the joined price to sort by, and the column of the sort key.
const HIT: &str = "hit";
const SORT_PRICE: &str = "sort_price";
const SORT_KEY: &str = "sort_key";

impl Store {
    /// A page of the products that match `filter`. Cursors of the page begin with the order's name; those of `args` are without
    /// it, see [`PageArgs::of_order`].
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn list_products(
        &self,
        filter: &ProductFilter,
        order: ProductOrder,
        args: &PageArgs,
    ) -> Result<Page<Product>> {
        let listing = Listing { store: self, filter };
        let (mut select, keyset) = listing.select(order);
        keyset.apply_to(&mut select, args);
        let rows = self.database.read().query_all(&select).await?;
        listing.page(&rows, order, args)
    }

    /// The same page of the products of each category (and of what is below it, if the filter says so).
    ///
    /// `filter.category_ids` narrows the products further.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn list_products_below(
        &self,
        category_ids: Vec<String>,
        filter: &ProductFilter,
        order: ProductOrder,
        args: &PageArgs,
    ) -> Result<HashMap<String, Page<Product>>> {
        let listing = Listing { store: self, filter };
        let (mut select, keyset) = listing.select(order);
        join_members(&mut select, category_ids, filter.include_descendants);
        let select = keyset.apply_below(select, Expr::col((Alias::new(MEMBER), Alias::new(PARENT))), args);
        let mut by_category: HashMap<String, Vec<QueryResult>> = HashMap::new();
        for row in self.database.read().query_all(&select).await? {
            by_category.entry(row.try_get("", PAGE_PARENT)?).or_default().push(row);
        }
        by_category
            .into_iter()
            .map(|(id, rows)| Ok((id, listing.page(&rows, order, args)?)))
            .collect()
    }

    /// How many products match; `None` for more than 10 000.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn count_products(&self, filter: &ProductFilter) -> Result<Option<u64>> {
        let mut matching = Query::select();
        matching
            .expr(product::Column::Id.into_expr())
            .from(product::Entity)
            .cond_where(Listing { store: self, filter }.condition(None))
            .limit(TOTAL_MAX + 1);
        let mut select = Query::select();
        select
            .expr_as(Expr::col(Asterisk).count(), "total")
            .from_subquery(matching, "matching");
        let row = self.database.read().query_one(&select).await?;
        let total: i64 = row.map_or(Ok(0), |row| row.try_get("", "total"))?;
        Ok(u64::try_from(total).ok().filter(|total| *total <= TOTAL_MAX))
    }

    /// How many products of each category match.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn count_products_below(
        &self,
        category_ids: Vec<String>,
        filter: &ProductFilter,
    ) -> Result<HashMap<String, u64>> {
        let parent = || Expr::col((Alias::new(MEMBER), Alias::new(PARENT)));
        let mut select = Query::select();
        select
            .expr_as(parent(), PARENT)
            .expr_as(product::Column::Id.into_expr().count(), "total")
            .from(product::Entity)
            .cond_where(Listing { store: self, filter }.condition(None))
            .add_group_by([parent()]);
        join_members(&mut select, category_ids, filter.include_descendants);
        let mut totals = HashMap::new();
        for row in self.database.read().query_all(&select).await? {
            let total: i64 = row.try_get("", "total")?;
            totals.insert(row.try_get("", PARENT)?, u64::try_from(total).unwrap_or_default());
        }
        Ok(totals)
    }

    /// Counts for each property, over what matches all the *other* filters: choosing another value of a property that
    /// is already chosen must not look empty.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn facets(&self, filter: &ProductFilter) -> Result<Vec<Facet>> {
        let listing = Listing { store: self, filter };
        let mut facets = vec![listing.categories().await?, listing.availability().await?];
        facets.extend(listing.values(FacetKind::Option, &filter.options).await?);
        facets.extend(listing.values(FacetKind::Attribute, &filter.attributes).await?);
        facets.retain(|facet| !facet.values.is_empty());
        Ok(facets)
    }
}

/// A product and a category that holds it, directly or below.
const MEMBER: &str = "member";
const PARENT: &str = "parent_id";

/// Joins each product to those of the categories that hold it; once, also when several paths lead there.
fn join_members(select: &mut SelectStatement, category_ids: Vec<String>, include_descendants: bool) {
    let mut members = Query::select();
    members
        .distinct()
        .expr(product_category::Column::ProductId.into_expr())
        .from(product_category::Entity);
    members
        .expr_as(category_ancestor::Column::AncestorId.into_expr(), PARENT)
        .inner_join(category_ancestor::Entity, is_below())
        .and_where(category_ancestor::Column::AncestorId.is_in(category_ids));
    if !include_descendants {
        members.and_where(category_ancestor::Column::Depth.eq(0));
    }
    let is_member = Expr::col((Alias::new(MEMBER), product_category::Column::ProductId))
        .equals((product::Entity, product::Column::Id));
    select.join_subquery(JoinType::InnerJoin, members, MEMBER, is_member);
}

/// Whether the sort key is a text; else it is a number.
fn is_title(order: ProductOrder) -> bool {
    matches!(order, ProductOrder::TitleAscending | ProductOrder::TitleDescending)
}

/// Joins a category's row in the closure of the tree to a product's category.
fn is_below() -> Expr {
    category_ancestor::Column::CategoryId
        .into_expr()
        .equals((product_category::Entity, product_category::Column::CategoryId))
}

/// A property of the filter that a facet leaves out, since it counts that property's other values.
#[derive(Clone, Copy, PartialEq)]
enum Skip<'a> {
    Categories,
    Availability,
    Value(FacetKind, &'a str),
    /// What is said of variants is stated by the caller, on a joined `variant`.
    Variants,
}

struct Listing<'a> {
    store: &'a Store,
    filter: &'a ProductFilter,
}

impl Listing<'_> {
    /// The matching products with their sort key, and the order of the list.
    fn select(&self, order: ProductOrder) -> (SelectStatement, Keyset) {
        let mut select = self.store.select_products();
        select.cond_where(self.condition(None));
        let id = product::Column::Id.into_expr();
        let (key, is_ascending) = match (order, &self.filter.search) {
            (ProductOrder::Relevance, Some(query)) => {
                let is_hit = Expr::col((Alias::new(HIT), Alias::new("product_id")))
                    .equals((product::Entity, product::Column::Id));
                select.join_subquery(JoinType::InnerJoin, self.store.scored(query), HIT, is_hit);
                (Expr::col((Alias::new(HIT), Alias::new("score"))), false)
            }
            (ProductOrder::Relevance | ProductOrder::Newest, _) => (product::Column::CreatedAtMs.into_expr(), false),
            (ProductOrder::TitleAscending, _) => (product::Column::Title.into_expr(), true),
            (ProductOrder::TitleDescending, _) => (product::Column::Title.into_expr(), false),
            (ProductOrder::PriceAscending, _) => (self.join_sort_price(&mut select), true),
            (ProductOrder::PriceDescending, _) => (self.join_sort_price(&mut select), false),
        };
        select.expr_as(key.clone(), SORT_KEY);
        let keyset = match (is_title(order), is_ascending) {
            (true, true) => Keyset::new().ascending(key).ascending(id),
            (true, false) => Keyset::new().descending(key).descending(id),
            (false, true) => Keyset::new().ascending_number(key).ascending(id),
            (false, false) => Keyset::new().descending_number(key).descending(id),
        };
        (select, keyset)
    }

    /// The lowest price in the currency of the filter, else in the main one. Products without a price in it are last
    /// when the cheapest are first.
    fn join_sort_price(&self, select: &mut SelectStatement) -> Expr {
        let currency = self
            .filter
            .price
            .map_or(self.store.main_currency, |bounds| bounds.currency);
        let column = |column: product_price::Column| Expr::col((Alias::new(SORT_PRICE), column));
        let is_price = column(product_price::Column::ProductId)
            .equals((product::Entity, product::Column::Id))
            .and(column(product_price::Column::CurrencyCode).eq(currency.code()));
        select.join_as(JoinType::LeftJoin, product_price::Entity, SORT_PRICE, is_price);
        Func::coalesce([
            column(product_price::Column::MinMinor),
            Expr::val(service::money::AMOUNT_MINOR_MAX),
        ])
        .into()
    }

    fn page(&self, rows: &[QueryResult], order: ProductOrder, args: &PageArgs) -> Result<Page<Product>> {
        let name = order.name(self.filter);
        let mut products = Vec::with_capacity(rows.len());
        for row in rows {
            let product = ProductRow::from_query_result(row, "")?;
            let cursor = if is_title(order) {
                Cursor::new(&(name, &product.title, &product.id))
            } else {
                Cursor::new(&(name, row.try_get::<i64>("", SORT_KEY)?, &product.id))
            };
            products.push((cursor, product.into_product(self.store.main_currency)?));
        }
        Ok(args
            .page(products, |(cursor, _)| cursor.clone())
            .map(|(_, product)| product))
    }

    /// What must hold of a `product`.
    fn condition(&self, skip: Option<Skip<'_>>) -> Condition {
        let filter = self.filter;
        let active = [ProductStatus::Active];
        let statuses = if filter.statuses.is_empty() {
            &active[..]
        } else {
            &filter.statuses
        };
        let mut all =
            Condition::all().add(product::Column::Status.is_in(statuses.iter().map(|status| status.as_str())));
        if let Some(query) = &filter.search {
            all = all.add(product::Column::Id.in_subquery(self.store.matching(query)));
        }
        if let Some(category_id) = &filter.within_category_id {
            all = all.add(product::Column::Id.in_subquery(self.in_categories(std::slice::from_ref(category_id))));
        }
        if !filter.category_ids.is_empty() && skip != Some(Skip::Categories) {
            all = all.add(product::Column::Id.in_subquery(self.in_categories(&filter.category_ids)));
        }
        for entry in &filter.attributes {
            if skip != Some(Skip::Value(FacetKind::Attribute, &entry.name)) {
                all = all.add(product::Column::Id.in_subquery(with_attribute(entry)));
            }
        }
        if skip != Some(Skip::Variants) {
            all = self.variants_condition(all, skip);
        }
        all
    }

    fn in_categories(&self, category_ids: &[String]) -> SelectStatement {
        let mut select = Query::select();
        select
            .expr(product_category::Column::ProductId.into_expr())
            .from(product_category::Entity)
            .inner_join(category_ancestor::Entity, is_below())
            .and_where(category_ancestor::Column::AncestorId.is_in(category_ids.iter().cloned()));
        if !self.filter.include_descendants {
            select.and_where(category_ancestor::Column::Depth.eq(0));
        }
        select
    }

    /// What must hold of the variants of a `product`.
    fn variants_condition(&self, all: Condition, skip: Option<Skip<'_>>) -> Condition {
        let available = self.filter.available.filter(|_| skip != Some(Skip::Availability));
        if available == Some(true) {
            return all.add(Expr::exists(self.matching_available(skip)));
        }
        let mut all = all;
        if !self.filter.options.is_empty() || self.filter.price.is_some() {
            let mut matching = active_variants();
            self.join_variant_tables(&mut matching, skip);
            all = all.add(Expr::exists(matching));
        }
        if available == Some(false) {
            all = all.add(Expr::not_exists(self.matching_available(skip)));
        }
        all
    }

    /// The variants of the `product` of the outer statement that have the wanted options and price, and units free: by them
    /// filter and facet alike tell what is available.
    fn matching_available(&self, skip: Option<Skip<'_>>) -> SelectStatement {
        let mut variants = available_variants();
        self.join_variant_tables(&mut variants, skip);
        variants
    }

    /// Options and price, which must hold for one and the same `variant` of `select`.
    fn join_variant_tables(&self, select: &mut SelectStatement, skip: Option<Skip<'_>>) {
        let variant_id = || (variant::Entity, variant::Column::Id);
        for entry in &self.filter.options {
            if skip != Some(Skip::Value(FacetKind::Option, &entry.name)) {
                select.and_where(variant::Column::Id.in_subquery(with_option(entry)));
            }
        }
        if let Some(PriceBounds {
            min_minor,
            max_minor,
            currency,
        }) = self.filter.price
        {
            select
                .inner_join(price::Entity, price::Column::VariantId.into_expr().equals(variant_id()))
                .and_where(price::Column::CurrencyCode.eq(currency.code()))
                .and_where_option(min_minor.map(|min| price::Column::AmountMinor.gte(min)))
                .and_where_option(max_minor.map(|max| price::Column::AmountMinor.lte(max)));
        }
    }

    async fn categories(&self) -> Result<Facet> {
        let mut select = Query::select();
        select
            .expr(category::Column::Id.into_expr())
            .expr(category::Column::Name.into_expr())
            .expr_as(
                product_category::Column::ProductId.into_expr().count_distinct(),
                PRODUCT_COUNT,
            )
            .from(product_category::Entity)
            .inner_join(category_ancestor::Entity, is_below())
            .inner_join(
                category::Entity,
                category::Column::Id
                    .into_expr()
                    .equals((category_ancestor::Entity, category_ancestor::Column::AncestorId)),
            )
            .inner_join(
                product::Entity,
                product::Column::Id
                    .into_expr()
                    .equals((product_category::Entity, product_category::Column::ProductId)),
            )
            .cond_where(self.condition(Some(Skip::Categories)))
            .add_group_by([category::Column::Id.into_expr(), category::Column::Name.into_expr()])
            .order_by(PRODUCT_COUNT, Order::Desc)
            .order_by((category::Entity, category::Column::Name), Order::Asc)
            .order_by((category::Entity, category::Column::Id), Order::Asc)
            .limit(FACET_ROWS_MAX);
        if !self.filter.include_descendants {
            select.and_where(category_ancestor::Column::Depth.eq(0));
        }
        let mut values = Vec::new();
        for row in self.store.database.read().query_all(&select).await? {
            let id: String = row.try_get("", "id")?;
            let selected = self.filter.category_ids.contains(&id);
            let (label, count) = (row.try_get("", "name")?, row.try_get("", PRODUCT_COUNT)?);
            values.push(FacetValue {
                value: id,
                label,
                count,
                selected,
            });
        }
        let is_counted = |id: &&String| values.iter().any(|value| value.value == **id);
        let rest: Vec<String> = self
            .filter
            .category_ids
            .iter()
            .filter(|id| !is_counted(id))
            .cloned()
            .collect();
        values.extend(self.chosen_in_vain(rest).await?);
        Ok(facet(FacetKind::Category, "Category", values))
    }

    /// The chosen categories without a product, so that they can be unchosen; those that do not exist are left out.
    async fn chosen_in_vain(&self, ids: Vec<String>) -> Result<Vec<FacetValue>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let categories = self.store.categories(ids).await?;
        Ok(categories
            .into_values()
            .map(|category| FacetValue {
                value: category.id,
                label: category.name,
                count: 0,
                selected: true,
            })
            .collect())
    }

    async fn availability(&self) -> Result<Facet> {
        // Aliases cannot be grouped by on every database, so the counting is done outside.
        let mut inner = Query::select();
        inner
            .expr_as(Expr::exists(self.matching_available(None)), "is_available")
            .from(product::Entity)
            .cond_where(self.condition(Some(Skip::Availability)));
        let mut select = Query::select();
        select
            .expr(Expr::col("is_available"))
            .expr_as(Expr::col(Asterisk).count(), PRODUCT_COUNT)
            .from_subquery(inner, "matching")
            .group_by_col("is_available");
        let mut counts = HashMap::new();
        for row in self.store.database.read().query_all(&select).await? {
            let is_available: bool = row.try_get("", "is_available")?;
            counts.insert(is_available, row.try_get("", PRODUCT_COUNT)?);
        }
        let value = |is_available| {
            let selected = self.filter.available == Some(is_available);
            let count = counts.get(&is_available).copied();
            Some(FacetValue {
                value: is_available.to_string(),
                label: if is_available { "In stock" } else { "Sold out" }.to_owned(),
                count: count.or(selected.then_some(0))?,
                selected,
            })
        };
        let values = [true, false].into_iter().filter_map(value).collect();
        Ok(facet(FacetKind::Availability, "Available", values))
    }

    /// One statement for all names that are not chosen, and one for each that is.
    async fn values(&self, kind: FacetKind, chosen: &[ValueFilter]) -> Result<Vec<Facet>> {
        let is_chosen = |name: &str| chosen.iter().find(|entry| entry.name == name);
        let mut counts = self.counts(kind, None).await?;
        counts.retain(|(name, ..)| is_chosen(name).is_none());
        for entry in chosen {
            let mut others = self.counts(kind, Some(&entry.name)).await?;
            for value in &entry.values {
                // So that it can be unchosen.
                if !others.iter().any(|(_, counted, _)| counted == value) {
                    others.push((entry.name.clone(), value.clone(), 0));
                }
            }
            counts.extend(others);
        }
        let mut facets: Vec<(String, Vec<FacetValue>)> = Vec::new();
        for (name, value, count) in counts {
            let selected = is_chosen(&name).is_some_and(|entry| entry.values.contains(&value));
            let value = FacetValue {
                label: value.clone(),
                value,
                count,
                selected,
            };
            match facets.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => facets.push((name, vec![value])),
            }
        }
        facets.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(facets
            .into_iter()
            .map(|(name, values)| facet(kind, &name, values))
            .collect())
    }

    /// Names, values and numbers of products; of all names, or of one whose own filter is left out.
    async fn counts(&self, kind: FacetKind, only: Option<&str>) -> Result<Vec<(String, String, i64)>> {
        let select = match kind {
            FacetKind::Option => self.select_option_counts(only),
            _ => self.select_attribute_counts(only),
        };
        let rows = self.store.database.read().query_all(&select).await?;
        let count = |row: &QueryResult| -> Result<(String, String, i64)> {
            Ok((
                row.try_get("", "name")?,
                row.try_get("", "value")?,
                row.try_get("", PRODUCT_COUNT)?,
            ))
        };
        rows.iter().map(count).collect()
    }

    fn select_attribute_counts(&self, only: Option<&str>) -> SelectStatement {
        use product_attribute::Column::{Name, ProductId, Value};
        let skip = only.map(|name| Skip::Value(FacetKind::Attribute, name));
        let mut select = Query::select();
        select
            .exprs([Name.into_expr(), Value.into_expr()])
            .expr_as(ProductId.into_expr().count(), PRODUCT_COUNT)
            .from(product_attribute::Entity)
            .inner_join(
                product::Entity,
                ProductId.into_expr().equals((product::Entity, product::Column::Id)),
            )
            .cond_where(self.condition(skip))
            .and_where_option(only.map(|name| Name.eq(name)))
            .add_group_by([Name.into_expr(), Value.into_expr()])
            .order_by(PRODUCT_COUNT, Order::Desc)
            .order_by((product_attribute::Entity, Name), Order::Asc)
            .order_by((product_attribute::Entity, Value), Order::Asc)
            .limit(FACET_ROWS_MAX);
        select
    }

    fn select_option_counts(&self, only: Option<&str>) -> SelectStatement {
        use variant_option::Column::{Name, Value, VariantId};
        let skip = only.map(|name| Skip::Value(FacetKind::Option, name));
        let mut select = Query::select();
        select
            .exprs([Name.into_expr(), Value.into_expr()])
            .expr_as(variant::Column::ProductId.into_expr().count_distinct(), PRODUCT_COUNT)
            .from(variant_option::Entity)
            .inner_join(
                variant::Entity,
                VariantId.into_expr().equals((variant::Entity, variant::Column::Id)),
            )
            .inner_join(
                product::Entity,
                variant::Column::ProductId
                    .into_expr()
                    .equals((product::Entity, product::Column::Id)),
            )
            .and_where(variant::Column::IsActive.eq(true))
            .cond_where(self.condition(Some(Skip::Variants)))
            .and_where_option(only.map(|name| Name.eq(name)))
            .add_group_by([Name.into_expr(), Value.into_expr()])
            .order_by(PRODUCT_COUNT, Order::Desc)
            .order_by((variant_option::Entity, Name), Order::Asc)
            .order_by((variant_option::Entity, Value), Order::Asc)
            .limit(FACET_ROWS_MAX);
        self.join_variant_tables(&mut select, skip);
        match self.filter.available {
            Some(true) => drop(select.inner_join(stock::Entity, has_stock()).and_where(has_units())),
            // As if the value was chosen: then none of the variants that have it may be available.
            Some(false) => {
                let mut available = self.matching_available(skip);
                available.and_where(variant::Column::Id.in_subquery(with_option_of_row()));
                select.and_where(Expr::not_exists(available));
            }
            None => {}
        }
        select
    }
}

fn with_attribute(entry: &ValueFilter) -> SelectStatement {
    use product_attribute::Column::{Name, ProductId, Value};
    let mut select = Query::select();
    select
        .expr(ProductId.into_expr())
        .from(product_attribute::Entity)
        .and_where(Name.eq(&entry.name))
        .and_where(Value.is_in(entry.values.iter().cloned()));
    select
}

fn with_option(entry: &ValueFilter) -> SelectStatement {
    use variant_option::Column::{Name, Value, VariantId};
    let mut select = Query::select();
    select
        .expr(VariantId.into_expr())
        .from(variant_option::Entity)
        .and_where(Name.eq(&entry.name))
        .and_where(Value.is_in(entry.values.iter().cloned()));
    select
}

/// The variants that have the option of the row that is counted.
fn with_option_of_row() -> SelectStatement {
    const SAME: &str = "same_option";
    use variant_option::Column::{Name, Value, VariantId};
    let is_same = |column| Expr::col((SAME, column)).equals((variant_option::Entity, column));
    let mut select = Query::select();
    select
        .expr(Expr::col((SAME, VariantId)))
        .from_as(variant_option::Entity, SAME)
        .and_where(is_same(Name))
        .and_where(is_same(Value));
    select
}

/// The most frequent values first; what is chosen is never cut off.
fn facet(kind: FacetKind, name: &str, mut values: Vec<FacetValue>) -> Facet {
    values.sort_by(|a, b| (b.count, &a.label).cmp(&(a.count, &b.label)));
    let mut kept = 0;
    values.retain(|value| {
        kept += 1;
        kept <= FACET_VALUES_MAX || value.selected
    });
    Facet {
        kind,
        name: name.to_owned(),
        values,
    }
}
