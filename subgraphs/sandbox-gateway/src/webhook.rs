//! Webhooks of the sandbox: signed as Standard Webhooks says, sent at least once, retried with backoff.
//!
//! Faults can be switched on, since a shop must bear them: lost, doubled and wrongly signed webhooks. Not kept over a
//! restart: a real gateway's may be lost as well, and the shop asks by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::Utc;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use tracing::{debug, warn};
use url::Url;

use crate::config::WebhookTarget;
use crate::ledger::Payment;

/// Attempts until a webhook is given up: with a doubling delay from 1 s, about two minutes.
const ATTEMPTS_MAX: u32 = 8;

/// How webhooks are (mis)treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Each one is sent until acknowledged.
    #[default]
    None,
    /// None is sent.
    Drop,
    /// Each one is sent twice.
    Duplicate,
    /// Each one carries a signature of another key.
    WrongSignature,
}

/// The sending side.
#[derive(Clone)]
pub struct Webhooks {
    target: Option<Arc<Target>>,
    fault: Arc<Mutex<Fault>>,
}

struct Target {
    url: Url,
    key: Vec<u8>,
    client: reqwest::Client,
}

impl Webhooks {
    /// # Errors
    /// When the secret is not `whsec_` and base64.
    pub(crate) fn new(target: Option<WebhookTarget>) -> anyhow::Result<Self> {
        let target = target.map(Target::new).transpose()?.map(Arc::new);
        Ok(Self {
            target,
            fault: Arc::default(),
        })
    }

    /// Switches a fault on, or off with [`Fault::None`].
    pub fn set_fault(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the shop that `payment` changed, in the background.
    pub(crate) fn send(&self, payment: &Payment, time_scale: u32) {
        let Some(target) = self.target.clone() else { return };
        let (copies, key) = match self.fault() {
            Fault::Drop => return,
            Fault::Duplicate => (2, target.key.clone()),
            Fault::WrongSignature => (1, b"another key".to_vec()),
            Fault::None => (1, target.key.clone()),
        };
        let id = service::id::new("evt");
        let body = json!({"type": "payment.updated", "timestamp": Utc::now(), "data": payment}).to_string();
        for _ in 0..copies {
            let delivery = Delivery {
                target: Arc::clone(&target),
                id: id.clone(),
                body: body.clone(),
                key: key.clone(),
                first_delay: Duration::from_secs(1) / time_scale.max(1),
            };
            tokio::spawn(delivery.run());
        }
    }
}

impl Target {
    fn new(target: WebhookTarget) -> anyhow::Result<Self> {
        let encoded = target
            .secret
            .strip_prefix("whsec_")
            .context("a webhook secret begins with `whsec_`")?;
        let key = BASE64_STANDARD
            .decode(encoded)
            .context("a webhook secret is `whsec_` and base64")?;
        let client = service::http_client(Duration::from_secs(10))?;
        Ok(Self {
            url: target.url,
            key,
            client,
        })
    }
}

struct Delivery {
    target: Arc<Target>,
    id: String,
    body: String,
    key: Vec<u8>,
    first_delay: Duration,
}

impl Delivery {
    async fn run(self) {
        let mut delay = self.first_delay;
        for attempt in 1..=ATTEMPTS_MAX {
            match self.attempt().await {
                Ok(status) if status.is_success() => return,
                Ok(status) => debug!(
                    attempt,
                    http.status = status.as_u16(),
                    "Webhook `{}` was not accepted",
                    self.id
                ),
                Err(error) => debug!(attempt, %error, "Webhook `{}` did not arrive", self.id),
            }
            tokio::time::sleep(delay).await;
            delay *= 2;
        }
        warn!("Gave up webhook `{}` after {ATTEMPTS_MAX} attempts", self.id);
    }

    async fn attempt(&self) -> reqwest::Result<reqwest::StatusCode> {
        let timestamp = Utc::now().timestamp().to_string();
        let request = self
            .target
            .client
            .post(self.target.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", &timestamp)
            .header("webhook-signature", sign(&self.key, &self.id, &timestamp, &self.body))
            .body(self.body.clone());
        Ok(request.send().await?.status())
    }
}

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
///
/// Source: Standard Webhooks, "Signature scheme".
fn sign(key: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}
