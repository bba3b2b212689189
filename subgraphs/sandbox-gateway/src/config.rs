//! Settings of the sandbox gateway.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// The key that works when none is configured; good for nothing but this sandbox.
pub const DEMO_API_KEY: &str = "sk_test_hansa";

/// The webhook secret when none is configured; good for nothing but this sandbox.
pub const DEMO_WEBHOOK_SECRET: &str = "whsec_aGFuc2Etc2FuZGJveC13ZWJob29rLXNlY3JldA==";

/// How one gateway behaves; [`Config::default`] is what development wants.
#[derive(Clone, Debug)]
pub struct Config {
    /// Keys accepted as `Authorization: Bearer …`.
    pub api_keys: Vec<String>,
    /// Where webhooks go; none are sent when absent.
    pub webhook: Option<WebhookTarget>,
    /// Base of links to the gateway's own pages. When absent, the `Host` of the request that made the payment.
    pub public_url: Option<Url>,
    /// File to which every change of the ledger is appended, and from which it is read at start. In memory when absent.
    pub journal: Option<PathBuf>,
    /// Whether an empty ledger begins with the payments of the shop's seed data.
    pub seed: bool,
    /// How long the tokens that lose an answer keep the caller waiting.
    pub hang: Duration,
    /// Divides every other delay (`tok_slow_5s`, `tok_async_10s`, webhook retries); more than 1 in tests only.
    pub time_scale: u32,
}

/// Where and how webhooks are sent.
#[derive(Clone, Debug)]
pub struct WebhookTarget {
    /// Receives `POST`s.
    pub url: Url,
    /// `whsec_` and the base64 of the key, as in Standard Webhooks.
    pub secret: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_keys: vec![DEMO_API_KEY.to_owned()],
            webhook: None,
            public_url: None,
            journal: None,
            seed: false,
            hang: Duration::from_secs(60),
            time_scale: 1,
        }
    }
}

impl Config {
    /// `duration` in the time of this gateway.
    pub(crate) fn scaled(&self, duration: Duration) -> Duration {
        duration / self.time_scale.max(1)
    }
}
