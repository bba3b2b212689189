//! Logs, metrics, and the one line and one measurement that every request leaves.
//!
//! The names of all metrics are here. Labels have few values each, so that no client can fill the memory of whoever
//! stores them. Spans are exported by `trace_context`.

use std::fmt;
use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use federation::error::ErrorCode;
use federation::query_plan::OperationKind;
use http::StatusCode;
use metrics::{Gauge, counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use trace_context::{Kind, Span, TraceContext};
use tracing::{Instrument, Level, debug, info, info_span, warn};
use tracing_subscriber::EnvFilter;

const BUILD_INFO: &str = "router_build_info";
const REQUESTS_IN_FLIGHT: &str = "http_server_requests_in_flight";
const OPERATIONS_HELD: &str = "router_operations_held";
const OPERATIONS_HELD_BYTES: &str = "router_operations_held_bytes";
const REQUEST_DURATION: &str = "http_server_request_duration_seconds";
const PLAN_DURATION: &str = "router_plan_duration_seconds";
const OPERATIONS: &str = "router_operations_total";
const FETCH_DURATION: &str = "router_fetch_duration_seconds";
const RELOADS: &str = "router_supergraph_reloads_total";
const STALE: &str = "router_supergraph_stale";

/// Upper bounds of the duration buckets, in seconds: a cached answer takes a tenth of a millisecond, a timeout 15 s.
const BUCKETS_SECONDS: [f64; 14] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0,
];

/// Starts logging to standard output: text for people on a terminal, one JSON object a line for everything else.
///
/// `RUST_LOG` filters (`warn`, `server=debug`); without it, `info`. Does nothing when a logger is there already.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(Level::INFO.as_str()));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stdout)
        .with_target(false);
    let result = if stdout().is_terminal() {
        tracing::subscriber::set_global_default(logger.finish())
    } else {
        tracing::subscriber::set_global_default(logger.json().flatten_event(true).with_span_list(false).finish())
    };
    // An embedding program that has a logger keeps it.
    let _ = result;
    // A panic becomes a log line like any other; the request it happened in is answered with an error.
    std::panic::set_hook(Box::new(|panic| tracing::error!(error = %panic, "Panicked")));
}

const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Installs the process's recorder of metrics, within a runtime. To be called once: a process has one recorder.
///
/// # Errors
/// When there is a recorder already; use its handle then.
pub fn install_recorder() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".into()), &BUCKETS_SECONDS)?
        .install_recorder()?;
    tokio::spawn(keep_up(handle.clone()));
    Ok(handle)
}

/// Sums up what was measured: each value is kept until then, and nobody may ever ask for it.
async fn keep_up(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

/// Says which version runs.
pub(crate) fn record_build() {
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// How many operations are remembered, and how many bytes their texts have.
pub(crate) fn operations_held(count: usize, bytes: u64) {
    gauge!(OPERATIONS_HELD).set(count as f64);
    gauge!(OPERATIONS_HELD_BYTES).set(bytes as f64);
}

/// A request that is being answered; counted until this is dropped, also when the client goes away.
struct InFlight(Gauge);

impl InFlight {
    fn begin() -> Self {
        let gauge = gauge!(REQUESTS_IN_FLIGHT);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// What the pipeline learns about a request, for the log; travels with the response.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnswerRecord {
    pub(crate) operation_name: Option<String>,
    pub(crate) operation_kind: Option<OperationKind>,
    /// Code of the request error, when there is no data.
    pub(crate) failure: Option<ErrorCode>,
    /// How many errors stand beside the data.
    pub(crate) errors: usize,
}

/// Middleware: gives the request its trace, and writes the log line and the measurement when it is answered.
pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let _in_flight = InFlight::begin();
    let trace = TraceContext::from_headers(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut span = Span::begin(&trace, Kind::Server, method.as_str().to_owned());
    request.extensions_mut().insert(trace.clone());
    // What is logged on the way (a subgraph that does not answer) carries the trace id as well.
    let response = next
        .run(request)
        .instrument(info_span!("request", trace_id = trace.trace_id()))
        .await;

    let elapsed = begin.elapsed();
    let status = response.status();
    let record = match response.extensions().get::<AnswerRecord>() {
        Some(record) => record.clone(),
        // A panic took the record with it.
        None if status == StatusCode::INTERNAL_SERVER_ERROR => AnswerRecord::of_panic(),
        None => {
            // Not GraphQL: the playground's files and wrong addresses would drown what matters.
            debug!(http.method = %method, http.path = path, http.status = status.as_u16(), "Answered");
            return response;
        }
    };
    if let Some(span) = &mut span {
        record.describe_to(span, &path, status);
    }
    measure(&record, status, elapsed);
    info!(
        trace_id = trace.trace_id(),
        http.method = %method,
        http.status = status.as_u16(),
        // Microseconds are as fine as anybody reads.
        duration_ms = elapsed.as_micros() as f64 / 1_000.0,
        graphql.operation.name = record.operation_name,
        graphql.operation.kind = kind_name(record.operation_kind),
        error.code = record.failure.map(ErrorCode::as_str),
        graphql.errors = record.errors,
        "{record}"
    );
    response
}

impl AnswerRecord {
    /// OpenTelemetry semantic conventions, "HTTP server span" and "GraphQL server".
    fn describe_to(&self, span: &mut Span, path: &str, status: StatusCode) {
        span.attribute("http.request.method", span.name().to_owned());
        span.attribute("url.path", path.to_owned());
        span.attribute("http.response.status_code", i64::from(status.as_u16()));
        if self.operation_kind.is_some() {
            let kind = kind_name(self.operation_kind);
            span.rename(kind);
            span.attribute("graphql.operation.type", kind);
        }
        if let Some(name) = &self.operation_name {
            span.attribute("graphql.operation.name", name.clone());
        }
        match self.failure {
            Some(code) => span.fail(code.as_str()),
            None if self.errors > 0 => span.attribute("graphql.errors", i64::try_from(self.errors).unwrap_or(i64::MAX)),
            None => {}
        }
    }

    fn of_panic() -> Self {
        Self {
            failure: Some(ErrorCode::InternalServerError),
            ..Self::default()
        }
    }
}

impl fmt::Display for AnswerRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failure {
            Some(code) => write!(formatter, "Refused with {code}"),
            None => write!(formatter, "Answered a {}", kind_name(self.operation_kind)),
        }?;
        self.operation_name
            .as_ref()
            .map_or(Ok(()), |name| write!(formatter, " `{name}`"))
    }
}

fn kind_name(kind: Option<OperationKind>) -> &'static str {
    match kind {
        Some(OperationKind::Query) => "query",
        Some(OperationKind::Mutation) => "mutation",
        Some(OperationKind::Subscription) => "subscription",
        None => "unknown",
    }
}

fn measure(record: &AnswerRecord, status: StatusCode, elapsed: Duration) {
    let code = match record.failure {
        Some(code) => code.as_str(),
        None if record.errors > 0 => "PARTIAL",
        None => "",
    };
    let kind = kind_name(record.operation_kind);
    histogram!(REQUEST_DURATION, "status" => status.as_str().to_owned(), "kind" => kind, "error" => code)
        .record(elapsed);
}

/// An operation was found among those planned before, or was not.
pub(crate) fn operation_remembered(remembered: bool) {
    counter!(OPERATIONS, "cache" => if remembered { "hit" } else { "miss" }).increment(1);
}

/// An operation was parsed, validated and planned.
pub(crate) fn operation_planned(elapsed: Duration) {
    histogram!(PLAN_DURATION).record(elapsed);
}

/// A subgraph was asked; `failure`: what became of the fetch as a whole.
pub(crate) fn fetched(subgraph: &str, elapsed: Duration, failure: Option<ErrorCode>) {
    let outcome = failure.map_or("ok", |code| code.as_str());
    histogram!(FETCH_DURATION, "subgraph" => subgraph.to_owned(), "outcome" => outcome).record(elapsed);
}

/// A new supergraph is served.
pub(crate) fn reloaded(hash: &str) {
    counter!(RELOADS, "outcome" => "ok").increment(1);
    gauge!(STALE).set(0.0);
    info!(supergraph.hash = hash, "Serving the supergraph");
}

/// The source holds again what is served.
pub(crate) fn reload_recovered() {
    gauge!(STALE).set(0.0);
    info!("The source holds the supergraph that is served");
}

/// A new supergraph cannot be served; the one before it still is.
pub(crate) fn reload_failed(error: &str) {
    counter!(RELOADS, "outcome" => "error").increment(1);
    gauge!(STALE).set(1.0);
    warn!(error, "Keeping the last good supergraph");
}
