//! Settings of the payments service beside those that every service has.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;
use secrecy::SecretString;
use service::clock::Clock;
use url::Url;

use crate::gateway::{
    AlipayGateway, AlipayKeys, AlipaySettings, BreakerSettings, Credential, Gateway, GenericGateway, Guarded,
    StripeGateway, StripeSettings, WebhookSecrets,
};

/// Which gateways the shop is paid through.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Gateways that are offered, separated by commas; the first is the default. Remove one only when none of its payments
    /// is open any more.
    #[arg(long, env = "GATEWAYS", value_enum, value_delimiter = ',', default_value = "generic")]
    pub gateways: Vec<Dialect>,

    /// Name of the generic gateway, as in `/webhooks/<name>`. Never change it while payments of it are open.
    #[arg(long, env = "GATEWAY_NAME", default_value = "sandbox")]
    pub gateway_name: String,

    /// Base URL of the generic gateway, or of the adapter in front of one; what comes before `/api/v1/payments`.
    #[arg(long, env = "GATEWAY_URL", default_value = "http://sandbox-gateway:4100")]
    pub gateway_url: Url,

    /// File with the generic gateway's API key, such as a mounted Secret. Read again when it changes.
    #[arg(long, env = "GATEWAY_API_KEY_FILE", conflicts_with = "gateway_api_key")]
    pub gateway_api_key_file: Option<PathBuf>,

    /// The generic gateway's API key. Prefer the file: other processes may see the environment.
    #[arg(long, env = "GATEWAY_API_KEY", hide_env_values = true)]
    pub gateway_api_key: Option<SecretString>,

    /// File with the secrets that webhooks are signed with (`whsec_…`), one a line: two during a rotation.
    #[arg(
        long,
        env = "GATEWAY_WEBHOOK_SECRETS_FILE",
        conflicts_with = "gateway_webhook_secrets"
    )]
    pub gateway_webhook_secrets_file: Option<PathBuf>,

    /// The secrets themselves, separated by commas. Without any, every webhook is refused and payments rely on asking.
    #[arg(long, env = "GATEWAY_WEBHOOK_SECRETS", hide_env_values = true)]
    pub gateway_webhook_secrets: Option<SecretString>,

    /// Longest time one call to any gateway may take, in milliseconds.
    /// Below the 12 s that the router gives a mutation.
    #[arg(long, env = "GATEWAY_TIMEOUT_MS", default_value_t = 10_000)]
    pub gateway_timeout_ms: u64,

    /// Calls to one gateway that may fail in a row (silence, broken connections, 5xx) before it is left alone for a
    /// while; 0 never leaves it alone. Counted in each replica.
    #[arg(long, env = "GATEWAY_FAILURES_MAX", default_value_t = 5)]
    pub gateway_failures_max: u32,

    /// How long a failing gateway is left alone before one call tries it again, in milliseconds.
    #[arg(long, env = "GATEWAY_OPEN_MS", default_value_t = 30_000)]
    pub gateway_open_ms: u32,

    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub stripe: StripeConfig,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub alipay: AlipayConfig,
}

/// The language of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// The contract in the README, under the name `GATEWAY_NAME`.
    Generic,
    /// Stripe, under the name `stripe`.
    Stripe,
    /// Alipay, under the name `alipay`.
    Alipay,
}

/// How the shop is known at Stripe.
#[derive(Clone, Debug, clap::Args)]
pub struct StripeConfig {
    /// Base URL of Stripe's API, or of a sandbox that speaks it.
    #[arg(long, env = "STRIPE_URL", default_value = "https://api.stripe.com")]
    pub stripe_url: Url,

    /// File with Stripe's secret key (`sk_…` or `rk_…`). Read again when it changes.
    #[arg(long, env = "STRIPE_API_KEY_FILE", conflicts_with = "stripe_api_key")]
    pub stripe_api_key_file: Option<PathBuf>,

    /// The key itself. Prefer the file.
    #[arg(long, env = "STRIPE_API_KEY", hide_env_values = true)]
    pub stripe_api_key: Option<SecretString>,

    /// Stripe's publishable key (`pk_…`), for its form in the shopper's browser. Without it, a payment needs a token.
    #[arg(long, env = "STRIPE_PUBLISHABLE_KEY")]
    pub stripe_publishable_key: Option<String>,

    /// File with the signing secrets of the webhook endpoint (`whsec_…`), one a line: two while it is rolled.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRETS_FILE", conflicts_with = "stripe_webhook_secrets")]
    pub stripe_webhook_secrets_file: Option<PathBuf>,

    /// The secrets themselves, separated by commas.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRETS", hide_env_values = true)]
    pub stripe_webhook_secrets: Option<SecretString>,
}

/// How the shop is known at Alipay.
#[derive(Clone, Debug, clap::Args)]
pub struct AlipayConfig {
    /// Alipay's gateway, or a sandbox that speaks as it does.
    #[arg(long, env = "ALIPAY_URL", default_value = "https://openapi.alipay.com/gateway.do")]
    pub alipay_url: Url,

    /// Id of the application at Alipay.
    #[arg(long, env = "ALIPAY_APP_ID")]
    pub alipay_app_id: Option<String>,

    /// File with the application's RSA private key, PEM or base64. Read again when it changes.
    #[arg(long, env = "ALIPAY_PRIVATE_KEY_FILE")]
    pub alipay_private_key_file: Option<PathBuf>,

    /// File with Alipay's RSA public key (not the application's), PEM or base64; two while Alipay changes it.
    #[arg(long, env = "ALIPAY_PUBLIC_KEY_FILE")]
    pub alipay_public_key_file: Option<PathBuf>,

    /// Where Alipay reaches `/webhooks/alipay`. Without it, payments rely on asking.
    #[arg(long, env = "ALIPAY_NOTIFY_URL")]
    pub alipay_notify_url: Option<Url>,
}

impl Config {
    /// The gateways that are configured, each behind its circuit breaker, the default one first.
    ///
    /// # Errors
    /// When none is named, one is named twice, a file cannot be read or a secret is not of the right form.
    pub fn gateways(&self, clock: &Clock) -> anyhow::Result<Vec<Guarded>> {
        let settings = BreakerSettings {
            failures_max: self.gateway_failures_max,
            open_for: TimeDelta::milliseconds(i64::from(self.gateway_open_ms)),
        };
        let mut gateways: Vec<Guarded> = Vec::new();
        for dialect in &self.gateways {
            let gateway = self
                .gateway(*dialect)
                .with_context(|| format!("the {dialect:?} gateway"))?;
            let known = gateways.iter().any(|known| known.name() == gateway.name());
            anyhow::ensure!(!known, "two gateways are called `{}`", gateway.name());
            gateways.push(Guarded::new(gateway, settings, clock.clone()));
        }
        anyhow::ensure!(!gateways.is_empty(), "GATEWAYS names no gateway");
        Ok(gateways)
    }

    fn gateway(&self, dialect: Dialect) -> anyhow::Result<Box<dyn Gateway>> {
        Ok(match dialect {
            Dialect::Generic => Box::new(self.generic()?),
            Dialect::Stripe => Box::new(self.stripe()?),
            Dialect::Alipay => Box::new(self.alipay()?),
        })
    }

    fn generic(&self) -> anyhow::Result<GenericGateway> {
        let api_key = Credential::new(self.gateway_api_key_file.clone(), self.gateway_api_key.clone(), api_key)?;
        let secrets = Credential::new(
            self.gateway_webhook_secrets_file.clone(),
            self.gateway_webhook_secrets.clone(),
            WebhookSecrets::parse,
        )?;
        GenericGateway::new(&self.gateway_name, &self.gateway_url, api_key, secrets, self.timeout())
    }

    fn stripe(&self) -> anyhow::Result<StripeGateway> {
        let config = self.stripe.clone();
        let api_key = Credential::new(config.stripe_api_key_file, config.stripe_api_key, api_key)?;
        StripeGateway::new(StripeSettings {
            base_url: config.stripe_url,
            publishable_key: config.stripe_publishable_key,
            api_key,
            webhook_secrets: (config.stripe_webhook_secrets_file, config.stripe_webhook_secrets),
            call_timeout: self.timeout(),
        })
    }

    fn alipay(&self) -> anyhow::Result<AlipayGateway> {
        let config = self.alipay.clone();
        let private = config
            .alipay_private_key_file
            .context("ALIPAY_PRIVATE_KEY_FILE is not set")?;
        let public = config
            .alipay_public_key_file
            .context("ALIPAY_PUBLIC_KEY_FILE is not set")?;
        AlipayGateway::new(AlipaySettings {
            gateway_url: config.alipay_url,
            app_id: config.alipay_app_id.context("ALIPAY_APP_ID is not set")?,
            notify_url: config.alipay_notify_url,
            keys: (
                Credential::new(Some(private), None, AlipayKeys::private)?,
                Credential::new(Some(public), None, AlipayKeys::public)?,
            ),
            call_timeout: self.timeout(),
        })
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.gateway_timeout_ms)
    }
}

/// An API key may be missing in tests; a gateway then says so at the first call.
fn api_key(text: &SecretString) -> anyhow::Result<SecretString> {
    Ok(text.clone())
}
