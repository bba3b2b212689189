//! Sends spans to a collector: OTLP over HTTP, in protobuf, in batches.
//!
//! A process has one exporter. Spans wait in a queue of bounded length; what does not fit is dropped, so that a collector that
//! hangs costs traces and nothing else.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use metrics::counter;
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanProcessor};
use tokio::runtime::Handle;

/// Longest time for one batch; the next ones wait in the queue meanwhile.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the last batch when a process ends: within what Kubernetes grants after the requests are done.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// A collector answers with a few bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Where OTLP takes spans, below the endpoint (OTLP specification, "OTLP/HTTP Request").
const PATH: &str = "v1/traces";

/// Batches by outcome: `ok` or `error`.
const EXPORTS: &str = "otlp_exports_total";

static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// Where spans go, and which.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportOptions {
    /// Base address of the collector, such as `http://otel-collector:4318`.
    pub endpoint: String,
    /// Headers that the collector asks for, a token say.
    pub headers: HashMap<HeaderName, HeaderValue>,
    /// Part of the traces that begin here and are recorded, from 0 to 1. Who calls with a trace has decided already.
    pub sample_ratio: f64,
    /// Name of the service (`service.name`).
    pub service_name: String,
    /// Its version (`service.version`).
    pub service_version: &'static str,
}

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The endpoint is no HTTP URL.
    #[error("the OTLP endpoint `{0}` is not an absolute http or https URL")]
    Endpoint(String),
    /// The library refuses.
    #[error("spans cannot be exported")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// A process has one exporter.
    #[error("spans are exported already")]
    Installed,
}

/// Headers that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("OTLP headers are written `name=value,name=value`")]
pub struct InvalidHeaders;

/// Reads headers as `OTEL_EXPORTER_OTLP_HEADERS` has them: `name=value`, separated by commas.
///
/// # Errors
/// [`InvalidHeaders`]; the message does not hold the text, which may be secret.
pub fn parse_headers(text: &str) -> Result<HashMap<HeaderName, HeaderValue>, InvalidHeaders> {
    let headers = text.split(',').map(str::trim).filter(|header| !header.is_empty());
    let parse = |header: &str| {
        let (name, value) = header.split_once('=')?;
        let mut value = HeaderValue::from_str(value.trim()).ok()?;
        value.set_sensitive(true);
        Some((name.trim().parse::<HeaderName>().ok()?, value))
    };
    headers.map(|header| parse(header).ok_or(InvalidHeaders)).collect()
}

/// What was installed.
pub(crate) struct Installed {
    processor: BatchSpanProcessor,
    sample_ratio: f64,
}

impl Installed {
    pub(crate) fn end(&self, span: SpanData) {
        self.processor.on_end(span);
    }
}

pub(crate) fn installed() -> Option<&'static Installed> {
    INSTALLED.get()
}

/// Whether a trace that begins now is recorded.
pub(crate) fn begins_sampled() -> bool {
    installed().is_some_and(|installed| rand::random::<f64>() < installed.sample_ratio)
}

/// Begins to export spans, for the rest of the process. To be called on a tokio runtime.
///
/// # Errors
/// [`ExportError`].
pub fn install(options: ExportOptions) -> Result<Exporter, ExportError> {
    let endpoint = options.endpoint.trim_end_matches('/');
    let is_http = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if !endpoint.parse::<Uri>().is_ok_and(|uri| is_http(&uri)) {
        return Err(ExportError::Endpoint(options.endpoint));
    }
    let headers = options.headers;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(CollectorClient::new(headers))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/{PATH}"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    let resource = Resource::builder_empty().with_attributes([
        KeyValue::new("service.name", options.service_name),
        KeyValue::new("service.version", options.service_version),
    ]);
    processor.set_resource(&resource.build());
    let installed = Installed {
        processor,
        sample_ratio: options.sample_ratio,
    };
    INSTALLED.set(installed).map_err(|_| ExportError::Installed)?;
    Ok(Exporter(()))
}

/// Exports spans until it is shut down.
#[derive(Debug)]
#[must_use = "without a shutdown the last spans are lost"]
pub struct Exporter(());

impl Exporter {
    /// Sends what is left, for 5 s at most.
    pub async fn shutdown(self) {
        let shutdown = tokio::task::spawn_blocking(|| match installed() {
            Some(installed) => installed.processor.shutdown_with_timeout(SHUTDOWN_TIMEOUT),
            None => Ok(()),
        });
        if let Ok(Err(error)) = shutdown.await {
            tracing::warn!(%error, "The last spans were not exported");
        }
    }
}

/// The HTTP client of the exporter. The batches are sent from a thread that is none of the runtime's, so each request is a
/// task of the runtime.
#[derive(Debug)]
struct CollectorClient {
    runtime: Handle,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HashMap<HeaderName, HeaderValue>,
    is_failing: AtomicBool,
}

impl CollectorClient {
    fn new(headers: HashMap<HeaderName, HeaderValue>) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .expect("the provider has the default protocol versions")
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            runtime: Handle::current(),
            client: Client::builder(TokioExecutor::new()).build(connector),
            headers,
            is_failing: AtomicBool::new(false),
        }
    }

    /// Counts each batch; logs the first that fails, and the first that does not again.
    fn note(&self, result: &Result<Response<Bytes>, HttpError>) {
        let error = match result {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answers with status {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        let outcome = if error.is_some() { "error" } else { "ok" };
        counter!(EXPORTS, "outcome" => outcome).increment(1);
        let was_failing = self.is_failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !was_failing => tracing::warn!(error, "The collector does not take spans; they are dropped"),
            None if was_failing => tracing::info!("The collector takes spans again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let client = self.client.clone();
        let exchange = async move {
            let response = client.request(request.map(Full::new)).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(parts, body))
        };
        // The timer is one of the runtime's, too.
        let exchange = self
            .runtime
            .spawn(async move { tokio::time::timeout(EXPORT_TIMEOUT, exchange).await });
        let result = match exchange.await {
            Ok(Ok(result)) => result,
            Ok(Err(elapsed)) => Err(elapsed.into()),
            Err(ended) => Err(ended.into()),
        };
        self.note(&result);
        result
    }
}
