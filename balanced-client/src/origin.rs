//! One scheme, host and port: sends requests to its replicas, and keeps the set of them up to date.

mod maintenance;
mod traced;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Extensions, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Error;
use smallvec::SmallVec;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use self::maintenance::Maintenance;
use self::traced::Traced;
use crate::Shared;
use crate::connection::KeptAlive;
use crate::peer::{InFlight, Peer, choose};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Replicas that are tried for one request. The third is reached only when two are down that answered a moment ago.
const ATTEMPTS_MAX: usize = 3;

/// Whether a request may be sent a second time although the first may have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing, or nothing more the second time.
    Harmless,
    /// It may only be sent again when it surely never left.
    Harmful,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No replica could be connected to: the request was surely not sent.
    #[error("no connection could be made")]
    NotSent(#[source] BoxError),
    /// The connection broke before an answer came; the request may or may not have arrived.
    #[error("the connection broke")]
    Lost(#[source] BoxError),
}

/// The parts of a URL that make an origin.
pub(crate) struct Key {
    scheme: Scheme,
    authority: Authority,
    port: u16,
}

impl Key {
    /// `None` when `url` is not `http://…` or `https://…`.
    pub(crate) fn of(url: &Uri) -> Option<Self> {
        let scheme = url.scheme()?.clone();
        let port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let authority = url.authority()?.clone();
        if authority.host().is_empty() {
            return None;
        }
        Some(Self {
            scheme,
            port: url.port_u16().unwrap_or(port),
            authority,
        })
    }

    /// Without the brackets of an IPv6 address.
    fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.authority)?;
        match self.authority.port() {
            Some(_) => Ok(()),
            None => write!(formatter, ":{}", self.port),
        }
    }
}

/// Scheme, host and port that requests can be sent to. Cheap to clone.
#[derive(Clone)]
pub struct Origin(pub(crate) Arc<OriginShared>);

impl fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Origin").field(&self.0.authority).finish()
    }
}

/// Ends its maintenance when nobody holds it any more.
pub(crate) struct OriginShared {
    scheme: Scheme,
    authority: Authority,
    port: u16,
    peers: watch::Receiver<Peers>,
    /// Asks maintenance to look now.
    look: Arc<Notify>,
    /// Started by the first request: a router may be made where no runtime is.
    maintenance: OnceLock<AbortHandle>,
    unstarted: std::sync::Mutex<Option<Maintenance>>,
}

impl Drop for OriginShared {
    fn drop(&mut self) {
        if let Some(maintenance) = self.maintenance.get() {
            maintenance.abort();
        }
    }
}

/// What is known of an origin's replicas.
#[derive(Clone)]
enum Peers {
    /// Nobody has asked yet.
    Unknown,
    /// The name was never found; the reason.
    NotFound(Arc<str>),
    /// At least one. They stay when the name cannot be looked up later.
    Known(Arc<[Arc<Peer>]>),
}

impl OriginShared {
    pub(crate) fn new(key: &Key, shared: &Arc<Shared>) -> Self {
        let look = Arc::new(Notify::new());
        let literal = key.host().parse::<IpAddr>().ok();
        let literal = literal.map(|address| SocketAddr::new(address, key.port));
        let (maintenance, peers) = Maintenance::new(Arc::clone(shared), key, literal, Arc::clone(&look));
        Self {
            scheme: key.scheme.clone(),
            authority: key.authority.clone(),
            port: key.port,
            peers,
            look,
            maintenance: OnceLock::new(),
            unstarted: std::sync::Mutex::new(Some(maintenance)),
        }
    }

    fn start_maintenance(&self) {
        self.maintenance.get_or_init(|| {
            let unstarted = self
                .unstarted
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take();
            let run = async move {
                if let Some(maintenance) = unstarted {
                    maintenance.run().await;
                }
            };
            tokio::spawn(run).abort_handle()
        });
    }

    /// The replicas; waits for the first look-up.
    async fn peers(&self) -> Result<Arc<[Arc<Peer>]>, SendError> {
        self.start_maintenance();
        let known = self.peers.borrow().clone();
        let known = match known {
            Peers::Unknown => {
                let mut peers = self.peers.clone();
                let known = peers.wait_for(|peers| !matches!(peers, Peers::Unknown)).await;
                known.map_or(Peers::Unknown, |known| known.clone())
            }
            known => known,
        };
        match known {
            Peers::Known(peers) => Ok(peers),
            Peers::NotFound(reason) => Err(SendError::NotSent(reason.to_string().into())),
            Peers::Unknown => Err(SendError::NotSent("the client has ended".into())),
        }
    }
}

impl Origin {
    /// Sends `request` to one of the replicas; of its URI only path and query count. A request with a `traceparent` that is
    /// sampled makes a span of its own, which is the parent of what is done there.
    ///
    /// Another replica is tried, at most three in all, when no connection could be made; and once when a kept-alive
    /// connection was closed before anything was answered and the request may be repeated.
    ///
    /// # Errors
    /// [`SendError`]. Any HTTP status is an answer.
    pub async fn send(&self, request: &Request<Bytes>, repeat: Repeat) -> Result<Response<ResponseBody>, SendError> {
        match Traced::begin(request, self.0.authority.host(), self.0.port) {
            None => self.attempt(request, repeat).await,
            Some((traced, request)) => traced.end(self.attempt(&request, repeat).await),
        }
    }

    async fn attempt(&self, request: &Request<Bytes>, repeat: Repeat) -> Result<Response<ResponseBody>, SendError> {
        let peers = self.0.peers().await?;
        let mut tried = SmallVec::<[SocketAddr; ATTEMPTS_MAX]>::new();
        let mut may_repeat = repeat == Repeat::Harmless;
        let mut peer = choose(&peers, &[]);
        while let Some(chosen) = peer {
            let error = match chosen.send(self.outgoing(request)).await {
                Ok((response, in_flight)) => return Ok(response.map(|body| ResponseBody { body, in_flight })),
                Err(error) => error,
            };
            tried.push(chosen.address);
            let another = choose(&peers, &tried).filter(|_| tried.len() < ATTEMPTS_MAX);
            if was_not_sent(&error) {
                self.0.look.notify_one();
                let Some(another) = another else {
                    return Err(SendError::NotSent(error.into()));
                };
                peer = Some(another);
            } else if may_repeat && was_stale(&error) {
                may_repeat = false;
                // The only replica opens a new connection.
                peer = another.or(peer);
            } else {
                return Err(SendError::Lost(error.into()));
            }
        }
        Err(SendError::NotSent("the name has no address".into()))
    }

    fn outgoing(&self, request: &Request<Bytes>) -> Request<Full<Bytes>> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.0.scheme.clone());
        uri.authority = Some(self.0.authority.clone());
        let path = request.uri().path_and_query().cloned();
        uri.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        let mut outgoing = Request::new(Full::new(request.body().clone()));
        *outgoing.uri_mut() = Uri::from_parts(uri).expect("a scheme, an authority and a path make a URI");
        *outgoing.method_mut() = request.method().clone();
        *outgoing.headers_mut() = request.headers().clone();
        outgoing
    }
}

/// Whether not a byte of the request has left.
fn was_not_sent(error: &Error) -> bool {
    error.is_connect() || hyper_error(error).is_some_and(hyper::Error::is_canceled)
}

/// Whether a kept-alive connection turned out to be closed (its server restarted, say) before a byte was answered. On a fresh
/// connection the request itself may be what breaks the server; it must not break a second one.
fn was_stale(error: &Error) -> bool {
    let mut extras = Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extras);
    }
    let was_kept_alive = extras.get::<KeptAlive>().is_some_and(KeptAlive::get);
    let was_closed = |cause: &hyper::Error| {
        let reason = std::error::Error::source(cause);
        let is_reset = reason.is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
        cause.is_incomplete_message() || cause.is_closed() || is_reset
    };
    was_kept_alive && hyper_error(error).is_some_and(was_closed)
}

fn hyper_error(error: &Error) -> Option<&hyper::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

/// The body of an answer. Its replica counts as busy until this is dropped.
pub struct ResponseBody {
    body: Incoming,
    #[allow(dead_code, reason = "held for its Drop")]
    in_flight: InFlight,
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(formatter)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
