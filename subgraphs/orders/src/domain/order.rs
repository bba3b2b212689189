//! An order with its lines, refunds and saga, and what people may do to it. What peers answer is in `saga`.

use chrono::{DateTime, TimeDelta, Utc};
use service::money::Currency;

use super::saga::{PaymentRequest, Saga, Step};
use super::status::{FailureReason, OrderStatus};

/// How long the shopper has to pay. The reservation at products lasts five minutes longer.
const PAYMENT_TIME: TimeDelta = TimeDelta::minutes(15);

/// The order itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// `ord_…`
    pub id: String,
    /// For people: 100042.
    pub number: i64,
    /// Who bought.
    pub user_id: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it failed.
    pub failure_reason: Option<FailureReason>,
    /// The variant that it failed for.
    pub failure_variant_id: Option<String>,
    /// The currency of all amounts.
    pub currency: Currency,
    /// Sum of the lines.
    pub subtotal_minor: i64,
    /// Shipping.
    pub shipping_minor: i64,
    /// Tax of lines and shipping.
    pub tax_minor: i64,
    /// What is to be paid.
    pub total_minor: i64,
    /// What went back.
    pub refunded_minor: i64,
    /// A copy, as it was when the order was placed.
    pub shipping_address: Address,
    /// A copy, when it differs.
    pub billing_address: Option<Address>,
    /// The shopper's words.
    pub note: Option<String>,
    /// Whether the lines came from the cart, which is emptied when they are reserved.
    pub from_cart: bool,
    /// The latest attempt to pay: `pay_…`
    pub payment_id: Option<String>,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// When the reservation lapses; `None` once paid.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was cancelled.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// When it was sent.
    pub fulfilled_at: Option<DateTime<Utc>>,
    /// Grows with every change.
    pub version: i64,
}

/// One line, with what was true at the time of purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// `oln_…`
    pub id: String,
    /// From 0.
    pub position: i32,
    /// `var_…`
    pub variant_id: String,
    /// `prod_…`
    pub product_id: String,
    /// Title of product and variant.
    pub title: String,
    /// Stock-keeping unit.
    pub sku: String,
    /// Picture.
    pub image_url: Option<String>,
    /// Units.
    pub quantity: u32,
    /// Price of one.
    pub unit_price_minor: i64,
    /// Price of all.
    pub total_minor: i64,
    /// Tax of all.
    pub tax_minor: i64,
    /// Units given back, or being given back.
    pub refunded_quantity: u32,
}

/// A postal address, copied into an order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Address {
    /// Person to deliver to.
    pub name: String,
    /// Company.
    pub company: Option<String>,
    /// Street and number.
    pub line1: String,
    /// Floor, building.
    pub line2: Option<String>,
    /// City.
    pub city: String,
    /// State or province.
    pub region: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country_code: String,
    /// Telephone number.
    pub phone: Option<String>,
}

/// Something that happened to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `oev_…`
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// `None` for the first.
    pub from_status: Option<OrderStatus>,
    /// The same as `from_status` when the status did not change.
    pub to_status: OrderStatus,
    /// For people.
    pub message: Option<String>,
    /// `shopper`, `staff` or `system`.
    pub actor: String,
}

/// Money that goes, or went, back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// `rfd_…`; also the key at payments, and the id of the restock at products.
    pub id: String,
    /// The caller's key, unique within the order; the id of one that nobody asked for.
    pub key: String,
    /// Hash of the request.
    pub request_hash: String,
    /// How far it is.
    pub status: RefundStatus,
    /// How much; 0 when only goods come back.
    pub amount_minor: i64,
    /// What comes back.
    pub lines: Vec<RefundedLine>,
    /// Whether the goods can be sold again.
    pub restock: bool,
}

/// Units of a line that come back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RefundedLine {
    /// `oln_…`
    pub line_id: String,
    /// `var_…`
    pub variant_id: String,
    /// Units.
    pub quantity: u32,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundStatus {
    /// Payments has been, or is to be, asked.
    Pending,
    /// The money is back; the goods are to be put back on the shelf.
    Restocking,
    /// Done.
    Succeeded,
    /// Payments refused; nothing went back.
    Failed,
}

/// What staff asks to give back.
#[derive(Clone, Debug)]
pub struct RefundRequest {
    /// The caller's key.
    pub key: String,
    /// Hash of the request.
    pub request_hash: String,
    /// How much; by the lines, or all that is left, when absent.
    pub amount_minor: Option<i64>,
    /// Line ids and units.
    pub lines: Vec<(String, u32)>,
    /// Whether the goods can be sold again.
    pub restock: bool,
    /// For the history.
    pub reason: Option<String>,
}

/// Why a refund is not possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundError {
    /// The order was not paid, or another change is under way.
    NotRefundable,
    /// The order has no such line.
    LineNotFound,
    /// More than is left.
    TooLarge,
    /// The key was used for something else.
    KeyReused,
}

/// A cart of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cart {
    /// `crt_…`
    pub id: String,
    /// Whose.
    pub user_id: String,
    /// In the order in which they were added.
    pub lines: Vec<CartLine>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A line of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartLine {
    /// `cln_…`
    pub id: String,
    /// `var_…`
    pub variant_id: String,
    /// Units.
    pub quantity: u32,
}

/// What is needed to place an order; the rest follows.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// Who buys.
    pub user_id: String,
    /// The currency of all amounts.
    pub currency: Currency,
    /// Priced lines.
    pub lines: Vec<OrderLine>,
    /// What it costs.
    pub totals: super::Totals,
    /// Where it goes.
    pub shipping_address: Address,
    /// Where the bill goes, when it differs.
    pub billing_address: Option<Address>,
    /// The shopper's words.
    pub note: Option<String>,
    /// Whether the lines came from the cart.
    pub from_cart: bool,
}

/// Everything about one order: what changes together, in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFile {
    /// The order.
    pub order: Order,
    /// Its lines, by position.
    pub lines: Vec<OrderLine>,
    /// Its refunds, oldest first.
    pub refunds: Vec<Refund>,
    /// Where its saga is.
    pub saga: Saga,
    /// What happened since it was read.
    pub new_events: Vec<Event>,
}

/// Who changes an order, and when.
#[derive(Clone, Debug)]
pub struct Edit<'a> {
    /// `shopper`, `staff` or `system`.
    pub actor: &'a str,
    /// The time.
    pub now: DateTime<Utc>,
}

impl OrderFile {
    /// A placed order, whose stock is to be reserved at once. The number is given by the store.
    #[must_use]
    pub fn place(new: NewOrder, now: DateTime<Utc>) -> Self {
        let order = Order {
            id: service::id::new("ord"),
            number: 0,
            user_id: new.user_id,
            status: OrderStatus::Pending,
            failure_reason: None,
            failure_variant_id: None,
            currency: new.currency,
            subtotal_minor: new.totals.subtotal_minor,
            shipping_minor: new.totals.shipping_minor,
            tax_minor: new.totals.tax_minor,
            total_minor: new.totals.total_minor,
            refunded_minor: 0,
            shipping_address: new.shipping_address,
            billing_address: new.billing_address,
            note: new.note,
            from_cart: new.from_cart,
            payment_id: None,
            placed_at: now,
            expires_at: Some(now + PAYMENT_TIME),
            cancelled_at: None,
            fulfilled_at: None,
            version: 1,
        };
        let event = Event {
            id: service::id::new("oev"),
            at: now,
            from_status: None,
            to_status: OrderStatus::Pending,
            message: None,
            actor: "shopper".to_owned(),
        };
        Self {
            order,
            lines: new.lines,
            refunds: Vec::new(),
            saga: Saga::begin(now),
            new_events: vec![event],
        }
    }

    /// Starts a payment.
    pub fn pay(&mut self, payment_id: &str, request: PaymentRequest, edit: &Edit<'_>) {
        self.order.payment_id = Some(payment_id.to_owned());
        self.saga.forget_payment();
        self.saga.payment_request = Some(request);
        self.saga.payment_attempts += 1;
        self.move_to(OrderStatus::PaymentProcessing, None, edit);
        self.saga.go_to(Step::Authorize, edit.now);
    }

    /// Calls the order off; false when its status forbids it. One that is called off already stays as it is.
    pub fn cancel(&mut self, reason: Option<String>, edit: &Edit<'_>) -> bool {
        if !self.order.status.can_cancel() {
            return self.order.status == OrderStatus::Cancelled;
        }
        let step = match self.order.status {
            OrderStatus::Paid => Step::Refund,
            // What may be on its way is waited for: see `saga`.
            OrderStatus::PaymentProcessing if matches!(self.saga.step, Step::Authorize | Step::Capture) => {
                self.saga.step
            }
            _ => self.undoing(),
        };
        self.move_to(OrderStatus::Cancelled, reason, edit);
        self.order.cancelled_at = Some(edit.now);
        self.order.expires_at = None;
        if step == Step::Refund {
            let lines = self.returnable_lines();
            self.give_back(self.refundable_minor(), lines, true);
        }
        self.saga.go_to(step, edit.now);
        true
    }

    /// Sent; false when it is not paid. One that was sent before stays as it is.
    pub fn fulfill(&mut self, tracking_url: Option<&str>, edit: &Edit<'_>) -> bool {
        if self.order.fulfilled_at.is_some() {
            return true;
        }
        let waiting = matches!(self.order.status, OrderStatus::Paid | OrderStatus::PartiallyRefunded);
        if !waiting || self.saga.step != Step::Done {
            return false;
        }
        self.order.fulfilled_at = Some(edit.now);
        let message = tracking_url.map(|url| format!("Sent: {url}"));
        self.move_to(OrderStatus::Fulfilled, message, edit);
        true
    }

    /// Writes a refund down, to be carried out by the saga.
    ///
    /// # Errors
    /// [`RefundError`]. A key that was used for the same request is no error, and changes nothing.
    pub fn request_refund(&mut self, request: &RefundRequest, edit: &Edit<'_>) -> Result<(), RefundError> {
        if let Some(known) = self.refunds.iter().find(|refund| refund.key == request.key) {
            let same = known.request_hash == request.request_hash;
            return if same { Ok(()) } else { Err(RefundError::KeyReused) };
        }
        if !self.order.status.is_paid() || !matches!(self.saga.step, Step::Done | Step::Refund) {
            return Err(RefundError::NotRefundable);
        }
        let whole = request.amount_minor.is_none() && request.lines.is_empty();
        let lines = if whole {
            self.returnable_lines()
        } else {
            self.chosen_lines(&request.lines)?
        };
        let left = self.refundable_minor();
        let amount_minor = match request.amount_minor {
            Some(amount_minor) => amount_minor,
            None if whole => left,
            None => {
                let worth = self.worth_minor(&lines);
                // A refund of units before these may have failed: then shares of a cent meet that were not cut together.
                let is_rounding = worth > left && worth - left <= i64::try_from(lines.len()).unwrap_or(i64::MAX);
                if is_rounding { left } else { worth }
            }
        };
        if amount_minor <= 0 || amount_minor > left {
            return Err(RefundError::TooLarge);
        }
        self.give_back(amount_minor, lines, request.restock);
        if let Some(refund) = self.refunds.last_mut() {
            refund.key.clone_from(&request.key);
            refund.request_hash.clone_from(&request.request_hash);
        }
        self.note(
            request.reason.clone().or_else(|| Some("Refund requested".to_owned())),
            edit,
        );
        self.saga.go_to(Step::Refund, edit.now);
        Ok(())
    }

    /// What could still go back: what was paid, less what went or is going back.
    #[must_use]
    pub fn refundable_minor(&self) -> i64 {
        let pending = self
            .refunds
            .iter()
            .filter(|refund| refund.status == RefundStatus::Pending);
        self.order.total_minor - self.order.refunded_minor - pending.map(|refund| refund.amount_minor).sum::<i64>()
    }

    pub(super) fn give_back(&mut self, amount_minor: i64, lines: Vec<RefundedLine>, restock: bool) {
        for back in &lines {
            if let Some(line) = self.lines.iter_mut().find(|line| line.id == back.line_id) {
                line.refunded_quantity += back.quantity;
            }
        }
        let id = service::id::new("rfd");
        self.refunds.push(Refund {
            // Nobody else's: a caller chooses theirs freely.
            key: id.clone(),
            id,
            request_hash: String::new(),
            status: if amount_minor == 0 {
                RefundStatus::Restocking
            } else {
                RefundStatus::Pending
            },
            amount_minor,
            lines,
            restock,
        });
    }

    pub(super) fn returnable_lines(&self) -> Vec<RefundedLine> {
        let left = self.lines.iter().filter(|line| line.refunded_quantity < line.quantity);
        left.map(|line| RefundedLine {
            line_id: line.id.clone(),
            variant_id: line.variant_id.clone(),
            quantity: line.quantity - line.refunded_quantity,
        })
        .collect()
    }

    pub(super) fn move_to(&mut self, status: OrderStatus, message: Option<String>, edit: &Edit<'_>) {
        if !self.order.status.may_become(status) {
            return;
        }
        let from_status = Some(self.order.status);
        self.order.status = status;
        self.push_event(from_status, message, edit);
    }

    pub(super) fn note(&mut self, message: Option<String>, edit: &Edit<'_>) {
        self.push_event(Some(self.order.status), message, edit);
    }

    fn push_event(&mut self, from_status: Option<OrderStatus>, message: Option<String>, edit: &Edit<'_>) {
        self.new_events.push(Event {
            id: service::id::new("oev"),
            at: edit.now,
            from_status,
            to_status: self.order.status,
            message,
            actor: edit.actor.to_owned(),
        });
    }

    fn chosen_lines(&self, chosen: &[(String, u32)]) -> Result<Vec<RefundedLine>, RefundError> {
        let mut lines: Vec<RefundedLine> = Vec::with_capacity(chosen.len());
        for (line_id, quantity) in chosen {
            let line = self
                .lines
                .iter()
                .find(|line| line.id == *line_id)
                .ok_or(RefundError::LineNotFound)?;
            let twice = lines.iter().any(|known| known.line_id == *line_id);
            if *quantity == 0 || twice || *quantity > line.quantity - line.refunded_quantity {
                return Err(RefundError::TooLarge);
            }
            let variant_id = line.variant_id.clone();
            lines.push(RefundedLine {
                line_id: line_id.clone(),
                variant_id,
                quantity: *quantity,
            });
        }
        Ok(lines)
    }

    /// What the shopper paid for these units: their share of the line, with tax when it was added. The shares of all units
    /// of a line make up the line.
    fn worth_minor(&self, lines: &[RefundedLine]) -> i64 {
        let tax_added = self.order.total_minor != self.order.subtotal_minor + self.order.shipping_minor;
        let worth = lines.iter().filter_map(|back| {
            let line = self.lines.iter().find(|line| line.id == back.line_id)?;
            let paid = line.total_minor + if tax_added { line.tax_minor } else { 0 };
            let share = |units: u32| {
                paid.checked_mul(i64::from(units))?
                    .checked_div(i64::from(line.quantity))
            };
            Some(share(line.refunded_quantity + back.quantity)? - share(line.refunded_quantity)?)
        });
        worth.sum()
    }
}
