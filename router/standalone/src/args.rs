//! The flags of `hansa`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use service::config::TracingConfig;
use service::telemetry::LogFormat;

/// The whole shop in one process: five subgraphs on SQLite, the router, GraphiQL and a payment sandbox.
#[derive(Debug, Clone, Parser)]
#[command(name = "hansa", version)]
pub struct Args {
    /// Something else than to serve.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Keep everything in a temporary folder, which goes when the process ends.
    #[arg(long, conflicts_with = "data")]
    pub ephemeral: bool,

    /// Folder for the databases and keys; made when it is not there.
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data: PathBuf,

    /// Address of GraphQL, GraphiQL, product pictures and webhooks.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4000")]
    pub listen: SocketAddr,

    /// Address of the payment sandbox: its API, its 3-D Secure page and its list of payments. Loopback only.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4100")]
    pub sandbox_listen: SocketAddr,

    /// Address of probes and metrics: `/livez`, `/readyz`, `/metrics`.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000", global = true)]
    pub admin_listen: SocketAddr,

    /// Least severity that is logged: error, warn, info (one line a request), debug, trace; or directives such as
    /// `warn,orders=debug`. Quiet by default, so that the addresses printed at the start stay in sight.
    #[arg(long, env = "LOG_LEVEL", default_value = "warn")]
    pub log_level: String,

    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Where spans go: those of the router and of all services, as of one service `hansa`.
    #[command(flatten)]
    pub tracing: TracingConfig,
}

/// What `hansa` does instead of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Ask the shop that serves on this machine whether it is ready. Exit code 0: it is; 1: it is not, and why.
    Healthcheck,
}
