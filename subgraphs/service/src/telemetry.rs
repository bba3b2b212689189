//! Logs, metrics and the span of each request. Set up once per process; a process that holds several services tells
//! them apart by the label and field `service`.

use crate::database::Database;
use crate::deadline::Deadline;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use trace_context::{Kind, Span, TraceContext};
use tracing::Instrument;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// For people.
    Text,
}

/// Bounds of the histogram `http_request_duration_seconds`, in seconds.
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to log to standard output, and to collect metrics. Later calls change nothing.
///
/// * `level`: `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,users=debug`.
///
/// # Errors
/// When `level` cannot be read.
pub fn init(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level).map_err(|error| anyhow::anyhow!("LOG_LEVEL `{level}`: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stdout);
    // A second subscriber is refused; the first one stays, as promised.
    let _ = match format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
        LogFormat::Text => builder.compact().try_init(),
    };
    init_metrics();
    Ok(())
}

const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Begins to collect metrics, within a runtime. Later calls change nothing.
pub fn init_metrics() {
    METRICS.get_or_init(|| {
        let duration = Matcher::Full("http_request_duration_seconds".to_owned());
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(duration, &DURATION_BUCKETS)
            .ok()?;
        let handle = builder.install_recorder().ok()?;
        tokio::spawn(keep_up(handle.clone()));
        Some(handle)
    });
}

/// Sums up what was measured: each value is kept until then, and nobody may ever ask for it.
async fn keep_up(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

/// `GET /metrics` in the text format of Prometheus, for all services of this process.
pub fn metrics_router() -> Router {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics() -> impl IntoResponse {
    let text = METRICS.get().and_then(Option::as_ref).map(|handle| {
        handle.run_upkeep();
        handle.render()
    });
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        text.unwrap_or_default(),
    )
}

/// Gives each request of `router` its trace, deadline, log line and metrics.
pub fn observed(router: Router, service: &'static str) -> Router {
    router.layer(from_fn_with_state(service, observe))
}

async fn observe(State(service): State<&'static str>, request: Request, next: Next) -> Response {
    let trace = TraceContext::from_headers(request.headers());
    let deadline = Deadline::from_headers(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!(
        "request",
        service,
        trace_id = trace.trace_id(),
        span_id = trace.span_id()
    );
    let mut traced = Span::begin(&trace, Kind::Server, method.as_str().to_owned());
    let started = Instant::now();
    let in_flight = InFlight::begin(service);
    let work = trace.scope(deadline.scope(next.run(request)));
    let respond = async move {
        let response = work.await;
        drop(in_flight);
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        let duration_ms = elapsed.as_secs_f64() * 1000.0;
        tracing::info!(
            http.status = status,
            http.duration_ms = duration_ms,
            "{method} {path} {status}"
        );
        if let Some(span) = &mut traced {
            // Where one process is all services, the resource's name does not tell them apart.
            span.attribute("hansa.service", service);
            span.attribute("http.request.method", method.as_str().to_owned());
            span.attribute("url.path", path);
            span.attribute("http.response.status_code", i64::from(status));
            if response.status().is_server_error() {
                span.fail(status.to_string());
            }
        }
        drop(traced);
        let labels = [("service", service.to_owned()), ("status", status.to_string())];
        metrics::counter!("http_requests_total", &labels).increment(1);
        metrics::histogram!("http_request_duration_seconds", "service" => service).record(elapsed.as_secs_f64());
        response
    };
    respond.instrument(span).await
}

/// A request that is being worked on; counted until this is dropped, also when the client goes away.
struct InFlight(metrics::Gauge);

impl InFlight {
    fn begin(service: &'static str) -> InFlight {
        let gauge = metrics::gauge!("http_requests_in_flight", "service" => service);
        gauge.increment(1);
        InFlight(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Says which version of `service` runs.
pub(crate) fn record_build(service: &'static str) {
    let labels = [("service", service), ("version", env!("CARGO_PKG_VERSION"))];
    metrics::gauge!("service_build_info", &labels).set(1.0);
}

/// Time between two looks at the database's connections: half of what Prometheus takes between two scrapes.
const CONNECTIONS_INTERVAL: Duration = Duration::from_secs(5);

/// Tells how many connections to the database `service` holds, until `shutdown`.
pub(crate) async fn observe_connections(service: &'static str, database: Database, shutdown: CancellationToken) {
    loop {
        let connections = database.connections();
        let gauge = |state: &'static str, count: u32| {
            metrics::gauge!("database_connections", "service" => service, "state" => state).set(count);
        };
        gauge("idle", connections.idle);
        gauge("in_use", connections.in_use);
        metrics::gauge!("database_connections_max", "service" => service).set(connections.max);
        let pause = tokio::time::sleep(CONNECTIONS_INTERVAL);
        if shutdown.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}
