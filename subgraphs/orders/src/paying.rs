//! Starting a payment of an order. The saga does the rest.

use serde::Serialize;

use crate::checkout::{Checkout, Problem, ProblemCode, key_problem, key_use};
use crate::domain::{Edit, OrderFile, OrderStatus, PaymentRequest};
use crate::store::{KeyUse, Placed, StoreError};

/// Longest URL to come back to, in bytes.
const RETURN_URL_BYTES_MAX: usize = 2_000;

/// Longest token, in bytes; tokens of gateways have some dozens.
const TOKEN_BYTES_MAX: usize = 255;

/// Longest name of a gateway, in bytes.
const GATEWAY_BYTES_MAX: usize = 40;

/// What a shopper sends.
#[derive(Clone, Debug, Serialize)]
pub struct PayRequest {
    /// Made by the client for this attempt.
    #[serde(skip)]
    pub key: String,
    /// Which order.
    pub order_id: String,
    /// How.
    pub payment: PaymentRequest,
}

/// Why no payment was started.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// The request itself is wrong.
    #[error("the request is wrong")]
    Problem(Problem),
    /// The order is paid.
    #[error("the order is paid")]
    AlreadyPaid,
    /// The time to pay is over.
    #[error("the time to pay is over")]
    Expired,
    /// The order is in no state to be paid.
    #[error("the order cannot be paid now")]
    NotPayable,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Checkout {
    /// Starts a payment of `order`, as it was read a moment ago, and waits a moment for what comes of it; answers with
    /// the payment's id and the order as it is then. The same key with the same request answers for the first.
    ///
    /// Who may pay is the caller's business.
    ///
    /// # Errors
    /// [`PayError`].
    pub async fn pay(&self, order: OrderFile, request: PayRequest) -> Result<(String, Option<OrderFile>), PayError> {
        if let Some(problem) = key_problem(&request.key).or_else(|| form_problem(&request.payment)) {
            return Err(PayError::Problem(problem));
        }
        let (store, now) = (self.driver.store(), self.driver.now());
        let (payment_id, lease) = (service::id::new("pay"), service::id::new("lse"));
        let key = KeyUse {
            payment_id: Some(payment_id.clone()),
            ..key_use("orderPay", &[&request.order_id, &request.key], &request)
        };
        let taken = store.take_over(order, (&key, &lease, now), |file| {
            check_payable(file, now)?;
            file.pay(&payment_id, request.payment.clone(), &Edit { actor: "shopper", now });
            Ok::<(), PayError>(())
        });
        let failed = match taken.await {
            Ok(Some(Ok(file))) => return Ok((payment_id, self.driver.drive_held(file, lease).await?)),
            Ok(Some(Err(cause))) => cause,
            Ok(None) => PayError::NotPayable,
            Err(cause) => cause.into(),
        };
        // The same call may have come before, or twice at once: then the other one has stored the key.
        let known = store.key(&key.id).await?.ok_or(failed)?;
        let payment_id = same_payment(known, &key.request_hash)?;
        Ok((payment_id, store.file(&request.order_id).await?))
    }
}

fn check_payable(file: &OrderFile, now: chrono::DateTime<chrono::Utc>) -> Result<(), PayError> {
    match file.order.status {
        OrderStatus::AwaitingPayment if file.order.expires_at.is_some_and(|expires_at| expires_at <= now) => {
            Err(PayError::Expired)
        }
        status if status.can_pay() => Ok(()),
        OrderStatus::Expired => Err(PayError::Expired),
        status if status.is_paid() || status == OrderStatus::Refunded => Err(PayError::AlreadyPaid),
        _ => Err(PayError::NotPayable),
    }
}

fn form_problem(payment: &PaymentRequest) -> Option<Problem> {
    // What payments cannot store it would never answer for, and the order would ask for ever.
    let is_text = |text: &str, bytes_max: usize| text.len() <= bytes_max && !text.contains(char::is_control);
    let is_address = |url: &str| {
        is_text(url, RETURN_URL_BYTES_MAX)
            && url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
    };
    let PaymentRequest {
        gateway,
        token,
        return_url,
    } = payment;
    let invalid = |message, field: &'static str| Problem::new(ProblemCode::Invalid, message).at(&[field]);
    if gateway.as_ref().is_some_and(|name| !is_text(name, GATEWAY_BYTES_MAX)) {
        return Some(invalid("There is no such gateway.", "gateway"));
    }
    if token.as_ref().is_some_and(|token| !is_text(token, TOKEN_BYTES_MAX)) {
        return Some(invalid("This is no token.", "paymentMethodToken"));
    }
    let url = return_url.as_ref().filter(|url| !is_address(url));
    url.map(|_| invalid("This is no web address.", "returnUrl"))
}

fn same_payment(known: Placed, request_hash: &str) -> Result<String, PayError> {
    match known {
        Placed::KnownKey {
            payment_id: Some(payment_id),
            request_hash: known,
            ..
        } if known == request_hash => Ok(payment_id),
        _ => {
            let problem = Problem::new(
                ProblemCode::IdempotencyKeyReused,
                "This key was used with another request.",
            );
            Err(PayError::Problem(problem.at(&["idempotencyKey"])))
        }
    }
}
