//! Reading variants.

use super::{Result, Store, from_json};
use crate::domain::product::{Dimensions, Price, ProductStatus, Variant};
use crate::entity::{price, product, variant};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, Iterable, QueryResult};
use service::database::OneOf as _;
use service::money::{Amount, Currency};
use service::paging::{Cursor, Keyset, PAGE_PARENT, Page, PageArgs};
use std::collections::HashMap;

/// A variant with its product, and its price in the main currency.
#[derive(Debug, FromQueryResult)]
struct VariantRow {
    id: String,
    product_id: String,
    position: i32,
    sku: String,
    title: String,
    barcode: Option<String>,
    weight_grams: Option<i32>,
    length_mm: Option<i32>,
    width_mm: Option<i32>,
    height_mm: Option<i32>,
    tax_class: String,
    options: String,
    is_active: bool,
    product_title: String,
    product_status: String,
    product_media: String,
    amount_minor: Option<i64>,
    compare_at_minor: Option<i64>,
}

impl VariantRow {
    fn into_variant(self, currency: Currency) -> Result<Variant> {
        let dimensions = match (self.length_mm, self.width_mm, self.height_mm) {
            (Some(length_mm), Some(width_mm), Some(height_mm)) => Some(Dimensions {
                length_mm,
                width_mm,
                height_mm,
            }),
            _ => None,
        };
        let amount = |minor| Amount::new(minor, currency);
        Ok(Variant {
            media: from_json("media", &self.product_id, &self.product_media)?,
            options: from_json("options", &self.id, &self.options)?,
            // A variant without options is called like its product.
            title: if self.title.is_empty() {
                self.product_title.clone()
            } else {
                self.title
            },
            id: self.id,
            product_id: self.product_id,
            product_title: self.product_title,
            product_status: ProductStatus::from_stored(&self.product_status),
            position: self.position,
            sku: self.sku,
            is_active: self.is_active,
            price: Price {
                amount: amount(self.amount_minor.unwrap_or_default()),
                compare_at: self.compare_at_minor.map(amount),
            },
            barcode: self.barcode,
            weight_grams: self.weight_grams,
            dimensions,
            tax_class: self.tax_class,
        })
    }
}

impl Store {
    /// Variants by id, also those that were taken out of their product; unknown ids are missing.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn variants(&self, ids: Vec<String>) -> Result<HashMap<String, Variant>> {
        let variants = self.variants_where(variant::Column::Id.is_one_of(ids)).await?;
        Ok(variants
            .into_iter()
            .map(|variant| (variant.id.clone(), variant))
            .collect())
    }

    /// Variants by SKU; unknown ones are missing.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn variants_by_sku(&self, skus: Vec<String>) -> Result<HashMap<String, Variant>> {
        let variants = self.variants_where(variant::Column::Sku.is_one_of(skus)).await?;
        Ok(variants
            .into_iter()
            .map(|variant| (variant.sku.clone(), variant))
            .collect())
    }

    /// All active variants of each product, in their order.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn variants_of(&self, product_ids: Vec<String>) -> Result<HashMap<String, Vec<Variant>>> {
        let condition = variant::Column::ProductId
            .is_one_of(product_ids)
            .and(variant::Column::IsActive.eq(true));
        let mut by_product: HashMap<String, Vec<Variant>> = HashMap::new();
        for variant in self.variants_where(condition).await? {
            by_product.entry(variant.product_id.clone()).or_default().push(variant);
        }
        Ok(by_product)
    }

    /// The same page of the active variants of each product.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn variants_below(
        &self,
        product_ids: Vec<String>,
        args: &PageArgs,
    ) -> Result<HashMap<String, Page<Variant>>> {
        let mut select = self.select_variants();
        select
            .and_where(variant::Column::ProductId.is_one_of(product_ids))
            .and_where(variant::Column::IsActive.eq(true));
        let order = Keyset::new()
            .ascending_number(variant::Column::Position.into_expr())
            .ascending(variant::Column::Id.into_expr());
        let select = order.apply_below(select, variant::Column::ProductId.into_expr(), args);
        let mut by_product: HashMap<String, Vec<Variant>> = HashMap::new();
        for row in self.database.read().query_all(&select).await? {
            by_product
                .entry(row.try_get("", PAGE_PARENT)?)
                .or_default()
                .push(self.variant(&row)?);
        }
        let page = |rows| args.page(rows, |variant: &Variant| Cursor::new(&(variant.position, &variant.id)));
        Ok(by_product
            .into_iter()
            .map(|(product_id, rows)| (product_id, page(rows)))
            .collect())
    }

    /// How many active variants each product has.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn variant_counts(&self, product_ids: Vec<String>) -> Result<HashMap<String, u64>> {
        let mut select = Query::select();
        select
            .expr(variant::Column::ProductId.into_expr())
            .expr_as(variant::Column::Id.into_expr().count(), "variant_count")
            .from(variant::Entity)
            .and_where(variant::Column::ProductId.is_one_of(product_ids))
            .and_where(variant::Column::IsActive.eq(true))
            .group_by_col((variant::Entity, variant::Column::ProductId));
        let mut counts = HashMap::new();
        for row in self.database.read().query_all(&select).await? {
            let count: i64 = row.try_get("", "variant_count")?;
            counts.insert(row.try_get("", "product_id")?, u64::try_from(count).unwrap_or_default());
        }
        Ok(counts)
    }

    /// Prices in other currencies, by variant and currency.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn prices(&self, keys: Vec<(String, Currency)>) -> Result<HashMap<(String, Currency), Price>> {
        let mut any = Condition::any();
        for (variant_id, currency) in &keys {
            let is_currency = price::Column::CurrencyCode.eq(currency.code());
            any = any.add(price::Column::VariantId.eq(variant_id).and(is_currency));
        }
        let mut select = Query::select();
        select
            .from(price::Entity)
            .exprs(price::Column::iter().map(|column| column.into_expr()))
            .cond_where(any);
        let mut prices = HashMap::new();
        for row in self.database.read().query_all(&select).await? {
            let row = price::Model::from_query_result(&row, "")?;
            let Ok(currency) = Currency::parse(&row.currency_code) else {
                continue;
            };
            let amount = |minor| Amount::new(minor, currency);
            let price = Price {
                amount: amount(row.amount_minor),
                compare_at: row.compare_at_minor.map(amount),
            };
            prices.insert((row.variant_id, currency), price);
        }
        Ok(prices)
    }

    async fn variants_where(&self, condition: Expr) -> Result<Vec<Variant>> {
        let mut select = self.select_variants();
        select
            .and_where(condition)
            .order_by((variant::Entity, variant::Column::ProductId), Order::Asc)
            .order_by((variant::Entity, variant::Column::Position), Order::Asc)
            .order_by((variant::Entity, variant::Column::Id), Order::Asc);
        let rows = self.database.read().query_all(&select).await?;
        rows.iter().map(|row| self.variant(row)).collect()
    }

    /// A row of [`Store::select_variants`].
    pub(super) fn variant(&self, row: &QueryResult) -> Result<Variant> {
        VariantRow::from_query_result(row, "")?.into_variant(self.main_currency)
    }

    /// Variants, each with its product and its price in the main currency, if it has one (`amount_minor`).
    pub(super) fn select_variants(&self) -> SelectStatement {
        let variant_id = || (variant::Entity, variant::Column::Id);
        let is_product = product::Column::Id
            .into_expr()
            .equals((variant::Entity, variant::Column::ProductId));
        let is_price = price::Column::VariantId
            .into_expr()
            .equals(variant_id())
            .and(price::Column::CurrencyCode.eq(self.main_currency.code()));
        let mut select = Query::select();
        select
            .from(variant::Entity)
            .inner_join(product::Entity, is_product)
            .left_join(price::Entity, is_price)
            .exprs(variant::Column::iter().map(|column| column.into_expr()))
            .expr_as(product::Column::Title.into_expr(), "product_title")
            .expr_as(product::Column::Status.into_expr(), "product_status")
            .expr_as(product::Column::Media.into_expr(), "product_media")
            .expr(price::Column::AmountMinor.into_expr())
            .expr(price::Column::CompareAtMinor.into_expr());
        select
    }
}
