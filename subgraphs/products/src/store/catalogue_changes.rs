//! Changes of products and their variants.
//!
//! Each is one transaction, and ends by deriving again what is stored twice: the product's options and price ranges,
//! and its search document.

use super::search::{SearchDocument, index, unindex};
use super::{Result, Store, from_json, to_json};
use crate::domain::change::{MediaInput, ProductChange, VariantChange};
use crate::domain::problem::{Changed, Problem, ProblemCode};
use crate::domain::product::{Media, NameValue, ProductOption, ProductStatus};
use crate::domain::search::document_tokens;
use crate::domain::slug::Slug;
use crate::entity::{
    category, price, product, product_attribute, product_category, product_price, stock, variant, variant_option,
};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait, Func, OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, SqlErr,
};
use service::database::{OneOf as _, Transaction};
use service::id;
use std::collections::HashSet;

/// Most numbers that are tried behind a slug that is taken.
const SLUG_NUMBER_MAX: u32 = 100;

impl Store {
    /// Makes a product with its variants. Gives its id.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn create_product(
        &self,
        change: ProductChange,
        variants: Vec<VariantChange>,
    ) -> Result<Changed<String>> {
        let transaction = self.database.begin().await?;
        let slug = match free_slug(&transaction, &change).await? {
            Ok(slug) => slug,
            Err(problem) => return Ok(Err(vec![problem])),
        };
        let product_id = id::new("prod");
        let now = self.now_ms() / 1000 * 1000;
        let row = product::ActiveModel {
            id: Set(product_id.clone()),
            slug: Set(slug.as_str().to_owned()),
            title: Set(change.title.clone().unwrap_or_default()),
            description: Set(change.description.clone().flatten()),
            status: Set(change.status.unwrap_or(ProductStatus::Draft).as_str().to_owned()),
            attributes: Set(to_json(change.attributes.as_deref().unwrap_or_default())),
            options: Set("[]".to_owned()),
            media: Set(to_json(&media(change.media.as_deref().unwrap_or_default()))),
            created_at_ms: Set(now),
            updated_at_ms: Set(now),
        };
        let inserted = product::Entity::insert(row).exec_without_returning(&transaction).await;
        if let Some(problem) = clash(inserted, "input.slug", ProblemCode::SlugTaken)? {
            return Ok(Err(vec![problem]));
        }
        let mut problems = insert_parts(&transaction, &product_id, &change).await?;
        problems.extend(
            self.set_variants(&transaction, &product_id, ("input.variants", variants))
                .await?,
        );
        self.finish(transaction, product_id, problems).await
    }

    /// Changes fields of a product, if nobody changed it since `if_updated_at`.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn update_product(
        &self,
        product_id: &str,
        change: ProductChange,
        if_updated_at: Option<DateTime<Utc>>,
    ) -> Result<Changed<String>> {
        let transaction = self.database.begin().await?;
        let mut update = self.touch(product_id, if_updated_at);
        let texts = [
            (product::Column::Title, change.title.clone()),
            (
                product::Column::Slug,
                change.slug.as_ref().map(|slug| slug.as_str().to_owned()),
            ),
            (
                product::Column::Status,
                change.status.map(|status| status.as_str().to_owned()),
            ),
            (product::Column::Attributes, change.attributes.as_ref().map(to_json)),
            (
                product::Column::Media,
                change.media.as_ref().map(|list| to_json(&media(list))),
            ),
        ];
        for (column, value) in texts {
            if let Some(value) = value {
                update = update.col_expr(column, Expr::value(value));
            }
        }
        if let Some(description) = &change.description {
            update = update.col_expr(product::Column::Description, Expr::value(description.clone()));
        }
        let updated = update.exec(&transaction).await;
        let rows = match &updated {
            Ok(updated) => updated.rows_affected,
            Err(_) => 1,
        };
        if let Some(problem) = clash(updated, "input.slug", ProblemCode::SlugTaken)? {
            return Ok(Err(vec![problem]));
        }
        if rows == 0 {
            return Ok(Err(vec![untouched(&transaction, product_id, "id").await?]));
        }
        delete_derived(&transaction, product_id).await?;
        delete_parts(&transaction, product_id, &change).await?;
        let problems = insert_parts(&transaction, product_id, &change).await?;
        self.finish(transaction, product_id.to_owned(), problems).await
    }

    /// Makes `variants` the variants of a product, if nobody changed it since `if_updated_at`: changes, adds, and takes out
    /// those that are not named.
    ///
    /// # Errors
    /// [`StoreError`](super::StoreError).
    pub(crate) async fn replace_variants(
        &self,
        product_id: &str,
        variants: Vec<VariantChange>,
        if_updated_at: Option<DateTime<Utc>>,
    ) -> Result<Changed<String>> {
        let transaction = self.database.begin().await?;
        let touched = self.touch(product_id, if_updated_at).exec(&transaction).await?;
        if touched.rows_affected == 0 {
            return Ok(Err(vec![untouched(&transaction, product_id, "productId").await?]));
        }
        delete_derived(&transaction, product_id).await?;
        let problems = self
            .set_variants(&transaction, product_id, ("variants", variants))
            .await?;
        self.finish(transaction, product_id.to_owned(), problems).await
    }

    /// Gives a product a new version, if it has the version `if_updated_at` or none is wanted. At least a second later than the
    /// last one, since that is what clients see of it.
    fn touch(&self, product_id: &str, if_updated_at: Option<DateTime<Utc>>) -> sea_orm::UpdateMany<product::Entity> {
        let now = self.now_ms() / 1000 * 1000;
        let updated_at = || product::Column::UpdatedAtMs.into_expr();
        let next = CaseStatement::new()
            .case(updated_at().gte(now), updated_at().add(1000))
            .finally(now);
        let update = product::Entity::update_many()
            .col_expr(product::Column::UpdatedAtMs, next.into())
            .filter(product::Column::Id.eq(product_id));
        match if_updated_at {
            Some(version) => update.filter(product::Column::UpdatedAtMs.eq(version.timestamp() * 1000)),
            None => update,
        }
    }

    /// Derives what a product without it has twice and commits, unless there are problems.
    async fn finish(
        &self,
        transaction: Transaction,
        product_id: String,
        problems: Vec<Problem>,
    ) -> Result<Changed<String>> {
        if !problems.is_empty() {
            transaction.rollback().await?;
            return Ok(Err(problems));
        }
        derive(&transaction, &product_id).await?;
        self.commit_change(transaction).await?;
        Ok(Ok(product_id))
    }

    /// `(path, variants)`: where the variants stand in the arguments.
    async fn set_variants(
        &self,
        transaction: &Transaction,
        product_id: &str,
        (path, changes): (&str, Vec<VariantChange>),
    ) -> Result<Vec<Problem>> {
        let existing = variant::Entity::find()
            .filter(variant::Column::ProductId.eq(product_id))
            .all(transaction)
            .await?;
        let changes = with_rows(&existing, &changes);
        let mut problems = taken_skus(transaction, product_id, path, &changes).await?;
        problems.extend(self.unfit_variants(path, &changes));
        if !problems.is_empty() {
            return Ok(problems);
        }
        free_skus(transaction, &existing, &changes).await?;
        let mut kept = HashSet::new();
        for (position, (change, known)) in changes.iter().enumerate() {
            let written = self.write_variant(transaction, (product_id, position), change, *known);
            match written.await {
                Ok(id) => drop(kept.insert(id)),
                // The transaction is over.
                Err(error) => {
                    let clashed = clash(
                        Err::<(), _>(error),
                        &format!("{path}.{position}.sku"),
                        ProblemCode::SkuTaken,
                    )?;
                    return Ok(clashed.into_iter().collect());
                }
            }
        }
        let gone = existing
            .iter()
            .map(|row| row.id.clone())
            .filter(|id| !kept.contains(id));
        variant::Entity::update_many()
            .col_expr(variant::Column::IsActive, Expr::value(false))
            .filter(variant::Column::Id.is_in(gone))
            .exec(transaction)
            .await?;
        Ok(problems)
    }

    /// Those that name a variant which the product has not, and new ones without a price in the main currency.
    fn unfit_variants(&self, path: &str, changes: &[WithRow<'_>]) -> Vec<Problem> {
        let problem = |(position, (change, known)): (usize, &WithRow<'_>)| {
            let path = format!("{path}.{position}");
            if known.is_some() {
                return None;
            }
            if change.id.is_some() {
                let message = "The product has no variant with this id.";
                return Some(Problem::at(&format!("{path}.id"), ProblemCode::NotFound, message));
            }
            let message = format!("A new variant needs a price in {}.", self.main_currency);
            let path = format!("{path}.price.currencyCode");
            (change.price.amount.currency != self.main_currency)
                .then(|| Problem::at(&path, ProblemCode::Required, message))
        };
        changes.iter().enumerate().filter_map(problem).collect()
    }

    async fn write_variant(
        &self,
        transaction: &Transaction,
        (product_id, position): (&str, usize),
        change: &VariantChange,
        known: Option<&variant::Model>,
    ) -> std::result::Result<String, DbErr> {
        let now = self.now_ms();
        let id = known.map_or_else(|| id::new("var"), |row| row.id.clone());
        let mut row = match known {
            Some(row) => row.clone().into_active_model(),
            None => variant::ActiveModel {
                id: Set(id.clone()),
                product_id: Set(product_id.to_owned()),
                length_mm: Set(None),
                width_mm: Set(None),
                height_mm: Set(None),
                tax_class: Set("standard".to_owned()),
                created_at_ms: Set(now),
                ..Default::default()
            },
        };
        row.position = Set(i32::try_from(position).unwrap_or(i32::MAX));
        row.sku = Set(change.sku.as_str().to_owned());
        row.title = Set(change.title.clone());
        row.barcode = Set(change.barcode.clone());
        row.weight_grams = Set(change.weight_grams);
        row.options = Set(to_json(&change.options));
        row.is_active = Set(true);
        row.updated_at_ms = Set(now);
        if known.is_some() {
            variant::Entity::update(row).exec(transaction).await?;
            variant_option::Entity::delete_many()
                .filter(variant_option::Column::VariantId.eq(&id))
                .exec(transaction)
                .await?;
        } else {
            variant::Entity::insert(row).exec_without_returning(transaction).await?;
            stock::Entity::insert(empty_stock(&id, now))
                .exec_without_returning(transaction)
                .await?;
        }
        let options = change
            .options
            .iter()
            .map(|NameValue { name, value }| variant_option::ActiveModel {
                variant_id: Set(id.clone()),
                name: Set(name.clone()),
                value: Set(value.clone()),
            });
        variant_option::Entity::insert_many(options)
            .exec_without_returning(transaction)
            .await?;
        let row = price::ActiveModel {
            variant_id: Set(id.clone()),
            currency_code: Set(change.price.amount.currency.code().to_owned()),
            amount_minor: Set(change.price.amount.minor),
            compare_at_minor: Set(change.price.compare_at.map(|amount| amount.minor)),
        };
        let overwrite = OnConflict::columns([price::Column::VariantId, price::Column::CurrencyCode])
            .update_columns([price::Column::AmountMinor, price::Column::CompareAtMinor])
            .to_owned();
        price::Entity::insert(row)
            .on_conflict(overwrite)
            .exec_without_returning(transaction)
            .await?;
        Ok(id)
    }
}

/// Why [`Store::touch`] found no row.
///
/// * `path`: where the product's id stands in the arguments.
async fn untouched(transaction: &Transaction, product_id: &str, path: &str) -> Result<Problem> {
    let exists = product::Entity::find_by_id(product_id).count(transaction).await? > 0;
    let message = "The product changed since you read it: read it again.";
    Ok(if exists {
        Problem::at("ifUpdatedAt", ProblemCode::VersionConflict, message)
    } else {
        Problem::at(path, ProblemCode::NotFound, "No product has this id.")
    })
}

fn empty_stock(variant_id: &str, now: i64) -> stock::ActiveModel {
    stock::ActiveModel {
        variant_id: Set(variant_id.to_owned()),
        on_hand: Set(0),
        reserved: Set(0),
        low_stock_threshold: Set(super::stock::LOW_STOCK_THRESHOLD),
        updated_at_ms: Set(now),
    }
}

fn media(inputs: &[MediaInput]) -> Vec<Media> {
    let media = |input: &MediaInput| Media {
        id: id::new("med"),
        kind: input.kind,
        url: input.url.clone(),
        alt_text: input.alt_text.clone(),
        width: None,
        height: None,
    };
    inputs.iter().map(media).collect()
}

/// The slug of a new product: as given, or made of the title and a number.
async fn free_slug(transaction: &Transaction, change: &ProductChange) -> Result<std::result::Result<Slug, Problem>> {
    let taken = |slug: Slug| async move {
        product::Entity::find()
            .filter(product::Column::Slug.eq(slug.as_str()))
            .count(transaction)
            .await
    };
    let problem = || Problem::at("input.slug", ProblemCode::SlugTaken, "Another product has this slug.");
    if let Some(slug) = &change.slug {
        return Ok(if taken(slug.clone()).await? == 0 {
            Ok(slug.clone())
        } else {
            Err(problem())
        });
    }
    let Some(base) = &change.derived_slug else {
        return Ok(Err(problem()));
    };
    for number in 1..=SLUG_NUMBER_MAX {
        let slug = if number == 1 {
            base.clone()
        } else {
            base.numbered(number)
        };
        if taken(slug.clone()).await? == 0 {
            return Ok(Ok(slug));
        }
    }
    Ok(Err(problem()))
}

/// Turns a violated unique index (two changes at the same time) into a problem; other errors stay errors.
pub(super) fn clash<T>(
    result: std::result::Result<T, DbErr>,
    path: &str,
    code: ProblemCode,
) -> Result<Option<Problem>> {
    match result {
        Ok(_) => Ok(None),
        Err(error) => match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(Some(Problem::at(path, code, "This is taken."))),
            _ => Err(error.into()),
        },
    }
}

/// Takes away attributes and categories, where they change. Not of a new product: on MySQL a statement that finds nothing locks
/// the gap where it would be, and two that make products would wait for each other in a circle.
async fn delete_parts(transaction: &Transaction, product_id: &str, change: &ProductChange) -> Result<()> {
    if change.attributes.is_some() {
        product_attribute::Entity::delete_many()
            .filter(product_attribute::Column::ProductId.eq(product_id))
            .exec(transaction)
            .await?;
    }
    if change.category_ids.is_some() {
        product_category::Entity::delete_many()
            .filter(product_category::Column::ProductId.eq(product_id))
            .exec(transaction)
            .await?;
    }
    Ok(())
}

/// Stores attributes and categories, where they change.
async fn insert_parts(transaction: &Transaction, product_id: &str, change: &ProductChange) -> Result<Vec<Problem>> {
    if let Some(attributes) = &change.attributes {
        let rows = attributes
            .iter()
            .map(|NameValue { name, value }| product_attribute::ActiveModel {
                product_id: Set(product_id.to_owned()),
                name: Set(name.clone()),
                value: Set(value.clone()),
            });
        product_attribute::Entity::insert_many(rows)
            .exec_without_returning(transaction)
            .await?;
    }
    let Some(ids) = &change.category_ids else {
        return Ok(Vec::new());
    };
    let known = category::Entity::find()
        .filter(category::Column::Id.is_in(ids.iter().cloned()))
        .all(transaction)
        .await?;
    let unknown = ids
        .iter()
        .enumerate()
        .filter(|(_, id)| !known.iter().any(|row| row.id == **id));
    let problems: Vec<Problem> = unknown
        .map(|(position, _)| {
            Problem::at(
                &format!("input.categoryIds.{position}"),
                ProblemCode::NotFound,
                "No category has this id.",
            )
        })
        .collect();
    if problems.is_empty() {
        let rows = known.into_iter().map(|row| product_category::ActiveModel {
            product_id: Set(product_id.to_owned()),
            category_id: Set(row.id),
        });
        product_category::Entity::insert_many(rows)
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(problems)
}

/// A change of a variant, and the row that it changes; `None` for a new one.
type WithRow<'a> = (&'a VariantChange, Option<&'a variant::Model>);

/// Finds the row of each change, by its id or else by its SKU. No row is that of two, since no id occurs twice and a row that
/// is named by its id is not found by its SKU.
fn with_rows<'a>(existing: &'a [variant::Model], changes: &'a [VariantChange]) -> Vec<WithRow<'a>> {
    let named: HashSet<&str> = changes.iter().filter_map(|change| change.id.as_deref()).collect();
    let row = |change: &VariantChange| match &change.id {
        Some(id) => existing.iter().find(|row| row.id == *id),
        None => {
            let is_free = |row: &&variant::Model| !named.contains(row.id.as_str());
            existing
                .iter()
                .filter(is_free)
                .find(|row| row.sku == change.sku.as_str())
        }
    };
    changes.iter().map(|change| (change, row(change))).collect()
}

/// Lets go of the SKUs of a product's variants that others of its variants are to have, so that it does not matter which one
/// is written first. Until it has a SKU again, a variant has its id for one: ids are never SKUs, and differ.
async fn free_skus(transaction: &Transaction, existing: &[variant::Model], changes: &[WithRow<'_>]) -> Result<()> {
    let is_wanted = |row: &&variant::Model| {
        let wants = |(change, known): &WithRow<'_>| {
            change.sku.as_str() == row.sku && known.is_none_or(|known| known.id != row.id)
        };
        changes.iter().any(wants)
    };
    let wanted: Vec<&str> = existing.iter().filter(is_wanted).map(|row| row.id.as_str()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    variant::Entity::update_many()
        .col_expr(variant::Column::Sku, variant::Column::Id.into_expr())
        .filter(variant::Column::Id.is_in(wanted))
        .exec(transaction)
        .await?;
    Ok(())
}

/// SKUs that another product has.
async fn taken_skus(
    transaction: &Transaction,
    product_id: &str,
    path: &str,
    changes: &[WithRow<'_>],
) -> Result<Vec<Problem>> {
    let skus = changes.iter().map(|(change, _)| change.sku.as_str());
    let others = variant::Entity::find()
        .filter(variant::Column::Sku.is_one_of(skus))
        .filter(variant::Column::ProductId.ne(product_id))
        .all(transaction)
        .await?;
    let is_taken = |change: &VariantChange| others.iter().any(|row| row.sku == change.sku.as_str());
    let taken = changes.iter().enumerate().filter(|(_, (change, _))| is_taken(change));
    Ok(taken
        .map(|(position, _)| {
            let message = "A variant of another product has this SKU.";
            Problem::at(&format!("{path}.{position}.sku"), ProblemCode::SkuTaken, message)
        })
        .collect())
}

/// Takes away what is stored twice of a product; not of a new one, see [`delete_parts`].
async fn delete_derived(transaction: &Transaction, product_id: &str) -> Result<()> {
    product_price::Entity::delete_many()
        .filter(product_price::Column::ProductId.eq(product_id))
        .exec(transaction)
        .await?;
    unindex(transaction, product_id).await
}

/// Derives what is stored twice from the rows of a product that has none of it.
async fn derive(transaction: &Transaction, product_id: &str) -> Result<()> {
    let variants = variant::Entity::find()
        .filter(variant::Column::ProductId.eq(product_id))
        .filter(variant::Column::IsActive.eq(true))
        .order_by_asc(variant::Column::Position)
        .all(transaction)
        .await?;
    let mut options: Vec<Vec<NameValue>> = Vec::new();
    for variant in &variants {
        options.push(from_json("options", &variant.id, &variant.options)?);
    }
    let product_options = ProductOption::collect(options.iter().map(Vec::as_slice));
    product::Entity::update_many()
        .col_expr(product::Column::Options, Expr::value(to_json(&product_options)))
        .filter(product::Column::Id.eq(product_id))
        .exec(transaction)
        .await?;
    derive_price_ranges(transaction, product_id).await?;
    let Some(product) = product::Entity::find_by_id(product_id).one(transaction).await? else {
        return Ok(());
    };
    let attributes: Vec<NameValue> = from_json("attributes", product_id, &product.attributes)?;
    let skus = variants.iter().map(|variant| variant.sku.as_str());
    let document = search_document(
        &product.title,
        product.description.as_deref(),
        &attributes,
        &product_options,
        skus,
    );
    index(transaction, product_id, document).await
}

/// What can be found of a product: title, description, attributes, options and SKUs.
pub(super) fn search_document<'a>(
    title: &'a str,
    description: Option<&'a str>,
    attributes: &'a [NameValue],
    options: &'a [ProductOption],
    skus: impl Iterator<Item = &'a str>,
) -> SearchDocument {
    let attributes = attributes.iter().map(|attribute| attribute.value.as_str());
    let options = options
        .iter()
        .flat_map(|option| option.values.iter().map(String::as_str));
    SearchDocument {
        title_tokens: document_tokens([title]),
        body_tokens: document_tokens(description.into_iter().chain(attributes).chain(options).chain(skus)),
    }
}

async fn derive_price_ranges(transaction: &Transaction, product_id: &str) -> Result<()> {
    let mut ranges = Query::select();
    ranges
        .expr(variant::Column::ProductId.into_expr())
        .expr(price::Column::CurrencyCode.into_expr())
        .expr(Func::min(price::Column::AmountMinor.into_expr()))
        .expr(Func::max(price::Column::AmountMinor.into_expr()))
        .from(price::Entity)
        .inner_join(
            variant::Entity,
            variant::Column::Id
                .into_expr()
                .equals((price::Entity, price::Column::VariantId)),
        )
        .and_where(variant::Column::ProductId.eq(product_id))
        .and_where(variant::Column::IsActive.eq(true))
        .add_group_by([
            variant::Column::ProductId.into_expr(),
            price::Column::CurrencyCode.into_expr(),
        ]);
    let mut insert = Query::insert();
    insert.into_table(product_price::Entity).columns([
        product_price::Column::ProductId,
        product_price::Column::CurrencyCode,
        product_price::Column::MinMinor,
        product_price::Column::MaxMinor,
    ]);
    insert.select_from(ranges).expect("as many columns as expressions");
    transaction.execute(&insert).await?;
    Ok(())
}
