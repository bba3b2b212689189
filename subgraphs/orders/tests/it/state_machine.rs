//! The saga against products, payments and a gateway in memory: whatever happens, and in whatever order, nothing is
//! lost and nothing is taken twice.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use orders::domain::{
    Address, Answer, Command, Edit, FailureReason, LEASE, NewOrder, OrderFile, OrderLine, OrderStatus, PaymentRequest,
    PricedLine, Pricing, RefundRequest, Step,
};
use proptest::prelude::*;
use service::contract::payments::{PaymentState, PaymentStatus, RefundState, RefundStatus, RefusalCode};
use service::contract::products::{
    CommitReply, Price, ReleaseReply, ReservationReply, RestockReply, Shortage, ShortageReason, VariantQuote,
};
use service::money::Currency;

const ON_HAND: u32 = 3;

/// What becomes of a payment at the gateway.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Ok,
    Declined,
    ThreeDSecure,
    /// Undecided until somebody decides.
    Later,
    /// Taken at once by a wallet that knows no hold.
    PaidFirst,
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug)]
enum Wire {
    Fine,
    RequestLost,
    /// It is still on its way when the caller has given up.
    RequestLate,
    AnswerLost,
    /// The runner's lease ran out meanwhile: its answer is dropped after another one has asked as well.
    AskedTwice,
}

#[derive(Clone, Debug)]
enum Act {
    Step(Wire),
    Pay(Fate),
    /// The shopper or the bank says yes or no.
    Decide(bool),
    Cancel,
    Refund(i64),
    Fulfill,
    /// Payments tells how the payment stands, perhaps again.
    Event,
    /// Payments told it before, and it comes late, or once more.
    OldEvent(usize),
    Wait(i64),
    /// Somebody else buys what is left, if it is not reserved.
    SellOut,
    /// The gateway refuses so many refunds.
    RefuseRefunds(u32),
    /// Staff gives money back at payments.
    RefundAtPayments(i64),
    /// Staff takes a part of what is held at payments.
    CaptureAtPayments(i64),
    /// A bank sends a refund back that had succeeded.
    ReturnRefund,
    /// A gateway holds money of, or takes it for, a payment that had ended.
    AfterEnd(bool),
}

fn act() -> impl Strategy<Value = Act> {
    let wire = prop_oneof![
        4 => Just(Wire::Fine), 1 => Just(Wire::RequestLost), 1 => Just(Wire::RequestLate), 2 => Just(Wire::AnswerLost), 1 => Just(Wire::AskedTwice)
    ];
    let fate = prop_oneof![
        3 => Just(Fate::Ok), 1 => Just(Fate::Declined), 1 => Just(Fate::ThreeDSecure), 1 => Just(Fate::Later),
        1 => Just(Fate::PaidFirst)
    ];
    prop_oneof![
        12 => wire.prop_map(Act::Step),
        4 => fate.prop_map(Act::Pay),
        2 => any::<bool>().prop_map(Act::Decide),
        1 => Just(Act::Cancel),
        1 => (1..20_000_i64).prop_map(Act::Refund),
        1 => Just(Act::Fulfill),
        1 => Just(Act::Event),
        1 => any::<usize>().prop_map(Act::OldEvent),
        3 => (1..600_i64).prop_map(Act::Wait),
        1 => Just(Act::SellOut),
        1 => (1..6_u32).prop_map(Act::RefuseRefunds),
        1 => (1..20_000_i64).prop_map(Act::RefundAtPayments),
        1 => (1..10_000_i64).prop_map(Act::CaptureAtPayments),
        1 => Just(Act::ReturnRefund),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reservation {
    Reserved(DateTime<Utc>),
    Committed,
    Released,
}

struct World {
    now: DateTime<Utc>,
    file: OrderFile,
    free: u32,
    reservation: Option<Reservation>,
    restocks: BTreeMap<String, u32>,
    payments: BTreeMap<String, PaymentState>,
    payment_count: u32,
    refusals_left: u32,
    /// What payments knew at some time, oldest first.
    states: Vec<PaymentState>,
    /// An authorization that is on its way, and since when.
    late: Option<(Command, DateTime<Utc>)>,
}

impl World {
    fn open() -> World {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let line = PricedLine {
            unit_price_minor: 5_000,
            quantity: 2,
            weight_grams: 500,
            tax_class: "standard".to_owned(),
        };
        let totals = Pricing::default()
            .totals(&[line], "DE", Currency::EUR)
            .unwrap()
            .unwrap();
        let address = Address {
            name: "Ada".to_owned(),
            company: None,
            line1: "Street 1".to_owned(),
            line2: None,
            city: "Berlin".to_owned(),
            region: None,
            postal_code: None,
            country_code: "DE".to_owned(),
            phone: None,
        };
        let line = OrderLine {
            id: "oln_1".to_owned(),
            position: 0,
            variant_id: "var_1".to_owned(),
            product_id: "prod_1".to_owned(),
            title: "Shoe".to_owned(),
            sku: "SHOE".to_owned(),
            image_url: None,
            quantity: 2,
            unit_price_minor: 5_000,
            total_minor: totals.lines[0].0,
            tax_minor: totals.lines[0].1,
            refunded_quantity: 0,
        };
        let new = NewOrder {
            user_id: "usr_1".to_owned(),
            currency: Currency::EUR,
            lines: vec![line],
            totals,
            shipping_address: address,
            billing_address: None,
            note: None,
            from_cart: false,
        };
        World {
            now,
            file: OrderFile::place(new, now),
            free: ON_HAND,
            reservation: None,
            restocks: BTreeMap::new(),
            payments: BTreeMap::new(),
            payment_count: 0,
            refusals_left: 0,
            states: Vec::new(),
            late: None,
        }
    }

    fn act(&mut self, act: &Act) {
        let edit = Edit {
            actor: "shopper",
            now: self.now,
        };
        match act {
            Act::Step(wire) => self.step(*wire),
            Act::Pay(fate) if self.file.order.status.can_pay() && self.file.order.expires_at > Some(self.now) => {
                self.payment_count += 1;
                let request = PaymentRequest {
                    gateway: None,
                    token: Some(format!("{fate:?}")),
                    return_url: None,
                };
                self.file.pay(&format!("pay_{}", self.payment_count), request, &edit);
            }
            Act::Pay(_) => {}
            Act::Decide(yes) => self.decide(*yes),
            Act::Cancel => {
                self.file.cancel(None, &edit);
            }
            Act::Refund(amount_minor) => {
                let request = RefundRequest {
                    key: format!("refund {amount_minor}"),
                    request_hash: String::new(),
                    amount_minor: Some(*amount_minor),
                    lines: Vec::new(),
                    restock: true,
                    reason: None,
                };
                // Refused is fine: more than is left, or nothing was paid.
                let _ = self.file.request_refund(&request, &edit);
            }
            Act::Fulfill => {
                self.file.fulfill(None, &edit);
            }
            Act::Event => self.tell(),
            Act::OldEvent(which) if !self.states.is_empty() => {
                let state = self.states[which % self.states.len()].clone();
                self.file.hear_event(&state, self.now);
            }
            Act::OldEvent(_) => {}
            Act::Wait(seconds) => self.wait_until(self.now + TimeDelta::seconds(*seconds)),
            Act::SellOut => {
                self.sweep();
                self.free = 0;
            }
            Act::RefuseRefunds(count) => self.refusals_left = *count,
            Act::RefundAtPayments(amount_minor) => {
                self.change_all(|state| give_back(state, format!("staff {amount_minor}"), *amount_minor));
            }
            Act::CaptureAtPayments(amount_minor) => {
                self.change_all(|state| {
                    if state.status == PaymentStatus::Authorized {
                        capture(state, *amount_minor);
                    }
                });
            }
            Act::ReturnRefund => self.change_all(return_refund),
            Act::AfterEnd(is_taken) => self.change_all(|state| match is_taken {
                true => state.captured_minor = state.amount_minor,
                false => state.status = PaymentStatus::Authorized,
            }),
        }
    }

    /// What is on its way arrives in time.
    fn wait_until(&mut self, now: DateTime<Utc>) {
        if let Some((command, _)) = self.late.take_if(|(_, since)| *since + LEASE <= now) {
            self.carry_out(&command);
        }
        self.now = self.now.max(now);
    }

    fn tell(&mut self) {
        for state in self.payments.clone().values() {
            self.file.hear_event(state, self.now);
        }
    }

    fn step(&mut self, wire: Wire) {
        let Some(command) = self.file.command(self.now) else {
            return;
        };
        let answer = match wire {
            Wire::RequestLate if matches!(command, Command::Authorize(..)) => {
                self.late = Some((command.clone(), self.now));
                Answer::Silence
            }
            Wire::RequestLost | Wire::RequestLate => Answer::Silence,
            Wire::AnswerLost => {
                self.carry_out(&command);
                Answer::Silence
            }
            Wire::AskedTwice => {
                self.carry_out(&command);
                self.carry_out(&command)
            }
            Wire::Fine => self.carry_out(&command),
        };
        self.file.hear(&command, answer.clone(), self.now);
        if matches!((wire, &command), (Wire::AskedTwice, Command::Refund(..))) {
            // The second of two runners brings the same answer.
            self.file.hear(&command, answer, self.now);
        }
    }

    fn carry_out(&mut self, command: &Command) -> Answer {
        self.sweep();
        match command {
            Command::Reserve(_) => Answer::Reservation(self.reserve()),
            Command::Extend(until) => match &mut self.reservation {
                Some(Reservation::Reserved(held)) => {
                    *held = (*held).max(*until);
                    Answer::Extended(Some(*held))
                }
                _ => Answer::Extended(None),
            },
            Command::Commit => Answer::Commit(self.commit()),
            Command::Release => Answer::Release(match self.reservation {
                Some(Reservation::Committed) => ReleaseReply::Committed,
                held => {
                    if let Some(Reservation::Reserved(_)) = held {
                        self.free += 2;
                    }
                    self.reservation = Some(Reservation::Released);
                    ReleaseReply::Released
                }
            }),
            Command::Restock(id, request) => Answer::Restock(if self.reservation == Some(Reservation::Committed) {
                let units = request.lines.iter().map(|line| line.quantity).sum();
                if self.restocks.insert(id.clone(), units).is_none() {
                    self.free += units;
                }
                RestockReply::Restocked
            } else {
                RestockReply::Refused
            }),
            Command::Authorize(id, request) => self.authorize(id, request.payment_method_token.as_deref()),
            Command::AskPayment(id) => self.payment(id),
            Command::Capture(id, _) => {
                self.change(id, |state| {
                    if state.status == PaymentStatus::Authorized {
                        capture(state, state.amount_minor);
                    }
                });
                self.payment(id)
            }
            Command::Void(id, _) => {
                self.change(id, |state| {
                    if matches!(state.status, PaymentStatus::Authorized | PaymentStatus::RequiresAction) {
                        state.status = PaymentStatus::Voided;
                    }
                });
                self.payment(id)
            }
            Command::Refund(id, request) => {
                let (key, amount_minor) = (request.idempotency_key.clone(), request.amount_minor.unwrap());
                let is_refused = self.refusals_left > 0;
                self.refusals_left = self.refusals_left.saturating_sub(1);
                self.change(id, |state| match is_refused {
                    true => note_refund(state, key, RefundStatus::Failed, amount_minor),
                    false => give_back(state, key, amount_minor),
                });
                self.payment(id)
            }
            Command::Expire => Answer::TimeIsUp,
        }
    }

    fn reserve(&mut self) -> ReservationReply {
        let reserved = |until| ReservationReply::Reserved {
            expires_at: until,
            variants: vec![quote()],
        };
        match self.reservation {
            Some(Reservation::Reserved(until)) => reserved(until),
            Some(_) => ReservationReply::Released,
            None if self.free < 2 => {
                self.reservation = Some(Reservation::Released);
                ReservationReply::Refused {
                    shortages: vec![shortage()],
                }
            }
            None => {
                self.free -= 2;
                let until = self.now + TimeDelta::minutes(20);
                self.reservation = Some(Reservation::Reserved(until));
                reserved(until)
            }
        }
    }

    fn commit(&mut self) -> CommitReply {
        match self.reservation {
            Some(Reservation::Reserved(_) | Reservation::Committed) => {
                self.reservation = Some(Reservation::Committed);
                CommitReply::Committed
            }
            Some(Reservation::Released) => CommitReply::Released,
            None if self.free < 2 => CommitReply::Refused {
                shortages: vec![shortage()],
            },
            None => {
                self.free -= 2;
                self.reservation = Some(Reservation::Committed);
                CommitReply::Committed
            }
        }
    }

    /// A reservation whose time is over lapses; a commit takes the units again if they are free.
    fn sweep(&mut self) {
        if matches!(self.reservation, Some(Reservation::Reserved(until)) if until <= self.now) {
            self.reservation = None;
            self.free += 2;
        }
    }

    fn authorize(&mut self, id: &str, fate: Option<&str>) -> Answer {
        let open = |state: &PaymentState| {
            use PaymentStatus as P;
            !matches!(state.status, P::Declined | P::Failed | P::Voided | P::Refunded)
        };
        if !self.payments.contains_key(id) {
            if self.payments.values().any(open) {
                return Answer::Refused(RefusalCode::PaymentOpen);
            }
            let amount_minor = self.file.order.total_minor;
            let status = match fate.unwrap() {
                "Ok" => PaymentStatus::Authorized,
                "Declined" => PaymentStatus::Declined,
                "ThreeDSecure" => PaymentStatus::RequiresAction,
                "Later" => PaymentStatus::Processing,
                _ => PaymentStatus::Captured,
            };
            let captured_minor = if status == PaymentStatus::Captured {
                amount_minor
            } else {
                0
            };
            let state = PaymentState {
                payment_id: id.to_owned(),
                order_id: self.file.order.id.clone(),
                status,
                amount_minor,
                authorized_minor: amount_minor,
                captured_minor,
                refunded_minor: 0,
                currency_code: "EUR".to_owned(),
                decline_code: None,
                version: 1,
                refunds: Vec::new(),
            };
            self.states.push(state.clone());
            self.payments.insert(id.to_owned(), state);
        }
        self.payment(id)
    }

    fn payment(&self, id: &str) -> Answer {
        let state = self.payments.get(id).cloned();
        state.map_or(Answer::PaymentUnknown, |state| Answer::Payment(Box::new(state)))
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut PaymentState)) {
        if let Some(state) = self.payments.get_mut(id) {
            change(state);
            state.version += 1;
            self.states.push(state.clone());
        }
    }

    fn change_all(&mut self, change: impl Fn(&mut PaymentState)) {
        let ids: Vec<String> = self.payments.keys().cloned().collect();
        for id in ids {
            self.change(&id, &change);
        }
    }

    fn decide(&mut self, yes: bool) {
        self.change_all(|state| {
            if matches!(state.status, PaymentStatus::RequiresAction | PaymentStatus::Processing) {
                state.status = if yes {
                    PaymentStatus::Authorized
                } else {
                    PaymentStatus::Declined
                };
            }
        });
    }

    /// Every wire is mended and every gateway decides; then the saga must come to its end.
    fn settle(&mut self) {
        for _ in 0..200 {
            if self.file.saga.next_at.is_none() {
                // No event is lost.
                self.tell();
            }
            let Some(next_at) = self.file.saga.next_at else {
                return;
            };
            self.wait_until(next_at);
            self.change_all(|state| {
                if state.status == PaymentStatus::Processing {
                    state.status = PaymentStatus::Authorized;
                }
            });
            self.step(Wire::Fine);
        }
        panic!("the saga does not end: {:#?}", self.file);
    }

    fn check(&self) {
        let order = &self.file.order;
        assert_eq!(self.file.saga.step, Step::Done);
        let sum = |part: fn(&PaymentState) -> i64| self.payments.values().map(part).sum::<i64>();
        let (captured, refunded) = (sum(|state| state.captured_minor), sum(|state| state.refunded_minor));
        let kept = captured - refunded;
        let paid = order.status.is_paid() || order.status == OrderStatus::Refunded;
        if paid {
            assert_eq!(
                (captured, kept),
                (order.total_minor, order.total_minor - order.refunded_minor)
            );
        } else {
            assert_eq!(kept, 0, "money of an order that is {}", order.status.as_str());
        }
        assert!(self.payments.values().filter(|state| state.captured_minor > 0).count() <= 1);
        let held = self
            .payments
            .values()
            .any(|state| state.status == PaymentStatus::Authorized);
        assert!(!held, "a hold is left behind");
        let restocked: u32 = self.restocks.values().sum();
        if paid {
            assert_eq!((self.reservation, restocked), (Some(Reservation::Committed), 0));
        } else {
            let back = self.reservation != Some(Reservation::Committed) || restocked == 2;
            assert!(back, "goods of an order that is {}", order.status.as_str());
            assert!(!matches!(self.reservation, Some(Reservation::Reserved(_))));
        }
        let mut at = None;
        for event in &self.file.new_events {
            assert_eq!(event.from_status, at, "the history has no gap");
            let legal = at.is_none_or(|from: OrderStatus| from == event.to_status || from.may_become(event.to_status));
            assert!(legal, "{at:?} to {:?}", event.to_status);
            at = Some(event.to_status);
        }
        assert_eq!(at, Some(order.status));
    }
}

fn capture(state: &mut PaymentState, amount_minor: i64) {
    state.status = PaymentStatus::Captured;
    state.captured_minor = amount_minor;
}

/// Nothing when more would go back than was taken.
fn give_back(state: &mut PaymentState, key: String, amount_minor: i64) {
    let known = state.refunds.iter().any(|refund| refund.idempotency_key == key);
    if known || state.captured_minor - state.refunded_minor < amount_minor {
        return;
    }
    state.refunded_minor += amount_minor;
    state.status = if state.refunded_minor == state.captured_minor {
        PaymentStatus::Refunded
    } else {
        PaymentStatus::PartiallyRefunded
    };
    note_refund(state, key, RefundStatus::Succeeded, amount_minor);
}

/// The last refund that succeeded.
fn return_refund(state: &mut PaymentState) {
    let back = state
        .refunds
        .iter_mut()
        .rfind(|refund| refund.status == RefundStatus::Succeeded);
    if let Some(refund) = back {
        refund.status = RefundStatus::Failed;
        state.refunded_minor -= refund.amount_minor;
        state.status = match state.refunded_minor {
            0 => PaymentStatus::Captured,
            _ => PaymentStatus::PartiallyRefunded,
        };
    }
}

fn note_refund(state: &mut PaymentState, key: String, status: RefundStatus, amount_minor: i64) {
    if state.refunds.iter().any(|refund| refund.idempotency_key == key) {
        return;
    }
    state.refunds.push(RefundState {
        idempotency_key: key,
        status,
        amount_minor,
    });
}

fn quote() -> VariantQuote {
    VariantQuote {
        variant_id: "var_1".to_owned(),
        product_id: "prod_1".to_owned(),
        sku: "SHOE".to_owned(),
        product_title: "Shoe".to_owned(),
        variant_title: String::new(),
        image_url: None,
        price: Price {
            amount_minor: 5_000,
            currency_code: "EUR".to_owned(),
        },
        weight_grams: Some(500),
        tax_class: "standard".to_owned(),
        available_for_sale: true,
        quantity_available: 1,
    }
}

fn shortage() -> Shortage {
    Shortage {
        variant_id: "var_1".to_owned(),
        reason: ShortageReason::OutOfStock,
        quantity_available: 0,
    }
}

/// An order of two units that was just placed.
pub(crate) fn placed_order() -> OrderFile {
    World::open().file
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn money_and_goods_end_where_the_order_says(acts in prop::collection::vec(act(), 1..40)) {
        let mut world = World::open();
        for act in &acts {
            world.act(act);
        }
        world.settle();
        world.check();
    }
}

/// Whenever the shopper paid, and however long the gateway thinks, also when products does not answer for a while.
#[test]
fn goods_stay_reserved_while_a_payment_is_undecided() {
    for minutes in 0..15 {
        let mut world = World::open();
        world.act(&Act::Step(Wire::Fine));
        world.act(&Act::Wait(minutes * 60));
        world.act(&Act::Pay(Fate::Later));
        let mut lost = 0;
        for _ in 0..3 * 60 * 60 {
            let is_lost = lost < 3 && matches!(world.file.command(world.now), Some(Command::Extend(_)));
            lost += u32::from(is_lost);
            world.act(&Act::Step(if is_lost { Wire::RequestLost } else { Wire::Fine }));
            world.act(&Act::Wait(1));
            let reserved = matches!(world.reservation, Some(Reservation::Reserved(until)) if until > world.now);
            assert!(
                reserved,
                "paid after {minutes} min, {} s ago",
                (world.now - world.file.order.placed_at).num_seconds()
            );
        }
        assert_eq!(lost, 3);
    }
}

/// An order as it was placed, and as it is when staff gave a part back at payments before orders heard that it was paid.
pub(crate) fn paid_and_given_back() -> (OrderFile, OrderFile) {
    let mut world = World::open();
    let placed = world.file.clone();
    world.file.new_events.clear();
    world.act(&Act::Step(Wire::Fine));
    world.act(&Act::Pay(Fate::PaidFirst));
    world.act(&Act::Step(Wire::Fine));
    world.act(&Act::RefundAtPayments(1_000));
    while world.file.saga.step != Step::Done {
        world.act(&Act::Step(Wire::Fine));
    }
    assert_eq!(world.file.order.status, OrderStatus::PartiallyRefunded);
    (placed, world.file)
}

impl World {
    /// A world whose order is reserved.
    fn reserved() -> World {
        let mut world = World::open();
        world.act(&Act::Step(Wire::Fine));
        world
    }

    /// A world whose order is paid.
    fn paid() -> World {
        let mut world = World::reserved();
        world.act(&Act::Pay(Fate::Ok));
        world.settle();
        assert_eq!(world.file.order.status, OrderStatus::Paid);
        world
    }

    fn refunded(&self) -> (OrderStatus, i64) {
        (self.file.order.status, self.file.order.refunded_minor)
    }
}

/// Payments is away, and the shopper goes away as well: nobody asks for money that nobody wants.
#[test]
fn an_order_that_was_cancelled_is_not_authorized_any_more() {
    let mut world = World::reserved();
    world.act(&Act::Pay(Fate::Ok));
    world.act(&Act::Step(Wire::RequestLost));
    world.act(&Act::Cancel);
    world.settle();
    world.check();
    assert!(world.payments.is_empty());
    assert_eq!(world.reservation, Some(Reservation::Released));
}

/// The request that the caller has given up arrives after the cancellation: the goods are kept until then, and the hold is let
/// go. One that comes later still tells of itself.
#[test]
fn an_authorization_that_arrives_after_the_cancellation_is_let_go() {
    for is_too_late in [false, true] {
        let mut world = World::reserved();
        world.act(&Act::Pay(Fate::Ok));
        world.act(&Act::Step(Wire::RequestLate));
        let late = world.late.take_if(|_| is_too_late);
        world.act(&Act::Cancel);
        world.settle();
        if let Some((command, _)) = late {
            assert!(world.payments.is_empty());
            world.carry_out(&command);
            world.settle();
        }
        world.check();
        assert_eq!(world.payments["pay_1"].status, PaymentStatus::Voided);
    }
}

#[test]
fn a_refund_that_a_bank_sends_back_can_be_made_again() {
    let mut world = World::paid();
    let total = world.file.order.total_minor;
    world.act(&Act::Fulfill);
    world.act(&Act::Refund(1_000));
    world.settle();
    world.act(&Act::Refund(total - 1_000));
    world.settle();
    let whole = world.payments["pay_1"].clone();
    assert_eq!(world.refunded(), (OrderStatus::Refunded, total));
    world.act(&Act::ReturnRefund);
    world.act(&Act::Event);
    assert_eq!(world.refunded(), (OrderStatus::PartiallyRefunded, 1_000));
    // What payments told before comes once more.
    world.file.hear_event(&whole, world.now);
    assert_eq!(world.refunded(), (OrderStatus::PartiallyRefunded, 1_000));
    world.act(&Act::ReturnRefund);
    world.act(&Act::Event);
    assert_eq!(world.refunded(), (OrderStatus::Fulfilled, 0));
    world.act(&Act::Refund(500));
    world.settle();
    world.check();
    assert_eq!(world.refunded(), (OrderStatus::PartiallyRefunded, 500));
    assert_eq!(world.file.refundable_minor(), total - 500);
}

/// Nothing was bought, so it must go back all the same; the goods are on the shelf already.
#[test]
fn a_refund_of_a_cancelled_order_that_a_bank_sends_back_is_made_again() {
    for is_restocked in [true, false] {
        let mut world = World::paid();
        world.act(&Act::Cancel);
        world.act(&Act::Step(Wire::Fine));
        if is_restocked {
            world.settle();
        }
        world.act(&Act::ReturnRefund);
        world.act(&Act::Event);
        if !is_restocked {
            assert!(matches!(world.file.command(world.now), Some(Command::Restock(..))));
            world.act(&Act::Step(Wire::Fine));
        }
        assert_eq!(world.file.saga.step, Step::Refund);
        world.settle();
        world.check();
        assert_eq!(world.refunded(), (OrderStatus::Cancelled, world.file.order.total_minor));
        assert_eq!(world.restocks.values().sum::<u32>(), 2);
    }
}

#[test]
fn money_of_an_order_that_has_ended_goes_back_by_itself() {
    // Cancelled and expired while the shopper was asked; declined, and not paid in time.
    for (fate, ends_by) in [
        (Fate::ThreeDSecure, Act::Cancel),
        (Fate::ThreeDSecure, Act::Wait(1_000)),
        (Fate::Declined, Act::Cancel),
        (Fate::Declined, Act::Wait(1_000)),
    ] {
        // Taken, or held; and when: after the end, or before it.
        for (is_taken, is_before) in [(true, false), (false, false), (true, true)] {
            let mut world = World::reserved();
            world.act(&Act::Pay(fate));
            world.act(&Act::Step(Wire::Fine));
            if is_before && matches!(fate, Fate::Declined) {
                world.act(&Act::AfterEnd(is_taken));
            }
            world.act(&ends_by);
            world.settle();
            if !is_before {
                world.act(&Act::AfterEnd(is_taken));
            }
            world.settle();
            assert!(world.file.order.status.is_called_off());
            world.check();
        }
    }
}

#[test]
fn an_order_can_be_paid_in_vain_ten_times() {
    let mut world = World::reserved();
    for attempt in 1..=10 {
        assert_eq!(world.file.order.status, OrderStatus::AwaitingPayment, "{attempt}");
        world.act(&Act::Pay(Fate::Declined));
        world.act(&Act::Step(Wire::Fine));
        if attempt == 8 {
            let message = world.file.new_events.last().unwrap().message.clone().unwrap();
            assert!(message.ends_with("2 more attempts are possible"), "{message}");
        }
    }
    let order = &world.file.order;
    assert_eq!(
        (order.status, order.failure_reason),
        (OrderStatus::Failed, Some(FailureReason::PaymentDeclined))
    );
    world.settle();
    world.check();
    assert_eq!(world.reservation, Some(Reservation::Released));
}

/// Products does not answer for an hour: the payment is looked at all the same, and each attempt counts.
#[test]
fn a_payment_is_asked_about_while_products_is_silent() {
    let mut world = World::reserved();
    world.act(&Act::Wait(14 * 60));
    world.act(&Act::Pay(Fate::Later));
    let (mut asked, mut silent) = (0, 0);
    for _ in 0..3_600 {
        let command = world.file.command(world.now);
        asked += u32::from(matches!(command, Some(Command::AskPayment(_))));
        let is_silent = matches!(command, Some(Command::Extend(_)));
        silent += u32::from(is_silent);
        world.act(&Act::Step(if is_silent { Wire::RequestLost } else { Wire::Fine }));
        world.act(&Act::Wait(1));
    }
    assert!(
        asked >= 100 && silent >= 100,
        "{asked} questions, {silent} times silent"
    );
    assert!(world.file.saga.attempt >= 200);
    world.act(&Act::Decide(true));
    world.settle();
}

/// What an order says of itself is what becomes of its cancellation, whatever its saga is at.
#[test]
fn an_order_that_can_be_cancelled_is_cancelled() {
    let mut world = World::paid();
    world.act(&Act::Refund(1_000));
    assert!(world.file.order.status.can_cancel());
    world.act(&Act::Cancel);
    assert_eq!(world.file.order.status, OrderStatus::Cancelled);
    world.settle();
    world.check();
}
