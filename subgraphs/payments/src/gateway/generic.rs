//! The generic dialect over HTTP: `POST /api/v1/payments` with a bearer key and an `Idempotency-Key`.
//!
//! The contract is in the README of `sandbox-gateway`; put a small adapter that speaks it in front of any provider.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use service::money::Currency;
use url::Url;

use super::{Action, Authorize, Gateway, GatewayError, Webhook, WebhookError, WebhookSecrets};
use crate::domain::{CardSummary, NextAction, RemotePayment, RemoteRefund, RemoteStatus};

/// Longest answer that is read, in bytes; a payment is about 1 kB.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A gateway that speaks the generic dialect.
pub struct GenericGateway {
    name: String,
    display_name: String,
    kinds: Vec<String>,
    payments_url: Url,
    api_key: SecretString,
    secrets: WebhookSecrets,
    client: reqwest::Client,
}

impl GenericGateway {
    /// * `base_url`: what comes before `/api/v1/payments`.
    /// * `call_timeout`: longest time of one call.
    ///
    /// # Errors
    /// When the URL cannot be extended or no HTTP client can be made.
    pub fn new(
        name: &str,
        base_url: &Url,
        api_key: SecretString,
        secrets: WebhookSecrets,
        call_timeout: Duration,
    ) -> anyhow::Result<Self> {
        let payments_url = Url::parse(&format!("{}/api/v1/payments", base_url.as_str().trim_end_matches('/')))?;
        let client = service::http_client(call_timeout)?;
        let mut display_name = name.to_owned();
        if let Some(first) = display_name.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        let kinds = vec!["card".to_owned(), "wallet".to_owned()];
        Ok(Self {
            name: name.to_owned(),
            display_name,
            kinds,
            payments_url,
            api_key,
            secrets,
            client,
        })
    }

    async fn post(&self, path: &str, key: &str, body: serde_json::Value) -> Result<RemotePayment, GatewayError> {
        let url = format!("{}{path}", self.payments_url);
        let answer = self
            .send(self.client.post(url).header("idempotency-key", key).json(&body))
            .await?;
        Ok(parse::<WirePayment>(&answer)?.into())
    }

    async fn find(
        &self,
        payment_id: &str,
        gateway_reference: Option<String>,
    ) -> Result<Option<RemotePayment>, GatewayError> {
        if let Some(gateway_reference) = gateway_reference {
            let url = format!("{}/{gateway_reference}", self.payments_url);
            return match self.send(self.client.get(url)).await {
                Ok(answer) => Ok(Some(parse::<WirePayment>(&answer)?.into())),
                Err(GatewayError::Refused { code }) if code == "not_found" => Ok(None),
                Err(error) => Err(error),
            };
        }
        let mut url = self.payments_url.clone();
        url.query_pairs_mut().append_pair("reference", payment_id);
        let answer = self.send(self.client.get(url)).await?;
        // Never more than one: every create call of a payment carries the same key.
        Ok(parse::<WirePayments>(&answer)?
            .payments
            .into_iter()
            .next()
            .map(RemotePayment::from))
    }

    /// The body of a 2xx answer. Every other outcome is sorted by what may have happened.
    async fn send(&self, request: RequestBuilder) -> Result<Vec<u8>, GatewayError> {
        let request = request.bearer_auth(self.api_key.expose_secret());
        let mut response = request.send().await.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                GatewayError::NotSent
            } else {
                unknown(&error)
            }
        })?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unknown(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(GatewayError::Unknown {
                    reason: "the answer is too long".to_owned(),
                });
            }
        }
        match status {
            status if status.is_success() => Ok(body),
            // 409 may also mean that the same key is being worked on: then the outcome is not known yet.
            StatusCode::CONFLICT if error_code(&body) == "idempotency_conflict" => Err(GatewayError::Unknown {
                reason: "the same call is running".to_owned(),
            }),
            StatusCode::TOO_MANY_REQUESTS => Err(GatewayError::NotSent),
            StatusCode::REQUEST_TIMEOUT => Err(GatewayError::Unknown {
                reason: status.to_string(),
            }),
            status if status.is_client_error() => Err(GatewayError::Refused {
                code: error_code(&body),
            }),
            status => Err(GatewayError::Unknown {
                reason: status.to_string(),
            }),
        }
    }
}

impl Gateway for GenericGateway {
    fn name(&self) -> &str {
        &self.name
    }

    fn display_name(&self) -> &str {
        &self.display_name
    }

    fn kinds(&self) -> &[String] {
        &self.kinds
    }

    fn publishable_key(&self) -> Option<&str> {
        None
    }

    fn currencies(&self) -> &[Currency] {
        &[]
    }

    fn authorize(&self, request: Authorize) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move {
            let body = json!({
                "reference": request.payment_id,
                "amount_minor": request.amount_minor,
                "currency": request.currency.code(),
                "payment_method_token": request.token,
                "return_url": request.return_url,
            });
            self.post("", &request.key, body).await
        }
        .boxed()
    }

    fn capture(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move {
            let path = format!("/{}/capture", action.gateway_reference);
            self.post(&path, &action.key, json!({"amount_minor": action.amount_minor}))
                .await
        }
        .boxed()
    }

    fn void(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move {
            self.post(&format!("/{}/void", action.gateway_reference), &action.key, json!({}))
                .await
        }
        .boxed()
    }

    fn refund(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move {
            let path = format!("/{}/refunds", action.gateway_reference);
            let body = json!({"reference": action.key, "amount_minor": action.amount_minor});
            self.post(&path, &action.key, body).await
        }
        .boxed()
    }

    fn lookup(
        &self,
        payment_id: String,
        gateway_reference: Option<String>,
    ) -> BoxFuture<'_, Result<Option<RemotePayment>, GatewayError>> {
        async move { self.find(&payment_id, gateway_reference).await }.boxed()
    }

    fn verify_webhook(&self, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<Webhook, WebhookError> {
        let id = self.secrets.verify(headers, body, now)?;
        let event: WireEvent = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
        Ok(Webhook {
            id,
            payment_id: event.data.reference,
        })
    }
}

#[derive(Deserialize)]
struct WirePayments {
    payments: Vec<WirePayment>,
}

#[derive(Deserialize)]
struct WirePayment {
    id: String,
    reference: String,
    status: WireStatus,
    #[serde(default)]
    authorized_minor: i64,
    #[serde(default)]
    captured_minor: i64,
    #[serde(default)]
    refunded_minor: i64,
    decline_code: Option<String>,
    decline_message: Option<String>,
    next_action: Option<WireAction>,
    payment_method: Option<WireMethod>,
    #[serde(default)]
    refunds: Vec<WireRefund>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireStatus {
    RequiresAction,
    Processing,
    Authorized,
    Captured,
    Voided,
    Declined,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum WireAction {
    Redirect {
        url: String,
        expires_at: Option<DateTime<Utc>>,
    },
    QrCode {
        payload: String,
        expires_at: Option<DateTime<Utc>>,
    },
    ClientSecret {
        client_secret: String,
        publishable_key: String,
    },
}

#[derive(Deserialize)]
struct WireMethod {
    kind: String,
    brand: Option<String>,
    last4: Option<String>,
    expiry_month: Option<i32>,
    expiry_year: Option<i32>,
}

#[derive(Deserialize)]
struct WireRefund {
    id: String,
    reference: String,
}

#[derive(Deserialize)]
struct WireEvent {
    data: WireEventData,
}

#[derive(Deserialize)]
struct WireEventData {
    reference: Option<String>,
}

#[derive(Deserialize)]
struct WireErrorBody {
    error: WireError,
}

#[derive(Deserialize)]
struct WireError {
    code: String,
}

impl From<WirePayment> for RemotePayment {
    fn from(wire: WirePayment) -> Self {
        let card = wire.payment_method.map(|method| CardSummary {
            kind: method.kind,
            brand: method.brand,
            last4: method.last4,
            expiry_month: method.expiry_month,
            expiry_year: method.expiry_year,
        });
        let refunds = wire.refunds.into_iter();
        Self {
            gateway_reference: wire.id,
            reference: wire.reference,
            status: match wire.status {
                WireStatus::RequiresAction => RemoteStatus::RequiresAction,
                WireStatus::Processing => RemoteStatus::Processing,
                WireStatus::Authorized => RemoteStatus::Authorized,
                WireStatus::Captured => RemoteStatus::Captured,
                WireStatus::Voided => RemoteStatus::Voided,
                WireStatus::Declined => RemoteStatus::Declined,
            },
            authorized_minor: wire.authorized_minor,
            captured_minor: wire.captured_minor,
            refunded_minor: wire.refunded_minor,
            next_action: wire.next_action.map(|action| match action {
                WireAction::Redirect { url, expires_at } => NextAction::Redirect { url, expires_at },
                WireAction::QrCode { payload, expires_at } => NextAction::QrCode { payload, expires_at },
                WireAction::ClientSecret {
                    client_secret,
                    publishable_key,
                } => NextAction::ClientSecret {
                    client_secret,
                    publishable_key,
                },
            }),
            card,
            decline_code: wire.decline_code,
            decline_message: wire.decline_message,
            refunds: refunds
                .map(|refund| RemoteRefund {
                    gateway_reference: refund.id,
                    reference: refund.reference,
                })
                .collect(),
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, GatewayError> {
    serde_json::from_slice(body).map_err(|error| GatewayError::Unknown {
        reason: format!("the answer is malformed: {error}"),
    })
}

fn error_code(body: &[u8]) -> String {
    serde_json::from_slice::<WireErrorBody>(body).map_or_else(|_| "refused".to_owned(), |body| body.error.code)
}

/// Without the URL, which may hold what the log must not.
fn unknown(error: &reqwest::Error) -> GatewayError {
    let reason = if error.is_timeout() {
        "timeout"
    } else {
        "the connection broke"
    };
    GatewayError::Unknown {
        reason: reason.to_owned(),
    }
}
