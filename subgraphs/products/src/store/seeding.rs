//! Fills empty tables with the catalogue of the demo shop, and with what its orders took from the stock.

use super::catalogue_changes::search_document;
use super::search::index;
use super::stock::LOW_STOCK_THRESHOLD;
use super::{Result, to_json};
use crate::domain::product::{Media, MediaKind, NameValue, ProductOption, ProductStatus};
use crate::domain::stock::ReservationState;
use crate::entity::{
    category, category_ancestor, price, product, product_attribute, product_category, product_price, reservation,
    reservation_line, stock, variant, variant_option,
};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel, PaginatorTrait};
use service::contract::products::{ReservationReply, ReservationRequest, VariantQuantity};
use service::database::{Database, Transaction};
use service::id;
use service::seed::catalogue::{self, SeedProduct, SeedVariant};
use service::seed::opening;
use service::seed::orders::{self, SeedOrder, SeedPaymentOutcome};
use std::collections::HashMap;

/// Rows in one statement; sixteen columns stay far below every database's limit of parameters.
const ROWS_MAX: usize = 500;

/// Stores the catalogue, unless there are products.
///
/// # Errors
/// [`StoreError`](super::StoreError).
pub(crate) async fn seed(database: &Database) -> Result<()> {
    let transaction = database.begin().await?;
    if product::Entity::find().count(&transaction).await? > 0 {
        return Ok(());
    }
    insert_categories(&transaction).await?;
    insert_products(&transaction).await?;
    insert_variants(&transaction).await?;
    insert_reservations(&transaction).await?;
    for product in catalogue::products() {
        let (attributes, options) = (pairs(&product.attributes), options(product));
        let skus = product.variants.iter().map(|variant| variant.sku.as_str());
        let document = search_document(&product.title, Some(&product.description), &attributes, &options, skus);
        index(&transaction, &product.id, document).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn insert<E, A>(transaction: &Transaction, rows: Vec<A>) -> Result<()>
where
    E: EntityTrait,
    A: sea_orm::ActiveModelTrait<Entity = E>,
{
    for chunk in rows.chunks(ROWS_MAX) {
        E::insert_many(chunk.iter().cloned())
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(())
}

async fn insert_categories(transaction: &Transaction) -> Result<()> {
    let now = opening().timestamp_millis();
    let mut above: HashMap<&str, Vec<&str>> = HashMap::new();
    let (mut rows, mut closure) = (Vec::new(), Vec::new());
    for (position, seed) in catalogue::categories().iter().enumerate() {
        let parent = seed.parent_id.as_deref();
        let mut ancestors = vec![seed.id.as_str()];
        ancestors.extend(parent.and_then(|parent| above.get(parent)).into_iter().flatten());
        closure.extend(
            ancestors
                .iter()
                .enumerate()
                .map(|(depth, ancestor_id)| category_ancestor::ActiveModel {
                    category_id: Set(seed.id.clone()),
                    ancestor_id: Set((*ancestor_id).to_owned()),
                    depth: Set(int(depth)),
                }),
        );
        above.insert(&seed.id, ancestors);
        rows.push(category::ActiveModel {
            id: Set(seed.id.clone()),
            slug: Set(seed.slug.clone()),
            name: Set(seed.name.clone()),
            description: Set(seed.description.clone()),
            parent_id: Set(seed.parent_id.clone()),
            position: Set(int(position)),
            created_at_ms: Set(now),
            updated_at_ms: Set(now),
        });
    }
    insert(transaction, rows).await?;
    insert(transaction, closure).await
}

async fn insert_products(transaction: &Transaction) -> Result<()> {
    let products = || catalogue::products().iter();
    let rows = products()
        .enumerate()
        .map(|(index, seed)| product_row(index, seed).into_active_model());
    insert(transaction, rows.collect()).await?;
    let attributes = products().flat_map(|seed| {
        seed.attributes
            .iter()
            .map(|(name, value)| product_attribute::ActiveModel {
                product_id: Set(seed.id.clone()),
                name: Set(name.clone()),
                value: Set(value.clone()),
            })
    });
    insert(transaction, attributes.collect()).await?;
    let categories = products().flat_map(|seed| {
        seed.category_ids
            .iter()
            .map(|category_id| product_category::ActiveModel {
                product_id: Set(seed.id.clone()),
                category_id: Set(category_id.clone()),
            })
    });
    insert(transaction, categories.collect()).await?;
    insert(transaction, products().flat_map(price_ranges).collect()).await
}

fn product_row(index: usize, seed: &SeedProduct) -> product::Model {
    let media = Media {
        id: id::seeded("med", u64::try_from(index).unwrap_or_default()),
        kind: MediaKind::Image,
        url: format!("/media/products/{}.svg", seed.id),
        alt_text: Some(seed.title.clone()),
        width: Some(960),
        height: Some(960),
    };
    let created_at_ms = seed.created_at.timestamp_millis();
    product::Model {
        id: seed.id.clone(),
        slug: seed.slug.clone(),
        title: seed.title.clone(),
        description: Some(seed.description.clone()),
        status: ProductStatus::Active.as_str().to_owned(),
        attributes: to_json(&pairs(&seed.attributes)),
        options: to_json(&options(seed)),
        media: to_json(&[media]),
        created_at_ms,
        updated_at_ms: created_at_ms,
    }
}

fn price_ranges(seed: &SeedProduct) -> Vec<product_price::ActiveModel> {
    let mut ranges: HashMap<&str, (i64, i64)> = HashMap::new();
    for price in seed.variants.iter().flat_map(|variant| &variant.prices) {
        let range = ranges
            .entry(price.currency_code)
            .or_insert((price.amount_minor, price.amount_minor));
        *range = (range.0.min(price.amount_minor), range.1.max(price.amount_minor));
    }
    let row = |(currency_code, (min, max)): (&str, (i64, i64))| product_price::ActiveModel {
        product_id: Set(seed.id.clone()),
        currency_code: Set(currency_code.to_owned()),
        min_minor: Set(min),
        max_minor: Set(max),
    };
    ranges.into_iter().map(row).collect()
}

async fn insert_variants(transaction: &Transaction) -> Result<()> {
    let now = opening().timestamp_millis();
    let rows = catalogue::products().iter().flat_map(|seed| {
        seed.variants
            .iter()
            .enumerate()
            .map(|(position, variant)| variant_row(position, variant, now).into_active_model())
    });
    insert(transaction, rows.collect()).await?;
    let variants = || catalogue::variants().iter();
    let options = variants().flat_map(|seed| {
        seed.options.iter().map(|(name, value)| variant_option::ActiveModel {
            variant_id: Set(seed.id.clone()),
            name: Set(name.clone()),
            value: Set(value.clone()),
        })
    });
    insert(transaction, options.collect()).await?;
    let prices = variants().flat_map(|seed| {
        seed.prices.iter().map(|row| price::ActiveModel {
            variant_id: Set(seed.id.clone()),
            currency_code: Set(row.currency_code.to_owned()),
            amount_minor: Set(row.amount_minor),
            compare_at_minor: Set(row.compare_at_minor),
        })
    });
    insert(transaction, prices.collect()).await?;
    let stocks = variants().map(|seed| stock::ActiveModel {
        variant_id: Set(seed.id.clone()),
        on_hand: Set(seed.on_hand),
        reserved: Set(0),
        low_stock_threshold: Set(LOW_STOCK_THRESHOLD),
        updated_at_ms: Set(now),
    });
    insert(transaction, stocks.collect()).await
}

/// The orders that were paid took their units for good, and what came back of them is counted: so that cancelling one
/// restocks it, as it does any order.
async fn insert_reservations(transaction: &Transaction) -> Result<()> {
    let committed = || orders::all().iter().filter(|order| is_paid(order));
    insert(transaction, committed().map(reservation_row).collect()).await?;
    let lines = committed().flat_map(|order| {
        order.lines.iter().map(|line| reservation_line::ActiveModel {
            order_id: Set(order.id.clone()),
            variant_id: Set(line.variant.id.clone()),
            quantity: Set(units(line.quantity)),
            restocked: Set(units(line.refunded_quantity)),
        })
    });
    insert(transaction, lines.collect()).await
}

fn is_paid(order: &SeedOrder) -> bool {
    let payment = order.payment.as_ref();
    payment.is_some_and(|payment| payment.outcome == SeedPaymentOutcome::Captured)
}

fn reservation_row(order: &SeedOrder) -> reservation::ActiveModel {
    let lines = order.lines.iter().map(|line| VariantQuantity {
        variant_id: line.variant.id.clone(),
        quantity: line.quantity,
    });
    let request = ReservationRequest {
        lines: lines.collect(),
        currency_code: orders::CURRENCY_CODE.to_owned(),
    };
    // For a reserve that is repeated, which these orders are past.
    let reply = ReservationReply::Reserved {
        expires_at: order.settled_at,
        variants: Vec::new(),
    };
    reservation::ActiveModel {
        order_id: Set(order.id.clone()),
        state: Set(ReservationState::Committed.as_str().to_owned()),
        request: Set(to_json(&request)),
        reply: Set(to_json(&reply)),
        expires_at_ms: Set(order.settled_at.timestamp_millis()),
        created_at_ms: Set(order.placed_at.timestamp_millis()),
        updated_at_ms: Set(order.settled_at.timestamp_millis()),
    }
}

fn units(quantity: u32) -> i32 {
    i32::try_from(quantity).expect("seeded orders are of a few units")
}

fn variant_row(position: usize, seed: &SeedVariant, now: i64) -> variant::Model {
    let [length_mm, width_mm, height_mm] = seed.dimensions_mm;
    variant::Model {
        id: seed.id.clone(),
        product_id: seed.product_id.clone(),
        position: int(position),
        sku: seed.sku.clone(),
        title: seed.title.clone(),
        barcode: Some(seed.barcode.clone()),
        weight_grams: Some(seed.weight_grams),
        length_mm: Some(length_mm),
        width_mm: Some(width_mm),
        height_mm: Some(height_mm),
        tax_class: seed.tax_class.clone(),
        options: to_json(&pairs(&seed.options)),
        is_active: true,
        created_at_ms: now,
        updated_at_ms: now,
    }
}

fn pairs(pairs: &[(String, String)]) -> Vec<NameValue> {
    pairs
        .iter()
        .map(|(name, value)| NameValue {
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}

fn options(seed: &SeedProduct) -> Vec<ProductOption> {
    let options: Vec<Vec<NameValue>> = seed.variants.iter().map(|variant| pairs(&variant.options)).collect();
    ProductOption::collect(options.iter().map(Vec::as_slice))
}

fn int(number: usize) -> i32 {
    i32::try_from(number).expect("counts of seed rows are small")
}
