//! Rows to domain types and back.

use sea_orm::ActiveValue::Set;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service::money::Currency;

use super::StoreError;
use crate::domain::{Event, FailureReason, Order, OrderLine, OrderStatus, Refund, RefundStatus, Saga, Step};
use crate::entity::{order_event, order_line, order_refund, orders};

const REFUND_STATUSES: &[(&str, RefundStatus)] = &[
    ("PENDING", RefundStatus::Pending),
    ("RESTOCKING", RefundStatus::Restocking),
    ("SUCCEEDED", RefundStatus::Succeeded),
    ("FAILED", RefundStatus::Failed),
];

pub(super) fn order_from_row(row: orders::Model) -> Result<Order, StoreError> {
    let bad = |what| StoreError::Row {
        id: row.id.clone(),
        what,
    };
    let reason = row
        .failure_reason
        .as_deref()
        .map(|reason| FailureReason::parse(reason).ok_or_else(|| bad("reason")));
    Ok(Order {
        status: OrderStatus::parse(&row.status).ok_or_else(|| bad("status"))?,
        failure_reason: reason.transpose()?,
        currency: Currency::parse(&row.currency_code).map_err(|_| bad("currency_code"))?,
        shipping_address: json(&row.shipping_address).ok_or_else(|| bad("shipping_address"))?,
        billing_address: row
            .billing_address
            .as_deref()
            .map(|address| json(address).ok_or_else(|| bad("billing_address")))
            .transpose()?,
        id: row.id,
        number: row.number,
        user_id: row.user_id,
        failure_variant_id: row.failure_variant_id,
        subtotal_minor: row.subtotal_minor,
        shipping_minor: row.shipping_minor,
        tax_minor: row.tax_minor,
        total_minor: row.total_minor,
        refunded_minor: row.refunded_minor,
        note: row.note,
        from_cart: row.from_cart,
        payment_id: row.payment_id,
        placed_at: row.placed_at,
        expires_at: row.expires_at,
        cancelled_at: row.cancelled_at,
        fulfilled_at: row.fulfilled_at,
        version: row.version,
    })
}

/// The row of an order whose saga nobody drives.
pub(super) fn order_to_row(order: &Order, saga: &Saga) -> orders::ActiveModel {
    orders::ActiveModel {
        id: Set(order.id.clone()),
        number: Set(order.number),
        user_id: Set(order.user_id.clone()),
        status: Set(order.status.as_str().to_owned()),
        failure_reason: Set(order.failure_reason.map(|reason| reason.as_str().to_owned())),
        failure_variant_id: Set(order.failure_variant_id.clone()),
        currency_code: Set(order.currency.code().to_owned()),
        subtotal_minor: Set(order.subtotal_minor),
        shipping_minor: Set(order.shipping_minor),
        tax_minor: Set(order.tax_minor),
        total_minor: Set(order.total_minor),
        refunded_minor: Set(order.refunded_minor),
        shipping_address: Set(text(&order.shipping_address)),
        billing_address: Set(order.billing_address.as_ref().map(text)),
        note: Set(order.note.clone()),
        from_cart: Set(order.from_cart),
        payment_id: Set(order.payment_id.clone()),
        placed_at: Set(order.placed_at),
        expires_at: Set(order.expires_at),
        cancelled_at: Set(order.cancelled_at),
        fulfilled_at: Set(order.fulfilled_at),
        version: Set(order.version),
        saga_step: Set(saga.step.as_str().to_owned()),
        saga_attempt: Set(saga.attempt),
        saga_next_at: Set(saga.next_at),
        saga_lease_until: Set(None),
        saga_lease_owner: Set(None),
        saga_reserved_until: Set(saga.reserved_until),
        saga_stock_committed: Set(saga.stock_committed),
        saga_payment_request: Set(saga.payment_request.as_ref().map(text)),
        saga_payment_version: Set(saga.payment_version),
        saga_payment_attempts: Set(saga.payment_attempts),
    }
}

pub(super) fn line_from_row(row: order_line::Model) -> OrderLine {
    OrderLine {
        id: row.id,
        position: row.position,
        variant_id: row.variant_id,
        product_id: row.product_id,
        title: row.title,
        sku: row.sku,
        image_url: row.image_url,
        quantity: units(row.quantity),
        unit_price_minor: row.unit_price_minor,
        total_minor: row.total_minor,
        tax_minor: row.tax_minor,
        refunded_quantity: units(row.refunded_quantity),
    }
}

pub(super) fn line_to_row(order_id: &str, line: &OrderLine) -> order_line::ActiveModel {
    order_line::ActiveModel {
        id: Set(line.id.clone()),
        order_id: Set(order_id.to_owned()),
        position: Set(line.position),
        variant_id: Set(line.variant_id.clone()),
        product_id: Set(line.product_id.clone()),
        title: Set(line.title.chars().take(500).collect()),
        sku: Set(line.sku.clone()),
        image_url: Set(line.image_url.clone()),
        quantity: Set(signed(line.quantity)),
        unit_price_minor: Set(line.unit_price_minor),
        total_minor: Set(line.total_minor),
        tax_minor: Set(line.tax_minor),
        refunded_quantity: Set(signed(line.refunded_quantity)),
    }
}

pub(super) fn event_from_row(row: order_event::Model) -> Result<Event, StoreError> {
    let bad = |what| StoreError::Row {
        id: row.id.clone(),
        what,
    };
    let from_status = row
        .from_status
        .as_deref()
        .map(|status| OrderStatus::parse(status).ok_or_else(|| bad("from")));
    Ok(Event {
        from_status: from_status.transpose()?,
        to_status: OrderStatus::parse(&row.to_status).ok_or_else(|| bad("to"))?,
        id: row.id,
        at: row.at,
        message: row.message,
        actor: row.actor,
    })
}

pub(super) fn event_to_row(order_id: &str, event: &Event) -> order_event::ActiveModel {
    order_event::ActiveModel {
        id: Set(event.id.clone()),
        order_id: Set(order_id.to_owned()),
        at: Set(event.at),
        from_status: Set(event.from_status.map(|status| status.as_str().to_owned())),
        to_status: Set(event.to_status.as_str().to_owned()),
        message: Set(event.message.clone()),
        actor: Set(event.actor.clone()),
    }
}

pub(super) fn refund_from_row(row: order_refund::Model) -> Result<Refund, StoreError> {
    let bad = |what| StoreError::Row {
        id: row.id.clone(),
        what,
    };
    let status = REFUND_STATUSES
        .iter()
        .find(|(name, _)| *name == row.status)
        .ok_or_else(|| bad("status"))?
        .1;
    Ok(Refund {
        status,
        lines: json(&row.lines).ok_or_else(|| bad("lines"))?,
        id: row.id,
        key: row.idempotency_key,
        request_hash: row.request_hash,
        amount_minor: row.amount_minor,
        restock: row.restock,
    })
}

pub(super) fn refund_to_row(order_id: &str, refund: &Refund) -> order_refund::ActiveModel {
    let status = REFUND_STATUSES.iter().find(|(_, status)| *status == refund.status);
    order_refund::ActiveModel {
        id: Set(refund.id.clone()),
        order_id: Set(order_id.to_owned()),
        idempotency_key: Set(refund.key.clone()),
        request_hash: Set(refund.request_hash.clone()),
        status: Set(status
            .map(|(name, _)| (*name).to_owned())
            .expect("every status is in the table")),
        amount_minor: Set(refund.amount_minor),
        lines: Set(text(&refund.lines)),
        restock: Set(refund.restock),
    }
}

pub(super) fn saga_from_row(row: &orders::Model) -> Result<Saga, StoreError> {
    let bad = |what| StoreError::Row {
        id: row.id.clone(),
        what,
    };
    let request = row.saga_payment_request.as_deref();
    let request = request.map(|request| json(request).ok_or_else(|| bad("saga_payment_request")));
    Ok(Saga {
        step: Step::parse(&row.saga_step).ok_or_else(|| bad("saga_step"))?,
        payment_request: request.transpose()?,
        attempt: row.saga_attempt,
        next_at: row.saga_next_at,
        reserved_until: row.saga_reserved_until,
        stock_committed: row.saga_stock_committed,
        payment_version: row.saga_payment_version,
        payment_attempts: row.saga_payment_attempts,
    })
}

pub(super) fn units(quantity: i32) -> u32 {
    u32::try_from(quantity).unwrap_or_default()
}

/// Quantities are at most `QUANTITY_MAX`.
pub(super) fn signed(quantity: u32) -> i32 {
    i32::try_from(quantity).unwrap_or(i32::MAX)
}

fn json<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data")
}
