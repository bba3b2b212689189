//! The orders of the demo shop.

use chrono::TimeDelta;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use service::database::{Database, Transaction};
use service::money::Currency;
use service::seed::orders::{self as seeds, SeedOrder, SeedOrderStatus};
use service::seed::users::SeedAddress;

use super::rows::{event_to_row, line_to_row, order_to_row, refund_to_row};
use crate::domain::{
    Address, Event, FailureReason, Order, OrderLine, OrderStatus, Refund, RefundStatus, RefundedLine, Saga, Step,
};
use crate::entity::{counter, order_event, order_line, order_refund, orders};

/// Orders of one statement: 30 columns each, below every database's limit of bound values.
const ROWS_MAX: usize = 200;

/// Fills empty tables with the seed orders.
///
/// # Errors
/// When the database fails.
pub async fn seed(database: &Database) -> anyhow::Result<()> {
    let transaction = database.begin().await?;
    if orders::Entity::find().limit(1).one(&transaction).await?.is_some() {
        return Ok(());
    }
    for orders in seeds::all().chunks(ROWS_MAX) {
        insert(&transaction, orders).await?;
    }
    let last = seeds::FIRST_NUMBER + seeds::COUNT - 1;
    counter::Entity::update_many()
        .col_expr(counter::Column::Value, Expr::value(i64::try_from(last)?))
        .filter(counter::Column::Name.eq("order_number"))
        .exec(&transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

async fn insert(database: &Transaction, seeds: &[SeedOrder]) -> Result<(), DbErr> {
    let rows = seeds.iter().map(|seed| order_to_row(&order(seed), &at_rest(seed)));
    orders::Entity::insert_many(rows)
        .exec_without_returning(database)
        .await?;
    let rows = seeds.iter().flat_map(|seed| {
        lines(seed)
            .into_iter()
            .map(|line| line_to_row(&seed.id, &line))
            .collect::<Vec<_>>()
    });
    order_line::Entity::insert_many(rows)
        .exec_without_returning(database)
        .await?;
    let rows = seeds.iter().flat_map(|seed| {
        events(seed)
            .into_iter()
            .map(|event| event_to_row(&seed.id, &event))
            .collect::<Vec<_>>()
    });
    order_event::Entity::insert_many(rows)
        .exec_without_returning(database)
        .await?;
    let rows = seeds
        .iter()
        .filter_map(|seed| refund(seed).map(|refund| refund_to_row(&seed.id, &refund)));
    order_refund::Entity::insert_many(rows)
        .exec_without_returning(database)
        .await?;
    Ok(())
}

fn order(seed: &SeedOrder) -> Order {
    use SeedOrderStatus as S;
    let fulfilled = matches!(seed.status, S::Fulfilled | S::PartiallyRefunded | S::Refunded);
    Order {
        id: seed.id.clone(),
        number: i64::try_from(seed.number).unwrap_or_default(),
        user_id: seed.user_id.clone(),
        status: status(seed.status),
        failure_reason: (seed.status == S::Expired).then_some(FailureReason::PaymentExpired),
        failure_variant_id: None,
        currency: Currency::EUR,
        subtotal_minor: seed.subtotal_minor,
        shipping_minor: seed.shipping_minor,
        tax_minor: seed.tax_minor,
        total_minor: seed.total_minor,
        refunded_minor: seed.refunded_minor,
        shipping_address: address(&seed.address),
        billing_address: None,
        note: None,
        from_cart: false,
        payment_id: seed.payment.as_ref().map(|payment| payment.id.clone()),
        placed_at: seed.placed_at,
        expires_at: None,
        cancelled_at: (seed.status == S::Cancelled).then_some(seed.settled_at),
        fulfilled_at: fulfilled.then_some(seed.placed_at + TimeDelta::hours(26)),
        version: 1,
    }
}

fn status(seed: SeedOrderStatus) -> OrderStatus {
    match seed {
        SeedOrderStatus::Paid => OrderStatus::Paid,
        SeedOrderStatus::Fulfilled => OrderStatus::Fulfilled,
        SeedOrderStatus::PartiallyRefunded => OrderStatus::PartiallyRefunded,
        SeedOrderStatus::Refunded => OrderStatus::Refunded,
        SeedOrderStatus::Cancelled => OrderStatus::Cancelled,
        SeedOrderStatus::Expired => OrderStatus::Expired,
    }
}

fn lines(seed: &SeedOrder) -> Vec<OrderLine> {
    let lines = seed.lines.iter().zip(0..);
    lines
        .map(|(line, position)| OrderLine {
            id: line.id.clone(),
            position,
            variant_id: line.variant.id.clone(),
            product_id: line.variant.product_id.clone(),
            title: crate::checkout::line_title(&line.variant.product_title, &line.variant.title),
            sku: line.variant.sku.clone(),
            image_url: None,
            quantity: line.quantity,
            unit_price_minor: line.unit_price_minor,
            total_minor: line.total_minor,
            tax_minor: line.tax_minor,
            refunded_quantity: line.refunded_quantity,
        })
        .collect()
}

/// The way from the first status to the last, as the saga would have gone it.
fn events(seed: &SeedOrder) -> Vec<Event> {
    use OrderStatus as S;
    let path: &[(S, i64, &str)] = match seed.status {
        SeedOrderStatus::Cancelled => &[
            (S::Pending, 0, "shopper"),
            (S::AwaitingPayment, 1, "system"),
            (S::Cancelled, 540, "shopper"),
        ],
        SeedOrderStatus::Expired => &[
            (S::Pending, 0, "shopper"),
            (S::AwaitingPayment, 1, "system"),
            (S::Expired, 900, "system"),
        ],
        _ => &[
            (S::Pending, 0, "shopper"),
            (S::AwaitingPayment, 1, "system"),
            (S::PaymentProcessing, 60, "shopper"),
            (S::Paid, 62, "system"),
            (S::Fulfilled, 26 * 3_600, "staff"),
            (S::PartiallyRefunded, 8 * 86_400, "staff"),
        ],
    };
    let last = status(seed.status);
    let mut from_status = None;
    let mut events = Vec::new();
    for ((to_status, seconds, actor), position) in path.iter().zip(0_u64..) {
        let to_status = if *to_status == S::PartiallyRefunded {
            last
        } else {
            *to_status
        };
        events.push(Event {
            id: service::id::seeded("oev", seed.number * 8 + position),
            at: seed.placed_at + TimeDelta::seconds(*seconds),
            from_status,
            to_status,
            message: None,
            actor: (*actor).to_owned(),
        });
        from_status = Some(to_status);
        if to_status == last {
            break;
        }
    }
    events
}

fn refund(seed: &SeedOrder) -> Option<Refund> {
    let refund = seed.payment.as_ref()?.refund.as_ref()?;
    let lines = seed
        .lines
        .iter()
        .filter(|line| line.refunded_quantity > 0)
        .map(|line| RefundedLine {
            line_id: line.id.clone(),
            variant_id: line.variant.id.clone(),
            quantity: line.refunded_quantity,
        });
    Some(Refund {
        id: refund.id.clone(),
        key: refund.id.clone(),
        request_hash: String::new(),
        status: RefundStatus::Succeeded,
        amount_minor: refund.amount_minor,
        lines: lines.collect(),
        restock: false,
    })
}

fn at_rest(seed: &SeedOrder) -> Saga {
    Saga {
        step: Step::Done,
        attempt: 0,
        next_at: None,
        reserved_until: None,
        stock_committed: seed.is_bought(),
        payment_request: None,
        payment_version: 0,
        payment_attempts: i32::from(seed.is_bought()),
    }
}

fn address(seed: &SeedAddress) -> Address {
    Address {
        name: seed.name.clone(),
        company: seed.company.map(str::to_owned),
        line1: seed.line1.clone(),
        line2: None,
        city: seed.city.to_owned(),
        region: seed.region.map(str::to_owned),
        postal_code: Some(seed.postal_code.to_owned()),
        country_code: seed.country_code.to_owned(),
        phone: Some(seed.phone.clone()),
    }
}
