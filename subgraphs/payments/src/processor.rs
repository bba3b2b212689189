//! Carries out what is asked of a payment: writes it down, calls the gateway, and stores what it says.
//!
//! The call always comes after its transaction is stored, and the answer is stored in a transaction of its own. What a
//! crash or a lost answer leaves open, [`Processor::work_transactions`] finds and settles: it asks the gateway, and repeats the
//! call with the same key only when the gateway has nothing, and with another one only what cannot be done twice. Commands
//! come from orders (`internal`) and from staff (`graphql`); both end here.

mod alarm;
mod webhooks;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{join_all, pending};
use service::clock::Clock;
use service::contract::payments::{AuthorizeRequest, PaymentStatus, RefusalCode};
use service::events::RelayBell;
use service::fault;
use service::money::{AMOUNT_MINOR_MAX, Amount, Currency};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::domain::{
    Begun, CALL_LEASE, KEY_TIME, Payment, RemotePayment, Transaction, TransactionKind, TransactionStatus, fresh_payment,
};
use crate::event::is_news;
use crate::gateway::{Action, CreatePayment, Gateway, GatewayError, Guarded, Idempotency, KnownRefund, Lookup};
use crate::store::{Created, Share, Store, StoreError};

/// Payments of one gateway that are worked on at the same time, for their webhooks or their transactions.
const WORKED_AT_ONCE: usize = 8;

/// A repeat with the same key stops this long before the gateway may have forgotten the key.
const KEY_MARGIN: TimeDelta = TimeDelta::hours(1);

/// Error code of what the gateway does not know although it was asked for long ago.
const NOT_FOUND: &str = "not_found_at_gateway";

/// Longest token or URL that is taken, in bytes.
const TEXT_BYTES_MAX: usize = 2_000;

/// What is wrong with a command.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No payment has this id.
    #[error("there is no such payment")]
    NotFound,
    /// The payment's state, or the request, forbids it.
    #[error("{message}")]
    Refused {
        /// Stable.
        code: RefusalCode,
        /// For people.
        message: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is done about a call that the gateway has not carried out.
enum Repeat {
    /// It is made again, and cannot be done twice for its key.
    WithItsKey,
    /// It is made again with another key: it cannot be done twice anyway.
    WithNewKey,
    /// It is not known whether it could be done twice: a person is to look.
    NotNow,
    /// It was not carried out and will not be; the code says why. Whoever wants it asks anew.
    Never(&'static str),
}

/// Carries commands out. Cheap to clone.
#[derive(Clone)]
pub struct Processor {
    store: Store,
    gateways: Arc<[Guarded]>,
    clock: Clock,
    /// By the name of a gateway.
    wakes: Arc<HashMap<String, Notify>>,
    relay: RelayBell,
}

impl Processor {
    /// The first of `gateways` is the default one; there must be one. `relay` is rung when there may be an event.
    #[must_use]
    pub fn new(store: Store, gateways: Vec<Guarded>, clock: Clock, relay: RelayBell) -> Self {
        for gateway in &gateways {
            alarm::begin(gateway.name());
        }
        let names = gateways.iter().map(|gateway| gateway.name().to_owned());
        Self {
            store,
            wakes: Arc::new(names.map(|name| (name, Notify::new())).collect()),
            gateways: gateways.into(),
            clock,
            relay,
        }
    }

    /// All gateways, the default one first.
    #[must_use]
    pub fn gateways(&self) -> &[Guarded] {
        &self.gateways
    }

    /// The gateway of this name; the default one for `None`.
    #[must_use]
    pub fn gateway(&self, name: Option<&str>) -> Option<&Guarded> {
        match name {
            Some(name) => self.gateways.iter().find(|gateway| gateway.name() == name),
            None => self.gateways.first(),
        }
    }

    /// The tables.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The gateway's time: what a webhook's age is measured by.
    #[must_use]
    pub fn world_now(&self) -> DateTime<Utc> {
        self.clock.world_now()
    }

    /// The shares of the background work: one for each gateway, and the rest.
    #[must_use]
    pub fn shares(&self) -> Vec<Share> {
        let names = || self.gateways.iter().map(|gateway| gateway.name().to_owned());
        names()
            .map(Share::Of)
            .chain([Share::AllBut(names().collect())])
            .collect()
    }

    /// A webhook of `gateway` was stored that its runner should look at now.
    pub fn wake(&self, gateway: &str) {
        if let Some(wake) = self.wakes.get(gateway) {
            wake.notify_one();
        }
    }

    /// Waits for [`Processor::wake`].
    pub async fn woken(&self, share: &Share) {
        let wake = match share {
            Share::Of(gateway) => self.wakes.get(gateway),
            Share::AllBut(_) => None,
        };
        match wake {
            Some(wake) => wake.notified().await,
            None => pending().await,
        }
    }

    /// Asks to hold an amount for an order. The same id with the same request answers for the first one.
    ///
    /// # Errors
    /// [`CommandError::Refused`] for a request that makes no sense, an id used before with another request, or an
    /// order that has an open payment.
    pub async fn authorize(&self, payment_id: &str, request: AuthorizeRequest) -> Result<Payment, CommandError> {
        let request_hash = request_hash(&request);
        let (gateway, currency) = match self.checked(payment_id, &request) {
            Ok(checked) => checked,
            // Another replica, of another configuration, may have begun it.
            Err(refusal) => {
                let known = self.store.payment(payment_id).await?;
                let known = known.filter(|payment| payment.request_hash == request_hash);
                return known.ok_or(refusal);
            }
        };
        let mut payment = fresh_payment(payment_id, gateway, &request, currency, self.now());
        payment.request_hash = request_hash;
        match self.store.create(&payment).await? {
            Created::New => {
                let transaction = payment.transactions.first().cloned();
                let transaction = transaction.expect("a fresh payment has its authorization");
                self.call(payment, &transaction, true).await
            }
            Created::Existing(existing) if existing.request_hash == payment.request_hash => Ok(*existing),
            Created::Existing(_) => Err(refused(RefusalCode::IdempotencyKeyReused)),
            Created::OrderHasOpenPayment => Err(refused(RefusalCode::PaymentOpen)),
        }
    }

    /// Takes what is held, or part of it.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn capture(&self, id: &str, key: &str, amount_minor: Option<i64>) -> Result<Payment, CommandError> {
        self.act(id, |payment, now| payment.begin_capture(key, amount_minor, now))
            .await
    }

    /// Lets go of what is held.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn void(&self, id: &str, key: &str) -> Result<Payment, CommandError> {
        self.act(id, |payment, now| payment.begin_void(key, now)).await
    }

    /// Gives back what was taken, or part of it.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn refund(&self, id: &str, key: &str, amount_minor: Option<i64>) -> Result<Payment, CommandError> {
        self.act(id, |payment, now| payment.begin_refund(key, amount_minor, now))
            .await
    }

    /// Asks the gateway now how the payment stands, and stores the answer. An authorization that the gateway does not know,
    /// so long after the call that its key may be forgotten, has failed: the runner leaves that to a person.
    ///
    /// # Errors
    /// [`CommandError`]; a gateway that does not answer is not an error: the payment stays as it was.
    pub async fn reconcile(&self, id: &str) -> Result<Payment, CommandError> {
        let payment = self.store.payment(id).await?.ok_or(CommandError::NotFound)?;
        let asked = match self.lookup(&payment).await {
            Ok(None) => return self.give_up_authorization(payment).await,
            asked => asked,
        };
        Ok(self.heard(payment.clone(), asked).await?.unwrap_or(payment))
    }

    /// Closes the open authorization of a payment that the gateway does not know, unless its call may still be repeated.
    async fn give_up_authorization(&self, payment: Payment) -> Result<Payment, CommandError> {
        let open = payment.transactions.iter().find(|transaction| {
            let open = transaction.kind == TransactionKind::Authorize && transaction.status.is_open();
            open && !payment.never_sent(transaction) && self.key_is_forgotten(&payment, transaction)
        });
        let Some(id) = open.map(|transaction| transaction.id.clone()) else {
            return Ok(payment);
        };
        self.change(&payment, |payment, now| payment.refuse(&id, NOT_FOUND, now))
            .await
    }

    /// Takes up the transactions of `share` whose time has come; whether more may be due.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; what was not done stays due.
    pub async fn work_transactions(&self, share: &Share) -> Result<bool, StoreError> {
        let times = (self.now(), CALL_LEASE);
        let taken = self.store.take_due_transactions(share, WORKED_AT_ONCE as u64, times);
        let taken = taken.await?;
        let settling = taken.iter().map(|due| async {
            if let Err(error) = self.resume(&due.payment_id, &due.transaction_id).await {
                error!(transaction.id = due.transaction_id, %error, "Could not settle `{}`", due.transaction_id);
            }
        });
        join_all(settling).await;
        Ok(taken.len() == WORKED_AT_ONCE)
    }

    /// What the gateway says of a payment, stored; `None` when it says nothing.
    async fn ask(&self, payment: Payment) -> Result<Option<Payment>, CommandError> {
        let asked = self.lookup(&payment).await;
        self.heard(payment, asked).await
    }

    async fn heard(
        &self,
        payment: Payment,
        asked: Result<Option<RemotePayment>, GatewayError>,
    ) -> Result<Option<Payment>, CommandError> {
        match asked {
            // Nothing that was not known before it was asked: whoever has moved the payment since has heard more.
            Ok(Some(remote)) if !payment.clone().settle(&remote, self.now()) => Ok(Some(payment)),
            Ok(Some(remote)) => self.settle(&payment, &remote).await.map(Some),
            Ok(None) => Ok(None),
            Err(error) => {
                warn!(payment.id = payment.id, %error, "The gateway could not be asked about payment `{}`", payment.id);
                Ok(None)
            }
        }
    }

    async fn act(
        &self,
        id: &str,
        begin: impl Fn(&mut Payment, DateTime<Utc>) -> Result<Begun, RefusalCode>,
    ) -> Result<Payment, CommandError> {
        let now = self.now();
        let begun = self.store.change(id, now, |payment| begin(payment, now)).await?;
        let (begun, payment) = begun.ok_or(CommandError::NotFound)?.map_err(refused)?;
        let transaction = match &begun {
            Begun::New(transaction_id) => payment.transaction(transaction_id).cloned(),
            Begun::Known => None,
        };
        match transaction {
            Some(transaction) => self.call(payment, &transaction, true).await,
            None => Ok(payment),
        }
    }

    /// Takes an open transaction up again: first asks what became of it, then, if the gateway has nothing, repeats
    /// the call. The key is the same, so a call that did arrive is not done twice.
    async fn resume(&self, payment_id: &str, transaction_id: &str) -> Result<(), CommandError> {
        let payment = self.store.payment(payment_id).await?.ok_or(CommandError::NotFound)?;
        let open = |payment: &Payment| {
            let transaction = payment.transaction(transaction_id);
            transaction.filter(|transaction| transaction.status.is_open()).cloned()
        };
        let Some(transaction) = open(&payment) else {
            return Ok(());
        };
        let never_sent = payment.never_sent(&transaction);
        let remote = if never_sent {
            None
        } else {
            match self.lookup(&payment).await {
                Ok(remote) => remote,
                Err(error) => return self.postpone_unasked(&payment, transaction_id, &error).await,
            }
        };
        let payment = match &remote {
            Some(remote) => self.settle(&payment, remote).await?,
            None => payment,
        };
        let Some(transaction) = open(&payment) else {
            return Ok(());
        };
        // An authorization that the gateway knows of waits for the shopper or the bank: nothing to repeat.
        if transaction.kind == TransactionKind::Authorize && remote.is_some() {
            return Ok(());
        }
        let repeat = self.repeat(&payment, &transaction, remote.as_ref());
        let payment = self
            .change(&payment, |payment, now| match repeat {
                Repeat::WithItsKey => payment.calling(transaction_id, never_sent, now),
                Repeat::WithNewKey => {
                    payment.rekey(transaction_id, now);
                    payment.calling(transaction_id, never_sent, now);
                }
                Repeat::NotNow => payment.unknown(transaction_id, now),
                Repeat::Never(error_code) => payment.refuse(transaction_id, error_code, now),
            })
            .await?;
        let is_repeated = matches!(repeat, Repeat::WithItsKey | Repeat::WithNewKey);
        if let Some(transaction) = open(&payment).filter(|_| is_repeated) {
            self.call(payment, &transaction, never_sent).await?;
        }
        Ok(())
    }

    /// How a call is repeated that the gateway has not carried out by what it says.
    ///
    /// * `remote`: how the payment stands there; `None` when it was not asked or has nothing.
    fn repeat(&self, payment: &Payment, transaction: &Transaction, remote: Option<&RemotePayment>) -> Repeat {
        let is_good = self.key_is_good(payment, transaction) || payment.never_sent(transaction);
        let Some(remote) = remote else {
            return if is_good { Repeat::WithItsKey } else { Repeat::NotNow };
        };
        if transaction.kind.is_once_only() && self.now() - transaction.keyed_at() > KEY_TIME {
            return Repeat::WithNewKey;
        }
        let is_known = remote.refunds.iter().any(|refund| refund.reference == transaction.id);
        match transaction.kind {
            _ if is_good => Repeat::WithItsKey,
            TransactionKind::Refund if !is_known && self.key_is_forgotten(payment, transaction) => {
                Repeat::Never(NOT_FOUND)
            }
            _ => Repeat::NotNow,
        }
    }

    /// The gateway could not be asked what became of a call: asked again later.
    async fn postpone_unasked(
        &self,
        payment: &Payment,
        transaction_id: &str,
        error: &GatewayError,
    ) -> Result<(), CommandError> {
        let id = &payment.id;
        warn!(payment.id = id, %error, "The gateway could not be asked about payment `{id}`");
        self.change(payment, |payment, now| match error {
            GatewayError::CircuitOpen => payment.held_back(transaction_id, false, now),
            // Whether the first call arrived is not known: the process may have died in the middle of it.
            _ => payment.unknown(transaction_id, now),
        })
        .await?;
        Ok(())
    }

    /// Whether a repeat of the call still cannot do anything twice.
    fn key_is_good(&self, payment: &Payment, transaction: &Transaction) -> bool {
        let end = self.end_of_key(payment, transaction);
        end.is_some_and(|end| self.now() < end - KEY_MARGIN)
    }

    /// Whether the last call with the key was made [`KEY_MARGIN`] ago or earlier.
    fn key_is_forgotten(&self, payment: &Payment, transaction: &Transaction) -> bool {
        let end = self.end_of_key(payment, transaction);
        end.is_some_and(|end| self.now() >= end)
    }

    /// When the gateway may forget the key; `None` when the gateway is not there to be asked.
    fn end_of_key(&self, payment: &Payment, transaction: &Transaction) -> Option<DateTime<Utc>> {
        let gateway = self.gateway(Some(&payment.gateway))?;
        Some(match gateway.caps().idempotency {
            Idempotency::MerchantReference => DateTime::<Utc>::MAX_UTC,
            Idempotency::Header { hours } => transaction.keyed_at() + TimeDelta::hours(i64::from(hours)),
        })
    }

    /// Calls the gateway and stores the outcome, whatever it is.
    ///
    /// * `never_sent`: whether no earlier attempt can have reached the gateway.
    async fn call(
        &self,
        payment: Payment,
        transaction: &Transaction,
        never_sent: bool,
    ) -> Result<Payment, CommandError> {
        let (payment_id, id) = (payment.id.as_str(), transaction.id.as_str());
        fault::point_at("payments.gateway.calling", transaction.kind.as_str());
        let answered = self.send(&payment, transaction).await;
        fault::point_at("payments.gateway.answered", transaction.kind.as_str());
        let error = match answered {
            Ok(remote) => {
                let settled = self.settle(&payment, &remote).await?;
                let undecided = transaction.kind != TransactionKind::Authorize
                    && settled
                        .transaction(id)
                        .is_some_and(|transaction| transaction.status.is_open());
                return match undecided {
                    true => self.change(&settled, |payment, now| payment.unknown(id, now)).await,
                    false => Ok(settled),
                };
            }
            Err(error) => error,
        };
        warn!(payment.id = payment_id, transaction.id = id, %error, "A call to the gateway did not succeed");
        self.change(&payment, |payment, now| match &error {
            GatewayError::Refused { code } => payment.refuse(id, code, now),
            GatewayError::CircuitOpen => payment.held_back(id, never_sent, now),
            GatewayError::Unknown { .. } => payment.unknown(id, now),
            GatewayError::Auth | GatewayError::RateLimited | GatewayError::NotSent => {
                payment.not_sent(id, never_sent, now);
            }
        })
        .await
    }

    async fn send(&self, payment: &Payment, transaction: &Transaction) -> Result<RemotePayment, GatewayError> {
        // A gateway that was taken out of the configuration cannot be asked; the payment waits for its return.
        let gateway = self.gateway(Some(&payment.gateway)).ok_or(GatewayError::NotSent)?;
        let key = transaction.gateway_key();
        let action = || Action {
            key: key.clone(),
            amount_minor: transaction.amount_minor,
            payment: self.lookup_of(payment),
        };
        let answered = match transaction.kind {
            TransactionKind::Authorize => {
                let request = CreatePayment {
                    payment_id: payment.id.clone(),
                    order_number: payment.order_number.clone(),
                    amount_minor: payment.amount_minor,
                    currency: payment.currency,
                    token: payment.payment_method_token.clone().unwrap_or_default(),
                    return_url: payment.return_url.clone(),
                    created_at: payment.created_at,
                    key,
                };
                gateway.create(request).await
            }
            TransactionKind::Capture => gateway.capture(action()).await,
            TransactionKind::Void => gateway.void(action()).await,
            TransactionKind::Refund => gateway.refund(action()).await,
        };
        about(payment, answered?)
    }

    async fn lookup(&self, payment: &Payment) -> Result<Option<RemotePayment>, GatewayError> {
        let gateway = self.gateway(Some(&payment.gateway)).ok_or(GatewayError::NotSent)?;
        let found = gateway.lookup(self.lookup_of(payment)).await?;
        found.map(|remote| about(payment, remote)).transpose()
    }

    fn lookup_of(&self, payment: &Payment) -> Lookup {
        let refunds = payment
            .transactions
            .iter()
            .filter(|transaction| transaction.kind == TransactionKind::Refund)
            .filter(|refund| refund.status != TransactionStatus::Failed);
        Lookup {
            payment_id: payment.id.clone(),
            gateway_reference: payment.gateway_reference.clone(),
            amount_minor: payment.amount_minor,
            currency: payment.currency,
            created_at: payment.created_at,
            refunds: refunds
                .map(|refund| KnownRefund {
                    reference: refund.id.clone(),
                    gateway_reference: refund.gateway_reference.clone(),
                    amount_minor: refund.amount_minor,
                    booked: refund.status == TransactionStatus::Succeeded,
                })
                .collect(),
            refunded_minor: payment.refunded_minor,
            now: self.now(),
        }
    }

    async fn settle(&self, payment: &Payment, remote: &RemotePayment) -> Result<Payment, CommandError> {
        let id = &payment.id;
        self.change(payment, |payment, now| {
            let before = payment.status;
            if payment.settle(remote, now) && payment.status != before {
                let status = payment.status.as_str();
                info!(payment.id = id, payment.status = status, "Payment `{id}` moved");
            }
        })
        .await
        .inspect(|settled| {
            if settled.refunded_minor < payment.refunded_minor {
                error!(
                    payment.id = id,
                    "A refund of `{id}` failed after it had succeeded: the money is here again"
                );
                alarm::REFUND_RETURNED.count(&settled.gateway);
            }
            let has_more = settled.captured_minor > payment.captured_minor;
            if has_more
                && matches!(
                    settled.status,
                    PaymentStatus::Voided | PaymentStatus::Declined | PaymentStatus::Failed
                )
            {
                let status = settled.status.as_str();
                error!(
                    payment.id = id,
                    payment.status = status,
                    "Money was taken of `{id}`, which had ended: refund it"
                );
                alarm::TAKEN_AFTER_END.count(&settled.gateway);
            }
        })
    }

    async fn change(
        &self,
        known: &Payment,
        act: impl Fn(&mut Payment, DateTime<Utc>),
    ) -> Result<Payment, CommandError> {
        let now = self.now();
        let changed = self.store.change_known(known, now, |payment| act(payment, now));
        let payment = changed.await?.ok_or(CommandError::NotFound)?;
        if is_news(known, &payment) {
            self.relay.ring();
        }
        Ok(payment)
    }

    fn checked(&self, payment_id: &str, request: &AuthorizeRequest) -> Result<(&str, Currency), CommandError> {
        let short = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() <= TEXT_BYTES_MAX);
        let sound = service::id::is("pay", payment_id)
            && service::id::is("ord", &request.order_id)
            && service::id::is("usr", &request.user_id)
            && request.order_number.len() <= 40
            && (1..=AMOUNT_MINOR_MAX).contains(&request.amount_minor)
            && request
                .payment_method_token
                .as_ref()
                .is_none_or(|token| token.len() <= 255)
            && short(&request.return_url);
        let currency = Currency::parse(&request.currency_code).ok().filter(|_| sound);
        let currency = currency.ok_or_else(|| refused(RefusalCode::Invalid))?;
        let gateway = self.gateway(request.gateway.as_deref());
        let gateway = gateway.filter(|gateway| gateway.takes(currency));
        Ok((
            gateway.ok_or_else(|| refused(RefusalCode::GatewayUnknown))?.name(),
            currency,
        ))
    }
}

/// The gateway's answer, if it is about this payment: of another, or of another amount, nothing is believed.
fn about(payment: &Payment, remote: RemotePayment) -> Result<RemotePayment, GatewayError> {
    if remote.reference != payment.id {
        return Err(GatewayError::unknown("the answer is about another payment"));
    }
    if remote.amount != Amount::new(payment.amount_minor, payment.currency) {
        return Err(GatewayError::unknown("the answer has another amount"));
    }
    Ok(remote)
}

fn refused(code: RefusalCode) -> CommandError {
    let message = match code {
        RefusalCode::Invalid => "the request makes no sense",
        RefusalCode::GatewayUnknown => "there is no such gateway for this currency",
        RefusalCode::PaymentOpen => "another payment of this order is still open",
        RefusalCode::IdempotencyKeyReused => "the key was used with another request",
        RefusalCode::NotCapturable => "the payment is not in a state to be captured",
        RefusalCode::NotVoidable => "the payment is not in a state to be voided",
        RefusalCode::NotRefundable => "the payment is not in a state to be refunded",
        RefusalCode::AmountTooLarge => "the amount is larger than what is left",
    };
    CommandError::Refused {
        code,
        message: message.to_owned(),
    }
}

/// SHA-256 of the request in hexadecimal: tells whether an id is used again with another request.
fn request_hash(request: &AuthorizeRequest) -> String {
    let json = serde_json::to_vec(request).expect("a request is plain data");
    Sha256::digest(&json)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            use std::fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
}
