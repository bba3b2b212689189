//! Reading products.

use super::{Result, Store, from_json, time};
use crate::domain::product::{PriceRange, Product, ProductStatus};
use crate::entity::{product, product_price, stock, variant};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, Iterable};
use service::database::OneOf as _;
use service::money::Currency;
use std::collections::HashMap;

/// A product with what is computed beside it.
#[derive(Debug, FromQueryResult)]
pub(super) struct ProductRow {
    pub(super) id: String,
    slug: String,
    pub(super) title: String,
    description: Option<String>,
    status: String,
    attributes: String,
    options: String,
    media: String,
    pub(super) created_at_ms: i64,
    updated_at_ms: i64,
    min_minor: Option<i64>,
    max_minor: Option<i64>,
    is_available: bool,
}

impl ProductRow {
    pub(super) fn into_product(self, currency: Currency) -> Result<Product> {
        let status = ProductStatus::from_stored(&self.status);
        Ok(Product {
            attributes: from_json("attributes", &self.id, &self.attributes)?,
            options: from_json("options", &self.id, &self.options)?,
            media: from_json("media", &self.id, &self.media)?,
            price_range: PriceRange {
                min_minor: self.min_minor.unwrap_or_default(),
                max_minor: self.max_minor.unwrap_or_default(),
                currency,
            },
            available_for_sale: status == ProductStatus::Active && self.is_available,
            created_at: time(self.created_at_ms),
            updated_at: time(self.updated_at_ms),
            id: self.id,
            slug: self.slug,
            title: self.title,
            description: self.description,
            status,
        })
    }
}

impl Store {
    /// Products by id; unknown ids are missing.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn products(&self, ids: Vec<String>) -> Result<HashMap<String, Product>> {
        let products = self.products_where(product::Column::Id.is_one_of(ids)).await?;
        Ok(products
            .into_iter()
            .map(|product| (product.id.clone(), product))
            .collect())
    }

    /// Products by what their URLs end in; unknown ones are missing.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn products_by_slug(&self, slugs: Vec<String>) -> Result<HashMap<String, Product>> {
        let products = self.products_where(product::Column::Slug.is_one_of(slugs)).await?;
        Ok(products
            .into_iter()
            .map(|product| (product.slug.clone(), product))
            .collect())
    }

    /// Lowest and highest prices in other currencies, by product and currency.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn price_ranges(
        &self,
        keys: Vec<(String, Currency)>,
    ) -> Result<HashMap<(String, Currency), PriceRange>> {
        let mut any = Condition::any();
        for (product_id, currency) in &keys {
            let is_currency = product_price::Column::CurrencyCode.eq(currency.code());
            any = any.add(product_price::Column::ProductId.eq(product_id).and(is_currency));
        }
        let mut select = Query::select();
        select
            .from(product_price::Entity)
            .exprs(product_price::Column::iter().map(|column| column.into_expr()))
            .cond_where(any);
        let mut ranges = HashMap::new();
        for row in self.database.read().query_all(&select).await? {
            let row = product_price::Model::from_query_result(&row, "")?;
            let Ok(currency) = Currency::parse(&row.currency_code) else {
                continue;
            };
            let range = PriceRange {
                min_minor: row.min_minor,
                max_minor: row.max_minor,
                currency,
            };
            ranges.insert((row.product_id, currency), range);
        }
        Ok(ranges)
    }

    async fn products_where(&self, condition: Expr) -> Result<Vec<Product>> {
        let mut select = self.select_products();
        select.and_where(condition);
        let rows = self.database.read().query_all(&select).await?;
        rows.iter()
            .map(|row| ProductRow::from_query_result(row, "")?.into_product(self.main_currency))
            .collect()
    }

    /// The columns of [`ProductRow`], from `product` and its prices in the main currency.
    pub(super) fn select_products(&self) -> SelectStatement {
        let mut select = Query::select();
        select
            .from(product::Entity)
            .exprs(product::Column::iter().map(|column| column.into_expr()));
        let is_price = product_price::Column::ProductId
            .into_expr()
            .equals((product::Entity, product::Column::Id))
            .and(product_price::Column::CurrencyCode.eq(self.main_currency.code()));
        select
            .left_join(product_price::Entity, is_price)
            .expr(product_price::Column::MinMinor.into_expr())
            .expr(product_price::Column::MaxMinor.into_expr())
            .expr_as(Expr::exists(available_variants()), "is_available");
        select
    }
}

/// The active variants with units free, of the `product` of the outer statement.
pub(super) fn available_variants() -> SelectStatement {
    let mut select = active_variants();
    select.inner_join(stock::Entity, has_stock()).and_where(has_units());
    select
}

/// Joins its `stock` to a `variant`.
pub(super) fn has_stock() -> Expr {
    stock::Column::VariantId
        .into_expr()
        .equals((variant::Entity, variant::Column::Id))
}

/// The active variants of the `product` of the outer statement.
pub(super) fn active_variants() -> SelectStatement {
    let mut select = Query::select();
    select
        .expr(Expr::val(1))
        .from(variant::Entity)
        .and_where(
            variant::Column::ProductId
                .into_expr()
                .equals((product::Entity, product::Column::Id)),
        )
        .and_where(variant::Column::IsActive.eq(true));
    select
}

/// Whether the joined `stock` has units free.
pub(super) fn has_units() -> Expr {
    stock::Column::OnHand
        .into_expr()
        .gt(stock::Column::Reserved.into_expr())
}
