//! What shoppers and staff do.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use service::auth::{RequireScope, ViewerExt as _};
use service::money::Amount;
use service::scalars::{CurrencyCode, Decimal};

use super::cart::Cart;
use super::entity::Payment;
use super::error::{OrderErrorCode, OrderUserError, unavailable, user_errors};
use super::order::{Order, OrderAddress, find_visible};
use crate::checkout::{Checkout, KEY_CHARS_MAX, PlaceRequest, check_line, key_problem, key_use, merged, text_mistake};
use crate::domain::{
    self, Edit, LINES_MAX, OrderFile, OrderStatus, PaymentRequest, QUANTITY_MAX, RefundError, RefundRequest,
    RefundStatus,
};
use crate::paying::{PayError, PayRequest};
use crate::store::CartEdit;

/// Longest reason or tracking address, in characters.
const REASON_CHARS_MAX: usize = 500;

pub(crate) struct Mutation;

#[derive(InputObject)]
pub(crate) struct CartLineInput {
    variant_id: ID,
    #[graphql(default = 1)]
    quantity: i32,
}

#[derive(InputObject)]
pub(crate) struct CartLineUpdateInput {
    line_id: ID,
    /// 0 removes the line.
    quantity: i32,
}

#[derive(InputObject)]
pub(crate) struct OrderCreateInput {
    /// A UUID made by the client for this attempt; keep it across retries.
    idempotency_key: String,
    /// Left out: everything in the cart.
    lines: Option<Vec<CartLineInput>>,
    /// One of the user's addresses.
    shipping_address_id: Option<ID>,
    /// Or a new one.
    shipping_address: Option<OrderAddress>,
    billing_address: Option<OrderAddress>,
    currency_code: Option<CurrencyCode>,
    expected_total: Option<Decimal>,
    note: Option<String>,
}

#[derive(InputObject)]
pub(crate) struct OrderPayInput {
    idempotency_key: String,
    order_id: ID,
    /// From the gateway's own form or SDK; card numbers never reach this API.
    payment_method_token: Option<String>,
    /// A gateway name from `paymentGateways`; the default one when left out.
    gateway: Option<String>,
    /// Where the shopper comes back to after a redirect.
    return_url: Option<String>,
}

#[derive(InputObject)]
pub(crate) struct OrderRefundInput {
    idempotency_key: String,
    order_id: ID,
    /// Left out: all that is left.
    amount: Option<Decimal>,
    lines: Option<Vec<RefundLineInput>>,
    #[graphql(default_with = "Some(true)")]
    restock: Option<bool>,
    reason: Option<String>,
}

#[derive(InputObject)]
pub(crate) struct RefundLineInput {
    line_id: ID,
    quantity: i32,
}

#[derive(SimpleObject)]
pub(crate) struct CartPayload {
    cart: Option<Cart>,
    user_errors: Vec<OrderUserError>,
}

#[derive(SimpleObject)]
pub(crate) struct OrderPayload {
    order: Option<Order>,
    user_errors: Vec<OrderUserError>,
}

#[derive(SimpleObject)]
pub(crate) struct OrderCreatePayload {
    order: Option<Order>,
    user_errors: Vec<OrderUserError>,
}

#[derive(SimpleObject)]
pub(crate) struct OrderPayPayload {
    order: Option<Order>,
    payment: Option<Payment>,
    user_errors: Vec<OrderUserError>,
}

#[Object]
impl Mutation {
    async fn cart_lines_add(&self, context: &Context<'_>, lines: Vec<CartLineInput>) -> Result<CartPayload> {
        let user_id = context.viewer().require_user()?;
        let checkout = context.data::<Checkout>()?;
        let lines = match merged(&pairs(lines)) {
            Ok(lines) => lines,
            Err(problems) => {
                let errors = problems.into_iter().map(|problem| OrderUserError::below(&[], problem));
                return Ok(CartPayload {
                    cart: None,
                    user_errors: errors.collect(),
                });
            }
        };
        let quote = checkout
            .quote(&lines, checkout.currency_default)
            .await
            .map_err(|cause| unavailable(&cause))?;
        // Only whether it exists: what is out of stock today may wait in a cart.
        let unknown = lines
            .iter()
            .filter_map(|(variant_id, _)| check_line(&quote, variant_id, 0).err());
        let unknown: Vec<OrderUserError> = unknown.map(|problem| OrderUserError::below(&[], problem)).collect();
        if !unknown.is_empty() {
            return Ok(CartPayload {
                cart: None,
                user_errors: unknown,
            });
        }
        let edit = checkout
            .driver
            .store()
            .cart_add(user_id, lines, checkout.driver.now())
            .await?;
        let CartPayload { cart, user_errors } = cart_payload(context, user_id, edit).await?;
        Ok(CartPayload {
            cart: cart.map(|cart| cart.quoted_already(quote)),
            user_errors,
        })
    }

    async fn cart_lines_update(&self, context: &Context<'_>, lines: Vec<CartLineUpdateInput>) -> Result<CartPayload> {
        let user_id = context.viewer().require_user()?;
        let checkout = context.data::<Checkout>()?;
        if lines.len() > LINES_MAX {
            return cart_payload(context, user_id, CartEdit::TooManyLines).await;
        }
        let mut changed = Vec::with_capacity(lines.len());
        for (position, line) in lines.into_iter().enumerate() {
            if !service::id::is("cln", &line.line_id) {
                return cart_payload(context, user_id, CartEdit::LineNotFound(position)).await;
            }
            match u32::try_from(line.quantity)
                .ok()
                .filter(|quantity| *quantity <= QUANTITY_MAX)
            {
                Some(quantity) => changed.push((line.line_id.to_string(), quantity)),
                None => return cart_payload(context, user_id, CartEdit::TooManyUnits(position)).await,
            }
        }
        let edit = checkout
            .driver
            .store()
            .cart_set(user_id, &changed, checkout.driver.now())
            .await?;
        cart_payload(context, user_id, edit).await
    }

    async fn cart_clear(&self, context: &Context<'_>) -> Result<CartPayload> {
        let user_id = context.viewer().require_user()?;
        let driver = &context.data::<Checkout>()?.driver;
        driver.store().cart_clear(user_id, driver.now()).await?;
        cart_payload(context, user_id, CartEdit::Done).await
    }

    /// Places an order. Prices come from the catalogue, never from the client; `expectedTotal` makes the call fail with
    /// PRICE_CHANGED instead of charging another amount. The same idempotencyKey with the same input returns the same order;
    /// with another input it fails with IDEMPOTENCY_KEY_REUSED. Waits up to 1.5 s for the reservation, else answers PENDING.
    async fn order_create(&self, context: &Context<'_>, input: OrderCreateInput) -> Result<OrderCreatePayload> {
        let user_id = context.viewer().require_user()?;
        let checkout = context.data::<Checkout>()?;
        let order = match checkout.place(user_id, input.into_request()).await {
            Ok(file) => file.map(|file| file.order),
            Err(cause) => {
                return Ok(OrderCreatePayload {
                    order: None,
                    user_errors: user_errors(cause, &["input"])?,
                });
            }
        };
        let failed = order.as_ref().and_then(failure);
        Ok(OrderCreatePayload {
            order: order.map(Order::from),
            user_errors: failed.into_iter().collect(),
        })
    }

    /// Starts (or tries again) the payment. Select payment { status nextAction { … } } to know what to do next.
    async fn order_pay(&self, context: &Context<'_>, input: OrderPayInput) -> Result<OrderPayPayload> {
        let user_id = context.viewer().require_user()?;
        let checkout = context.data::<Checkout>()?;
        let failed = |error| OrderPayPayload {
            order: None,
            payment: None,
            user_errors: vec![error],
        };
        let store = checkout.driver.store();
        let order = match service::id::is("ord", &input.order_id) {
            true => store.file(&input.order_id).await?,
            false => None,
        };
        let Some(order) = order.filter(|file| file.order.user_id == user_id) else {
            return Ok(failed(not_found(&["input", "orderId"])));
        };
        let order_id = order.order.id.clone();
        let (file, paid) = match checkout.pay(order, input.into_request()).await {
            Ok((payment_id, file)) => (file, Ok(payment_id)),
            Err(PayError::Store(cause)) => return Err(cause.into()),
            Err(cause) => (store.file(&order_id).await?, Err(cause)),
        };
        let order = file.map(|file| file.order);
        let (payment, user_errors) = match paid {
            Ok(payment_id) => paid_outcome(order.as_ref(), payment_id),
            Err(cause @ PayError::NotPayable) => {
                let failed = order
                    .as_ref()
                    .and_then(failure)
                    .map(|error| error.at(&["input", "orderId"]));
                (None, vec![failed.unwrap_or_else(|| pay_error(cause))])
            }
            Err(cause) => (None, vec![pay_error(cause)]),
        };
        Ok(OrderPayPayload {
            order: order.map(Order::from),
            payment,
            user_errors,
        })
    }

    /// Before payment: releases stock. After payment and before fulfilment: also voids or refunds. Again: changes nothing.
    async fn order_cancel(&self, context: &Context<'_>, id: ID, reason: Option<String>) -> Result<OrderPayload> {
        let viewer = context.viewer();
        let user_id = viewer.require_user()?;
        let Some(order) = find_visible(context, &id).await? else {
            return Ok(order_failed(not_found(&["id"])));
        };
        let own = order.user_id == user_id;
        if !own && !viewer.scopes.contains("orders:write") {
            viewer.require_scope("orders:write")?;
        }
        if let Some(message) = reason.as_deref().and_then(|reason| text_mistake(reason, usize::MAX)) {
            let error = OrderUserError::new(OrderErrorCode::Invalid, message);
            return Ok(order_failed(error.at(&["reason"])));
        }
        let actor = if own { "shopper" } else { "staff" };
        let reason = reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect::<String>());
        let driver = &context.data::<Checkout>()?.driver;
        let edit = Edit {
            actor,
            now: driver.now(),
        };
        let changed = driver.store().change(&order.id, |file| {
            if file.cancel(reason.clone(), &edit) {
                Ok(())
            } else {
                Err(())
            }
        });
        if let Some(Err(())) = changed.await? {
            let message = "The order cannot be cancelled any more.";
            return Ok(order_failed(OrderUserError::new(
                OrderErrorCode::NotCancellable,
                message,
            )));
        }
        driven(context, &order.id).await
    }

    /// The order was handed to the carrier. Again: changes nothing, the address that was told first stays.
    #[graphql(
        requires_scopes = "orders:write",
        tag = "admin",
        guard = "RequireScope(\"orders:write\")"
    )]
    async fn order_fulfill(&self, context: &Context<'_>, id: ID, tracking_url: Option<String>) -> Result<OrderPayload> {
        if let Some(message) = tracking_url
            .as_deref()
            .and_then(|url| text_mistake(url, REASON_CHARS_MAX))
        {
            let error = OrderUserError::new(OrderErrorCode::Invalid, message);
            return Ok(order_failed(error.at(&["trackingUrl"])));
        }
        if !service::id::is("ord", &id) {
            return Ok(order_failed(not_found(&["id"])));
        }
        let driver = &context.data::<Checkout>()?.driver;
        let edit = Edit {
            actor: "staff",
            now: driver.now(),
        };
        let changed = driver.store().change(&id, |file| {
            if file.fulfill(tracking_url.as_deref(), &edit) {
                Ok(())
            } else {
                Err(())
            }
        });
        match changed.await? {
            None => Ok(order_failed(not_found(&["id"]))),
            Some(Err(())) => {
                let message = "Only an order that is paid can be sent, and not while money is given back.";
                Ok(order_failed(
                    OrderUserError::new(OrderErrorCode::Invalid, message).at(&["id"]),
                ))
            }
            Some(Ok(((), file))) => Ok(OrderPayload {
                order: Some(file.order.into()),
                user_errors: Vec::new(),
            }),
        }
    }

    #[graphql(
        requires_scopes = "orders:write",
        tag = "admin",
        guard = "RequireScope(\"orders:write\")"
    )]
    async fn order_refund(&self, context: &Context<'_>, input: OrderRefundInput) -> Result<OrderPayload> {
        let driver = &context.data::<Checkout>()?.driver;
        if let Some(problem) = key_problem(&input.idempotency_key) {
            return Ok(order_failed(OrderUserError::below(&["input"], problem)));
        }
        if input.amount.is_none() && input.lines.as_ref().is_some_and(Vec::is_empty) {
            let message = "No line is named: leave `lines` out to give everything back.";
            let error = OrderUserError::new(OrderErrorCode::Invalid, message);
            return Ok(order_failed(error.at(&["input", "lines"])));
        }
        if let Some(message) = input
            .reason
            .as_deref()
            .and_then(|reason| text_mistake(reason, usize::MAX))
        {
            let error = OrderUserError::new(OrderErrorCode::Invalid, message);
            return Ok(order_failed(error.at(&["input", "reason"])));
        }
        let file = match service::id::is("ord", &input.order_id) {
            true => driver.store().file(&input.order_id).await?,
            false => None,
        };
        let Some(file) = file else {
            return Ok(order_failed(not_found(&["input", "orderId"])));
        };
        let amount = input
            .amount
            .as_ref()
            .map(|Decimal(text)| Amount::parse(text, file.order.currency))
            .transpose();
        let amount_minor = match amount {
            Ok(amount) => amount.map(|amount| amount.minor),
            Err(error) => {
                let error = OrderUserError::new(OrderErrorCode::Invalid, format!("{error}."));
                return Ok(order_failed(error.at(&["input", "amount"])));
            }
        };
        let request = input.into_request(amount_minor);
        let edit = Edit {
            actor: "staff",
            now: driver.now(),
        };
        let asked = driver
            .store()
            .change(&file.order.id, |file| file.request_refund(&request, &edit));
        if let Some(Err(error)) = asked.await? {
            return Ok(order_failed(refund_error(error)));
        }
        let file = driver.drive_inline(&file.order.id).await?;
        Ok(file.map_or_else(
            || order_failed(not_found(&["input", "orderId"])),
            |file| refunded(file, &request.key),
        ))
    }
}

impl OrderCreateInput {
    fn into_request(self) -> PlaceRequest {
        PlaceRequest {
            key: self.idempotency_key,
            lines: self.lines.map(pairs),
            shipping_address_id: self.shipping_address_id.map(|id| id.to_string()),
            shipping_address: self.shipping_address.map(Into::into),
            billing_address: self.billing_address.map(Into::into),
            currency_code: self
                .currency_code
                .map(|CurrencyCode(currency)| currency.code().to_owned()),
            expected_total: self.expected_total.map(|Decimal(text)| text),
            note: self.note,
        }
    }
}

impl OrderPayInput {
    fn into_request(self) -> PayRequest {
        PayRequest {
            key: self.idempotency_key,
            order_id: self.order_id.to_string(),
            payment: PaymentRequest {
                gateway: self.gateway,
                token: self.payment_method_token,
                return_url: self.return_url,
            },
        }
    }
}

impl OrderRefundInput {
    fn into_request(self, amount_minor: Option<i64>) -> RefundRequest {
        let lines = self.lines.unwrap_or_default().into_iter();
        let lines: Vec<(String, u32)> = lines
            // Nothing, and less than nothing, is refused by the domain.
            .map(|line| {
                (
                    line.line_id.to_string(),
                    u32::try_from(line.quantity).unwrap_or_default(),
                )
            })
            .collect();
        let restock = self.restock.unwrap_or(true);
        let key = key_use("orderRefund", &[&self.order_id], &(amount_minor, &lines, restock));
        debug_assert!(self.idempotency_key.chars().count() <= KEY_CHARS_MAX);
        RefundRequest {
            // Apart from the keys of the saga.
            key: format!("staff:{}", self.idempotency_key),
            request_hash: key.request_hash,
            amount_minor,
            lines,
            restock,
            reason: self
                .reason
                .map(|reason| reason.chars().take(REASON_CHARS_MAX).collect()),
        }
    }
}

fn pairs(lines: Vec<CartLineInput>) -> Vec<(String, i32)> {
    lines
        .into_iter()
        .map(|line| (line.variant_id.to_string(), line.quantity))
        .collect()
}

async fn cart_payload(context: &Context<'_>, user_id: &str, edit: CartEdit) -> Result<CartPayload> {
    let error = match edit {
        CartEdit::Done => None,
        CartEdit::TooManyLines => {
            let message = format!("A cart holds at most {LINES_MAX} lines.");
            Some(OrderUserError::new(OrderErrorCode::LineLimit, message).at(&["lines"]))
        }
        CartEdit::TooManyUnits(position) => {
            let message = format!("The quantity must be at most {QUANTITY_MAX}, and not negative.");
            let error = OrderUserError::new(OrderErrorCode::QuantityInvalid, message);
            Some(error.at(&["lines", &position.to_string(), "quantity"]))
        }
        CartEdit::Erased => {
            let message = "The account does not exist any more.";
            Some(OrderUserError::new(OrderErrorCode::NotFound, message))
        }
        CartEdit::LineNotFound(position) => {
            let error = OrderUserError::new(OrderErrorCode::NotFound, "The cart has no such line.");
            Some(error.at(&["lines", &position.to_string(), "lineId"]))
        }
    };
    let cart = context.data::<Checkout>()?.driver.store().cart(user_id).await?;
    Ok(CartPayload {
        cart: cart.map(Cart::from),
        user_errors: error.into_iter().collect(),
    })
}

/// The order after its saga was driven.
async fn driven(context: &Context<'_>, order_id: &str) -> Result<OrderPayload> {
    let driver = &context.data::<Checkout>()?.driver;
    let file = driver.drive_inline(order_id).await?;
    Ok(OrderPayload {
        order: file.map(|file| file.order.into()),
        user_errors: Vec::new(),
    })
}

/// Why the order failed, if it did.
fn failure(order: &domain::Order) -> Option<OrderUserError> {
    let reason = order.failure_reason.filter(|_| order.status == OrderStatus::Failed)?;
    Some(OrderUserError::failed(reason, order.failure_variant_id.clone()))
}

/// A payment that payments refused to start leaves the order without one; the last of too many, failed.
fn paid_outcome(order: Option<&domain::Order>, payment_id: String) -> (Option<Payment>, Vec<OrderUserError>) {
    if let Some(failed) = order.and_then(failure) {
        return (
            Some(Payment { id: ID(payment_id) }),
            vec![failed.at(&["input", "orderId"])],
        );
    }
    let refused = order.is_some_and(|order| order.status == OrderStatus::AwaitingPayment && order.payment_id.is_none());
    if refused {
        let message = "The payment could not be started: is the gateway right?";
        let error = OrderUserError::new(OrderErrorCode::Invalid, message).at(&["input", "gateway"]);
        return (None, vec![error]);
    }
    (Some(Payment { id: ID(payment_id) }), Vec::new())
}

fn pay_error(cause: PayError) -> OrderUserError {
    let (code, message) = match cause {
        PayError::Problem(problem) => return OrderUserError::below(&["input"], problem),
        PayError::AlreadyPaid => (OrderErrorCode::AlreadyPaid, "The order is paid."),
        PayError::Expired => (
            OrderErrorCode::ReservationExpired,
            "The time to pay is over; place a new order.",
        ),
        PayError::NotPayable | PayError::Store(_) => (
            OrderErrorCode::NotPayable,
            "The order cannot be paid now; look at its status.",
        ),
    };
    OrderUserError::new(code, message).at(&["input", "orderId"])
}

fn refund_error(error: RefundError) -> OrderUserError {
    let (code, message, field) = match error {
        RefundError::NotRefundable => (OrderErrorCode::Invalid, "Only a paid order can be refunded.", "orderId"),
        RefundError::LineNotFound => (OrderErrorCode::NotFound, "The order has no such line.", "lines"),
        RefundError::TooLarge => (
            OrderErrorCode::RefundTooLarge,
            "More than is left, or nothing at all.",
            "amount",
        ),
        RefundError::KeyReused => (
            OrderErrorCode::IdempotencyKeyReused,
            "This key was used with another request.",
            "idempotencyKey",
        ),
    };
    OrderUserError::new(code, message).at(&["input", field])
}

/// The order with what became of the refund of this key so far.
fn refunded(file: OrderFile, key: &str) -> OrderPayload {
    let mut refunds = file.refunds.iter();
    if refunds.any(|refund| refund.key == key && refund.status == RefundStatus::Failed) {
        let message = "The gateway refused the refund: nothing was given back. To try again, use another key.";
        let error = OrderUserError::new(OrderErrorCode::Invalid, message);
        return order_failed(error.at(&["input", "idempotencyKey"]));
    }
    OrderPayload {
        order: Some(file.order.into()),
        user_errors: Vec::new(),
    }
}

fn not_found(path: &[&str]) -> OrderUserError {
    OrderUserError::new(OrderErrorCode::NotFound, "There is no such order.").at(path)
}

fn order_failed(error: OrderUserError) -> OrderPayload {
    OrderPayload {
        order: None,
        user_errors: vec![error],
    }
}
