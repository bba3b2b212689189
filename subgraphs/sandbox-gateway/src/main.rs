//! The binary `sandbox-gateway`: `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use sandbox_gateway::Config;
use sandbox_gateway::config::{DEMO_API_KEY, DEMO_WEBHOOK_SECRET, WebhookTarget};
use service::telemetry::LogFormat;
use tokio::net::TcpListener;
use url::Url;

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
    Serve(Serve),
}

#[derive(Args)]
struct Serve {
    /// Address to listen on.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:4100")]
    listen: SocketAddr,

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

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Serve(serve) = Cli::parse().command;
    match run(serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(serve: Serve) -> anyhow::Result<()> {
    if !serve.listen.ip().is_loopback() && !serve.allow_remote {
        bail!("{} is not loopback: say --allow-remote if you mean it", serve.listen);
    }
    service::telemetry::init(&serve.log_level, serve.log_format)?;
    let listener = TcpListener::bind(serve.listen)
        .await
        .with_context(|| format!("could not listen on {}", serve.listen))?;
    let app = sandbox_gateway::app(Config {
        api_keys: serve.api_keys,
        webhook: serve.webhook_url.map(|url| WebhookTarget {
            url,
            secret: serve.webhook_secret,
        }),
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
