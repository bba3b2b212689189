//! The gateway's own books: every payment, what was held, taken and given back, and the rules of both.
//!
//! In memory, with an optional journal: one JSON line for each change, the last line of a payment wins. Says nothing of
//! HTTP or of idempotency keys; two calls of [`Ledger::create`] are two payments, as they would be anywhere.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::config::Config;
use crate::token::{self, Decision, RefundFate};

/// How long a shopper may take on a page of the gateway.
const ACTION_MINUTES: i64 = 30;

/// [`Refund::status`] of a refund that holds.
pub(crate) const SUCCEEDED: &str = "succeeded";

/// [`Refund::status`] of one whose money came back.
const FAILED: &str = "failed";

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The shopper must act; see `next_action`.
    RequiresAction,
    /// Undecided; a webhook will tell.
    Processing,
    /// Held.
    Authorized,
    /// Taken, perhaps refunded in part or whole: see `refunded_minor`.
    Captured,
    /// Let go.
    Voided,
    /// Refused by the bank or the shopper.
    Declined,
}

/// The language in which the shop asked for a payment, and in which it is told of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// The contract in the README.
    #[default]
    Generic,
    /// Stripe's.
    Stripe,
    /// Alipay's.
    Alipay,
}

impl Dialect {
    fn is_generic(&self) -> bool {
        *self == Self::Generic
    }

    fn id_prefixes(self) -> (&'static str, &'static str) {
        match self {
            Self::Generic => ("sbx", "sbr"),
            Self::Stripe => ("pi", "re"),
            Self::Alipay => ("ali", "alr"),
        }
    }
}

/// One payment, as the API answers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payment {
    /// `sbx_…`
    pub id: String,
    /// The shop's own id of it.
    pub reference: String,
    /// Where it stands.
    pub status: Status,
    /// Integer minor units of `currency`.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// Held so far.
    pub authorized_minor: i64,
    /// Taken so far.
    pub captured_minor: i64,
    /// Given back so far; never more than taken.
    pub refunded_minor: i64,
    /// Why it was declined.
    pub decline_code: Option<String>,
    /// The same for the shopper.
    pub decline_message: Option<String>,
    /// What the shopper must do.
    pub next_action: Option<NextAction>,
    /// The means of payment, as far as a shop may know it.
    pub payment_method: Method,
    /// Oldest first.
    pub refunds: Vec<Refund>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The magic token.
    pub token: String,
    /// Where the shopper goes afterwards.
    pub return_url: Option<String>,
    /// How the shop asked for it.
    #[serde(default, skip_serializing_if = "Dialect::is_generic")]
    pub dialect: Dialect,
    /// What the shop wants to be kept with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Where Alipay's notifications of it go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_url: Option<String>,
    /// Whether the shopper has seen its page: before, Alipay says that there is no such trade.
    #[serde(default, skip_serializing_if = "is_false")]
    pub opened: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What the shopper must do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NextAction {
    /// Open `url`.
    Redirect {
        /// A page of the gateway.
        url: String,
        /// After this it is too late.
        expires_at: DateTime<Utc>,
    },
    /// Scan `payload`.
    QrCode {
        /// Text to draw as a QR code.
        payload: String,
        /// After this it is too late.
        expires_at: DateTime<Utc>,
    },
}

/// A means of payment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Method {
    /// `card` or `wallet`.
    pub kind: String,
    /// `visa`.
    pub brand: Option<String>,
    /// Last digits of the card.
    pub last4: Option<String>,
    /// 1 to 12.
    pub expiry_month: Option<u8>,
    /// Four digits.
    pub expiry_year: Option<u16>,
}

/// Money given back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refund {
    /// `sbr_…`
    pub id: String,
    /// The shop's own id of it.
    pub reference: String,
    /// In minor units.
    pub amount_minor: i64,
    /// `succeeded`, or `failed` when the money came back; a refused refund is not booked.
    pub status: String,
}

/// What the shop sends to make a payment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPayment {
    /// The shop's own id of it.
    pub reference: String,
    /// Integer minor units of `currency`; positive.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// From the gateway's form; here one of [`token::TOKENS`].
    pub payment_method_token: String,
    /// Where the shopper goes after a page of the gateway.
    #[serde(default)]
    pub return_url: Option<String>,
    /// How the shop asked for it.
    #[serde(skip)]
    pub dialect: Dialect,
    /// What the shop wants to be kept with it.
    #[serde(skip)]
    pub metadata: BTreeMap<String, String>,
    /// Where Alipay's notifications of it go.
    #[serde(skip)]
    pub notify_url: Option<String>,
}

/// Why a change of the books is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// No payment has this id.
    #[error("there is no such payment")]
    NotFound,
    /// Only an authorized payment can be captured.
    #[error("the payment is not authorized")]
    NotCapturable,
    /// A captured payment must be refunded instead.
    #[error("the payment cannot be voided any more")]
    NotVoidable,
    /// Nothing was captured, or the means of payment takes nothing back.
    #[error("the payment cannot be refunded")]
    NotRefundable,
    /// More than is left.
    #[error("the amount is larger than what is left")]
    AmountTooLarge,
    /// The shopper has decided already, or comes too late.
    #[error("the payment is not waiting for the shopper")]
    NotWaiting,
}

/// The books.
pub struct Ledger {
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    payments: Vec<Payment>,
    by_id: HashMap<String, usize>,
    tried: HashSet<String>,
    journal: Option<File>,
}

impl Ledger {
    /// Reads the journal, if there is one, and begins with the seed data if it was empty and the configuration says so.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        let mut books = Books::default();
        if let Some(path) = &config.journal {
            books.read(path)?;
        }
        if let Some(path) = &config.journal {
            let file = OpenOptions::new().create(true).append(true).open(path);
            books.journal = Some(file.with_context(|| format!("the journal {} cannot be written", path.display()))?);
        }
        if config.seed && books.payments.is_empty() {
            for payment in crate::seed::payments() {
                books.put(payment);
            }
        }
        Ok(Self {
            books: Mutex::new(books),
        })
    }

    /// Books a new payment; `page` is the address of the gateway, without a slash at the end.
    ///
    /// `decision` is that of the payment's token.
    pub fn create(&self, new: NewPayment, decision: Decision, page: &str) -> Payment {
        let mut payment = Payment {
            id: service::id::new(new.dialect.id_prefixes().0),
            status: Status::RequiresAction,
            authorized_minor: 0,
            captured_minor: 0,
            refunded_minor: 0,
            decline_code: None,
            decline_message: None,
            next_action: None,
            payment_method: method(decision),
            refunds: Vec::new(),
            created_at: Utc::now(),
            reference: new.reference,
            amount_minor: new.amount_minor,
            currency: new.currency,
            token: new.payment_method_token,
            return_url: new.return_url,
            dialect: new.dialect,
            metadata: new.metadata,
            notify_url: new.notify_url,
            opened: false,
        };
        payment.decide(decision, page);
        self.lock().put(payment.clone());
        payment
    }

    /// The shopper's browser brings a token for a payment that was made without one.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], [`LedgerError::NotWaiting`].
    pub fn confirm(&self, id: &str, token: &str, decision: Decision, page: &str) -> Result<Payment, LedgerError> {
        self.change(id, |payment| {
            let waits = matches!(payment.status, Status::RequiresAction | Status::Declined);
            if !waits || payment.next_action.is_some() {
                return Err(LedgerError::NotWaiting);
            }
            payment.token = token.to_owned();
            payment.payment_method = method(decision);
            payment.decide(decision, page);
            Ok(())
        })
    }

    /// The shopper has opened the page.
    pub(crate) fn open_page(&self, id: &str) -> Option<Payment> {
        let opened = self.change(id, |payment| {
            payment.opened = true;
            Ok(())
        });
        opened.ok()
    }

    /// The payment of one dialect with the shop's `reference`.
    pub(crate) fn of_dialect(&self, reference: &str, dialect: Dialect) -> Option<Payment> {
        let books = self.lock();
        let found = books
            .payments
            .iter()
            .find(|payment| payment.dialect == dialect && payment.reference == reference);
        found.cloned()
    }

    /// The payment with this id.
    pub fn get(&self, id: &str) -> Option<Payment> {
        let books = self.lock();
        books.by_id.get(id).map(|&index| books.payments[index].clone())
    }

    /// All payments with the shop's `reference`, oldest first: more than one means that the shop asked twice.
    pub fn by_reference(&self, reference: &str) -> Vec<Payment> {
        self.lock()
            .payments
            .iter()
            .filter(|payment| payment.reference == reference)
            .cloned()
            .collect()
    }

    /// All payments, newest first, at most `count`.
    pub fn newest(&self, count: usize) -> Vec<Payment> {
        self.lock().payments.iter().rev().take(count).cloned().collect()
    }

    /// The shopper, or time, decides about a payment that waits.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], [`LedgerError::NotWaiting`].
    pub fn decide(&self, id: &str, approved: bool) -> Result<Payment, LedgerError> {
        self.change(id, |payment| {
            if !matches!(payment.status, Status::RequiresAction | Status::Processing) {
                return Err(LedgerError::NotWaiting);
            }
            let scanned = matches!(payment.next_action.take(), Some(NextAction::QrCode { .. }));
            let pays_first = scanned || payment.dialect == Dialect::Alipay;
            if approved {
                payment.authorized_minor = payment.amount_minor;
                payment.captured_minor = if pays_first { payment.amount_minor } else { 0 };
                payment.status = if pays_first {
                    Status::Captured
                } else {
                    Status::Authorized
                };
            } else {
                let code = "authentication_failed";
                payment.decline_code = Some(code.to_owned());
                payment.decline_message = Some(token::decline_message(code).to_owned());
                payment.status = Status::Declined;
            }
            Ok(())
        })
    }

    /// Takes `amount_minor`, or all that is held.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], [`LedgerError::NotCapturable`], [`LedgerError::AmountTooLarge`].
    pub fn capture(&self, id: &str, amount_minor: Option<i64>) -> Result<Payment, LedgerError> {
        self.change(id, |payment| {
            if payment.status != Status::Authorized {
                return Err(LedgerError::NotCapturable);
            }
            let amount_minor = amount_minor.unwrap_or(payment.authorized_minor);
            if amount_minor <= 0 || amount_minor > payment.authorized_minor {
                return Err(LedgerError::AmountTooLarge);
            }
            payment.captured_minor = amount_minor;
            payment.status = Status::Captured;
            Ok(())
        })
    }

    /// Lets a payment go that was not captured.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], [`LedgerError::NotVoidable`].
    pub fn void(&self, id: &str) -> Result<Payment, LedgerError> {
        self.change(id, |payment| {
            let voidable = match payment.status {
                Status::Authorized | Status::RequiresAction | Status::Processing => true,
                // An intent waits for another card.
                Status::Declined => payment.dialect == Dialect::Stripe,
                _ => false,
            };
            if !voidable {
                return Err(LedgerError::NotVoidable);
            }
            payment.next_action = None;
            payment.status = Status::Voided;
            Ok(())
        })
    }

    /// Gives back `amount_minor`, or all that is left.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], [`LedgerError::NotRefundable`], [`LedgerError::AmountTooLarge`].
    pub fn refund(&self, id: &str, reference: &str, amount_minor: Option<i64>) -> Result<Payment, LedgerError> {
        self.change(id, |payment| {
            let refused = token::fate(&payment.token).is_some_and(|fate| fate.refund == RefundFate::Refused);
            if payment.status != Status::Captured || refused {
                return Err(LedgerError::NotRefundable);
            }
            let left = payment.captured_minor - payment.refunded_minor;
            let amount_minor = amount_minor.unwrap_or(left);
            if amount_minor <= 0 || amount_minor > left {
                return Err(LedgerError::AmountTooLarge);
            }
            payment.refunded_minor += amount_minor;
            payment.refunds.push(Refund {
                id: service::id::new(payment.dialect.id_prefixes().1),
                reference: reference.to_owned(),
                amount_minor,
                status: SUCCEEDED.to_owned(),
            });
            Ok(())
        })
    }

    /// The shopper's bank sends back what the last refund gave: the shop has it again.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], [`LedgerError::NotRefundable`] when that refund has failed already.
    pub(crate) fn return_last_refund(&self, id: &str) -> Result<Payment, LedgerError> {
        self.change(id, |payment| {
            let last = payment.refunds.iter_mut().rfind(|refund| refund.status == SUCCEEDED);
            let last = last.ok_or(LedgerError::NotRefundable)?;
            last.status = FAILED.to_owned();
            payment.refunded_minor -= last.amount_minor;
            Ok(())
        })
    }

    /// True the first time it is called with `act`: for the faults that happen once.
    pub(crate) fn first_try(&self, act: &str) -> bool {
        self.lock().tried.insert(act.to_owned())
    }

    fn change(
        &self,
        id: &str,
        act: impl FnOnce(&mut Payment) -> Result<(), LedgerError>,
    ) -> Result<Payment, LedgerError> {
        let mut books = self.lock();
        let index = *books.by_id.get(id).ok_or(LedgerError::NotFound)?;
        let mut payment = books.payments[index].clone();
        act(&mut payment)?;
        books.put(payment.clone());
        Ok(payment)
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Payment {
    /// What the token's decision does to a payment that has none yet.
    fn decide(&mut self, decision: Decision, page: &str) {
        let url = format!("{page}/3ds/{}", self.id);
        let expires_at = Utc::now() + TimeDelta::minutes(ACTION_MINUTES);
        self.decline_code = None;
        self.decline_message = None;
        self.next_action = None;
        self.status = match decision {
            Decision::Approve => {
                self.authorized_minor = self.amount_minor;
                Status::Authorized
            }
            Decision::Decline(code) => {
                self.decline_code = Some(code.to_owned());
                self.decline_message = Some(token::decline_message(code).to_owned());
                Status::Declined
            }
            Decision::Later(_) => Status::Processing,
            Decision::Form => Status::RequiresAction,
            Decision::ThreeDSecure => {
                self.next_action = Some(NextAction::Redirect { url, expires_at });
                Status::RequiresAction
            }
            Decision::QrCode => {
                self.next_action = Some(NextAction::QrCode {
                    payload: url,
                    expires_at,
                });
                Status::RequiresAction
            }
        };
    }
}

impl Books {
    fn put(&mut self, payment: Payment) {
        if let Some(journal) = &mut self.journal {
            // Begun anew, and in one piece: what a kill or a full disk has left of a line before is then a line of its own.
            let line = serde_json::to_string(&payment).expect("a payment is plain data");
            // The sandbox goes on without a journal line: only a restart would miss it.
            if let Err(error) = journal.write_all(format!("\n{line}\n").as_bytes()) {
                error!(%error, "Could not write the journal");
            }
        }
        match self.by_id.get(&payment.id) {
            Some(&index) => self.payments[index] = payment,
            None => {
                self.by_id.insert(payment.id.clone(), self.payments.len());
                self.payments.push(payment);
            }
        }
    }

    fn read(&mut self, path: &Path) -> anyhow::Result<()> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("the journal {} cannot be read", path.display())),
        };
        for line in BufReader::new(file).lines() {
            let line = line.with_context(|| format!("the journal {} cannot be read", path.display()))?;
            // Torn when the process was killed while writing it: that payment's state before holds. Every second one is blank.
            if let Ok(payment) = serde_json::from_str(&line) {
                self.put(payment);
            }
        }
        Ok(())
    }
}

fn method(decision: Decision) -> Method {
    if decision == Decision::QrCode {
        return Method {
            kind: "wallet".to_owned(),
            brand: None,
            last4: None,
            expiry_month: None,
            expiry_year: None,
        };
    }
    Method {
        kind: "card".to_owned(),
        brand: Some("visa".to_owned()),
        last4: Some(
            if decision == Decision::ThreeDSecure {
                "3155"
            } else {
                "4242"
            }
            .to_owned(),
        ),
        expiry_month: Some(12),
        expiry_year: Some(2034),
    }
}
