//! Webhooks of the sandbox: worded and signed in the dialect of the payment, sent at least once, retried with backoff.
//!
//! Faults can be switched on, since a shop must bear them: webhooks that are lost, doubled, late, out of order or wrongly
//! signed. Not kept over a restart: a real gateway's may be lost as well, and the shop asks by itself.

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

use crate::alipay::{self, AlipaySide};
use crate::config::{Config, WebhookTarget};
use crate::ledger::{Dialect, Payment};
use crate::stripe;

/// Attempts until a webhook is given up: with a doubling delay from 1 s, about two minutes.
const ATTEMPTS_MAX: u32 = 8;

/// How late a delayed webhook is, and how long a reordered one waits for a newer one.
const LATE: Duration = Duration::from_secs(5);

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
    /// Each one is sent 5 s late.
    Delay,
    /// Each one waits for the next one and is sent after it; alone, after 5 s.
    Reorder,
    /// Each one carries a signature of another key.
    WrongSignature,
}

/// The sending side.
#[derive(Clone)]
pub struct Webhooks {
    shared: Arc<Shared>,
}

struct Shared {
    client: reqwest::Client,
    generic: Option<Target>,
    stripe: Option<Target>,
    alipay: AlipaySide,
    alipay_app_id: String,
    time_scale: u32,
    fault: Mutex<Fault>,
    /// The webhook that waits for the next one.
    held: Mutex<Option<Arc<Delivery>>>,
}

struct Target {
    url: Url,
    key: Vec<u8>,
}

impl Webhooks {
    /// # Errors
    /// When a secret or a key is not of the right form.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let generic = config.webhook.as_ref().map(standard_target).transpose()?;
        let stripe = config.stripe_webhook.as_ref().map(|target| Target {
            url: target.url.clone(),
            key: target.secret.clone().into_bytes(),
        });
        Ok(Self {
            shared: Arc::new(Shared {
                client: service::http_client(Duration::from_secs(10))?,
                generic,
                stripe,
                alipay: AlipaySide::new(&config.alipay)?,
                alipay_app_id: config.alipay.app_id.clone(),
                time_scale: config.time_scale.max(1),
                fault: Mutex::default(),
                held: Mutex::default(),
            }),
        })
    }

    /// Switches a fault on, or off with [`Fault::None`].
    pub fn set_fault(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Tells the shop that `payment` changed, in the background.
    pub(crate) fn send(&self, payment: &Payment) {
        let fault = *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(delivery) = self.shared.delivery(payment, fault == Fault::WrongSignature) else {
            return;
        };
        let (delivery, shared) = (Arc::new(delivery), &self.shared);
        match fault {
            Fault::Drop => {}
            Fault::None | Fault::WrongSignature => shared.start(delivery, Duration::ZERO),
            Fault::Delay => shared.start(delivery, LATE),
            Fault::Duplicate => {
                shared.start(Arc::clone(&delivery), Duration::ZERO);
                shared.start(delivery, Duration::ZERO);
            }
            Fault::Reorder => shared.hold(delivery),
        }
    }
}

impl Shared {
    /// `None` when nobody wants to hear of it.
    fn delivery(&self, payment: &Payment, wrongly_signed: bool) -> Option<Delivery> {
        let key = |target: &Target| match wrongly_signed {
            true => b"another key".to_vec(),
            false => target.key.clone(),
        };
        let id = service::id::new("evt");
        match payment.dialect {
            Dialect::Generic => self.generic.as_ref().map(|target| Delivery {
                url: target.url.clone(),
                body: json!({"type": "payment.updated", "timestamp": Utc::now(), "data": payment}).to_string(),
                signature: Signature::Standard(key(target)),
                id,
            }),
            Dialect::Stripe => self.stripe.as_ref().map(|target| {
                let object = stripe::event_object(payment);
                let body = json!({"id": id, "object": "event", "type": stripe::event_type(payment),
                                  "created": Utc::now().timestamp(), "data": {"object": object}});
                Delivery {
                    url: target.url.clone(),
                    body: body.to_string(),
                    signature: Signature::Stripe(key(target)),
                    id,
                }
            }),
            Dialect::Alipay => {
                let url = Url::parse(payment.notify_url.as_deref()?).ok()?;
                let body = alipay::notification(&self.alipay, &self.alipay_app_id, payment);
                Some(Delivery {
                    url,
                    // The signature is in the body.
                    body: if wrongly_signed {
                        body.replace("trade_status=", "trade_status=X")
                    } else {
                        body
                    },
                    signature: Signature::Alipay,
                    id,
                })
            }
        }
    }

    fn start(self: &Arc<Self>, delivery: Arc<Delivery>, wait: Duration) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(wait / shared.time_scale).await;
            delivery.run(&shared).await;
        });
    }

    /// Lets the newer of two go first, and the older one when that has arrived.
    fn hold(self: &Arc<Self>, newer: Arc<Delivery>) {
        let older = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let shared = Arc::clone(self);
        if let Some(older) = older {
            tokio::spawn(async move {
                newer.run(&shared).await;
                older.run(&shared).await;
            });
            return;
        }
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&newer));
        tokio::spawn(async move {
            tokio::time::sleep(LATE / shared.time_scale).await;
            let still = {
                let mut held = shared.held.lock().unwrap_or_else(PoisonError::into_inner);
                held.take_if(|held| held.id == newer.id)
            };
            if let Some(delivery) = still {
                delivery.run(&shared).await;
            }
        });
    }
}

fn standard_target(target: &WebhookTarget) -> anyhow::Result<Target> {
    let encoded = target
        .secret
        .strip_prefix("whsec_")
        .context("a webhook secret begins with `whsec_`")?;
    let key = BASE64_STANDARD
        .decode(encoded)
        .context("a webhook secret is `whsec_` and base64")?;
    Ok(Target {
        url: target.url.clone(),
        key,
    })
}

/// How a webhook proves where it comes from.
enum Signature {
    Standard(Vec<u8>),
    Stripe(Vec<u8>),
    Alipay,
}

struct Delivery {
    url: Url,
    id: String,
    body: String,
    signature: Signature,
}

impl Delivery {
    async fn run(&self, shared: &Shared) {
        let mut delay = Duration::from_secs(1) / shared.time_scale;
        for attempt in 1..=ATTEMPTS_MAX {
            match self.attempt(&shared.client).await {
                Ok(true) => return,
                Ok(false) => debug!(attempt, "Webhook `{}` was not accepted", self.id),
                Err(error) => debug!(attempt, %error, "Webhook `{}` did not arrive", self.id),
            }
            tokio::time::sleep(delay).await;
            delay *= 2;
        }
        warn!("Gave up webhook `{}` after {ATTEMPTS_MAX} attempts", self.id);
    }

    /// Whether the shop took it.
    async fn attempt(&self, client: &reqwest::Client) -> reqwest::Result<bool> {
        let timestamp = Utc::now().timestamp().to_string();
        let request = client.post(self.url.clone()).body(self.body.clone());
        let json = "application/json";
        let request = match &self.signature {
            Signature::Standard(key) => request
                .header("content-type", json)
                .header("webhook-id", &self.id)
                .header("webhook-timestamp", &timestamp)
                .header(
                    "webhook-signature",
                    sign_standard(key, &self.id, &timestamp, &self.body),
                ),
            Signature::Stripe(key) => request
                .header("content-type", json)
                .header("stripe-signature", sign_stripe(key, &timestamp, &self.body)),
            Signature::Alipay => request.header("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        };
        let response = request.send().await?;
        let success = response.status().is_success();
        match self.signature {
            // Anything but this word means: again.
            Signature::Alipay => Ok(success && response.text().await? == "success"),
            Signature::Standard(_) | Signature::Stripe(_) => Ok(success),
        }
    }
}

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
///
/// Source: Standard Webhooks, "Signature scheme".
fn sign_standard(key: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    let signature = hmac(key, &format!("{id}.{timestamp}.{body}"));
    format!("v1,{}", BASE64_STANDARD.encode(signature))
}

/// `t=…,v1=` and the hexadecimal digits of HMAC-SHA256 over `timestamp.body`.
///
/// Source: Stripe, "Verify webhook signatures manually".
fn sign_stripe(key: &[u8], timestamp: &str, body: &str) -> String {
    let signature = hmac(key, &format!("{timestamp}.{body}"));
    format!("t={timestamp},v1={}", data_encoding::HEXLOWER.encode(&signature))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
