//! `Order` and what hangs on it.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Result, SimpleObject};
use service::auth::{Viewer, ViewerExt as _};
use service::money::Currency;
use service::paging::{Cursor, Page, PageArgs, RawPageArgs};
use service::scalars::{DateTime, Money};
use service::{connection, node_interface};

use super::Loaders;
use super::cart::Cart;
use super::entity::{ProductVariant, User};
use crate::domain;

/// Lines that one page may hold: all of them.
const LINES_MAX: u32 = 100;

/// Whether `viewer` may see `order`: whoever placed it, and staff.
pub(crate) fn visible(viewer: &Viewer, order: &domain::Order) -> bool {
    viewer.is_user(&order.user_id) || viewer.scopes.contains("orders:read")
}

/// The order with this id, if the viewer may see it.
pub(crate) async fn find_visible(context: &Context<'_>, id: &ID) -> Result<Option<domain::Order>> {
    let viewer = context.viewer();
    if viewer.user_id.is_none() || !service::id::is("ord", id) {
        return Ok(None);
    }
    let order = context.data::<Loaders>()?.orders.load(id.to_string()).await?;
    Ok(order.filter(|order| visible(viewer, order)))
}

node_interface!(Order, Cart);
connection!(Order, OrderConnection, OrderEdge);
connection!(OrderLine, OrderLineConnection, OrderLineEdge);

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::OrderStatus")]
pub(crate) enum OrderStatus {
    /// Accepted; stock is being reserved.
    Pending,
    /// Stock reserved until `expiresAt`, waiting for payment.
    AwaitingPayment,
    /// The shopper must act (3-D Secure, redirect, QR code): see `Payment.nextAction`.
    RequiresAction,
    /// The gateway has not said yes or no yet; being reconciled.
    PaymentProcessing,
    Paid,
    Fulfilled,
    Cancelled,
    /// Not paid in time; stock released.
    Expired,
    /// Out of stock, price gone, or payment refused for good.
    Failed,
    PartiallyRefunded,
    Refunded,
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::FailureReason", name = "OrderFailureReason")]
pub(crate) enum OrderFailureReason {
    OutOfStock,
    ProductUnavailable,
    PriceChanged,
    PaymentDeclined,
    PaymentExpired,
    Internal,
}

#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct Order {
    pub(crate) id: ID,
    /// For people: #100042.
    // Payments keeps a copy and provides it: to the router that is a second place which resolves it.
    #[graphql(shareable)]
    number: String,
    /// Null when the users service cannot answer.
    user: Option<User>,
    status: OrderStatus,
    failure_reason: Option<OrderFailureReason>,
    subtotal: Money,
    shipping_total: Money,
    tax_total: Money,
    discount_total: Money,
    total: Money,
    refunded_total: Money,
    /// Copies, as they were when the order was placed.
    shipping_address: OrderAddress,
    billing_address: Option<OrderAddress>,
    note: Option<String>,
    can_cancel: bool,
    can_pay: bool,
    placed_at: DateTime,
    /// When the reservation lapses; null once paid.
    expires_at: Option<DateTime>,
    cancelled_at: Option<DateTime>,
    #[graphql(skip)]
    currency: Currency,
}

#[ComplexObject]
impl Order {
    async fn lines(
        &self,
        context: &Context<'_>,
        #[graphql(default = 100)] first: Option<i32>,
        after: Option<String>,
    ) -> Result<OrderLineConnection> {
        let raw = RawPageArgs {
            first,
            after,
            ..RawPageArgs::default()
        };
        let args = PageArgs::parse_with(raw, LINES_MAX, LINES_MAX)?;
        let lines = context
            .data::<Loaders>()?
            .lines
            .load(self.id.to_string())
            .await?
            .unwrap_or_default();
        let total = u64::try_from(lines.len()).ok();
        // An order has at most a hundred lines, so the page is cut here and not in SQL.
        let after = args
            .after
            .as_ref()
            .map(|cursor| cursor.key::<(i32,)>().map_or(i32::MAX, |(position,)| position));
        let behind = lines
            .into_iter()
            .filter(|line| after.is_none_or(|position| line.position > position));
        let page: Page<domain::OrderLine> = args.page(behind.collect(), |line| Cursor::new(&(line.position,)));
        Ok(page
            .with_total(total)
            .map(|line| OrderLine::new(line, self.currency))
            .into())
    }

    /// What happened, oldest first.
    async fn history(&self, context: &Context<'_>) -> Result<Vec<OrderEvent>> {
        let events = context
            .data::<Loaders>()?
            .events
            .load(self.id.to_string())
            .await?
            .unwrap_or_default();
        Ok(events.into_iter().map(OrderEvent::from).collect())
    }
}

impl From<domain::Order> for Order {
    fn from(order: domain::Order) -> Self {
        let money = |minor| Money::new(minor, order.currency);
        Self {
            number: format!("#{}", order.number),
            user: Some(User { id: ID(order.user_id) }),
            status: order.status.into(),
            failure_reason: order.failure_reason.map(OrderFailureReason::from),
            subtotal: money(order.subtotal_minor),
            shipping_total: money(order.shipping_minor),
            tax_total: money(order.tax_minor),
            discount_total: money(0),
            total: money(order.total_minor),
            refunded_total: money(order.refunded_minor),
            shipping_address: order.shipping_address.into(),
            billing_address: order.billing_address.map(OrderAddress::from),
            note: order.note,
            can_cancel: order.status.can_cancel(),
            can_pay: order.status.can_pay(),
            placed_at: order.placed_at.into(),
            expires_at: order.expires_at.map(DateTime::from),
            cancelled_at: order.cancelled_at.map(DateTime::from),
            currency: order.currency,
            id: ID(order.id),
        }
    }
}

/// One line, with what was true at the time of purchase. `variant` is the product as it is today, and null when it is gone.
#[derive(SimpleObject)]
pub(crate) struct OrderLine {
    id: ID,
    title: String,
    sku: String,
    image_url: Option<String>,
    quantity: u32,
    unit_price: Money,
    total: Money,
    tax_total: Money,
    refunded_quantity: u32,
    variant: Option<ProductVariant>,
}

impl OrderLine {
    fn new(line: domain::OrderLine, currency: Currency) -> Self {
        Self {
            id: ID(line.id),
            title: line.title,
            sku: line.sku,
            image_url: line.image_url,
            quantity: line.quantity,
            unit_price: Money::new(line.unit_price_minor, currency),
            total: Money::new(line.total_minor, currency),
            tax_total: Money::new(line.tax_minor, currency),
            refunded_quantity: line.refunded_quantity,
            variant: Some(ProductVariant::stub(line.variant_id)),
        }
    }
}

#[derive(SimpleObject)]
pub(crate) struct OrderEvent {
    id: ID,
    at: DateTime,
    from_status: Option<OrderStatus>,
    to_status: OrderStatus,
    message: Option<String>,
    actor: String,
}

impl From<domain::Event> for OrderEvent {
    fn from(event: domain::Event) -> Self {
        Self {
            id: ID(event.id),
            at: event.at.into(),
            from_status: event.from_status.map(OrderStatus::from),
            to_status: event.to_status.into(),
            message: event.message,
            actor: event.actor,
        }
    }
}

#[derive(SimpleObject, InputObject)]
#[graphql(input_name = "OrderAddressInput")]
pub(crate) struct OrderAddress {
    name: String,
    company: Option<String>,
    line1: String,
    line2: Option<String>,
    city: String,
    region: Option<String>,
    postal_code: Option<String>,
    country_code: String,
    phone: Option<String>,
}

impl From<domain::Address> for OrderAddress {
    fn from(address: domain::Address) -> Self {
        let domain::Address {
            name,
            company,
            line1,
            line2,
            city,
            region,
            postal_code,
            country_code,
            phone,
        } = address;
        Self {
            name,
            company,
            line1,
            line2,
            city,
            region,
            postal_code,
            country_code,
            phone,
        }
    }
}

impl From<OrderAddress> for domain::Address {
    fn from(address: OrderAddress) -> Self {
        let OrderAddress {
            name,
            company,
            line1,
            line2,
            city,
            region,
            postal_code,
            country_code,
            phone,
        } = address;
        Self {
            name,
            company,
            line1,
            line2,
            city,
            region,
            postal_code,
            country_code,
            phone,
        }
    }
}
