//! Subgraphs in other processes: HTTP/1.1 with kept-alive connections, over TLS for `https` URLs.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{FetchError, SubgraphAnswer, SubgraphRequest, read_body};

/// A subgraph on the same network answers the handshake in a millisecond; one that needs a second is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Below the 60 s and 75 s after which common servers and load balancers drop idle connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// The connections to all subgraphs. Made once; cheap to clone.
#[derive(Clone)]
pub struct HttpClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl fmt::Debug for HttpClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HttpClient")
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClient {
    /// A client without connections. Certificates are checked against Mozilla's roots.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .expect("the provider has the default protocol versions")
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Self(client)
    }
}

/// Why a URL cannot be one of a subgraph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an absolute http or https URL")]
pub struct InvalidUrl(String);

/// A subgraph at a URL.
#[derive(Debug, Clone)]
pub struct HttpSubgraph {
    client: HttpClient,
    url: Uri,
}

impl HttpSubgraph {
    /// The subgraph at `url`.
    ///
    /// # Errors
    /// When `url` is not `http://…` or `https://…`.
    pub fn new(client: HttpClient, url: &str) -> Result<Self, InvalidUrl> {
        let parsed = url.parse::<Uri>().ok();
        let parsed = parsed.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
        Ok(Self {
            client,
            url: parsed.ok_or_else(|| InvalidUrl(url.to_owned()))?,
        })
    }

    pub(super) async fn post(&self, request: SubgraphRequest) -> Result<SubgraphAnswer, FetchError> {
        let send = || {
            let mut http_request = Request::new(Full::new(request.body.clone()));
            *http_request.method_mut() = Method::POST;
            *http_request.uri_mut() = self.url.clone();
            *http_request.headers_mut() = request.headers.clone();
            self.client.0.request(http_request)
        };
        let response = match send().await {
            Err(error) if request.repeatable && is_stale(&error) => send().await,
            response => response,
        };
        let (parts, body) = response
            .map_err(|error| match error.is_connect() {
                true => FetchError::Unreachable(error.into()),
                false => FetchError::Incomplete(error.into()),
            })?
            .into_parts();
        let body = read_body(body, &request.bounds).await?;
        Ok(SubgraphAnswer {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }
}

/// Whether a kept-alive connection turned out to be closed (its server restarted, say) before a byte was answered.
fn is_stale(error: &Error) -> bool {
    let cause = std::error::Error::source(error);
    let cause = cause.and_then(|cause| cause.downcast_ref::<hyper::Error>());
    !error.is_connect()
        && cause.is_some_and(|cause| cause.is_incomplete_message() || cause.is_canceled() || cause.is_closed())
}
