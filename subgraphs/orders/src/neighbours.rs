//! What orders asks of users, products and payments, over their internal endpoints.
//!
//! Says for each call what the answer means; never retries. The saga decides what is asked and when.

use http::{Method, StatusCode};
use service::contract::payments::{ActionRequest, AuthorizeRequest, PaymentState, Refusal};
use service::contract::products::{ExtendReply, ExtendRequest, Quote, QuoteRequest};
use service::contract::users::{BuyerReply, BuyerRequest};
use service::peer::{PeerClient, PeerError, Peers};
use tracing::warn;

use crate::domain::{Answer, Command};

/// Another service gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum NeighbourError {
    /// It was not configured.
    #[error("the address of `{0}` is not configured")]
    NotConfigured(&'static str),
    /// The call failed.
    #[error(transparent)]
    Peer(#[from] PeerError),
}

/// The other services.
#[derive(Clone, Debug)]
pub struct Neighbours {
    peers: Peers,
}

impl Neighbours {
    /// The services of `peers`.
    #[must_use]
    pub fn new(peers: Peers) -> Self {
        Self { peers }
    }

    /// Who buys, and one of their addresses.
    ///
    /// # Errors
    /// [`NeighbourError`].
    pub async fn buyer(&self, user_id: &str, address_id: Option<String>) -> Result<BuyerReply, NeighbourError> {
        let request = BuyerRequest {
            user_id: user_id.to_owned(),
            address_id,
        };
        let users = self
            .peers
            .users
            .as_ref()
            .ok_or(NeighbourError::NotConfigured("users"))?;
        Ok(users.call(Method::POST, "/internal/buyer", Some(&request)).await?)
    }

    /// Prices and stock of variants, now.
    ///
    /// # Errors
    /// [`NeighbourError`].
    pub async fn quote(&self, variant_ids: Vec<String>, currency_code: &str) -> Result<Quote, NeighbourError> {
        let request = QuoteRequest {
            variant_ids,
            currency_code: currency_code.to_owned(),
        };
        Ok(self
            .products()?
            .call(Method::POST, "/internal/quote", Some(&request))
            .await?)
    }

    /// Carries out a command of the saga of `order_id`. A failed call is [`Answer::Silence`]: every command may be
    /// repeated.
    pub async fn ask(&self, order_id: &str, command: &Command) -> Answer {
        match self.try_ask(order_id, command).await {
            Ok(answer) => answer,
            Err(error) => {
                warn!(order.id = order_id, %error, "A step of order `{order_id}` got no answer");
                Answer::Silence
            }
        }
    }

    async fn try_ask(&self, order_id: &str, command: &Command) -> Result<Answer, NeighbourError> {
        let reservation = format!("/internal/reservations/{order_id}");
        Ok(match command {
            Command::Reserve(request) => {
                Answer::Reservation(self.products()?.call(Method::PUT, &reservation, Some(request)).await?)
            }
            Command::Extend(until) => {
                let request = ExtendRequest { expires_at: *until };
                let path = format!("{reservation}/extend");
                match self.products()?.call(Method::POST, &path, Some(&request)).await? {
                    ExtendReply::Extended { expires_at } => Answer::Extended(Some(expires_at)),
                    ExtendReply::NotReserved => Answer::Extended(None),
                }
            }
            Command::Commit => {
                let path = format!("{reservation}/commit");
                Answer::Commit(self.products()?.call::<(), _>(Method::POST, &path, None).await?)
            }
            Command::Release => Answer::Release(
                self.products()?
                    .call::<(), _>(Method::DELETE, &reservation, None)
                    .await?,
            ),
            Command::Restock(refund_id, request) => {
                let path = format!("/internal/restocks/{refund_id}");
                Answer::Restock(self.products()?.call(Method::PUT, &path, Some(request)).await?)
            }
            Command::Authorize(payment_id, request) => self.authorize(payment_id, request).await?,
            Command::AskPayment(payment_id) => self.payment(payment_id).await?,
            Command::Capture(payment_id, request) => self.act(payment_id, "capture", request).await?,
            Command::Void(payment_id, request) => self.act(payment_id, "void", request).await?,
            Command::Refund(payment_id, request) => self.act(payment_id, "refunds", request).await?,
            Command::Expire => Answer::TimeIsUp,
        })
    }

    async fn authorize(&self, payment_id: &str, request: &AuthorizeRequest) -> Result<Answer, NeighbourError> {
        let path = format!("/internal/payments/{payment_id}");
        let answered = self
            .payments()?
            .call::<_, PaymentState>(Method::PUT, &path, Some(request))
            .await;
        match answered {
            Ok(state) => Ok(Answer::Payment(Box::new(state))),
            Err(error) => match refusal(&error) {
                Some(refusal) => Ok(Answer::Refused(refusal.code)),
                None => Err(error.into()),
            },
        }
    }

    async fn payment(&self, payment_id: &str) -> Result<Answer, NeighbourError> {
        let path = format!("/internal/payments/{payment_id}");
        match self
            .payments()?
            .call::<(), PaymentState>(Method::GET, &path, None)
            .await
        {
            Ok(state) => Ok(Answer::Payment(Box::new(state))),
            Err(PeerError::Status {
                status: StatusCode::NOT_FOUND,
                ..
            }) => Ok(Answer::PaymentUnknown),
            Err(error) => Err(error.into()),
        }
    }

    /// Captures, voids or refunds. When the payment's state forbids that, the state is the answer.
    async fn act(&self, payment_id: &str, act: &str, request: &ActionRequest) -> Result<Answer, NeighbourError> {
        let path = format!("/internal/payments/{payment_id}/{act}");
        match self
            .payments()?
            .call::<_, PaymentState>(Method::POST, &path, Some(request))
            .await
        {
            Ok(state) => Ok(Answer::Payment(Box::new(state))),
            Err(PeerError::Status {
                status: StatusCode::NOT_FOUND,
                ..
            }) => Ok(Answer::PaymentUnknown),
            Err(error) if refusal(&error).is_some() => self.payment(payment_id).await,
            Err(error) => Err(error.into()),
        }
    }

    fn products(&self) -> Result<&PeerClient, NeighbourError> {
        self.peers
            .products
            .as_ref()
            .ok_or(NeighbourError::NotConfigured("products"))
    }

    fn payments(&self) -> Result<&PeerClient, NeighbourError> {
        self.peers
            .payments
            .as_ref()
            .ok_or(NeighbourError::NotConfigured("payments"))
    }
}

fn refusal(error: &PeerError) -> Option<Refusal> {
    match error {
        PeerError::Status { status, body, .. }
            if matches!(*status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) =>
        {
            serde_json::from_slice(body).ok()
        }
        _ => None,
    }
}
