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
use serde_json::{Value, json};
use service::money::{Amount, Currency};
use url::Url;

use super::http_call::{self, Answer, parse};
use super::{
    Action, Caps, CreatePayment, Credential, Gateway, GatewayError, Idempotency, Lookup, Webhook, WebhookError,
    WebhookSecrets,
};
use crate::domain::{CardSummary, NextAction, RefundOutcome, RemotePayment, RemoteRefund, RemoteStatus};

/// How long the contract asks a gateway to keep a key, in hours.
const KEY_HOURS: u32 = 24;

/// An event whose payment has these tells all of it, as the contract says.
const WHOLE_PAYMENT_FIELDS: [&str; 4] = ["authorized_minor", "captured_minor", "refunded_minor", "refunds"];

/// A gateway that speaks the generic dialect.
pub struct GenericGateway {
    name: String,
    display_name: String,
    kinds: Vec<String>,
    payments_url: Url,
    api_key: Credential<SecretString>,
    secrets: Credential<WebhookSecrets>,
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
        api_key: Credential<SecretString>,
        secrets: Credential<WebhookSecrets>,
        call_timeout: Duration,
    ) -> anyhow::Result<Self> {
        let payments_url = Url::parse(&format!("{}/api/v1/payments", base_url.as_str().trim_end_matches('/')))?;
        let client = service::http_client(call_timeout)?;
        let kinds = vec!["card".to_owned(), "wallet".to_owned()];
        Ok(Self {
            name: name.to_owned(),
            display_name: http_call::display_name(name),
            kinds,
            payments_url,
            api_key,
            secrets,
            client,
        })
    }

    async fn find(
        &self,
        payment_id: &str,
        gateway_reference: Option<String>,
    ) -> Result<Option<RemotePayment>, GatewayError> {
        if let Some(gateway_reference) = gateway_reference {
            let url = self.url_of(&gateway_reference, "");
            return match self.send(self.client.get(url)).await {
                Ok(answer) => parse::<WirePayment>(&answer)?.try_into().map(Some),
                Err(GatewayError::Refused { code }) if code == "not_found" => Ok(None),
                Err(error) => Err(error),
            };
        }
        let mut url = self.payments_url.clone();
        url.query_pairs_mut().append_pair("reference", payment_id);
        let answer = self.send(self.client.get(url)).await?;
        // Never more than one: every create call of a payment carries the same key. Not that of somebody else, whatever is
        // in between that loses the query.
        let mut payments = parse::<WirePayments>(&answer)?.payments.into_iter();
        let payment = payments.find(|payment| payment.reference == payment_id);
        payment.map(RemotePayment::try_from).transpose()
    }

    async fn act(&self, action: &Action, verb: &str, body: serde_json::Value) -> Result<RemotePayment, GatewayError> {
        let Some(gateway_reference) = &action.payment.gateway_reference else {
            let code = "not_authorized".to_owned();
            return Err(GatewayError::Refused { code });
        };
        self.post(self.url_of(gateway_reference, verb), &action.key, body).await
    }

    async fn post(&self, url: String, key: &str, body: serde_json::Value) -> Result<RemotePayment, GatewayError> {
        let request = self.client.post(url).header("idempotency-key", key).json(&body);
        parse::<WirePayment>(&self.send(request).await?)?.try_into()
    }

    fn url_of(&self, gateway_reference: &str, verb: &str) -> String {
        format!("{}/{gateway_reference}{verb}", self.payments_url)
    }

    /// The body of a 2xx answer. Every other outcome is sorted by what may have happened.
    async fn send(&self, request: RequestBuilder) -> Result<Vec<u8>, GatewayError> {
        let request = request.bearer_auth(self.api_key.get().expose_secret());
        let Answer { status, body } = http_call::send(request).await?;
        match http_call::failure(status) {
            Some(failure) => Err(failure),
            None if status.is_success() => Ok(body),
            // It was used, with another body: what came of that is not told.
            None if error_code(&body) == "idempotency_key_mismatch" => {
                Err(GatewayError::unknown("the key was used for another request"))
            }
            // 409 may also mean that the same key is being worked on: then the outcome is not known yet.
            None if status == StatusCode::CONFLICT && error_code(&body) == "idempotency_conflict" => {
                Err(GatewayError::unknown("the same call is running"))
            }
            None => Err(GatewayError::Refused {
                code: error_code(&body),
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

    fn caps(&self) -> Caps {
        Caps {
            manual_capture: true,
            partial_refund: true,
            redirect: true,
            qr_code: true,
            idempotency: Idempotency::Header { hours: KEY_HOURS },
        }
    }

    fn create(&self, request: CreatePayment) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move {
            let body = json!({
                "reference": request.payment_id,
                "amount_minor": request.amount_minor,
                "currency": request.currency.code(),
                "payment_method_token": request.token,
                "return_url": request.return_url,
            });
            self.post(self.payments_url.to_string(), &request.key, body).await
        }
        .boxed()
    }

    fn capture(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move {
            let body = json!({"amount_minor": action.amount_minor});
            self.act(&action, "/capture", body).await
        }
        .boxed()
    }

    fn void(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move { self.act(&action, "/void", json!({})).await }.boxed()
    }

    fn refund(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move {
            let body = json!({"reference": action.key, "amount_minor": action.amount_minor});
            self.act(&action, "/refunds", body).await
        }
        .boxed()
    }

    fn lookup(&self, lookup: Lookup) -> BoxFuture<'_, Result<Option<RemotePayment>, GatewayError>> {
        async move { self.find(&lookup.payment_id, lookup.gateway_reference).await }.boxed()
    }

    fn verify_webhook(&self, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<Webhook, WebhookError> {
        let id = self.secrets.get().verify(headers, body, now)?;
        let event: WireEvent<WireEventData> = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
        Ok(Webhook {
            id,
            payment_id: event.data.reference,
            gateway_reference: event.data.id,
        })
    }

    fn told_by_webhook(&self, body: &str) -> Option<RemotePayment> {
        let event: WireEvent<Value> = serde_json::from_str(body).ok()?;
        if !WHOLE_PAYMENT_FIELDS.iter().all(|field| event.data.get(field).is_some()) {
            return None;
        }
        WirePayment::deserialize(event.data).ok()?.try_into().ok()
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
    amount_minor: i64,
    currency: String,
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
    /// None for a refund that was made by hand, say.
    reference: Option<String>,
    amount_minor: i64,
    #[serde(default)]
    status: WireRefundStatus,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireRefundStatus {
    Pending,
    #[default]
    Succeeded,
    Failed,
}

#[derive(Deserialize)]
struct WireEvent<T> {
    data: T,
}

#[derive(Deserialize)]
struct WireEventData {
    id: Option<String>,
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

impl TryFrom<WirePayment> for RemotePayment {
    type Error = GatewayError;

    fn try_from(wire: WirePayment) -> Result<Self, GatewayError> {
        let currency =
            Currency::parse(&wire.currency).map_err(|_| GatewayError::unknown("the answer has an unknown currency"))?;
        let card = wire.payment_method.map(|method| CardSummary {
            kind: method.kind,
            brand: method.brand,
            last4: method.last4,
            expiry_month: method.expiry_month,
            expiry_year: method.expiry_year,
        });
        let refunds = wire.refunds.into_iter();
        Ok(Self {
            gateway_reference: wire.id,
            reference: wire.reference,
            amount: Amount::new(wire.amount_minor, currency),
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
                    reference: refund.reference.unwrap_or_default(),
                    amount_minor: refund.amount_minor,
                    outcome: match refund.status {
                        WireRefundStatus::Pending => RefundOutcome::Pending,
                        WireRefundStatus::Succeeded => RefundOutcome::Succeeded,
                        WireRefundStatus::Failed => RefundOutcome::Failed,
                    },
                })
                .collect(),
        })
    }
}

fn error_code(body: &[u8]) -> String {
    serde_json::from_slice::<WireErrorBody>(body).map_or_else(|_| "refused".to_owned(), |body| body.error.code)
}
