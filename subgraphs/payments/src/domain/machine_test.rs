//! The payment's state machine against random histories: commands, answers that come late, twice, out of order or never.
//!
//! A model gateway books for real; the payment hears of it only through snapshots of those books.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use service::contract::payments::{AuthorizeRequest, PaymentStatus, RefusalCode};
use service::money::{Amount, Currency};

use super::{
    Begun, Payment, RefundOutcome, RemotePayment, RemoteRefund, RemoteStatus, TransactionKind, TransactionStatus,
    fresh_payment,
};

const AMOUNT: i64 = 1_000;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Orders or staff ask, under one of a few keys.
    Capture(u8, i64),
    Void(u8),
    Refund(u8, Option<i64>),
    /// The gateway does what the open transaction of this number asks, and answers or not.
    Arrive(usize),
    /// The shopper or the bank decides.
    Approve,
    Decline,
    Challenge,
    /// The same of a refund, which the bank does not decide at once.
    ArriveSlowly(usize),
    /// The bank pays the pending refund of this number out.
    PayOut(usize),
    /// It sends back what the refund of this number gave, or is to give.
    Return(usize),
    /// Somebody gives this much back at the gateway, without the shop.
    RefundByHand(i64),
    /// The payment is told how things stood: now, or so many changes ago.
    Hear(usize),
    /// The open transaction of this number has no clear answer, was not sent, was held back, is repeated, is refused.
    Unknown(usize),
    NotSent(usize),
    HeldBack(usize),
    Calling(usize),
    Undecided(usize),
    Refuse(usize),
    Rekey(usize),
    /// Time goes by.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let open = 0..4_usize;
    prop_oneof![
        2 => (0..3_u8, prop_oneof![Just(AMOUNT), 1..=AMOUNT + 1]).prop_map(|(key, amount)| Step::Capture(key, amount)),
        1 => (3..5_u8).prop_map(Step::Void),
        3 => (5..9_u8, proptest::option::of(1..=AMOUNT)).prop_map(|(key, amount)| Step::Refund(key, amount)),
        6 => open.clone().prop_map(Step::Arrive),
        2 => Just(Step::Approve),
        1 => Just(Step::Decline),
        1 => Just(Step::Challenge),
        2 => open.clone().prop_map(Step::ArriveSlowly),
        2 => open.clone().prop_map(Step::PayOut),
        1 => open.clone().prop_map(Step::Return),
        1 => (1..=AMOUNT).prop_map(Step::RefundByHand),
        6 => prop_oneof![3 => Just(0), 1 => 0..6_usize].prop_map(Step::Hear),
        2 => open.clone().prop_map(Step::Unknown),
        1 => open.clone().prop_map(Step::NotSent),
        1 => open.clone().prop_map(Step::HeldBack),
        1 => open.clone().prop_map(Step::Calling),
        1 => open.clone().prop_map(Step::Undecided),
        2 => open.clone().prop_map(Step::Refuse),
        1 => open.prop_map(Step::Rekey),
        1 => (1..3_000_i64).prop_map(Step::Wait),
    ]
}

/// The gateway's books of the payment; `None` until the authorization has arrived.
#[derive(Default)]
struct Books {
    now: Option<RemotePayment>,
    /// Every state so far, oldest first.
    history: Vec<RemotePayment>,
}

impl Books {
    fn change(&mut self, change: impl FnOnce(&mut RemotePayment)) {
        if let Some(now) = &mut self.now {
            change(now);
            self.history.push(now.clone());
        }
    }

    fn arrive(&mut self, kind: TransactionKind, id: &str, amount: i64) {
        if kind == TransactionKind::Authorize && self.now.is_none() {
            self.now = Some(begun());
        }
        if kind == TransactionKind::Refund {
            return self.refund(id, amount, RefundOutcome::Succeeded);
        }
        self.change(|remote| match (kind, remote.status) {
            (TransactionKind::Capture, RemoteStatus::Authorized) => {
                remote.captured_minor = amount;
                remote.status = RemoteStatus::Captured;
            }
            (TransactionKind::Void, status) if status != RemoteStatus::Captured && status != RemoteStatus::Declined => {
                remote.status = RemoteStatus::Voided;
            }
            _ => {}
        });
    }

    /// * `id`: empty for one that the shop has not asked for. `outcome`: at once.
    fn refund(&mut self, id: &str, amount: i64, outcome: RefundOutcome) {
        self.change(|remote| {
            let is_known = remote.refund(id).is_some_and(|known| !known.reference.is_empty());
            let live = remote
                .refunds
                .iter()
                .filter(|refund| refund.outcome != RefundOutcome::Failed);
            let left = remote.captured_minor - live.map(|refund| refund.amount_minor).sum::<i64>();
            // The model trusts the shop where nobody else gives back: giving back too much is the fault that is looked for.
            let by_hand = id.is_empty() || remote.refunds.iter().any(|refund| refund.reference.is_empty());
            if is_known || remote.status != RemoteStatus::Captured || by_hand && amount > left {
                return;
            }
            remote.refunds.push(RemoteRefund {
                gateway_reference: format!("re_{id}"),
                reference: id.to_owned(),
                amount_minor: amount,
                outcome,
            });
            remote.refunded_minor += if outcome == RefundOutcome::Succeeded { amount } else { 0 };
        });
    }

    /// The refund of this number, of those that are `from`, comes to `to`.
    fn decide_refund(&mut self, number: usize, from: &[RefundOutcome], to: RefundOutcome) {
        self.change(|remote| {
            let mut refunds = remote
                .refunds
                .iter_mut()
                .filter(|refund| from.contains(&refund.outcome));
            if let Some(refund) = refunds.nth(number) {
                refund.outcome = to;
            }
            let succeeded = remote
                .refunds
                .iter()
                .filter(|refund| refund.outcome == RefundOutcome::Succeeded);
            remote.refunded_minor = succeeded.map(|refund| refund.amount_minor).sum();
        });
    }

    fn decide(&mut self, status: RemoteStatus) {
        self.change(|remote| {
            let waits = matches!(remote.status, RemoteStatus::Processing | RemoteStatus::RequiresAction);
            if waits {
                remote.status = status;
                remote.authorized_minor = if status == RemoteStatus::Authorized { AMOUNT } else { 0 };
            }
        });
    }
}

fn begun() -> RemotePayment {
    RemotePayment {
        gateway_reference: "pi_1".to_owned(),
        reference: "pay_1".to_owned(),
        amount: Amount::new(AMOUNT, Currency::EUR),
        status: RemoteStatus::Processing,
        authorized_minor: 0,
        captured_minor: 0,
        refunded_minor: 0,
        next_action: None,
        card: None,
        decline_code: None,
        decline_message: None,
        refunds: Vec::new(),
    }
}

struct World {
    payment: Payment,
    books: Books,
    now: DateTime<Utc>,
}

impl World {
    fn new() -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let request = AuthorizeRequest {
            order_id: "ord_1".to_owned(),
            order_number: "#1".to_owned(),
            user_id: "usr_1".to_owned(),
            amount_minor: AMOUNT,
            currency_code: "EUR".to_owned(),
            gateway: None,
            payment_method_token: Some("tok".to_owned()),
            return_url: None,
        };
        Self {
            payment: fresh_payment("pay_1", "sandbox", &request, Currency::EUR, now),
            books: Books::default(),
            now,
        }
    }

    fn open(&self, number: usize) -> Option<(String, TransactionKind, i64)> {
        let mut open = self
            .payment
            .transactions
            .iter()
            .filter(|transaction| transaction.status.is_open());
        let found = open.nth(number)?;
        Some((found.id.clone(), found.kind, found.amount_minor))
    }

    fn play(&mut self, step: &Step) {
        let now = self.now;
        let key = |key: &u8| format!("key-{key}");
        let ignored = |_: Result<Begun, _>| {};
        match step {
            Step::Capture(name, amount) => ignored(self.payment.begin_capture(&key(name), Some(*amount), now)),
            Step::Void(name) => ignored(self.payment.begin_void(&key(name), now)),
            Step::Refund(name, amount) => ignored(self.payment.begin_refund(&key(name), *amount, now)),
            Step::Arrive(number) => {
                if let Some((id, kind, amount)) = self.open(*number) {
                    self.books.arrive(kind, &id, amount);
                }
            }
            Step::ArriveSlowly(number) => {
                if let Some((id, TransactionKind::Refund, amount)) = self.open(*number) {
                    self.books.refund(&id, amount, RefundOutcome::Pending);
                }
            }
            Step::Approve => self.books.decide(RemoteStatus::Authorized),
            Step::Decline => self.books.decide(RemoteStatus::Declined),
            Step::Challenge => self.books.decide(RemoteStatus::RequiresAction),
            Step::PayOut(number) => {
                self.books
                    .decide_refund(*number, &[RefundOutcome::Pending], RefundOutcome::Succeeded);
            }
            Step::Return(number) => {
                let live = [RefundOutcome::Pending, RefundOutcome::Succeeded];
                self.books.decide_refund(*number, &live, RefundOutcome::Failed);
            }
            Step::RefundByHand(amount) => self.books.refund("", *amount, RefundOutcome::Succeeded),
            Step::Hear(ago) => {
                let index = self.books.history.len().checked_sub(1 + ago);
                if let Some(remote) = index.and_then(|index| self.books.history.get(index)) {
                    self.payment.settle(remote, now);
                }
            }
            Step::Unknown(number)
            | Step::NotSent(number)
            | Step::HeldBack(number)
            | Step::Calling(number)
            | Step::Undecided(number) => {
                let Some((id, kind, _)) = self.open(*number) else {
                    return;
                };
                let sent = kind == TransactionKind::Authorize && self.books.now.is_some();
                let transaction = self.payment.transaction(&id).unwrap();
                let never_sent = !sent && (transaction.attempt == 0 || self.payment.never_sent(transaction));
                match step {
                    Step::Unknown(_) => self.payment.unknown(&id, now),
                    Step::NotSent(_) => self.payment.not_sent(&id, never_sent, now),
                    Step::HeldBack(_) => self.payment.held_back(&id, never_sent, now),
                    Step::Calling(_) => self.payment.calling(&id, never_sent, now),
                    _ => self.payment.unknown(&id, now),
                }
            }
            Step::Refuse(number) => {
                if let Some((id, kind, _)) = self.open(*number).filter(|(id, kind, _)| !self.is_done(id, *kind)) {
                    self.payment.refuse(&id, kind.as_str(), now);
                }
            }
            Step::Rekey(number) => {
                if let Some((id, ..)) = self.open(*number) {
                    self.payment.rekey(&id, now);
                }
            }
            Step::Wait(seconds) => self.now += TimeDelta::seconds(*seconds),
        }
    }

    /// Whether the gateway has done what a transaction asks, and refuses no repeat of it. What can be done once only it
    /// refuses under another key.
    fn is_done(&self, id: &str, kind: TransactionKind) -> bool {
        let refunds = self.books.now.iter().flat_map(|remote| &remote.refunds);
        match kind {
            TransactionKind::Authorize => self.books.now.is_some(),
            TransactionKind::Capture | TransactionKind::Void => false,
            TransactionKind::Refund => refunds.into_iter().any(|refund| refund.reference == id),
        }
    }
}

/// What must hold of every payment, and between two states of one.
fn check(before: &Payment, after: &Payment) -> Result<(), TestCaseError> {
    prop_assert!(after.version >= before.version);
    prop_assert_eq!(
        after.version == before.version,
        after == before,
        "a change has a version"
    );
    let returned = after.refunds_failed_minor - before.refunds_failed_minor;
    let amounts = |payment: &Payment| {
        let ever = payment.refunded_minor + payment.refunds_failed_minor;
        [
            payment.authorized_minor,
            payment.captured_minor,
            payment.refunds_failed_minor,
            ever,
        ]
    };
    for (old, new) in amounts(before).into_iter().zip(amounts(after)) {
        prop_assert!(old <= new, "amounts only grow");
    }
    prop_assert!(
        after.refunded_minor <= after.captured_minor,
        "given back more than taken"
    );
    prop_assert!(after.captured_minor <= after.authorized_minor && after.authorized_minor <= after.amount_minor);
    let live = |kind| {
        let all = after
            .transactions
            .iter()
            .filter(move |transaction| transaction.kind == kind);
        all.filter(|transaction| transaction.status != TransactionStatus::Failed)
    };
    let promised: i64 = live(TransactionKind::Refund).map(|refund| refund.amount_minor).sum();
    prop_assert!(
        promised <= after.captured_minor,
        "promised to give back more than was taken"
    );
    prop_assert!(live(TransactionKind::Capture).count() <= 1, "captured twice");
    for transaction in &after.transactions {
        prop_assert_eq!(
            transaction.status.is_open(),
            transaction.next_at.is_some(),
            "open means due some time"
        );
        let old = before.transaction(&transaction.id);
        if let Some(old) = old.filter(|old| !old.status.is_open() && *old != transaction) {
            let is_taken_up = old.kind.is_once_only() && old.status == TransactionStatus::Failed;
            let came_back = old.kind == TransactionKind::Refund && transaction.status == TransactionStatus::Failed;
            prop_assert!(is_taken_up || came_back, "what is closed stays closed");
            prop_assert_eq!(is_taken_up, old.gateway_key() != transaction.gateway_key());
        }
    }
    prop_assert!(
        before.keeps_others_out || !after.keeps_others_out,
        "left once, the place may be another's"
    );
    prop_assert!(after.is_open() || !after.keeps_others_out);
    let ended = [
        PaymentStatus::Refunded,
        PaymentStatus::Voided,
        PaymentStatus::Declined,
        PaymentStatus::Failed,
    ];
    if ended.contains(&before.status) && returned == 0 {
        prop_assert_eq!(before.status, after.status, "an end is an end");
    }
    Ok(())
}

/// When the gateway is heard at last, the payment says what the gateway's books say.
fn agree(world: &World) -> Result<(), TestCaseError> {
    let (payment, Some(books)) = (&world.payment, &world.books.now) else {
        return Ok(());
    };
    prop_assert_eq!(payment.captured_minor, books.captured_minor);
    prop_assert_eq!(payment.refunded_minor, books.refunded_minor);
    let expected = match books.status {
        RemoteStatus::Processing => PaymentStatus::Processing,
        RemoteStatus::RequiresAction => PaymentStatus::RequiresAction,
        RemoteStatus::Authorized => PaymentStatus::Authorized,
        RemoteStatus::Voided => PaymentStatus::Voided,
        RemoteStatus::Declined => PaymentStatus::Declined,
        RemoteStatus::Captured if books.refunded_minor == 0 => PaymentStatus::Captured,
        RemoteStatus::Captured if books.refunded_minor < books.captured_minor => PaymentStatus::PartiallyRefunded,
        RemoteStatus::Captured => PaymentStatus::Refunded,
    };
    prop_assert_eq!(payment.status, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_books_straight(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            let before = world.payment.clone();
            world.play(step);
            check(&before, &world.payment)?;
        }
        let before = world.payment.clone();
        world.play(&Step::Hear(0));
        check(&before, &world.payment)?;
        agree(&world)?;
    }
}

#[test]
fn a_refused_capture_is_taken_up_again_with_another_key() {
    let mut world = World::new();
    world.play(&Step::Arrive(0));
    world.play(&Step::Approve);
    world.play(&Step::Hear(0));
    let now = world.now;
    let Ok(Begun::New(id)) = world.payment.begin_capture("capture", None, now) else {
        panic!("not capturable: {:?}", world.payment);
    };
    world.payment.refuse(&id, "resource_missing", now);
    let later = now + TimeDelta::minutes(1);
    assert_eq!(world.payment.begin_capture("capture", None, later), Ok(Begun::Known));
    let taken_up = world.payment.transaction(&id).unwrap();
    assert_eq!(
        (taken_up.status, taken_up.next_at),
        (TransactionStatus::Unknown, Some(later))
    );
    assert_ne!(taken_up.gateway_key(), id);
    // While it is open, nothing else begins.
    assert!(world.payment.begin_void("void", later).is_err());
}

#[test]
fn what_was_sent_and_is_undecided_may_have_been_done() {
    let mut world = World::new();
    let (id, ..) = world.open(0).unwrap();
    world.payment.unknown(&id, world.now);
    let transaction = world.payment.transaction(&id).unwrap();
    assert!(!world.payment.never_sent(transaction));
}

#[test]
fn no_more_is_taken_than_was_asked_for() {
    let mut world = World::new();
    let remote = RemotePayment {
        status: RemoteStatus::Authorized,
        authorized_minor: 2 * AMOUNT,
        ..begun()
    };
    world.payment.settle(&remote, world.now);
    let too_much = world.payment.begin_capture("more", Some(AMOUNT + 1), world.now);
    assert!(matches!(too_much, Err(RefusalCode::AmountTooLarge)));
    world.payment.begin_capture("all", None, world.now).unwrap();
    assert_eq!(world.open(0).unwrap().2, AMOUNT);
}

/// A world whose payment is captured, with a refund of `amount` that the gateway has made and told of.
fn refunded(amount: Option<i64>) -> (World, String) {
    let mut world = World::new();
    for step in [
        Step::Arrive(0),
        Step::Approve,
        Step::Hear(0),
        Step::Capture(0, AMOUNT),
        Step::Arrive(0),
        Step::Hear(0),
        Step::Refund(5, amount),
    ] {
        world.play(&step);
    }
    let (id, ..) = world.open(0).unwrap();
    world.play(&Step::Arrive(0));
    world.play(&Step::Hear(0));
    (world, id)
}

#[test]
fn a_refund_that_came_back_is_owed_again() {
    let (mut world, id) = refunded(None);
    assert_eq!(world.payment.status, PaymentStatus::Refunded);
    world.play(&Step::Return(0));
    world.play(&Step::Hear(0));
    // What the gateway told before, arriving late.
    world.play(&Step::Hear(1));
    let payment = &world.payment;
    let refund = payment.transaction(&id).unwrap();
    assert_eq!(
        (payment.status, payment.refunded_minor, refund.status),
        (PaymentStatus::Captured, 0, TransactionStatus::Failed)
    );
    world.payment.begin_refund("again", None, world.now).unwrap();
    assert_eq!(world.open(0).unwrap().2, AMOUNT);
}

#[test]
fn the_key_of_a_refund_stands_for_one_request() {
    let (mut world, _) = refunded(Some(300));
    let now = world.now;
    assert_eq!(world.payment.begin_refund("key-5", Some(300), now), Ok(Begun::Known));
    for another in [Some(200), None] {
        let refused = world.payment.begin_refund("key-5", another, now);
        assert_eq!(refused, Err(RefusalCode::IdempotencyKeyReused), "{another:?}");
    }
    world.payment.begin_refund("rest", None, now).unwrap();
    for same in [None, Some(700)] {
        assert_eq!(world.payment.begin_refund("rest", same, now), Ok(Begun::Known));
    }
}

/// As when its clock and ours differ, and it closes a payment later than we take it for closed.
#[test]
fn what_a_gateway_takes_after_the_end_is_given_back() {
    let mut world = World::new();
    let voided = RemotePayment {
        status: RemoteStatus::Voided,
        ..begun()
    };
    world.payment.settle(&voided, world.now);
    let nothing = world.payment.begin_refund("nothing", None, world.now);
    assert!(matches!(nothing, Err(RefusalCode::NotRefundable)));
    let taken = RemotePayment {
        status: RemoteStatus::Captured,
        authorized_minor: AMOUNT,
        captured_minor: AMOUNT,
        ..begun()
    };
    world.payment.settle(&taken, world.now);
    assert_eq!(world.payment.status, PaymentStatus::Voided);
    world.payment.begin_refund("all", None, world.now).unwrap();
    assert_eq!(world.open(0).unwrap().2, AMOUNT);
}
