//! Calls to the internal listener of another service, over HTTP or within the process.
//!
//! Both ways go through bytes, signatures and the same errors, so that one process and six cannot drift apart. A
//! client sends nothing twice that may have arrived: whoever calls knows whether the command is idempotent.

use crate::auth::{InternalKey, SIGNATURE_HEADER, TIME_HEADER};
use crate::deadline::{DEADLINE_HEADER, Deadline};
use axum::Router;
use axum::body::Body;
use balanced_client::{HttpClient, Origin, Repeat, SendError};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tower::ServiceExt;
use trace_context::TraceContext;
use url::Url;

/// Longest a call takes when the request at hand sets no earlier deadline.
const CALL_TIMEOUT_MAX: Duration = Duration::from_secs(10);
const REPLY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Port of a service's internal listener, when the URL names none.
const INTERNAL_PORT: u16 = 5001;

/// What became of a call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The peer surely did not get the request: it may be sent again to any effect.
    #[error("`{peer}` could not be reached")]
    NotSent {
        /// Name of the service.
        peer: &'static str,
    },
    /// No answer in time; the peer may or may not have done it.
    #[error("`{peer}` did not answer in time")]
    Timeout {
        /// Name of the service.
        peer: &'static str,
    },
    /// The connection broke after the request was sent; the peer may or may not have done it.
    #[error("the connection to `{peer}` broke")]
    Lost {
        /// Name of the service.
        peer: &'static str,
    },
    /// The peer answered, but not with success.
    #[error("`{peer}` answered with status {status}")]
    Status {
        /// Name of the service.
        peer: &'static str,
        /// Its status.
        status: StatusCode,
        /// Its body.
        body: Bytes,
    },
    /// The peer answered with success, and with something else than was agreed.
    #[error("`{peer}` sent an unexpected answer")]
    Malformed {
        /// Name of the service.
        peer: &'static str,
        /// Where it differs.
        #[source]
        source: serde_json::Error,
    },
}

impl PeerError {
    /// Whether the peer may have carried the command out although it failed for us: only asking again tells.
    #[must_use]
    pub fn outcome_is_unknown(&self) -> bool {
        match self {
            PeerError::NotSent { .. } => false,
            PeerError::Timeout { .. } | PeerError::Lost { .. } | PeerError::Malformed { .. } => true,
            PeerError::Status { status, .. } => status.is_server_error(),
        }
    }
}

/// The services that a service may call; `None` where it was given no address.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// The users service.
    pub users: Option<PeerClient>,
    /// The products service.
    pub products: Option<PeerClient>,
    /// The orders service.
    pub orders: Option<PeerClient>,
    /// The payments service.
    pub payments: Option<PeerClient>,
    /// The reviews service.
    pub reviews: Option<PeerClient>,
}

impl Peers {
    /// Clients for services of this process. They know each other in circles, so each is bound to its router with
    /// [`PeerClient::bind`] once that exists; until then calls are [`PeerError::NotSent`].
    #[must_use]
    pub fn in_process(key: &InternalKey) -> Peers {
        let peer = |name| Some(PeerClient::in_process(name, key.clone()));
        Peers {
            users: peer("users"),
            products: peer("products"),
            orders: peer("orders"),
            payments: peer("payments"),
            reviews: peer("reviews"),
        }
    }
}

impl Peers {
    /// The service with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&PeerClient> {
        match name {
            "users" => self.users.as_ref(),
            "products" => self.products.as_ref(),
            "orders" => self.orders.as_ref(),
            "payments" => self.payments.as_ref(),
            "reviews" => self.reviews.as_ref(),
            _ => None,
        }
    }
}

/// A client for the internal listener of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PeerClient {
    peer: &'static str,
    key: InternalKey,
    target: Target,
}

#[derive(Clone, Debug)]
enum Target {
    Http(Origin),
    InProcess(Arc<OnceLock<Router>>),
}

impl PeerClient {
    /// A client over HTTP, which spreads its calls over all replicas of the service. `base_url` is the service's address such
    /// as `http://users`; without a port, that of the internal listener (5001) is meant.
    ///
    /// # Errors
    /// When the URL is not one of HTTP.
    pub fn http(
        client: &HttpClient,
        peer: &'static str,
        mut base_url: Url,
        key: InternalKey,
    ) -> anyhow::Result<PeerClient> {
        let port = base_url.port().unwrap_or(INTERNAL_PORT);
        base_url
            .set_port(Some(port))
            .map_err(|()| anyhow::anyhow!("the address `{base_url}` of `{peer}` is not an HTTP URL"))?;
        let uri = base_url.as_str().parse::<Uri>()?;
        let origin = client.origin(&uri)?;
        Ok(PeerClient {
            peer,
            key,
            target: Target::Http(origin),
        })
    }

    /// A client for a service of this process, to be bound to its router later.
    #[must_use]
    pub fn in_process(peer: &'static str, key: InternalKey) -> PeerClient {
        PeerClient {
            peer,
            key,
            target: Target::InProcess(Arc::default()),
        }
    }

    /// Binds an in-process client (and its clones) to the peer's `App::internal`. Only the first time counts.
    pub fn bind(&self, internal: Router) {
        if let Target::InProcess(slot) = &self.target {
            // A second binding would be the same service again.
            let _ = slot.set(internal);
        }
    }

    /// Sends `body` as JSON to `path` (`/internal/…`, with a query if need be) and reads the JSON reply. An empty
    /// reply reads as `null`, so `Res` may be `()`.
    ///
    /// Waits until the deadline of the current request, at most 10 s; passes on what is left of it, and the trace.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn call<Req, Res>(&self, method: Method, path: &str, body: Option<&Req>) -> Result<Res, PeerError>
    where
        Req: Serialize + ?Sized,
        Res: DeserializeOwned,
    {
        let peer = self.peer;
        let malformed = |source| PeerError::Malformed { peer, source };
        let body = body
            .map(serde_json::to_vec)
            .transpose()
            .map_err(malformed)?
            .unwrap_or_default();
        let deadline = Deadline::after(CALL_TIMEOUT_MAX);
        let deadline = Deadline::current().map_or(deadline, |current| current.min(deadline));
        let request = self.request(method, path, Bytes::from(body), deadline);
        let sent = tokio::time::timeout_at(deadline.instant().into(), self.send(request));
        let (status, body) = sent.await.map_err(|_| PeerError::Timeout { peer })??;
        if !status.is_success() {
            return Err(PeerError::Status { peer, status, body });
        }
        serde_json::from_slice(if body.is_empty() { b"null" } else { &body }).map_err(malformed)
    }

    fn request(&self, method: Method, path: &str, body: Bytes, deadline: Deadline) -> Request<Bytes> {
        let time = chrono::Utc::now().timestamp();
        let signature = self.key.sign(&method, path, time, &body);
        let mut request = Request::new(body);
        // A path is written in our code, with ids in it that were checked; one that is no URI is sent as `/`, and
        // its signature refused.
        *request.uri_mut() = path.parse().unwrap_or_default();
        *request.method_mut() = method;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        headers.insert(TIME_HEADER, time.into());
        headers.insert(DEADLINE_HEADER, deadline.header_value());
        if let Ok(signature) = signature.parse() {
            headers.insert(SIGNATURE_HEADER, signature);
        }
        if let Some(trace) = TraceContext::current() {
            trace.write(headers);
        }
        request
    }

    async fn send(&self, request: Request<Bytes>) -> Result<(StatusCode, Bytes), PeerError> {
        let peer = self.peer;
        match &self.target {
            Target::Http(origin) => send_http(peer, origin, &request).await,
            Target::InProcess(slot) => {
                let router = slot.get().ok_or(PeerError::NotSent { peer })?.clone();
                let Ok(response) = router.oneshot(request.map(Body::from)).await;
                let status = response.status();
                let body = axum::body::to_bytes(response.into_body(), REPLY_BYTES_MAX).await;
                Ok((status, body.map_err(|_| PeerError::Lost { peer })?))
            }
        }
    }
}

async fn send_http(
    peer: &'static str,
    origin: &Origin,
    request: &Request<Bytes>,
) -> Result<(StatusCode, Bytes), PeerError> {
    let response = origin
        .send(request, Repeat::Harmful)
        .await
        .map_err(|error| match error {
            SendError::NotSent(_) => PeerError::NotSent { peer },
            SendError::Lost(_) => PeerError::Lost { peer },
        })?;
    let status = response.status();
    let body = Limited::new(response.into_body(), REPLY_BYTES_MAX).collect().await;
    Ok((status, body.map_err(|_| PeerError::Lost { peer })?.to_bytes()))
}
