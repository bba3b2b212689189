//! One payment attempt with its transactions, and every change that may happen to it.
//!
//! A transaction is written down *before* the gateway is called, so a crash leaves a trace; it is closed only by what
//! the gateway says ([`Payment::settle`]). So there is no path on which money moves and nobody knows.

use chrono::{DateTime, TimeDelta, Utc};
use service::contract::payments::{AuthorizeRequest, PaymentStatus, RefusalCode};
use service::money::Currency;

use super::remote::{RefundOutcome, RemotePayment, RemoteStatus};
use super::schedule::{CALL_LEASE, HELD_BACK_DELAY, UNSENT_TIME_MAX, lookup_delay, waiting_delay};

/// Error code of a refund that the gateway has taken back or never made, by what it says.
const REFUND_FAILED: &str = "refund_failed";

/// A payment attempt of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// `pay_…`, chosen by orders.
    pub id: String,
    /// `ord_…`
    pub order_id: String,
    /// The order's number for people; never changes.
    pub order_number: String,
    /// Who pays.
    pub user_id: String,
    /// Name of the gateway.
    pub gateway: String,
    /// Where it stands.
    pub status: PaymentStatus,
    /// What was asked for, in minor units of `currency`.
    pub amount_minor: i64,
    /// Held.
    pub authorized_minor: i64,
    /// Taken.
    pub captured_minor: i64,
    /// Given back, and not come back since.
    pub refunded_minor: i64,
    /// What refunds were to give back that failed, at once or after they had succeeded.
    pub refunds_failed_minor: i64,
    /// The currency of all amounts.
    pub currency: Currency,
    /// The gateway's own id, once known.
    pub gateway_reference: Option<String>,
    /// What the shopper must do now.
    pub next_action: Option<NextAction>,
    /// The means of payment.
    pub card: Option<CardSummary>,
    /// Stable code of a decline.
    pub decline_code: Option<String>,
    /// The same for the shopper.
    pub decline_message: Option<String>,
    /// The token for the gateway; forgotten when the authorization is settled.
    pub payment_method_token: Option<String>,
    /// Where the shopper comes back to.
    pub return_url: Option<String>,
    /// Hash of the request that made it.
    pub request_hash: String,
    /// Whether the order may have no other payment because of this one: as long as it is open, and never again after that,
    /// since another one may have been made.
    pub keeps_others_out: bool,
    /// Grows with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Everything asked of the gateway, oldest first.
    pub transactions: Vec<Transaction>,
}

/// One thing asked of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// `txn_…`; also the reference of a refund at the gateway.
    pub id: String,
    /// The caller's key for it, unique within the payment.
    pub key: String,
    /// What was asked.
    pub kind: TransactionKind,
    /// What became of it.
    pub status: TransactionStatus,
    /// In minor units of the payment's currency.
    pub amount_minor: i64,
    /// The amount that a refund was asked for; `None` for all that was left.
    pub asked_minor: Option<i64>,
    /// The gateway's own id of it, where it has one.
    pub gateway_reference: Option<String>,
    /// Why it failed.
    pub error_code: Option<String>,
    /// Times the gateway was called or asked about it.
    pub attempt: i32,
    /// When it is looked at again; `None` when it is closed.
    pub next_at: Option<DateTime<Utc>>,
    /// When it was written down.
    pub created_at: DateTime<Utc>,
    /// When it got another key towards the gateway, the last time that it did.
    pub rekeyed_at: Option<DateTime<Utc>>,
    /// When its call was first made that may have arrived, if that was not when it was written down.
    pub sent_at: Option<DateTime<Utc>>,
}

/// What was asked of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    /// To hold the amount.
    Authorize,
    /// To take it.
    Capture,
    /// To let it go.
    Void,
    /// To give it back.
    Refund,
}

impl TransactionKind {
    /// Whether a gateway does it no second time, whatever the key: what is taken is not held any more.
    #[must_use]
    pub fn is_once_only(self) -> bool {
        matches!(self, Self::Capture | Self::Void)
    }

    /// Its name, as in an abort point.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "AUTHORIZE",
            Self::Capture => "CAPTURE",
            Self::Void => "VOID",
            Self::Refund => "REFUND",
        }
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Written down; the gateway is being asked, or has not decided.
    Pending,
    /// The gateway said yes.
    Succeeded,
    /// The gateway said no, or was surely never asked.
    Failed,
    /// Asked, and no clear answer came.
    Unknown,
}

impl TransactionStatus {
    /// Whether it may still turn out either way.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Unknown)
    }
}

/// What the shopper must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextAction {
    /// Open `url`.
    Redirect {
        /// A page of the gateway or of a bank.
        url: String,
        /// After this it is too late.
        expires_at: Option<DateTime<Utc>>,
    },
    /// Scan `payload`.
    QrCode {
        /// Text to draw as a QR code.
        payload: String,
        /// After this it is too late.
        expires_at: Option<DateTime<Utc>>,
    },
    /// Hand to the gateway's SDK in the browser.
    ClientSecret {
        /// Good for this payment only.
        client_secret: String,
        /// Names the shop to the SDK; not a secret.
        publishable_key: String,
    },
}

/// A means of payment, as far as a shop may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardSummary {
    /// `card` or `wallet`.
    pub kind: String,
    /// `visa`.
    pub brand: Option<String>,
    /// Last digits of a card.
    pub last4: Option<String>,
    /// 1 to 12.
    pub expiry_month: Option<i32>,
    /// Four digits.
    pub expiry_year: Option<i32>,
}

/// What [`Payment::begin_capture`] and its like decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// A transaction was added under this id: call the gateway.
    New(String),
    /// The key is known: the payment answers for the first call, and the runner makes what is left to do.
    Known,
}

/// A payment that orders has just asked for, with its authorization written down and due after [`CALL_LEASE`].
///
/// * `id`: chosen by orders. `gateway`: one that exists.
#[must_use]
pub fn fresh_payment(
    id: &str,
    gateway: &str,
    request: &AuthorizeRequest,
    currency: Currency,
    now: DateTime<Utc>,
) -> Payment {
    let mut payment = Payment {
        id: id.to_owned(),
        order_id: request.order_id.clone(),
        order_number: request.order_number.clone(),
        user_id: request.user_id.clone(),
        gateway: gateway.to_owned(),
        status: PaymentStatus::Created,
        amount_minor: request.amount_minor,
        authorized_minor: 0,
        captured_minor: 0,
        refunded_minor: 0,
        refunds_failed_minor: 0,
        keeps_others_out: true,
        currency,
        gateway_reference: None,
        next_action: None,
        card: None,
        decline_code: None,
        decline_message: None,
        payment_method_token: request.payment_method_token.clone(),
        return_url: request.return_url.clone(),
        request_hash: String::new(),
        version: 1,
        created_at: now,
        updated_at: now,
        transactions: Vec::new(),
    };
    payment.begin(TransactionKind::Authorize, "authorize", request.amount_minor, now);
    payment
}

impl Payment {
    /// Whether every attempt at `transaction` so far surely never reached the gateway: then there is nothing to look up.
    #[must_use]
    pub fn never_sent(&self, transaction: &Transaction) -> bool {
        // The first attempt is 0 until its outcome is stored; the process may have died in the middle of it.
        transaction.status == TransactionStatus::Pending
            && transaction.attempt > 0
            && transaction.gateway_reference.is_none()
            && (transaction.kind != TransactionKind::Authorize || self.gateway_reference.is_none())
    }

    /// Whether it still holds, or may come to hold, the shopper's money: then the order may have no other.
    #[must_use]
    pub fn is_open(&self) -> bool {
        use PaymentStatus as S;
        !matches!(self.status, S::Refunded | S::Voided | S::Declined | S::Failed)
    }

    /// The transaction with this id.
    #[must_use]
    pub fn transaction(&self, id: &str) -> Option<&Transaction> {
        self.transactions.iter().find(|transaction| transaction.id == id)
    }

    /// Writes a capture down; `amount_minor` of `None` takes all that is held. One that the gateway has refused is taken up
    /// again by the same key, for as long as the money is held.
    ///
    /// # Errors
    /// The reason why it must not be captured now.
    pub fn begin_capture(
        &mut self,
        key: &str,
        amount_minor: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<Begun, RefusalCode> {
        // No more than was asked for, whatever the gateway says it holds.
        let held_minor = self.authorized_minor.min(self.amount_minor);
        let amount_minor = amount_minor.unwrap_or(held_minor);
        let capturable = self.status == PaymentStatus::Authorized && !self.is_being_decided();
        if let Some(begun) = self.known(TransactionKind::Capture, key, Some(amount_minor))? {
            return Ok(self.again_if_refused(begun, key, capturable, now));
        }
        if !capturable {
            return Err(RefusalCode::NotCapturable);
        }
        if amount_minor <= 0 || amount_minor > held_minor {
            return Err(RefusalCode::AmountTooLarge);
        }
        Ok(Begun::New(self.begin(TransactionKind::Capture, key, amount_minor, now)))
    }

    /// Writes a void down. Good for a payment that waits for the shopper too; never while a capture is undecided. One that
    /// the gateway has refused is taken up again by the same key.
    ///
    /// # Errors
    /// The reason why it must not be voided now.
    pub fn begin_void(&mut self, key: &str, now: DateTime<Utc>) -> Result<Begun, RefusalCode> {
        let waits = matches!(self.status, PaymentStatus::Authorized | PaymentStatus::RequiresAction);
        let voidable = waits && !self.is_being_decided();
        if let Some(begun) = self.known(TransactionKind::Void, key, None)? {
            return Ok(self.again_if_refused(begun, key, voidable, now));
        }
        if !voidable {
            return Err(RefusalCode::NotVoidable);
        }
        Ok(Begun::New(self.begin(
            TransactionKind::Void,
            key,
            self.amount_minor,
            now,
        )))
    }

    /// Writes a refund down; `amount_minor` of `None` gives back all that is left. What open refunds may still take
    /// counts as taken, so that their sum never exceeds what was captured.
    ///
    /// # Errors
    /// The reason why it must not be refunded now.
    pub fn begin_refund(
        &mut self,
        key: &str,
        amount_minor: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<Begun, RefusalCode> {
        if let Some(begun) = self.known(TransactionKind::Refund, key, amount_minor)? {
            let asked_minor = self.with_key(key).and_then(|known| known.asked_minor);
            // All that is left is not the amount that was asked for before.
            let is_another = amount_minor.is_none() && asked_minor.is_some();
            return if is_another {
                Err(RefusalCode::IdempotencyKeyReused)
            } else {
                Ok(begun)
            };
        }
        let asked_minor = amount_minor;
        // Whatever the status: a gateway may take money of a payment that had ended.
        if self.captured_minor <= self.refunded_minor {
            return Err(RefusalCode::NotRefundable);
        }
        let left = self.captured_minor - self.refunded_minor - self.open_refunds_minor();
        let amount_minor = amount_minor.unwrap_or(left);
        if amount_minor <= 0 || amount_minor > left {
            return Err(RefusalCode::AmountTooLarge);
        }
        let id = self.begin(TransactionKind::Refund, key, amount_minor, now);
        if let Some(begun) = self.open_mut(&id) {
            begun.asked_minor = asked_minor;
        }
        Ok(Begun::New(id))
    }

    /// Takes over what the gateway says, whichever way it was learnt: an answer, a lookup or a webhook.
    ///
    /// Held and taken only grow, and the status moves only along [`may_become`]: an old answer that arrives late changes
    /// nothing. The one way back is a refund that fails after it had succeeded; that, too, is never undone by an old answer.
    /// Returns whether anything changed.
    pub fn settle(&mut self, remote: &RemotePayment, now: DateTime<Utc>) -> bool {
        let before = self.clone();
        // A gateway that has no id of its own yet gives ours back.
        if self.gateway_reference.as_ref().is_none_or(|known| *known == self.id) {
            self.gateway_reference = Some(remote.gateway_reference.clone());
        }
        self.authorized_minor = self.authorized_minor.max(remote.authorized_minor);
        self.captured_minor = self.captured_minor.max(remote.captured_minor);
        self.settle_refunded(remote);
        if remote.card.is_some() {
            self.card.clone_from(&remote.card);
        }
        let status = self.status_of(remote);
        let has_refunds = matches!(self.status, PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded);
        let is_back = self.refunded_minor < before.refunded_minor && has_refunds;
        if may_become(self.status, status) || is_back && remote.status == RemoteStatus::Captured {
            self.status = status;
        }
        if self.status == PaymentStatus::Declined {
            self.decline_code.clone_from(&remote.decline_code);
            self.decline_message.clone_from(&remote.decline_message);
        }
        // A lookup need not tell again what the shopper was told to do.
        let next_action = remote.next_action.clone().or(self.next_action.take());
        self.next_action = next_action.filter(|_| self.status == PaymentStatus::RequiresAction);
        let age = now - self.created_at;
        for transaction in &mut self.transactions {
            transaction.settle(remote, now, age);
        }
        if !self.has_open(TransactionKind::Authorize) {
            self.payment_method_token = None;
        }
        self.touch_if_changed(&before, now)
    }

    /// What was given back, by refunds of this shop and others: all that ever succeeded without what has failed since. Each of
    /// the two only grows, so that an old answer changes neither.
    fn settle_refunded(&mut self, remote: &RemotePayment) {
        let failed_minor = remote.failed_minor();
        let ever_minor = (self.refunded_minor + self.refunds_failed_minor).max(remote.refunded_minor + failed_minor);
        self.refunds_failed_minor = self.refunds_failed_minor.max(failed_minor);
        self.refunded_minor = ever_minor - self.refunds_failed_minor;
        for refund in &mut self.transactions {
            let has_succeeded = refund.kind == TransactionKind::Refund && refund.status == TransactionStatus::Succeeded;
            if has_succeeded && remote.tells(&refund.id, RefundOutcome::Failed) {
                refund.status = TransactionStatus::Failed;
                refund.error_code = Some(REFUND_FAILED.to_owned());
            }
        }
    }

    /// The gateway refused the call, so that nothing was done.
    pub fn refuse(&mut self, transaction_id: &str, error_code: &str, now: DateTime<Utc>) {
        let before = self.clone();
        let Some(transaction) = self.open_mut(transaction_id) else {
            return;
        };
        transaction.close(TransactionStatus::Failed);
        transaction.error_code = Some(error_code.to_owned());
        if transaction.kind == TransactionKind::Authorize {
            self.status = PaymentStatus::Failed;
            self.decline_code = Some(error_code.to_owned());
            self.payment_method_token = None;
        }
        self.touch_if_changed(&before, now);
    }

    /// The call surely did not reach the gateway: it is made again later with the same key.
    ///
    /// * `never_sent`: whether that is true of every attempt so far. Only then is an authorization given up in the end, so
    ///   that the shopper may try another way to pay; what moves money that is held already never is.
    pub fn not_sent(&mut self, transaction_id: &str, never_sent: bool, now: DateTime<Utc>) {
        let before = self.clone();
        let Some(transaction) = self.open_mut(transaction_id) else {
            return;
        };
        let given_up = transaction.kind == TransactionKind::Authorize && now - transaction.created_at > UNSENT_TIME_MAX;
        if never_sent && given_up {
            return self.refuse(transaction_id, "gateway_unreachable", now);
        }
        transaction.attempt += 1;
        transaction.next_at = Some(now + lookup_delay(transaction.attempt));
        transaction.status = if never_sent {
            TransactionStatus::Pending
        } else {
            TransactionStatus::Unknown
        };
        self.touch_if_changed(&before, now);
    }

    /// The circuit breaker held the call back: everything stays as it is, and the call is made again later.
    pub fn held_back(&mut self, transaction_id: &str, never_sent: bool, now: DateTime<Utc>) {
        self.not_sent(transaction_id, never_sent, now);
        if let Some(transaction) = self.open_mut(transaction_id) {
            transaction.next_at = Some(now + HELD_BACK_DELAY);
        }
    }

    /// The gateway gets another key with the next call: it may answer for ever what it has once answered for the old one.
    pub fn rekey(&mut self, transaction_id: &str, now: DateTime<Utc>) {
        let before = self.clone();
        if let Some(transaction) = self.open_mut(transaction_id) {
            transaction.rekeyed_at = Some(now);
        }
        self.touch_if_changed(&before, now);
    }

    /// A call is about to be made again: until its answer is stored, it may have arrived.
    ///
    /// * `never_sent`: whether none has arrived so far, so that the gateway first sees its key now.
    pub fn calling(&mut self, transaction_id: &str, never_sent: bool, now: DateTime<Utc>) {
        let before = self.clone();
        if let Some(transaction) = self.open_mut(transaction_id) {
            transaction.sent_at = if never_sent { Some(now) } else { transaction.sent_at };
            transaction.status = TransactionStatus::Unknown;
            transaction.next_at = Some(now + CALL_LEASE);
        }
        self.touch_if_changed(&before, now);
    }

    /// The call was made, and no clear answer came or what was asked is undecided: the gateway is asked later what became of
    /// it.
    pub fn unknown(&mut self, transaction_id: &str, now: DateTime<Utc>) {
        let before = self.clone();
        let Some(transaction) = self.open_mut(transaction_id) else {
            return;
        };
        transaction.attempt += 1;
        transaction.next_at = Some(now + lookup_delay(transaction.attempt));
        transaction.status = TransactionStatus::Unknown;
        if transaction.kind == TransactionKind::Authorize && self.status == PaymentStatus::Created {
            self.status = PaymentStatus::Processing;
        }
        self.touch_if_changed(&before, now);
    }

    fn begin(&mut self, kind: TransactionKind, key: &str, amount_minor: i64, now: DateTime<Utc>) -> String {
        let id = service::id::new("txn");
        self.transactions.push(Transaction {
            id: id.clone(),
            key: key.to_owned(),
            kind,
            status: TransactionStatus::Pending,
            amount_minor,
            asked_minor: None,
            gateway_reference: None,
            error_code: None,
            attempt: 0,
            next_at: Some(now + CALL_LEASE),
            created_at: now,
            rekeyed_at: None,
            sent_at: None,
        });
        self.version += 1;
        self.updated_at = now;
        id
    }

    fn with_key(&self, key: &str) -> Option<&Transaction> {
        self.transactions.iter().find(|transaction| transaction.key == key)
    }

    /// Whether `key` was used before; with another meaning it is an error.
    fn known(&self, kind: TransactionKind, key: &str, amount_minor: Option<i64>) -> Result<Option<Begun>, RefusalCode> {
        let Some(known) = self.with_key(key) else {
            return Ok(None);
        };
        if known.kind != kind || amount_minor.is_some_and(|amount_minor| amount_minor != known.amount_minor) {
            return Err(RefusalCode::IdempotencyKeyReused);
        }
        Ok(Some(Begun::Known))
    }

    /// Takes up again what the gateway has refused, if it is still to be done: the runner first asks how the payment stands.
    /// The reason of the refusal may be gone, a wrong account say.
    fn again_if_refused(&mut self, begun: Begun, key: &str, is_to_be_done: bool, now: DateTime<Utc>) -> Begun {
        let before = self.clone();
        let known = self.transactions.iter_mut().find(|transaction| transaction.key == key);
        if let Some(refused) = known.filter(|known| is_to_be_done && known.status == TransactionStatus::Failed) {
            refused.status = TransactionStatus::Unknown;
            refused.error_code = None;
            refused.next_at = Some(now);
            refused.rekeyed_at = Some(now);
        }
        self.touch_if_changed(&before, now);
        begun
    }

    /// Whether a capture or a void has no outcome yet.
    fn is_being_decided(&self) -> bool {
        self.has_open(TransactionKind::Capture) || self.has_open(TransactionKind::Void)
    }

    fn has_open(&self, kind: TransactionKind) -> bool {
        self.transactions
            .iter()
            .any(|transaction| transaction.kind == kind && transaction.status.is_open())
    }

    fn open_refunds_minor(&self) -> i64 {
        let refunds = self
            .transactions
            .iter()
            .filter(|transaction| transaction.kind == TransactionKind::Refund);
        refunds
            .filter(|refund| refund.status.is_open())
            .map(|refund| refund.amount_minor)
            .sum()
    }

    fn open_mut(&mut self, transaction_id: &str) -> Option<&mut Transaction> {
        let open = |transaction: &&mut Transaction| transaction.id == transaction_id && transaction.status.is_open();
        self.transactions.iter_mut().find(open)
    }

    fn status_of(&self, remote: &RemotePayment) -> PaymentStatus {
        match remote.status {
            RemoteStatus::RequiresAction => PaymentStatus::RequiresAction,
            RemoteStatus::Processing => PaymentStatus::Processing,
            RemoteStatus::Authorized => PaymentStatus::Authorized,
            RemoteStatus::Voided => PaymentStatus::Voided,
            RemoteStatus::Declined => PaymentStatus::Declined,
            RemoteStatus::Captured if self.refunded_minor == 0 => PaymentStatus::Captured,
            RemoteStatus::Captured if self.refunded_minor < self.captured_minor => PaymentStatus::PartiallyRefunded,
            RemoteStatus::Captured => PaymentStatus::Refunded,
        }
    }

    fn touch_if_changed(&mut self, before: &Self, now: DateTime<Utc>) -> bool {
        self.keeps_others_out = self.keeps_others_out && self.is_open();
        let changed = self != before;
        if changed {
            self.version += 1;
            self.updated_at = now;
        }
        changed
    }
}

impl Transaction {
    /// The idempotency key towards the gateway.
    #[must_use]
    pub fn gateway_key(&self) -> String {
        let id = &self.id;
        self.rekeyed_at
            .map_or_else(|| id.clone(), |at| format!("{id}-{}", at.timestamp_millis()))
    }

    /// Since when the gateway may know its key.
    #[must_use]
    pub fn keyed_at(&self) -> DateTime<Utc> {
        self.rekeyed_at.max(self.sent_at).unwrap_or(self.created_at)
    }

    /// * `age`: how long ago the payment was begun.
    fn settle(&mut self, remote: &RemotePayment, now: DateTime<Utc>, age: TimeDelta) {
        if !self.status.is_open() {
            return;
        }
        let done = match self.kind {
            TransactionKind::Authorize => match remote.status {
                RemoteStatus::Authorized | RemoteStatus::Captured => Some(TransactionStatus::Succeeded),
                RemoteStatus::Declined | RemoteStatus::Voided => Some(TransactionStatus::Failed),
                RemoteStatus::RequiresAction | RemoteStatus::Processing => {
                    self.attempt += 1;
                    self.next_at = Some(now + waiting_delay(self.attempt, age));
                    self.status = TransactionStatus::Pending;
                    None
                }
            },
            TransactionKind::Capture => match remote.status {
                RemoteStatus::Captured => Some(TransactionStatus::Succeeded),
                RemoteStatus::Voided | RemoteStatus::Declined => Some(TransactionStatus::Failed),
                _ => None,
            },
            TransactionKind::Void => match remote.status {
                RemoteStatus::Voided | RemoteStatus::Declined => Some(TransactionStatus::Succeeded),
                RemoteStatus::Captured => Some(TransactionStatus::Failed),
                _ => None,
            },
            TransactionKind::Refund => {
                let told = remote.refund(&self.id);
                if let Some(told) = told {
                    self.gateway_reference = Some(told.gateway_reference.clone());
                }
                match told.map(|refund| refund.outcome) {
                    None | Some(RefundOutcome::Pending) => None,
                    Some(RefundOutcome::Succeeded) => Some(TransactionStatus::Succeeded),
                    Some(RefundOutcome::Failed) => Some(TransactionStatus::Failed),
                }
            }
        };
        if let Some(status) = done {
            self.close(status);
            match (self.kind, status) {
                (TransactionKind::Authorize, _) => self.error_code.clone_from(&remote.decline_code),
                (TransactionKind::Refund, TransactionStatus::Failed) => {
                    self.error_code = Some(REFUND_FAILED.to_owned());
                }
                _ => {}
            }
        }
    }

    fn close(&mut self, status: TransactionStatus) {
        self.status = status;
        self.next_at = None;
    }
}

/// Whether a payment may move from one status to another because the gateway says so.
///
/// ```text
/// CREATED ── PROCESSING ── REQUIRES_ACTION ──┬─ AUTHORIZED ──┬─ CAPTURED ── PARTIALLY_REFUNDED ── REFUNDED
///                                            ├─ DECLINED     └─ VOIDED
///                                            └─ VOIDED
/// ```
/// Steps may be skipped to the right, never taken back but by a refund that fails after it had succeeded; what the gateway
/// has refused stays refused.
fn may_become(from: PaymentStatus, to: PaymentStatus) -> bool {
    use PaymentStatus as S;
    match from {
        S::Created => to != S::Created,
        S::Processing => !matches!(to, S::Created | S::Processing),
        S::RequiresAction => !matches!(to, S::Created | S::RequiresAction),
        S::Authorized => matches!(to, S::Captured | S::PartiallyRefunded | S::Refunded | S::Voided),
        S::Captured => matches!(to, S::PartiallyRefunded | S::Refunded),
        S::PartiallyRefunded => to == S::Refunded,
        S::Refunded | S::Voided | S::Declined | S::Failed => false,
    }
}
