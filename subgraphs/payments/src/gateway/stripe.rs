//! Stripe's dialect: PaymentIntents over form-encoded HTTP, by hand, since the shop needs seven calls of a large API.
//!
//! A payment is a PaymentIntent with manual capture whose `metadata[payment_id]` is our id; a refund carries our
//! transaction's id as `metadata[reference]`. A token is confirmed at once; without one the shopper's browser confirms with
//! the client secret.
//!
//! Source: Stripe API reference, "Payment Intents", "Refunds", "Idempotent requests", "Check the webhook signatures".

mod wire;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use service::money::Currency;
use url::Url;

use super::http_call::{self, Answer, parse};
use super::signature::StripeSecrets;
use super::{
    Action, Caps, CreatePayment, Credential, Gateway, GatewayError, Idempotency, Lookup, Webhook, WebhookError,
};
use crate::domain::{RemotePayment, RemoteStatus};
use wire::{ErrorBody, Event, Intent, List, Refund};

/// The version whose shapes [`wire`] knows. Stripe serves old versions for years.
const API_VERSION: &str = "2024-06-20";

/// Pages of a hundred refunds that are read of one payment.
const REFUND_PAGES_MAX: usize = 20;

/// How long Stripe keeps a key at least.
const KEY_HOURS: u32 = 24;

/// Where Stripe is and how this shop is known there.
pub struct StripeSettings {
    /// `https://api.stripe.com`, or a sandbox.
    pub base_url: Url,
    /// `pk_…`, for Stripe's own form in the browser.
    pub publishable_key: Option<String>,
    /// `sk_…` or a restricted key `rk_…`.
    pub api_key: Credential<SecretString>,
    /// `whsec_…` of the webhook endpoint, two while it is rolled.
    pub webhook_secrets: (Option<std::path::PathBuf>, Option<SecretString>),
    /// Longest time of one call.
    pub call_timeout: Duration,
}

/// Stripe.
pub struct StripeGateway {
    kinds: Vec<String>,
    base_url: String,
    publishable_key: Option<String>,
    api_key: Credential<SecretString>,
    secrets: Credential<StripeSecrets>,
    client: reqwest::Client,
}

impl StripeGateway {
    /// # Errors
    /// When a secret is not of the right form or no HTTP client can be made.
    pub fn new(settings: StripeSettings) -> anyhow::Result<Self> {
        let (file, value) = settings.webhook_secrets;
        Ok(Self {
            kinds: vec!["card".to_owned(), "wallet".to_owned()],
            base_url: format!("{}/v1", settings.base_url.as_str().trim_end_matches('/')),
            publishable_key: settings.publishable_key,
            api_key: settings.api_key,
            secrets: Credential::new(file, value, StripeSecrets::parse)?,
            client: service::http_client(settings.call_timeout)?,
        })
    }

    async fn create_intent(&self, request: CreatePayment) -> Result<RemotePayment, GatewayError> {
        let mut form = vec![
            (
                "amount",
                wire::to_stripe(request.amount_minor, request.currency)?.to_string(),
            ),
            ("currency", request.currency.code().to_ascii_lowercase()),
            ("capture_method", "manual".to_owned()),
            ("metadata[payment_id]", request.payment_id),
            ("description", format!("Order {}", request.order_number)),
            ("expand[]", "latest_charge".to_owned()),
        ];
        if request.token.is_empty() {
            form.push(("automatic_payment_methods[enabled]", "true".to_owned()));
            form.push(("metadata[confirmed_by]", wire::SHOPPER.to_owned()));
        } else {
            form.push(("confirm", "true".to_owned()));
            form.push(("payment_method_types[]", "card".to_owned()));
            // `tok_…` comes from the older form of the browser, `pm_…` from the newer.
            if request.token.starts_with("tok_") {
                form.push(("payment_method_data[type]", "card".to_owned()));
                form.push(("payment_method_data[card][token]", request.token));
            } else {
                form.push(("payment_method", request.token));
            }
            if let Some(return_url) = request.return_url {
                form.push(("return_url", return_url));
            }
        }
        self.post_intent("/payment_intents", &request.key, &form).await
    }

    async fn act(&self, action: &Action, verb: &str, form: &[(&str, String)]) -> Result<RemotePayment, GatewayError> {
        let path = format!("/payment_intents/{}/{verb}", reference(&action.payment)?);
        self.post_intent(&path, &action.key, form).await
    }

    async fn give_back(&self, action: Action) -> Result<RemotePayment, GatewayError> {
        let form = [
            ("payment_intent", reference(&action.payment)?.to_owned()),
            (
                "amount",
                wire::to_stripe(action.amount_minor, action.payment.currency)?.to_string(),
            ),
            ("metadata[reference]", action.key.clone()),
        ];
        let request = self.client.post(self.url("/refunds")).form(&form);
        let answer = self.send(request.header("idempotency-key", &action.key)).await?;
        if !answer.status.is_success() {
            return Err(refusal(&answer.body));
        }
        // The answer is the refund; what it did to the payment is asked for. Its failure leaves the refund to a lookup.
        let found = self.find(action.payment).await;
        let found = found.map_err(|error| GatewayError::unknown(error.to_string()))?;
        found.ok_or_else(|| GatewayError::unknown("the payment of a refund is not found"))
    }

    async fn find(&self, lookup: Lookup) -> Result<Option<RemotePayment>, GatewayError> {
        let id = match &lookup.gateway_reference {
            Some(id) => id.clone(),
            None => match self.search(&lookup.payment_id).await? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        let url = self.url(&format!("/payment_intents/{id}"));
        let answer = self
            .send(self.client.get(url).query(&[("expand[]", "latest_charge")]))
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let intent: Intent = success(&answer)?;
        let has_none = lookup.refunds.is_empty() && lookup.refunded_minor == 0 && !intent.has_refunds();
        let refunds = if has_none { Vec::new() } else { self.refunds(&id).await? };
        self.told(intent, refunds).await.map(Some)
    }

    /// The payment as its intent tells it. An intent that the bank has declined is cancelled before it is told of: the
    /// shopper's browser has its secret, and could confirm it with another card when the shop has done with it.
    async fn told(&self, intent: Intent, refunds: Vec<Refund>) -> Result<RemotePayment, GatewayError> {
        let path = format!("/payment_intents/{}/cancel", intent.id);
        let remote = intent.remote(refunds, self.publishable_key.as_deref())?;
        if remote.status != RemoteStatus::Declined {
            return Ok(remote);
        }
        // Without a key: who cancels twice does nothing twice. Until it is cancelled, nothing is decided.
        let answer = self.send(self.client.post(self.url(&path))).await;
        let answer = answer.map_err(|error| GatewayError::unknown(error.to_string()))?;
        if answer.status.is_success() {
            return Ok(remote);
        }
        // Confirmed in this moment, say.
        match parse::<ErrorBody>(&answer.body)?.error.payment_intent {
            Some(intent) => intent.remote(Vec::new(), self.publishable_key.as_deref()),
            None => Err(GatewayError::unknown("a declined intent could not be cancelled")),
        }
    }

    /// All refunds of an intent: what is not among them was not made.
    async fn refunds(&self, intent_id: &str) -> Result<Vec<Refund>, GatewayError> {
        let mut refunds: Vec<Refund> = Vec::new();
        for _ in 0..REFUND_PAGES_MAX {
            let mut query = vec![("payment_intent", intent_id), ("limit", "100")];
            query.extend(refunds.last().map(|last| ("starting_after", last.id.as_str())));
            let request = self.client.get(self.url("/refunds")).query(&query);
            let page: List<Refund> = success(&self.send(request).await?)?;
            let is_last = !page.has_more || page.data.is_empty();
            refunds.extend(page.data);
            if is_last {
                return Ok(refunds);
            }
        }
        Err(GatewayError::unknown("the payment has more refunds than are read"))
    }

    /// The id of the intent with our id. The index lags behind by up to a minute, and longer when Stripe has trouble: so
    /// "nothing" only means that the call is repeated with its key.
    async fn search(&self, payment_id: &str) -> Result<Option<String>, GatewayError> {
        let query = format!("metadata['payment_id']:'{payment_id}'");
        let request = self
            .client
            .get(self.url("/payment_intents/search"))
            .query(&[("query", query)]);
        let found = success::<List<wire::Named>>(&self.send(request).await?)?;
        Ok(found.data.into_iter().next().map(|intent| intent.id))
    }

    async fn post_intent(&self, path: &str, key: &str, form: &[(&str, String)]) -> Result<RemotePayment, GatewayError> {
        let request = self.client.post(self.url(path)).form(form);
        let answer = self.send(request.header("idempotency-key", key)).await?;
        let intent = if answer.status.is_success() {
            parse::<Intent>(&answer.body)?
        } else {
            // A decline, and an action that comes too late, tell how the payment stands.
            let error = parse::<ErrorBody>(&answer.body)?.error;
            *error.payment_intent.ok_or_else(|| refusal(&answer.body))?
        };
        self.told(intent, Vec::new()).await
    }

    /// An answer that is a success or a refusal.
    async fn send(&self, request: RequestBuilder) -> Result<Answer, GatewayError> {
        let request = request
            .bearer_auth(self.api_key.get().expose_secret())
            .header("stripe-version", API_VERSION);
        let answer = http_call::send(request).await?;
        match http_call::failure(answer.status) {
            Some(failure) => Err(failure),
            // The same key is being worked on, or a bank that Stripe asked did not answer.
            None if matches!(answer.status, StatusCode::CONFLICT | StatusCode::FAILED_DEPENDENCY) => {
                Err(GatewayError::unknown(answer.status.to_string()))
            }
            None => Ok(answer),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }
}

impl Gateway for StripeGateway {
    fn name(&self) -> &str {
        "stripe"
    }

    fn display_name(&self) -> &str {
        "Stripe"
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

    fn kinds(&self) -> &[String] {
        &self.kinds
    }

    fn publishable_key(&self) -> Option<&str> {
        self.publishable_key.as_deref()
    }

    fn currencies(&self) -> &[Currency] {
        &[]
    }

    fn takes(&self, currency: Currency) -> bool {
        !wire::COUNTED_IN_TENS.contains(&currency.code())
    }

    fn create(&self, request: CreatePayment) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        self.create_intent(request).boxed()
    }

    fn capture(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move {
            let amount = wire::to_stripe(action.amount_minor, action.payment.currency)?;
            let form = [
                ("amount_to_capture", amount.to_string()),
                ("expand[]", "latest_charge".to_owned()),
            ];
            self.act(&action, "capture", &form).await
        }
        .boxed()
    }

    fn void(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        async move { self.act(&action, "cancel", &[]).await }.boxed()
    }

    fn refund(&self, action: Action) -> BoxFuture<'_, Result<RemotePayment, GatewayError>> {
        self.give_back(action).boxed()
    }

    fn lookup(&self, lookup: Lookup) -> BoxFuture<'_, Result<Option<RemotePayment>, GatewayError>> {
        self.find(lookup).boxed()
    }

    fn verify_webhook(&self, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<Webhook, WebhookError> {
        self.secrets.get().verify(headers, body, now)?;
        let event: Event = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
        Ok(event.into())
    }
}

fn reference(lookup: &Lookup) -> Result<&str, GatewayError> {
    lookup
        .gateway_reference
        .as_deref()
        .ok_or_else(|| GatewayError::Refused {
            code: "not_authorized".to_owned(),
        })
}

fn success<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, GatewayError> {
    if answer.status.is_success() {
        parse(&answer.body)
    } else {
        Err(refusal(&answer.body))
    }
}

fn refusal(body: &[u8]) -> GatewayError {
    match serde_json::from_slice::<ErrorBody>(body) {
        // Our key was used with other parameters: what became of the first call is not told.
        Ok(body) if body.error.kind == "idempotency_error" => GatewayError::unknown("the key was used otherwise"),
        Ok(body) => GatewayError::Refused {
            code: body.error.code.unwrap_or(body.error.kind),
        },
        Err(_) => GatewayError::Refused {
            code: "refused".to_owned(),
        },
    }
}
