//! Settings of the payments service beside those that every service has.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use url::Url;

use crate::gateway::{Gateway, GenericGateway, WebhookSecrets};

/// Which gateway the shop is paid through.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Name of the gateway, as in `/webhooks/<name>`. Never change it while payments of it are open.
    #[arg(long, env = "GATEWAY_NAME", default_value = "sandbox")]
    pub gateway_name: String,

    /// Base URL of the gateway, or of the adapter in front of it; what comes before `/api/v1/payments`.
    #[arg(long, env = "GATEWAY_URL", default_value = "http://sandbox-gateway:4100")]
    pub gateway_url: Url,

    /// File with the gateway's API key, such as a mounted Secret.
    #[arg(long, env = "GATEWAY_API_KEY_FILE", conflicts_with = "gateway_api_key")]
    pub gateway_api_key_file: Option<PathBuf>,

    /// The gateway's API key. Prefer the file: other processes may see the environment.
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

    /// Longest time one call to the gateway may take, in milliseconds.
    /// Below the 12 s that the router gives a mutation.
    #[arg(long, env = "GATEWAY_TIMEOUT_MS", default_value_t = 10_000)]
    pub gateway_timeout_ms: u64,
}

impl Config {
    /// The gateway that is configured.
    ///
    /// # Errors
    /// When a file cannot be read or a secret is not of the right form.
    pub fn gateway(&self) -> anyhow::Result<Box<dyn Gateway>> {
        let api_key = secret(self.gateway_api_key_file.as_ref(), self.gateway_api_key.as_ref())?;
        let secrets = secret(
            self.gateway_webhook_secrets_file.as_ref(),
            self.gateway_webhook_secrets.as_ref(),
        )?;
        let secrets = WebhookSecrets::parse(&secrets)?;
        let timeout = Duration::from_millis(self.gateway_timeout_ms);
        Ok(Box::new(GenericGateway::new(
            &self.gateway_name,
            &self.gateway_url,
            api_key,
            secrets,
            timeout,
        )?))
    }
}

fn secret(file: Option<&PathBuf>, value: Option<&SecretString>) -> anyhow::Result<SecretString> {
    let Some(file) = file else {
        return Ok(value.cloned().unwrap_or_default());
    };
    let text = std::fs::read_to_string(file).with_context(|| format!("`{}` could not be read", file.display()))?;
    Ok(SecretString::from(text.trim()))
}
