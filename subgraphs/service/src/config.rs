//! Settings that every service has, from flags or the environment. Read here and nowhere else.

use crate::auth::{InternalKey, TokenSettings, TokenVerifier};
use crate::clock::Clock;
use crate::database::DatabaseOptions;
use crate::events::{EventOptions, NatsOptions};
#[cfg(debug_assertions)]
use crate::fault::Fault;
use crate::peer::{PeerClient, Peers};
use crate::telemetry::LogFormat;
use anyhow::Context;
use balanced_client::{ClientOptions, HttpClient, Resolver};
use clap::ArgAction;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use trace_context::{ExportOptions, Exporter};
use url::Url;

/// Settings of `serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeConfig {
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub listen: ListenConfig,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub database: DatabaseConfig,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub auth: AuthConfig,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub peers: PeersConfig,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub events: EventsConfig,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub tracing: TracingConfig,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub log: LogConfig,

    /// Bring the tables up to date before serving. Safe with several replicas (a lock is taken); switch it off where
    /// a job runs `migrate` before a release. Readiness fails while the tables are older than the program.
    #[arg(long, env = "MIGRATE_ON_START", default_value_t = true, action = ArgAction::Set)]
    pub migrate_on_start: bool,

    #[cfg(debug_assertions)]
    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub faults: FaultConfig,
}

/// What crash tests set; not in release builds.
#[cfg(debug_assertions)]
#[derive(Clone, Debug, clap::Args)]
pub struct FaultConfig {
    /// Name of the abort point at which the process dies; see `service::fault`.
    #[arg(long, env = "ABORT_POINT", hide = true)]
    pub abort_point: Option<String>,

    /// The point at which the process freezes until it gets SIGCONT: see `fault`.
    #[arg(long, env = "FREEZE_POINT", hide = true)]
    pub freeze_point: Option<String>,

    /// How many times as fast the clock runs, and since when: see `Clock::parse_fast`.
    #[arg(long, env = "CLOCK_SCALE", hide = true, value_parser = Clock::parse_fast)]
    pub clock_scale: Option<Clock>,
}

impl ServeConfig {
    /// The clock; the machine's, except in crash tests.
    #[must_use]
    pub fn clock(&self) -> Clock {
        #[cfg(debug_assertions)]
        if let Some(clock) = &self.faults.clock_scale {
            return clock.clone();
        }
        Clock::System
    }

    /// Arms what crash tests set; does nothing in release builds.
    pub(crate) fn arm_faults(&self) {
        #[cfg(debug_assertions)]
        if let Some(name) = &self.faults.abort_point {
            crate::fault::arm(Fault::Abort(name.clone()));
        } else if let Some(name) = &self.faults.freeze_point {
            crate::fault::arm(Fault::Freeze(name.clone()));
        }
    }
}

/// Where a service listens.
#[derive(Clone, Debug, clap::Args)]
pub struct ListenConfig {
    /// Address for GraphQL, for the router.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:5000")]
    pub listen: SocketAddr,

    /// Address for signed calls by other services.
    #[arg(long, env = "INTERNAL_LISTEN", default_value = "0.0.0.0:5001")]
    pub internal_listen: SocketAddr,

    /// Address for webhooks by payment gateways; only payments listens there.
    #[arg(long, env = "WEBHOOK_LISTEN", default_value = "0.0.0.0:5002")]
    pub webhook_listen: SocketAddr,

    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the help of the command")]
    pub admin: AdminListenConfig,
}

/// Where a service answers probes.
#[derive(Clone, Debug, clap::Args)]
pub struct AdminListenConfig {
    /// Address for probes and metrics: `/livez`, `/readyz`, `/metrics`.
    #[arg(long, env = "ADMIN_LISTEN", default_value = "0.0.0.0:9000")]
    pub admin_listen: SocketAddr,
}

/// Which database.
#[derive(Clone, Debug, clap::Args)]
pub struct DatabaseConfig {
    /// `sqlite:<path>`, `postgres://…` or `mysql://…`. Default: the file `./data/<service>.sqlite`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Most connections to the database. Twice the cores is plenty; all replicas together must stay below the
    /// server's limit.
    #[arg(long, env = "DATABASE_CONNECTIONS_MAX", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_connections_max: u32,

    /// Bytes that must be free on the disk of a SQLite file for the service to be ready.
    #[arg(long, env = "SQLITE_FREE_BYTES_MIN", default_value_t = DatabaseOptions::default().free_bytes_min)]
    pub sqlite_free_bytes_min: u64,
}

impl DatabaseConfig {
    /// The address, or the file that `service` uses when none is set.
    #[must_use]
    pub fn url(&self, service: &str) -> String {
        self.database_url
            .clone()
            .unwrap_or_else(|| format!("sqlite:./data/{service}.sqlite"))
    }

    /// How to use it; `durable` as [`DatabaseOptions::durable`].
    #[must_use]
    pub fn options(&self, durable: bool) -> DatabaseOptions {
        DatabaseOptions {
            connections_max: self.database_connections_max,
            durable,
            free_bytes_min: self.sqlite_free_bytes_min,
            ..DatabaseOptions::default()
        }
    }
}

/// Who may call.
#[derive(Clone, Debug, clap::Args)]
pub struct AuthConfig {
    /// Where the keys are that verify access tokens. The users service itself ignores it.
    #[arg(long, env = "JWKS_URL", default_value = "http://users/.well-known/jwks.json")]
    pub jwks_url: Url,

    /// Issuer that access tokens must name (claim `iss`).
    #[arg(long, env = "JWT_ISSUER", default_value = "hansa")]
    pub jwt_issuer: String,

    /// Audience that access tokens must name (claim `aud`).
    #[arg(long, env = "JWT_AUDIENCE", default_value = "hansa")]
    pub jwt_audience: String,

    /// File with the secret that all services share to sign calls between them: at least 32 bytes, such as from
    /// `openssl rand -hex 32`. Without it, calls between services are refused.
    #[arg(long, env = "INTERNAL_KEY_FILE")]
    pub internal_key_file: Option<PathBuf>,
}

impl AuthConfig {
    /// Issuer and audience of tokens.
    #[must_use]
    pub fn token_settings(&self) -> TokenSettings {
        TokenSettings {
            issuer: self.jwt_issuer.clone(),
            audience: self.jwt_audience.clone(),
        }
    }

    /// The verifier for `service`; users brings its own keys, the others fetch them.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn verifier(&self, service: &str) -> anyhow::Result<TokenVerifier> {
        let settings = self.token_settings();
        if service == "users" {
            return Ok(TokenVerifier::in_process(&settings));
        }
        TokenVerifier::from_url(self.jwks_url.clone(), &settings)
    }

    /// The shared key; without a file, one that nobody else has.
    ///
    /// # Errors
    /// When the file cannot be read, or holds too little.
    pub fn internal_key(&self) -> anyhow::Result<InternalKey> {
        match &self.internal_key_file {
            Some(path) => Ok(InternalKey::from_file(path)?),
            None => {
                tracing::warn!("INTERNAL_KEY_FILE is not set: calls between services will be refused");
                Ok(InternalKey::generate())
            }
        }
    }
}

/// Where the other services are. An address without a port means the internal listener's, 5001.
#[derive(Clone, Debug, clap::Args)]
pub struct PeersConfig {
    /// Address of the users service.
    #[arg(long, env = "USER_SERVICE_URL", default_value = "http://users")]
    pub user_service_url: Url,

    /// Address of the products service.
    #[arg(long, env = "PRODUCT_SERVICE_URL", default_value = "http://products")]
    pub product_service_url: Url,

    /// Address of the orders service.
    #[arg(long, env = "ORDER_SERVICE_URL", default_value = "http://orders")]
    pub order_service_url: Url,

    /// Address of the payments service.
    #[arg(long, env = "PAYMENT_SERVICE_URL", default_value = "http://payments")]
    pub payment_service_url: Url,

    /// Address of the reviews service.
    #[arg(long, env = "REVIEW_SERVICE_URL", default_value = "http://reviews")]
    pub review_service_url: Url,

    /// Appended to the first label of those hosts: names under which all replicas are found, while `http://users` stays one
    /// virtual address. In Kubernetes `-headless`, for the headless Services.
    #[arg(long, env = "SERVICE_HOST_SUFFIX", default_value = "")]
    pub service_host_suffix: String,

    /// Milliseconds between two look-ups of those names; calls are spread over all addresses that a name has.
    #[arg(long, env = "RESOLVE_INTERVAL_MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub resolve_interval_ms: u64,

    /// Milliseconds after which a connection to another service is replaced, once its request is done. Where a name is one
    /// virtual address, new replicas get nothing until connections are made anew.
    #[arg(long, env = "CONNECTION_AGE_MAX_MS", default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub connection_age_max_ms: u64,
}

impl PeersConfig {
    /// Clients for all of them.
    ///
    /// # Errors
    /// When an address cannot be used.
    pub fn peers(&self, key: &InternalKey) -> anyhow::Result<Peers> {
        let client = HttpClient::new(self.client_options(), Resolver::system());
        let peer = |name, url: &Url| {
            let url = with_host_suffix(url, &self.service_host_suffix)?;
            PeerClient::http(&client, name, url, key.clone()).map(Some)
        };
        Ok(Peers {
            users: peer("users", &self.user_service_url)?,
            products: peer("products", &self.product_service_url)?,
            orders: peer("orders", &self.order_service_url)?,
            payments: peer("payments", &self.payment_service_url)?,
            reviews: peer("reviews", &self.review_service_url)?,
        })
    }
}

impl PeersConfig {
    fn client_options(&self) -> ClientOptions {
        ClientOptions {
            resolve_interval: Duration::from_millis(self.resolve_interval_ms),
            connection_age_max: Duration::from_millis(self.connection_age_max_ms),
        }
    }
}

/// `http://users.shop.svc` with the suffix `-headless` is `http://users-headless.shop.svc`.
fn with_host_suffix(url: &Url, suffix: &str) -> anyhow::Result<Url> {
    let mut url = url.clone();
    if let (false, Some(url::Host::Domain(host))) = (suffix.is_empty(), url.host()) {
        let (service, domain) = host.split_at(host.find('.').unwrap_or(host.len()));
        let host = format!("{service}{suffix}{domain}");
        url.set_host(Some(&host))
            .with_context(|| format!("SERVICE_HOST_SUFFIX makes `{host}`, which is no host"))?;
    }
    Ok(url)
}

/// How events are kept and sent.
#[derive(Clone, Debug, clap::Args)]
pub struct EventsConfig {
    /// Times that an event may be refused before it is parked, and waits for `events replay`. Twenty take a quarter of an
    /// hour: whoever deploys a consumer that refuses by mistake has that long.
    #[arg(long, env = "EVENT_REFUSALS_MAX", default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..))]
    pub event_refusals_max: i32,

    /// Days that an event which was sent, and the id of one that was taken in, are kept. A duplicate that comes later
    /// would take effect again, and none does: events are sent every minute until they are taken.
    #[arg(long, env = "EVENTS_KEPT_DAYS", default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=3650))]
    pub events_kept_days: i64,

    /// NATS servers with JetStream that carry events: `nats://host:4222`, or `tls://…`, with commas between those of a
    /// cluster; may hold `user:password@`. Without any, events go by signed requests to each service that reads them.
    #[arg(long, env = "NATS_URL", default_value = "", hide_env_values = true)]
    pub nats_url: String,

    /// File with the credentials of a NATS user (JWT and seed, as `nsc` writes it), for servers that ask for them.
    #[arg(long, env = "NATS_CREDENTIALS_FILE")]
    pub nats_credentials_file: Option<PathBuf>,

    /// File with certificates (PEM) that vouch for the NATS servers, where the machine's own do not.
    #[arg(long, env = "NATS_CA_FILE")]
    pub nats_ca_file: Option<PathBuf>,

    /// Stream of events, and first part of their subjects: another one for each shop that shares a NATS. It is made when
    /// it is not there, with one replica; for a cluster, make it with three first.
    #[arg(long, env = "NATS_STREAM", default_value = "hansa", value_parser = stream_name)]
    pub nats_stream: String,
}

fn stream_name(text: &str) -> Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if (1..=32).contains(&text.len()) && text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    Err("1 to 32 letters, digits, `-` and `_`".to_owned())
}

impl EventsConfig {
    /// What the relay needs.
    #[must_use]
    pub fn options(&self) -> EventOptions {
        EventOptions {
            refusals_max: self.event_refusals_max,
            kept: chrono::TimeDelta::days(self.events_kept_days),
            nats: (!self.nats_url.is_empty()).then(|| self.nats()),
        }
    }

    fn nats(&self) -> NatsOptions {
        NatsOptions {
            url: self.nats_url.clone(),
            credentials_file: self.nats_credentials_file.clone(),
            ca_file: self.nats_ca_file.clone(),
            stream: self.nats_stream.clone(),
            // As long as the ids are that stop a second effect.
            kept: Duration::from_secs(self.events_kept_days.unsigned_abs() * 24 * 3600),
        }
    }
}

/// Where spans go.
#[derive(Clone, Debug, clap::Args)]
pub struct TracingConfig {
    /// OpenTelemetry collector that takes OTLP over HTTP, such as `http://otel-collector:4318`. Without one, or with an empty
    /// one, nothing is sent; the caller's trace is continued all the same.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", default_value = "")]
    pub otlp_endpoint: String,

    /// Headers that it asks for, a token say: `name=value,name=value`.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_HEADERS", default_value = "", hide_env_values = true)]
    pub otlp_headers: String,

    /// Part of the traces that begin here and are sent, from 0 to 1. A caller with a trace decides by itself.
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value_t = 1.0, value_parser = part)]
    pub trace_sample_ratio: f64,
}

fn part(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "a number from 0 to 1".to_owned())
}

impl TracingConfig {
    /// Begins to send spans of `service`, when a collector is set.
    ///
    /// # Errors
    /// When the address or the headers cannot be read.
    pub fn init(&self, service: &'static str) -> anyhow::Result<Option<Exporter>> {
        if self.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        let exporter = trace_context::install(ExportOptions {
            endpoint: self.otlp_endpoint.clone(),
            headers: trace_context::parse_headers(&self.otlp_headers)?,
            sample_ratio: self.trace_sample_ratio,
            service_name: service.to_owned(),
            service_version: env!("CARGO_PKG_VERSION"),
        })?;
        Ok(Some(exporter))
    }
}

/// What is logged.
#[derive(Clone, Debug, clap::Args)]
pub struct LogConfig {
    /// Least severity that is logged: error, warn, info, debug or trace; or directives such as `info,users=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,

    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

impl LogConfig {
    /// Begins to log.
    ///
    /// # Errors
    /// When the level cannot be read.
    pub fn init(&self) -> anyhow::Result<()> {
        crate::telemetry::init(&self.log_level, self.log_format).context("the log could not be set up")
    }
}
