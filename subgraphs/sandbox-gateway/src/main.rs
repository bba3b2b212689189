//! The binary `sandbox-gateway`: `serve`, `healthcheck`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use balanced_client::probe;
use clap::{Args, Parser, Subcommand};
use mimalloc::MiMalloc;
use sandbox_gateway::Config;
use sandbox_gateway::config::{AlipayAccount, DEMO_ALIPAY_APP_ID, DEMO_API_KEY, DEMO_WEBHOOK_SECRET, WebhookTarget};
use service::telemetry::LogFormat;
use tokio::net::TcpListener;
use url::Url;

/// The same as in the `router` binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A payment gateway for development and tests. It moves no money.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the gateway's API and pages until Ctrl-C or SIGTERM.
    Serve(Box<Serve>),
    /// Ask the gateway that serves on this machine whether it answers. Exit code 0: it does; 1: it does not.
    Healthcheck(Listen),
}

#[derive(Args)]
struct Listen {
    /// Address to listen on.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:4100")]
    listen: SocketAddr,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    address: Listen,

    /// Listen beyond loopback: anybody who reaches it can approve payments.
    #[arg(long, env = "ALLOW_REMOTE")]
    allow_remote: bool,

    /// API keys that are accepted, separated by commas.
    #[arg(long, env = "SANDBOX_API_KEYS", value_delimiter = ',', default_value = DEMO_API_KEY, hide_env_values = true)]
    api_keys: Vec<String>,

    /// Where webhooks are sent, such as `http://payments:5002/webhooks/sandbox`. None are sent without it.
    #[arg(long, env = "SANDBOX_WEBHOOK_URL")]
    webhook_url: Option<Url>,

    /// Secret that webhooks are signed with.
    #[arg(long, env = "SANDBOX_WEBHOOK_SECRET", default_value = DEMO_WEBHOOK_SECRET, hide_env_values = true)]
    webhook_secret: String,

    /// Where Stripe's events are sent, such as `http://payments:5002/webhooks/stripe`. None are sent without it.
    #[arg(long, env = "SANDBOX_STRIPE_WEBHOOK_URL")]
    stripe_webhook_url: Option<Url>,

    /// Secret that Stripe's events are signed with.
    #[arg(long, env = "SANDBOX_STRIPE_WEBHOOK_SECRET", default_value = DEMO_WEBHOOK_SECRET, hide_env_values = true)]
    stripe_webhook_secret: String,

    /// Id of the application that Alipay's dialect knows.
    #[arg(long, env = "SANDBOX_ALIPAY_APP_ID", default_value = DEMO_ALIPAY_APP_ID)]
    alipay_app_id: String,

    /// File with that application's public key, PEM; by default the one of `demo/alipay-app.pem`.
    #[arg(long, env = "SANDBOX_ALIPAY_APP_PUBLIC_KEY_FILE")]
    alipay_app_public_key_file: Option<PathBuf>,

    /// File with the private key that Alipay's dialect signs with, PEM; by default `demo/alipay-gateway.pem`.
    #[arg(long, env = "SANDBOX_ALIPAY_PRIVATE_KEY_FILE")]
    alipay_private_key_file: Option<PathBuf>,

    /// Address at which a shopper's browser reaches this gateway; by default the `Host` of the call that made a payment.
    #[arg(long, env = "SANDBOX_PUBLIC_URL")]
    public_url: Option<Url>,

    /// File that keeps the ledger over a restart.
    #[arg(long, env = "SANDBOX_JOURNAL")]
    journal: Option<PathBuf>,

    /// Begin an empty ledger with the payments of the demo shop.
    #[arg(long, env = "SANDBOX_SEED")]
    seed: bool,

    /// How long the tokens that lose an answer keep the caller waiting, in seconds.
    #[arg(long, env = "SANDBOX_HANG_SECONDS", default_value_t = 60)]
    hang_seconds: u64,

    /// Least severity that is logged.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    log_level: String,

    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

impl Serve {
    fn alipay(&self) -> anyhow::Result<AlipayAccount> {
        let read = |file: &Option<PathBuf>, default: String| match file {
            Some(file) => {
                std::fs::read_to_string(file).with_context(|| format!("`{}` could not be read", file.display()))
            }
            None => Ok(default),
        };
        let demo = AlipayAccount::default();
        Ok(AlipayAccount {
            app_id: self.alipay_app_id.clone(),
            app_public_key: read(&self.alipay_app_public_key_file, demo.app_public_key)?,
            private_key: read(&self.alipay_private_key_file, demo.private_key)?,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(serve) => run(*serve).await,
        Command::Healthcheck(address) => probe(address.listen, "/").await.map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(serve: Serve) -> anyhow::Result<()> {
    let address = serve.address.listen;
    if !address.ip().is_loopback() && !serve.allow_remote {
        bail!("{address} is not loopback: say --allow-remote if you mean it");
    }
    service::telemetry::init(&serve.log_level, serve.log_format)?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("could not listen on {address}"))?;
    let alipay = serve.alipay()?;
    let app = sandbox_gateway::app(Config {
        api_keys: serve.api_keys,
        webhook: serve.webhook_url.map(|url| WebhookTarget {
            url,
            secret: serve.webhook_secret,
        }),
        stripe_webhook: serve.stripe_webhook_url.map(|url| WebhookTarget {
            url,
            secret: serve.stripe_webhook_secret,
        }),
        alipay,
        public_url: serve.public_url,
        journal: serve.journal,
        seed: serve.seed,
        hang: Duration::from_secs(serve.hang_seconds),
        time_scale: 1,
    })?;
    tracing::info!("Sandbox gateway on http://{}", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped())
        .await
        .context("the listener failed")
}

/// Waits for Ctrl-C or SIGTERM.
async fn stopped() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return;
    }
    // Without signals the process can only be killed, and there is nothing to wait for.
    let _ = tokio::signal::ctrl_c().await;
}
