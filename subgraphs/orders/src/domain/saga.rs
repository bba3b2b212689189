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
//! is waited for and then let go, and a capture that is under way goes through and is given back.

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
const EXTEND_BELOW: TimeDelta = TimeDelta::minutes(12);

/// and then by this much.
const EXTENSION: TimeDelta = TimeDelta::hours(1);

/// When products is asked again to extend it, if no answer came.
const EXTEND_AGAIN: TimeDelta = TimeDelta::seconds(30);

/// How often a shopper's decision is asked for, should its event get lost.
const ACTION_POLL: TimeDelta = TimeDelta::seconds(20);

/// How long until money that nobody bought anything for is given back once more, by the number of times that was refused.
fn refused_refund_delay(refused: usize) -> TimeDelta {
    match refused {
        ..=1 => TimeDelta::minutes(1),
        2 => TimeDelta::minutes(10),
        3 => TimeDelta::hours(1),
        _ => TimeDelta::hours(6),
    }
}

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
        }
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
            Step::Authorize => Some(Command::Authorize(payment_id?, self.authorization())),
            Step::AwaitOutcome if self.should_extend(now) => Some(Command::Extend(now + EXTENSION)),
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
        match (command, answer) {
            (Command::Reserve(_), Answer::Reservation(reply)) => self.hear_reservation(reply, &edit),
            (Command::Reserve(_), _) if now - self.order.placed_at > RESERVE_TIME_MAX => {
                self.fail(FailureReason::Internal, None, &edit);
                self.saga.go_to(Step::Release, now);
            }
            // Lapsed: the commit will tell whether the goods are still there.
            (Command::Extend(until), Answer::Extended(extended)) => {
                self.saga.reserved_until = Some(extended.unwrap_or(*until));
            }
            (Command::Extend(_), _) => self.saga.next_at = Some(now + EXTEND_AGAIN),
            // It was begun before, by what looked like another request: how it stands is asked.
            (Command::Authorize(..), Answer::Refused(RefusalCode::IdempotencyKeyReused)) => {
                self.saga.go_to(Step::AwaitOutcome, now);
            }
            (Command::Authorize(..), Answer::Refused(code)) if code != RefusalCode::PaymentOpen => {
                self.order.payment_id = None;
                self.saga.payment_request = None;
                if self.order.status == OrderStatus::Cancelled {
                    self.saga.go_to(Step::Release, now);
                    return;
                }
                self.await_payment(format!("The payment was refused: {code:?}"), &edit);
            }
            (Command::Authorize(..) | Command::AskPayment(_), Answer::Payment(state)) => {
                self.saga.payment_request = None;
                if self.order.status == OrderStatus::Cancelled {
                    self.hear_unwanted_payment(&state, now);
                } else {
                    self.hear_payment(&state, &edit);
                }
            }
            (Command::AskPayment(_), Answer::PaymentUnknown) => self.saga.go_to(Step::Authorize, now),
            (Command::Commit, Answer::Commit(CommitReply::Committed)) => {
                self.saga.stock_committed = true;
                self.saga.go_to(Step::Capture, now);
            }
            (Command::Commit, Answer::Commit(_)) => {
                self.fail(FailureReason::OutOfStock, None, &edit);
                self.saga.go_to(Step::Void, now);
            }
            (Command::Capture(..), Answer::Payment(state)) => self.hear_capture(&state, &edit),
            (Command::Void(..), Answer::Payment(state)) => self.hear_void(&state, now),
            (Command::Void(..), Answer::PaymentUnknown) => self.saga.go_to(Step::Release, now),
            (Command::Refund(_, request), answer) => self.hear_refund(&request.idempotency_key, &answer, &edit),
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
            (Command::Expire, _) => {
                self.expire(&edit);
                self.saga.go_to(Step::Release, now);
            }
            _ => self.saga.try_again(now),
        }
    }

    /// Payments told by itself that a payment changed: the step that waits for it is due now, and a refund that staff
    /// made at payments is taken over.
    pub fn hear_event(&mut self, state: &PaymentState, now: DateTime<Utc>) {
        if self.order.payment_id.as_deref() != Some(&state.payment_id) {
            return;
        }
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
        if self.order.status.is_paid() {
            self.take_over_refunds(state.refunded_minor, &Edit { actor: "staff", now });
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
            P::Declined | P::Failed | P::Voided | P::Refunded => self.saga.go_to(Step::Release, now),
        }
    }

    fn hear_capture(&mut self, state: &PaymentState, edit: &Edit<'_>) {
        use PaymentStatus as P;
        match state.status {
            P::Captured | P::PartiallyRefunded | P::Refunded if self.order.status == OrderStatus::Cancelled => {
                // The capture won over the cancellation, so what it took goes back.
                let lines = self.returnable_lines();
                self.give_back(state.captured_minor - state.refunded_minor, lines, true);
                self.saga.go_to(Step::Refund, edit.now);
            }
            P::Captured | P::PartiallyRefunded | P::Refunded if state.captured_minor < self.order.total_minor => {
                // Staff took a part at payments, or the gateway held no more: too little for the goods.
                self.fail(FailureReason::Internal, None, edit);
                let lines = self.returnable_lines();
                self.give_back(state.captured_minor - state.refunded_minor, lines, true);
                self.saga.go_to(Step::Refund, edit.now);
            }
            P::Captured | P::PartiallyRefunded | P::Refunded => {
                self.move_to(OrderStatus::Paid, None, edit);
                self.order.expires_at = None;
                self.saga.go_to(Step::Done, edit.now);
                self.take_over_refunds(state.refunded_minor, edit);
            }
            P::Voided | P::Declined | P::Failed => {
                // Somebody let the hold go behind our back: the goods come back as well.
                self.fail(FailureReason::PaymentDeclined, None, edit);
                let lines = self.returnable_lines();
                self.give_back(0, lines, true);
                self.saga.go_to(Step::Refund, edit.now);
            }
            P::Created | P::RequiresAction | P::Processing | P::Authorized => self.saga.try_again(edit.now),
        }
    }

    fn hear_void(&mut self, state: &PaymentState, now: DateTime<Utc>) {
        use PaymentStatus as P;
        match state.status {
            P::Voided | P::Declined | P::Failed | P::Refunded => self.saga.go_to(Step::Release, now),
            P::Captured | P::PartiallyRefunded => {
                // Too late to let it go, so it goes back.
                self.give_back(state.captured_minor - state.refunded_minor, Vec::new(), false);
                self.saga.go_to(Step::Refund, now);
            }
            P::Created | P::RequiresAction | P::Processing | P::Authorized => self.saga.try_again(now),
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
                Some(told.map_or(PaymentRefund::Failed, |refund| refund.status))
            }
            Answer::PaymentUnknown => Some(PaymentRefund::Failed),
            _ => None,
        };
        match (outcome, answer) {
            (Some(PaymentRefund::Succeeded), Answer::Payment(state)) => {
                let status = if asked.restock && !asked.lines.is_empty() {
                    RefundStatus::Restocking
                } else {
                    RefundStatus::Succeeded
                };
                self.settle_refund(refund_id, status, edit.now);
                self.take_over_refunds(state.refunded_minor.max(self.given_back_minor()), edit);
            }
            (Some(PaymentRefund::Failed), answer) => {
                self.settle_refund(refund_id, RefundStatus::Failed, edit.now);
                self.note(Some("The refund was refused by the gateway".to_owned()), edit);
                if let Answer::Payment(state) = answer
                    && self.order.status.is_called_off()
                {
                    self.take_over_refunds(state.refunded_minor, edit);
                    self.give_back_once_more(&asked, state, edit.now);
                }
            }
            _ => self.saga.try_again(edit.now),
        }
    }

    /// Nothing was bought, so what was taken must go back, however often that is refused: a gateway refuses, say, for want
    /// of money in the shop's account. Or staff gives it back at payments, and all that is left to do is to take the goods.
    fn give_back_once_more(&mut self, refused: &Refund, state: &PaymentState, now: DateTime<Utc>) {
        let pending = state
            .refunds
            .iter()
            .filter(|refund| refund.status == PaymentRefund::Pending);
        let pending_minor: i64 = pending.map(|refund| refund.amount_minor).sum();
        let left_minor = state.captured_minor - state.refunded_minor;
        // What others have asked for may be refused as well, and is counted then.
        let amount_minor = match left_minor - pending_minor {
            free if free > 0 => free,
            _ => left_minor,
        };
        let times = self
            .refunds
            .iter()
            .filter(|refund| refund.status == RefundStatus::Failed)
            .count();
        if left_minor > 0 {
            self.give_back(amount_minor, refused.lines.clone(), refused.restock);
            self.saga.go_to(Step::Refund, now + refused_refund_delay(times));
        } else if refused.restock && !refused.lines.is_empty() {
            self.give_back(0, refused.lines.clone(), true);
            self.saga.go_to(Step::Refund, now);
        }
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
        let next = if self.open_refund().is_some() {
            Step::Refund
        } else if self.saga.stock_committed || self.order.status.is_paid() {
            Step::Done
        } else {
            Step::Release
        };
        self.saga.go_to(next, now);
    }

    /// The order's status follows the money that is known to be back.
    fn take_over_refunds(&mut self, refunded_minor: i64, edit: &Edit<'_>) {
        if refunded_minor <= self.order.refunded_minor {
            return;
        }
        self.order.refunded_minor = refunded_minor.min(self.order.total_minor);
        let whole = self.order.refunded_minor == self.order.total_minor;
        let status = if whole {
            OrderStatus::Refunded
        } else {
            OrderStatus::PartiallyRefunded
        };
        if self.order.status.may_become(status) {
            self.move_to(status, None, edit);
        } else {
            self.note(Some("Money was given back".to_owned()), edit);
        }
    }

    fn await_payment(&mut self, message: String, edit: &Edit<'_>) {
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

    fn should_extend(&self, now: DateTime<Utc>) -> bool {
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
