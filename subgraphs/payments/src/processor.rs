//! Carries out what is asked of a payment: writes it down, calls the gateway, and stores what it says.
//!
//! The call always comes after its transaction is stored, and the answer is stored in a transaction of its own. What a
//! crash or a lost answer leaves open, [`Processor::work`] finds and settles: it asks the gateway, and repeats the
//! call with the same key only when the gateway has nothing. Commands come from orders (`internal`) and from staff
//! (`graphql`); both end here.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use service::clock::Clock;
use service::contract::payments::{AuthorizeRequest, RefusalCode};
use service::money::{AMOUNT_MINOR_MAX, Currency};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::domain::{Begun, CALL_LEASE, Payment, RemotePayment, Transaction, TransactionKind, fresh_payment};
use crate::gateway::{Action, Authorize, Gateway, GatewayError};
use crate::store::{Created, Store, StoreError};

/// Attempts after which a webhook about a payment that nobody knows is left alone.
const WEBHOOK_ATTEMPTS_MAX: i32 = 5;

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

/// Carries commands out. Cheap to clone.
#[derive(Clone)]
pub struct Processor {
    store: Store,
    gateways: Arc<[Box<dyn Gateway>]>,
    clock: Clock,
    wake: Arc<Notify>,
}

impl Processor {
    /// The first of `gateways` is the default one; there must be one.
    #[must_use]
    pub fn new(store: Store, gateways: Vec<Box<dyn Gateway>>, clock: Clock) -> Self {
        Self {
            store,
            gateways: gateways.into(),
            clock,
            wake: Arc::default(),
        }
    }

    /// All gateways, the default one first.
    #[must_use]
    pub fn gateways(&self) -> &[Box<dyn Gateway>] {
        &self.gateways
    }

    /// The gateway of this name; the default one for `None`.
    #[must_use]
    pub fn gateway(&self, name: Option<&str>) -> Option<&dyn Gateway> {
        let found = match name {
            Some(name) => self.gateways.iter().find(|gateway| gateway.name() == name),
            None => self.gateways.first(),
        };
        found.map(Box::as_ref)
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

    /// Something was stored that the runner should look at now.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for [`Processor::wake`].
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Asks to hold an amount for an order. The same id with the same request answers for the first one.
    ///
    /// # Errors
    /// [`CommandError::Refused`] for a request that makes no sense, an id used before with another request, or an
    /// order that has an open payment.
    pub async fn authorize(&self, payment_id: &str, request: AuthorizeRequest) -> Result<Payment, CommandError> {
        let (gateway, currency) = self.checked(payment_id, &request)?;
        let mut payment = fresh_payment(payment_id, gateway, &request, currency, self.now());
        payment.request_hash = request_hash(&request);
        match self.store.create(&payment).await? {
            Created::New => {
                let transaction = payment.transactions.first().cloned();
                let transaction = transaction.expect("a fresh payment has its authorization");
                self.call(payment, &transaction).await
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

    /// Asks the gateway now how the payment stands, and stores the answer.
    ///
    /// # Errors
    /// [`CommandError`]; a gateway that does not answer is not an error: the payment stays as it was.
    pub async fn reconcile(&self, id: &str) -> Result<Payment, CommandError> {
        let payment = self.store.payment(id).await?.ok_or(CommandError::NotFound)?;
        match self.lookup(&payment).await {
            Ok(Some(remote)) => self.settle(id, &remote).await,
            Ok(None) => Ok(payment),
            Err(error) => {
                warn!(payment.id = id, %error, "The gateway could not be asked about payment `{id}`");
                Ok(payment)
            }
        }
    }

    /// Does everything whose time has come: open transactions and received webhooks.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; what was not done stays due.
    pub async fn work(&self) -> Result<(), StoreError> {
        for due in self.store.take_due_webhooks(self.now(), CALL_LEASE).await? {
            let settled = match &due.payment_id {
                Some(payment_id) => self.reconcile(payment_id).await.is_ok(),
                None => false,
            };
            if settled {
                self.store.webhook_processed(&due.id, self.now()).await?;
            } else if due.attempt + 1 >= WEBHOOK_ATTEMPTS_MAX {
                error!(webhook.id = due.id, "Webhook `{}` is about no payment of ours", due.id);
                self.store.webhook_postponed(&due, None).await?;
            } else {
                let next_at = self.now() + TimeDelta::seconds(2 << due.attempt.clamp(0, 8));
                self.store.webhook_postponed(&due, Some(next_at)).await?;
            }
        }
        for due in self.store.take_due_transactions(self.now(), CALL_LEASE).await? {
            if let Err(error) = self.resume(&due.payment_id, &due.transaction_id).await {
                error!(transaction.id = due.transaction_id, %error, "Could not settle `{}`", due.transaction_id);
            }
        }
        Ok(())
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
            Some(transaction) => self.call(payment, &transaction).await,
            None => Ok(payment),
        }
    }

    /// Takes an open transaction up again: first asks what became of it, then, if the gateway has nothing, repeats
    /// the call. The key is the same, so a call that did arrive is not done twice.
    async fn resume(&self, payment_id: &str, transaction_id: &str) -> Result<(), CommandError> {
        let payment = self.store.payment(payment_id).await?.ok_or(CommandError::NotFound)?;
        let remote = match self.lookup(&payment).await {
            Ok(remote) => remote,
            Err(error) => {
                // Whether the first call arrived is not known: the process may have died in the middle of it.
                warn!(payment.id = payment_id, %error, "The gateway could not be asked about payment `{payment_id}`");
                self.change(payment_id, |payment, now| payment.unknown(transaction_id, now))
                    .await?;
                return Ok(());
            }
        };
        let payment = match &remote {
            Some(remote) => self.settle(payment_id, remote).await?,
            None => payment,
        };
        let open = payment
            .transaction(transaction_id)
            .filter(|transaction| transaction.status.is_open())
            .cloned();
        let Some(transaction) = open else { return Ok(()) };
        // An authorization that the gateway knows of waits for the shopper or the bank: nothing to repeat.
        if transaction.kind == TransactionKind::Authorize && remote.is_some() {
            return Ok(());
        }
        self.call(payment, &transaction).await?;
        Ok(())
    }

    /// Calls the gateway and stores the outcome, whatever it is.
    async fn call(&self, payment: Payment, transaction: &Transaction) -> Result<Payment, CommandError> {
        let transaction_id = transaction.id.clone();
        match self.send(&payment, transaction).await {
            Ok(remote) => self.settle(&payment.id, &remote).await,
            Err(GatewayError::Refused { code }) => {
                warn!(
                    payment.id = payment.id,
                    transaction.id = transaction_id,
                    code,
                    "The gateway refused a call"
                );
                self.change(&payment.id, |payment, now| payment.refuse(&transaction_id, &code, now))
                    .await
            }
            Err(GatewayError::NotSent) => {
                warn!(
                    payment.id = payment.id,
                    transaction.id = transaction_id,
                    "The gateway was not reached"
                );
                self.change(&payment.id, |payment, now| payment.not_sent(&transaction_id, now))
                    .await
            }
            Err(GatewayError::Unknown { reason }) => {
                warn!(
                    payment.id = payment.id,
                    transaction.id = transaction_id,
                    reason,
                    "The outcome is not known"
                );
                self.change(&payment.id, |payment, now| payment.unknown(&transaction_id, now))
                    .await
            }
        }
    }

    async fn send(&self, payment: &Payment, transaction: &Transaction) -> Result<RemotePayment, GatewayError> {
        // A gateway that was taken out of the configuration cannot be asked; the payment waits for its return.
        let gateway = self.gateway(Some(&payment.gateway)).ok_or(GatewayError::NotSent)?;
        let key = transaction.id.clone();
        let action = |gateway_reference| Action {
            key: key.clone(),
            gateway_reference,
            amount_minor: transaction.amount_minor,
        };
        match (transaction.kind, payment.gateway_reference.clone()) {
            (TransactionKind::Authorize, _) => {
                let request = Authorize {
                    payment_id: payment.id.clone(),
                    amount_minor: payment.amount_minor,
                    currency: payment.currency,
                    token: payment.payment_method_token.clone().unwrap_or_default(),
                    return_url: payment.return_url.clone(),
                    key,
                };
                gateway.authorize(request).await
            }
            (TransactionKind::Capture, Some(reference)) => gateway.capture(action(reference)).await,
            (TransactionKind::Void, Some(reference)) => gateway.void(action(reference)).await,
            (TransactionKind::Refund, Some(reference)) => gateway.refund(action(reference)).await,
            (_, None) => Err(GatewayError::Refused {
                code: "not_authorized".to_owned(),
            }),
        }
    }

    async fn lookup(&self, payment: &Payment) -> Result<Option<RemotePayment>, GatewayError> {
        let gateway = self.gateway(Some(&payment.gateway)).ok_or(GatewayError::NotSent)?;
        gateway
            .lookup(payment.id.clone(), payment.gateway_reference.clone())
            .await
    }

    async fn settle(&self, payment_id: &str, remote: &RemotePayment) -> Result<Payment, CommandError> {
        self.change(payment_id, |payment, now| {
            let before = payment.status;
            if payment.settle(remote, now) && payment.status != before {
                info!(
                    payment.id = payment_id,
                    payment.status = payment.status.as_str(),
                    "Payment `{payment_id}` moved"
                );
            }
        })
        .await
    }

    async fn change(
        &self,
        payment_id: &str,
        act: impl Fn(&mut Payment, DateTime<Utc>),
    ) -> Result<Payment, CommandError> {
        let now = self.now();
        let changed = self.store.change(payment_id, now, |payment| {
            act(payment, now);
            Ok::<(), RefusalCode>(())
        });
        let ((), payment) = changed.await?.ok_or(CommandError::NotFound)?.map_err(refused)?;
        self.wake();
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
