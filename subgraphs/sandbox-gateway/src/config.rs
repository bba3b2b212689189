//! Settings of the sandbox gateway.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// The key that works when none is configured; good for nothing but this sandbox.
pub const DEMO_API_KEY: &str = "sk_test_hansa";

/// The webhook secret when none is configured; good for nothing but this sandbox.
pub const DEMO_WEBHOOK_SECRET: &str = "whsec_aGFuc2Etc2FuZGJveC13ZWJob29rLXNlY3JldA==";

/// The application that Alipay's dialect knows when none is configured.
pub const DEMO_ALIPAY_APP_ID: &str = "9021000000000000";

/// The private key of that application, for the shop; good for nothing but this sandbox.
pub const DEMO_ALIPAY_APP_KEY: &str = include_str!("../demo/alipay-app.pem");

/// The public key of the gateway, for the shop.
pub const DEMO_ALIPAY_PUBLIC_KEY: &str = include_str!("../demo/alipay-gateway.pub.pem");

/// How one gateway behaves; [`Config::default`] is what development wants.
#[derive(Clone, Debug)]
pub struct Config {
    /// Keys accepted as `Authorization: Bearer …`.
    pub api_keys: Vec<String>,
    /// Where webhooks of the generic dialect go; none are sent when absent.
    pub webhook: Option<WebhookTarget>,
    /// Where Stripe's events go; none are sent when absent.
    pub stripe_webhook: Option<WebhookTarget>,
    /// How the shop is known in Alipay's dialect.
    pub alipay: AlipayAccount,
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
    /// `whsec_` and the base64 of the key, as in Standard Webhooks; for Stripe's events the text itself is the key.
    pub secret: String,
}

/// An application at the sandbox's Alipay. The default keys are published with the source: good for nothing else.
#[derive(Clone)]
pub struct AlipayAccount {
    /// Id of the application.
    pub app_id: String,
    /// PEM of the application's public key: verifies the shop's calls.
    pub app_public_key: String,
    /// PEM (PKCS#8) of the gateway's private key: signs answers and notifications.
    pub private_key: String,
}

impl std::fmt::Debug for AlipayAccount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AlipayAccount")
            .field("app_id", &self.app_id)
            .finish_non_exhaustive()
    }
}

impl Default for AlipayAccount {
    fn default() -> Self {
        Self {
            app_id: DEMO_ALIPAY_APP_ID.to_owned(),
            app_public_key: include_str!("../demo/alipay-app.pub.pem").to_owned(),
            private_key: include_str!("../demo/alipay-gateway.pem").to_owned(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_keys: vec![DEMO_API_KEY.to_owned()],
            webhook: None,
            stripe_webhook: None,
            alipay: AlipayAccount::default(),
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
