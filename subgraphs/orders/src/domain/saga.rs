//! The order saga: which peer is asked next, and what its answer means.
//!
//! [`OrderFile::command`] and [`OrderFile::hear`] are the whole of it, as pure functions over the state that is on disk:
//! whoever dies between the two leaves nothing behind that the next one does not find. Every command may be repeated.
//!
//! ```text
//! Reserve ─ AwaitPayment ─ Authorize ─ AwaitOutcome ─ CommitStock ─ Capture ─ Done
//!    │           │ late                     │ late          │ no stock   (the point of no return: only forward)
//!    └───────────┴───────── Release ─ Void ─┴───────────────┘
//! Done ─ Refund ─ Done        (cancelled after payment, or given back by staff)
//! ```
//!
//! A cancellation while a payment is under way never undoes what is not known: an authorization that may be on its way
//! is waited for and then let go, and a capture that is under way goes through and is given back. What a gateway holds or
//! takes after the order has ended goes back as well, as soon as payments tells of it.
//!
//! What payments tells has a version, and what is older than what was heard before does not count: an event and an answer may
//! overtake each other.

use chrono::{DateTime, TimeDelta, Utc};
use service::contract::payments::{
    ActionRequest, AuthorizeRequest, PaymentState, PaymentStatus, RefundStatus as PaymentRefund, RefusalCode,
};
use service::contract::products::{
    CommitReply, ReleaseReply, ReservationReply, ReservationRequest, RestockReply, RestockRequest, ShortageReason,
    VariantQuantity, VariantQuote,
};

use super::order::{Edit, OrderFile, Refund, RefundStatus};
use super::status::{FailureReason, OrderStatus};

/// How long one step may run before another runner takes it over: a peer's 10 s, and room to store the answer.
pub const LEASE: TimeDelta = TimeDelta::seconds(15);

/// How long products may be silent before the order fails.
const RESERVE_TIME_MAX: TimeDelta = TimeDelta::minutes(2);

/// The reservation of an order whose payment is undecided is extended when less than this is left of it: more than the
/// longest time between two questions how the payment stands, at which it is looked at,
const EXTEND_BELOW: TimeDelta = TimeDelta::minutes(13);

/// and then by this much.
const EXTENSION: TimeDelta = TimeDelta::hours(1);

/// How long products and payments are asked by turns, at most, while it is not extended: products may be silent, and the payment
/// be decided meanwhile.
const EXTEND_AGAIN: TimeDelta = TimeDelta::seconds(30);

/// How often a shopper's decision is asked for, should its event get lost.
const ACTION_POLL: TimeDelta = TimeDelta::seconds(20);

/// Why payments did not begin a payment, for the shopper.
fn refusal_message(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::GatewayUnknown => "The payment was not started: this way to pay is not offered for this order",
        _ => "The payment was not started: try again, or another way to pay",
    }
}

/// How long until money that nobody bought anything for is given back once more, by the number of times that was refused.
fn refused_refund_delay(refused: usize) -> TimeDelta {
    match refused {
        ..=1 => TimeDelta::minutes(1),
        2 => TimeDelta::minutes(10),
        3 => TimeDelta::hours(1),
        _ => TimeDelta::hours(6),
    }
}

/// How often a shopper may try to pay an order: who tests stolen cards should not do it here.
const PAYMENT_ATTEMPTS_MAX: i32 = 10;

/// The shopper is told how many attempts are left, when these are few.
const FEW_ATTEMPTS: i32 = 3;

/// Where a saga is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Products is to reserve.
    Reserve,
    /// The shopper is to pay.
    AwaitPayment,
    /// Payments is to hold the amount.
    Authorize,
    /// The gateway, or the shopper at the gateway, is to decide.
    AwaitOutcome,
    /// Products is to take the goods out of the stock.
    CommitStock,
    /// Payments is to take the money.
    Capture,
    /// Payments is to let the money go.
    Void,
    /// Payments is to give money back, and products to take goods back.
    Refund,
    /// Products is to free the goods.
    Release,
    /// Nothing is to be done.
    Done,
}

const STEPS: &[(&str, Step)] = &[
    ("RESERVE", Step::Reserve),
    ("AWAIT_PAYMENT", Step::AwaitPayment),
    ("AUTHORIZE", Step::Authorize),
    ("AWAIT_OUTCOME", Step::AwaitOutcome),
    ("COMMIT_STOCK", Step::CommitStock),
    ("CAPTURE", Step::Capture),
    ("VOID", Step::Void),
    ("REFUND", Step::Refund),
    ("RELEASE", Step::Release),
    ("DONE", Step::Done),
];

impl Step {
    /// The name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = STEPS.iter().find(|(_, step)| *step == self);
        found.map(|(name, _)| *name).expect("every step is in the table")
    }

    /// Steps whose sagas are driven apart from those of the others, by who is asked: products or nobody, payments, or both.
    /// One who is silent holds up nothing that another is to do.
    pub const LANES: [Lane; 3] = [
        &[Step::Reserve, Step::AwaitPayment, Step::CommitStock, Step::Release],
        &[Step::Authorize, Step::AwaitOutcome, Step::Capture, Step::Void],
        &[Step::Refund],
    ];

    /// Every step.
    pub fn all() -> impl Iterator<Item = Self> {
        STEPS.iter().map(|(_, step)| *step)
    }

    /// The step of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        STEPS.iter().find(|(name, _)| *name == text).map(|(_, step)| *step)
    }
}

/// Some of the steps.
pub type Lane = &'static [Step];

/// How the shopper wants to pay; kept until payments has it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PaymentRequest {
    /// Name of a gateway.
    pub gateway: Option<String>,
    /// From the gateway's form.
    pub token: Option<String>,
    /// Where the shopper comes back to.
    pub return_url: Option<String>,
}

/// The saga of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saga {
    /// Where it is.
    pub step: Step,
    /// Times this step got no decisive answer.
    pub attempt: i32,
    /// When the step is due; `None` when done.
    pub next_at: Option<DateTime<Utc>>,
    /// Until when the goods are reserved at products.
    pub reserved_until: Option<DateTime<Utc>>,
    /// Whether the goods left the stock.
    pub stock_committed: bool,
    /// How the shopper wants to pay.
    pub payment_request: Option<PaymentRequest>,
    /// Version of the newest state of the payment that was heard; 0 before the first.
    pub payment_version: i64,
    /// Payments that were begun.
    pub payment_attempts: i32,
}

/// What a peer is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Products: reserve.
    Reserve(ReservationRequest),
    /// Products: keep the reservation until then.
    Extend(DateTime<Utc>),
    /// Products: take the goods out of the stock.
    Commit,
    /// Products: free the goods.
    Release,
    /// Products: take goods back, under this id.
    Restock(String, RestockRequest),
    /// Payments: hold the amount, under this payment id.
    Authorize(String, AuthorizeRequest),
    /// Payments: how does this payment stand?
    AskPayment(String),
    /// Payments: take the money.
    Capture(String, ActionRequest),
    /// Payments: let it go.
    Void(String, ActionRequest),
    /// Payments: give it back.
    Refund(String, ActionRequest),
    /// Nobody: the time to pay is over.
    Expire,
}

/// What a peer answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Command::Reserve`].
    Reservation(ReservationReply),
    /// To [`Command::Extend`]: until when, if at all.
    Extended(Option<DateTime<Utc>>),
    /// To [`Command::Commit`].
    Commit(CommitReply),
    /// To [`Command::Release`].
    Release(ReleaseReply),
    /// To [`Command::Restock`].
    Restock(RestockReply),
    /// To every command for payments.
    Payment(Box<PaymentState>),
    /// Payments refused an [`Command::Authorize`].
    Refused(RefusalCode),
    /// Payments knows no such payment.
    PaymentUnknown,
    /// No answer, or none that is understood: ask again.
    Silence,
    /// To [`Command::Expire`].
    TimeIsUp,
}

impl Saga {
    pub(super) fn begin(now: DateTime<Utc>) -> Self {
        Self {
            step: Step::Reserve,
            attempt: 0,
            next_at: Some(now),
            reserved_until: None,
            stock_committed: false,
            payment_request: None,
            payment_version: 0,
            payment_attempts: 0,
        }
    }

    /// The payment is another one from now on, or none.
    pub(super) fn forget_payment(&mut self) {
        self.payment_request = None;
        self.payment_version = 0;
    }

    pub(super) fn go_to(&mut self, step: Step, due: DateTime<Utc>) {
        self.step = step;
        self.attempt = 0;
        self.next_at = (step != Step::Done).then_some(due);
    }

    fn try_again(&mut self, now: DateTime<Utc>) {
        self.attempt = self.attempt.saturating_add(1);
        let seconds = match self.attempt {
            ..=2 => 1,
            3..=4 => 3,
            5..=8 => 10,
            9..=20 => 60,
            _ => 600,
        };
        self.next_at = Some(now + TimeDelta::seconds(seconds));
    }
}

impl OrderFile {
    /// What is to be asked now; `None` when the saga waits or is done.
    #[must_use]
    pub fn command(&self, now: DateTime<Utc>) -> Option<Command> {
        if self.saga.next_at.is_none_or(|next_at| next_at > now) {
            return None;
        }
        let payment_id = self.order.payment_id.clone();
        let action = |key: &str| ActionRequest {
            idempotency_key: key.to_owned(),
            amount_minor: None,
        };
        match self.saga.step {
            Step::Reserve => Some(Command::Reserve(self.reservation())),
            Step::AwaitPayment => Some(Command::Expire),
            // Called off: only whether the request came through before is still of interest.
            Step::Authorize if self.order.status == OrderStatus::Cancelled => Some(Command::AskPayment(payment_id?)),
            Step::Authorize => Some(Command::Authorize(payment_id?, self.authorization())),
            Step::AwaitOutcome if self.runs_out(now) && self.saga.attempt % 2 == 0 => {
                Some(Command::Extend(now + EXTENSION))
            }
            Step::AwaitOutcome => Some(Command::AskPayment(payment_id?)),
            Step::CommitStock => Some(Command::Commit),
            Step::Capture => Some(Command::Capture(payment_id?, action("capture"))),
            Step::Void => Some(payment_id.map_or(Command::Release, |id| Command::Void(id, action("void")))),
            Step::Refund => Some(self.refund_command(payment_id)),
            Step::Release => Some(Command::Release),
            Step::Done => None,
        }
    }

    /// Takes in what a peer answered to `command`. Must be called only while the saga is where it was when the command
    /// was made.
    pub fn hear(&mut self, command: &Command, answer: Answer, now: DateTime<Utc>) {
        let edit = Edit { actor: "system", now };
        if let Answer::Payment(state) = &answer {
            if state.version < self.saga.payment_version {
                // An event has told more already: what is true now is asked once more.
                return self.saga.try_again(now);
            }
            self.saga.payment_version = state.version;
        }
        match command {
            Command::Reserve(_) | Command::Extend(_) | Command::Commit | Command::Release | Command::Restock(..) => {
                self.hear_products(command, answer, &edit);
            }
            Command::Expire => {
                self.expire(&edit);
                self.saga.go_to(self.undoing(), now);
            }
            _ => self.hear_payments(command, &answer, &edit),
        }
    }

    fn hear_products(&mut self, command: &Command, answer: Answer, edit: &Edit<'_>) {
        let now = edit.now;
        match (command, answer) {
            (Command::Reserve(_), Answer::Reservation(reply)) => self.hear_reservation(reply, edit),
            (Command::Reserve(_), _) if now - self.order.placed_at > RESERVE_TIME_MAX => {
                self.fail(FailureReason::Internal, None, edit);
                self.saga.go_to(Step::Release, now);
            }
            // Lapsed: the commit will tell whether the goods are still there.
            (Command::Extend(until), Answer::Extended(extended)) => {
                self.saga.reserved_until = Some(extended.unwrap_or(*until));
            }
            (Command::Extend(_), _) => {
                // The payment is next: it may be decided.
                self.saga.try_again(now);
                self.saga.next_at = Some(now);
            }
            (Command::Commit, Answer::Commit(CommitReply::Committed)) => {
                self.saga.stock_committed = true;
                self.saga.go_to(Step::Capture, now);
            }
            (Command::Commit, Answer::Commit(_)) => {
                self.fail(FailureReason::OutOfStock, None, edit);
                self.saga.go_to(Step::Void, now);
            }
            (Command::Restock(refund_id, _), Answer::Restock(RestockReply::Restocked)) => {
                self.settle_refund(refund_id, RefundStatus::Succeeded, now);
            }
            (Command::Release, Answer::Release(ReleaseReply::Released)) => self.saga.go_to(Step::Done, now),
            (Command::Release, Answer::Release(ReleaseReply::Committed)) => {
                // Cancelled while the commit was on its way, and the commit was faster.
                self.saga.stock_committed = true;
                let lines = self.returnable_lines();
                self.give_back(0, lines, true);
                self.saga.go_to(Step::Refund, now);
            }
            _ => self.saga.try_again(now),
        }
    }

    fn hear_payments(&mut self, command: &Command, answer: &Answer, edit: &Edit<'_>) {
        let (now, is_cancelled) = (edit.now, self.order.status == OrderStatus::Cancelled);
        match (command, answer) {
            // It was begun before, by what looked like another request: how it stands is asked.
            (Command::Authorize(..), Answer::Refused(RefusalCode::IdempotencyKeyReused)) => {
                self.saga.go_to(Step::AwaitOutcome, now);
            }
            (Command::Authorize(..), Answer::Refused(code)) if *code != RefusalCode::PaymentOpen => {
                self.order.payment_id = None;
                self.saga.forget_payment();
                match is_cancelled {
                    true => self.saga.go_to(Step::Release, now),
                    false => self.await_payment(refusal_message(*code).to_owned(), edit),
                }
            }
            (Command::Authorize(..) | Command::AskPayment(_), Answer::Payment(state)) => {
                self.saga.payment_request = None;
                match is_cancelled {
                    true => self.hear_unwanted_payment(state, now),
                    false => self.hear_payment(state, edit),
                }
            }
            (Command::AskPayment(_), Answer::PaymentUnknown) if is_cancelled => self.hear_nothing_of_payment(now),
            (Command::AskPayment(_), Answer::PaymentUnknown) => self.saga.go_to(Step::Authorize, now),
            (Command::Capture(..), Answer::Payment(state)) => self.hear_capture(state, edit),
            (Command::Void(..), Answer::Payment(state)) => self.hear_void(state, edit),
            (Command::Void(..), Answer::PaymentUnknown) => self.saga.go_to(Step::Release, now),
            (Command::Refund(_, request), answer) => self.hear_refund(&request.idempotency_key, answer, edit),
            _ => self.saga.try_again(now),
        }
    }

    /// Payments told by itself that a payment changed: the step that waits for it is due now, a refund that staff made at
    /// payments, or that a bank sent back, is taken over, and what is held or taken of an order that has ended goes back.
    pub fn hear_event(&mut self, state: &PaymentState, now: DateTime<Utc>) {
        let is_current = self.order.payment_id.as_deref() == Some(&state.payment_id);
        if !is_current || state.version < self.saga.payment_version {
            return;
        }
        self.saga.payment_version = state.version;
        let waits = match self.saga.step {
            Step::AwaitOutcome | Step::CommitStock | Step::Capture | Step::Void => true,
            // One that was not asked for yet waits because the last was refused.
            Step::Refund => self.saga.attempt > 0,
            _ => false,
        };
        if waits {
            // What is due already is perhaps being asked at this moment, and stays as it is.
            self.saga.next_at = Some(self.saga.next_at.map_or(now, |due| due.min(now)));
        }
        let status = self.order.status;
        if status.is_paid() || status == OrderStatus::Refunded {
            self.hear_refunds(state, &Edit { actor: "staff", now });
        } else if status.is_called_off() && matches!(self.saga.step, Step::Refund | Step::Release | Step::Done) {
            self.hear_after_end(state, now);
        }
    }

    fn hear_reservation(&mut self, reply: ReservationReply, edit: &Edit<'_>) {
        match reply {
            ReservationReply::Reserved { expires_at, variants } => {
                self.saga.reserved_until = Some(expires_at);
                if let Some(variant_id) = self.changed_price(&variants) {
                    self.fail(FailureReason::PriceChanged, Some(variant_id), edit);
                    self.saga.go_to(Step::Release, edit.now);
                } else {
                    self.move_to(OrderStatus::AwaitingPayment, None, edit);
                    self.saga
                        .go_to(Step::AwaitPayment, self.order.expires_at.unwrap_or(expires_at));
                }
            }
            ReservationReply::Refused { shortages } => {
                let first = shortages.into_iter().next();
                let reason = match first.as_ref().map(|shortage| shortage.reason) {
                    Some(ShortageReason::OutOfStock) => FailureReason::OutOfStock,
                    _ => FailureReason::ProductUnavailable,
                };
                self.fail(reason, first.map(|shortage| shortage.variant_id), edit);
                self.saga.go_to(Step::Done, edit.now);
            }
            ReservationReply::Released => {
                self.fail(FailureReason::Internal, None, edit);
                self.saga.go_to(Step::Done, edit.now);
            }
        }
    }

    fn hear_payment(&mut self, state: &PaymentState, edit: &Edit<'_>) {
        use PaymentStatus as P;
        let late = self.order.expires_at.is_some_and(|expires_at| edit.now >= expires_at);
        match state.status {
            P::Created | P::Processing => {
                self.move_to(OrderStatus::PaymentProcessing, None, edit);
                self.saga.step = Step::AwaitOutcome;
                self.saga.try_again(edit.now);
                if self.runs_out(edit.now) {
                    let again = edit.now + EXTEND_AGAIN;
                    self.saga.next_at = self.saga.next_at.map(|next_at| next_at.min(again));
                }
            }
            P::RequiresAction if late => {
                self.expire(edit);
                self.saga.go_to(Step::Void, edit.now);
            }
            P::RequiresAction => {
                self.move_to(OrderStatus::RequiresAction, None, edit);
                let poll = edit.now + ACTION_POLL;
                let due = self.order.expires_at.map_or(poll, |expires_at| poll.min(expires_at));
                self.saga.go_to(Step::AwaitOutcome, due);
            }
            P::Authorized | P::Captured | P::PartiallyRefunded => {
                self.move_to(OrderStatus::PaymentProcessing, None, edit);
                self.saga.go_to(Step::CommitStock, edit.now);
            }
            P::Declined | P::Failed | P::Voided | P::Refunded => {
                let code = state.decline_code.as_deref().unwrap_or("no reason given");
                self.await_payment(format!("The payment was not accepted: {code}"), edit);
            }
        }
    }

    /// A payment that was under way when the order was cancelled.
    fn hear_unwanted_payment(&mut self, state: &PaymentState, now: DateTime<Utc>) {
        use PaymentStatus as P;
        match state.status {
            P::Created | P::Processing => {
                self.saga.step = Step::AwaitOutcome;
                self.saga.try_again(now);
            }
            P::RequiresAction | P::Authorized | P::Captured | P::PartiallyRefunded => self.saga.go_to(Step::Void, now),
            P::Declined | P::Failed | P::Voided | P::Refunded if self.left_minor(state) > 0 => {
                self.saga.go_to(Step::Void, now);
            }
            P::Declined | P::Failed | P::Voided | P::Refunded => self.saga.go_to(Step::Release, now),
        }
    }

    /// Payments does not know the payment of an order that was cancelled: the request for it never came, or is on its way. It
    /// was made by whoever drove the saga when the order was cancelled.
    fn hear_nothing_of_payment(&mut self, now: DateTime<Utc>) {
        let arrived_at = self.order.cancelled_at.map_or(now, |cancelled_at| cancelled_at + LEASE);
        if now < arrived_at {
            self.saga.next_at = Some(arrived_at);
        } else {
            // Should it come even later, its event tells of it.
            self.saga.payment_request = None;
            self.saga.go_to(Step::Release, now);
        }
    }

    /// A payment of an order that was called off and wants nothing of it any more.
    fn hear_after_end(&mut self, state: &PaymentState, now: DateTime<Utc>) {
        use PaymentStatus as P;
        self.hear_refunds(state, &Edit { actor: "system", now });
        if self.left_minor(state) > 0 {
            self.give_back_what_is_left(state, now);
        } else if matches!(state.status, P::RequiresAction | P::Authorized) {
            self.saga.go_to(Step::Void, now);
        }
    }

    fn hear_capture(&mut self, state: &PaymentState, edit: &Edit<'_>) {
        use PaymentStatus as P;
        match state.status {
            // The capture won over the cancellation, so what it took goes back.
            P::Captured | P::PartiallyRefunded | P::Refunded if self.order.status == OrderStatus::Cancelled => {
                self.give_everything_back(state, edit);
            }
            P::Captured | P::PartiallyRefunded | P::Refunded if state.captured_minor < self.order.total_minor => {
                // Staff took a part at payments, or the gateway held no more: too little for the goods.
                self.fail(FailureReason::Internal, None, edit);
                self.give_everything_back(state, edit);
            }
            P::Captured | P::PartiallyRefunded | P::Refunded => {
                self.move_to(OrderStatus::Paid, None, edit);
                self.order.expires_at = None;
                self.saga.go_to(Step::Done, edit.now);
                self.hear_refunds(state, edit);
            }
            P::Voided | P::Declined | P::Failed => {
                // Somebody let the hold go behind our back: the goods come back as well.
                self.fail(FailureReason::PaymentDeclined, None, edit);
                self.give_everything_back(state, edit);
            }
            P::Created | P::RequiresAction | P::Processing | P::Authorized => self.saga.try_again(edit.now),
        }
    }

    /// The money that was taken, if any, and the goods.
    fn give_everything_back(&mut self, state: &PaymentState, edit: &Edit<'_>) {
        let lines = self.returnable_lines();
        self.give_back(self.left_minor(state), lines, true);
        self.saga.go_to(Step::Refund, edit.now);
    }

    fn hear_void(&mut self, state: &PaymentState, edit: &Edit<'_>) {
        use PaymentStatus as P;
        match state.status {
            // Too late to let it go, so it goes back.
            _ if self.left_minor(state) > 0 => {
                self.hear_refunds(state, edit);
                self.give_back_what_is_left(state, edit.now);
            }
            P::Created | P::RequiresAction | P::Processing | P::Authorized => self.saga.try_again(edit.now),
            P::Voided | P::Declined | P::Failed | P::Captured | P::PartiallyRefunded | P::Refunded => {
                self.go_to_end(edit.now);
            }
        }
    }

    fn hear_refund(&mut self, refund_id: &str, answer: &Answer, edit: &Edit<'_>) {
        let asked = self.refunds.iter().find(|refund| refund.id == refund_id).cloned();
        let Some(asked) = asked.filter(|refund| refund.status == RefundStatus::Pending) else {
            // An answer that came late: counted before.
            return;
        };
        let outcome = match answer {
            // A state that does not know the refund came instead of a refusal.
            Answer::Payment(state) => {
                let told = state.refunds.iter().find(|refund| refund.idempotency_key == refund_id);
                told.map_or(PaymentRefund::Failed, |refund| refund.status)
            }
            Answer::PaymentUnknown => PaymentRefund::Failed,
            _ => PaymentRefund::Pending,
        };
        let status = match outcome {
            PaymentRefund::Pending => return self.saga.try_again(edit.now),
            PaymentRefund::Succeeded if asked.restock && !asked.lines.is_empty() => RefundStatus::Restocking,
            PaymentRefund::Succeeded => RefundStatus::Succeeded,
            PaymentRefund::Failed => RefundStatus::Failed,
        };
        self.settle_refund(refund_id, status, edit.now);
        if status == RefundStatus::Failed {
            self.note(Some("The refund was refused by the gateway".to_owned()), edit);
        }
        if let Answer::Payment(state) = answer {
            self.hear_refunds(state, edit);
            if self.order.status.is_called_off() {
                self.give_back_what_is_left(state, edit.now);
            }
        }
    }

    /// Nothing was bought, so what was taken must go back, however often that is refused: a gateway refuses, say, for want
    /// of money in the shop's account. Or staff gives it back at payments, and all that is left to do is to take the goods.
    fn give_back_what_is_left(&mut self, state: &PaymentState, now: DateTime<Utc>) {
        let with_status = |status| {
            self.refunds
                .iter()
                .filter(move |refund| refund.status == status)
                .count()
        };
        let (is_under_way, times) = (
            with_status(RefundStatus::Pending) > 0,
            with_status(RefundStatus::Failed),
        );
        if is_under_way {
            return;
        }
        let lines = match self.saga.stock_committed {
            true => self.returnable_lines(),
            false => Vec::new(),
        };
        let restock = !lines.is_empty();
        let left_minor = self.left_minor(state);
        let pending = state
            .refunds
            .iter()
            .filter(|refund| refund.status == PaymentRefund::Pending);
        let free_minor = left_minor - pending.map(|refund| refund.amount_minor).sum::<i64>();
        if left_minor > 0 {
            // What others have asked for may be refused as well, and is counted then.
            let (amount_minor, delay) = match (free_minor > 0, times) {
                (true, 0) => (free_minor, TimeDelta::zero()),
                (true, _) => (free_minor, refused_refund_delay(times)),
                (false, _) => (left_minor, refused_refund_delay(times)),
            };
            self.give_back(amount_minor, lines, restock);
            self.saga.go_to(Step::Refund, now + delay);
        } else if restock {
            self.give_back(0, lines, true);
            self.saga.go_to(Step::Refund, now);
        }
    }

    /// What was taken and is not back.
    fn left_minor(&self, state: &PaymentState) -> i64 {
        state.captured_minor - self.back_minor(state)
    }

    /// What is back: payments may count what a gateway gave back a moment later than it tells that it did.
    fn back_minor(&self, state: &PaymentState) -> i64 {
        state
            .refunded_minor
            .max(self.given_back_minor())
            .min(state.captured_minor)
    }

    /// What is known to be back of what this order has asked for.
    fn given_back_minor(&self) -> i64 {
        let back = [RefundStatus::Restocking, RefundStatus::Succeeded];
        let back = self.refunds.iter().filter(|refund| back.contains(&refund.status));
        back.map(|refund| refund.amount_minor).sum()
    }

    /// Moves a refund on, and goes to the next one or, after the last, to where the saga ends.
    fn settle_refund(&mut self, refund_id: &str, status: RefundStatus, now: DateTime<Utc>) {
        let Some(refund) = self.refunds.iter_mut().find(|refund| refund.id == refund_id) else {
            return;
        };
        refund.status = status;
        if status == RefundStatus::Failed {
            for back in refund.lines.clone() {
                if let Some(line) = self.lines.iter_mut().find(|line| line.id == back.line_id) {
                    line.refunded_quantity = line.refunded_quantity.saturating_sub(back.quantity);
                }
            }
        }
        self.go_to_end(now);
    }

    /// Goes to what is left to do when no money is to move any more.
    fn go_to_end(&mut self, now: DateTime<Utc>) {
        let next = if self.open_refund().is_some() {
            Step::Refund
        } else if self.saga.stock_committed || self.order.status.is_paid() {
            Step::Done
        } else {
            Step::Release
        };
        self.saga.go_to(next, now);
    }

    /// The order follows what payments tells of money that went back; also when it came back later, because a bank did not take
    /// it. Goods that came with it stay where they are.
    fn hear_refunds(&mut self, state: &PaymentState, edit: &Edit<'_>) {
        for refund in &mut self.refunds {
            let is_returned = state.refunds.iter().any(|told| {
                told.idempotency_key == refund.id && told.status == PaymentRefund::Failed && refund.amount_minor > 0
            });
            match refund.status {
                RefundStatus::Succeeded if is_returned => refund.status = RefundStatus::Failed,
                // The goods may be on the shelf already: they keep this refund's id.
                RefundStatus::Restocking if is_returned => refund.amount_minor = 0,
                _ => {}
            }
        }
        let refunded_minor = self.back_minor(state).min(self.order.total_minor);
        let before_minor = std::mem::replace(&mut self.order.refunded_minor, refunded_minor);
        if refunded_minor == before_minor {
            return;
        }
        let is_less = refunded_minor < before_minor;
        let returned = "A refund did not arrive: the bank has sent the money back to the shop";
        let edit = &Edit {
            actor: if is_less { "system" } else { edit.actor },
            now: edit.now,
        };
        let status = self.status_by_refunds();
        if self.order.status != status && self.order.status.may_become(status) {
            self.move_to(status, is_less.then(|| returned.to_owned()), edit);
        } else {
            let message = if is_less { returned } else { "Money was given back" };
            self.note(Some(message.to_owned()), edit);
        }
    }

    /// The status of an order that is paid, by how much of it is back.
    fn status_by_refunds(&self) -> OrderStatus {
        match self.order.refunded_minor {
            0 if self.order.fulfilled_at.is_some() => OrderStatus::Fulfilled,
            0 => OrderStatus::Paid,
            whole if whole == self.order.total_minor => OrderStatus::Refunded,
            _ => OrderStatus::PartiallyRefunded,
        }
    }

    /// What undoes an order that nobody paid. A payment that was declined is looked at once more: its gateway may have taken
    /// the money after all.
    pub(super) fn undoing(&self) -> Step {
        match self.order.payment_id {
            Some(_) => Step::Void,
            None => Step::Release,
        }
    }

    fn await_payment(&mut self, message: String, edit: &Edit<'_>) {
        let left = PAYMENT_ATTEMPTS_MAX - self.saga.payment_attempts;
        if left <= 0 {
            self.note(Some(message), edit);
            self.fail(FailureReason::PaymentDeclined, None, edit);
            return self.saga.go_to(self.undoing(), edit.now);
        }
        let message = match left {
            1 => format!("{message}. One more attempt is possible"),
            2..=FEW_ATTEMPTS => format!("{message}. {left} more attempts are possible"),
            _ => message,
        };
        self.move_to(OrderStatus::AwaitingPayment, Some(message), edit);
        self.saga
            .go_to(Step::AwaitPayment, self.order.expires_at.unwrap_or(edit.now));
    }

    fn fail(&mut self, reason: FailureReason, variant_id: Option<String>, edit: &Edit<'_>) {
        if !self.order.status.may_become(OrderStatus::Failed) {
            return;
        }
        self.order.failure_reason = Some(reason);
        self.order.failure_variant_id = variant_id;
        self.order.expires_at = None;
        self.move_to(OrderStatus::Failed, None, edit);
    }

    fn expire(&mut self, edit: &Edit<'_>) {
        self.order.failure_reason = Some(FailureReason::PaymentExpired);
        self.order.expires_at = None;
        self.move_to(OrderStatus::Expired, None, edit);
    }

    /// Whether the reservation is to be extended, so that the goods are there when the payment is decided.
    fn runs_out(&self, now: DateTime<Utc>) -> bool {
        let undecided = self.order.status == OrderStatus::PaymentProcessing;
        undecided && self.saga.reserved_until.is_some_and(|until| until - now < EXTEND_BELOW)
    }

    fn changed_price(&self, variants: &[VariantQuote]) -> Option<String> {
        let line = self.lines.iter().find(|line| {
            let quote = variants.iter().find(|quote| quote.variant_id == line.variant_id);
            quote.is_none_or(|quote| {
                quote.price.amount_minor != line.unit_price_minor
                    || quote.price.currency_code != self.order.currency.code()
            })
        });
        line.map(|line| line.variant_id.clone())
    }

    fn reservation(&self) -> ReservationRequest {
        let lines = self.lines.iter();
        ReservationRequest {
            lines: lines
                .map(|line| VariantQuantity {
                    variant_id: line.variant_id.clone(),
                    quantity: line.quantity,
                })
                .collect(),
            currency_code: self.order.currency.code().to_owned(),
        }
    }

    fn authorization(&self) -> AuthorizeRequest {
        let request = self.saga.payment_request.clone();
        let (gateway, token, return_url) = request.map_or((None, None, None), |request| {
            (request.gateway, request.token, request.return_url)
        });
        AuthorizeRequest {
            order_id: self.order.id.clone(),
            order_number: format!("#{}", self.order.number),
            user_id: self.order.user_id.clone(),
            amount_minor: self.order.total_minor,
            currency_code: self.order.currency.code().to_owned(),
            gateway,
            payment_method_token: token,
            return_url,
        }
    }

    fn open_refund(&self) -> Option<&Refund> {
        let open = [RefundStatus::Pending, RefundStatus::Restocking];
        self.refunds.iter().find(|refund| open.contains(&refund.status))
    }

    fn refund_command(&self, payment_id: Option<String>) -> Command {
        match (self.open_refund(), payment_id) {
            (Some(refund), Some(payment_id)) if refund.status == RefundStatus::Pending => {
                let idempotency_key = refund.id.clone();
                Command::Refund(
                    payment_id,
                    ActionRequest {
                        idempotency_key,
                        amount_minor: Some(refund.amount_minor),
                    },
                )
            }
            (Some(refund), _) => {
                let lines = refund.lines.iter().map(|line| VariantQuantity {
                    variant_id: line.variant_id.clone(),
                    quantity: line.quantity,
                });
                let request = RestockRequest {
                    order_id: self.order.id.clone(),
                    lines: lines.collect(),
                };
                Command::Restock(refund.id.clone(), request)
            }
            (None, _) => Command::Release,
        }
    }
}
