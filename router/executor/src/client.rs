//! How one subgraph is called: over HTTP, or in this process.
//!
//! Both take and give bytes. Does not know what the bytes mean; `subgraph_response` does.

mod http;
mod in_process;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use federation::error::ErrorCode;
use http_body_util::BodyExt;

use crate::response::Transport;

pub use self::http::HttpSubgraph;
pub use self::in_process::InProcessSubgraph;

/// Boxed error of a body or a service.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A subgraph that can be called. Cheap to clone.
#[derive(Debug, Clone)]
pub enum SubgraphClient {
    /// In another process.
    Http(HttpSubgraph),
    /// In this process, with no socket between.
    InProcess(InProcessSubgraph),
}

/// How long a subgraph may take, how much it may answer, and how much it is asked at once.
///
/// For the operator of a subgraph that is slower, or answers more, than others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubgraphPolicy {
    /// Longest time for one query. 5 s: below the client's 15 s, so that a slow subgraph still yields a partial answer.
    pub query_timeout: Duration,
    /// Longest time for one mutation. 12 s: mutations wait for the outside world (payments), and are never repeated.
    pub mutation_timeout: Duration,
    /// Longest answer in bytes. 16 MiB: a hundred times a large page.
    pub response_bytes_max: usize,
    /// Most requests that are under way at once; more wait, within their time. 1,000: far more than a healthy subgraph
    /// ever sees, and few enough that one which hangs does not take every connection of the router.
    pub requests_in_flight_max: usize,
}

impl Default for SubgraphPolicy {
    fn default() -> Self {
        Self {
            query_timeout: Duration::from_secs(5),
            mutation_timeout: Duration::from_secs(12),
            response_bytes_max: 16 * 1024 * 1024,
            requests_in_flight_max: 1_000,
        }
    }
}

/// What is sent to a subgraph.
#[derive(Debug)]
pub(crate) struct SubgraphRequest {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether it may be sent a second time when the first never arrived.
    pub(crate) repeatable: bool,
    pub(crate) bounds: ResponseBounds,
}

/// How much may be answered.
#[derive(Debug, Clone)]
pub(crate) struct ResponseBounds {
    /// In this answer.
    pub(crate) bytes_max: usize,
    /// In all answers of one operation.
    pub(crate) budget: Arc<ByteBudget>,
}

/// Bytes that all answers of one operation may still have.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    bytes_max: usize,
    bytes_left: AtomicUsize,
}

impl ByteBudget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes_left: AtomicUsize::new(bytes_max),
        }
    }

    fn take(&self, bytes: usize) -> Result<(), FetchError> {
        let take = |left: usize| left.checked_sub(bytes);
        let taken = self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(drop).map_err(|_| FetchError::TooManyBytes {
            bytes_max: self.bytes_max,
        })
    }
}

/// What a subgraph answers.
#[derive(Debug)]
pub(crate) struct SubgraphAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a fetch brought nothing. One of these is one error for the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("did not answer within {timeout_ms} ms")]
    Timeout { timeout_ms: u128 },
    #[error("was not asked: the request is out of time")]
    OutOfTime,
    #[error("was not asked: {requests_max} requests to it are under way")]
    Busy { requests_max: usize },
    #[error("could not be reached")]
    Unreachable(#[source] BoxError),
    #[error("gave no complete HTTP answer")]
    Incomplete(#[source] BoxError),
    #[error("answered with HTTP status {0}")]
    HttpStatus(StatusCode),
    #[error("gave a malformed answer: {0}")]
    Malformed(String),
    #[error("would be asked for more than {entities_max} entities at once")]
    TooManyEntities { entities_max: usize },
    #[error("was not asked: one request may ask for {entities_max} entities in all")]
    TooManyEntitiesInAll { entities_max: usize },
    #[error("answered with more bytes than all subgraphs together may: {bytes_max}")]
    TooManyBytes { bytes_max: usize },
    #[error("answered with more values than one request may hold")]
    TooManyValues,
    #[error("is not known to this router")]
    UnknownSubgraph,
}

impl FetchError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Timeout { .. } | Self::OutOfTime | Self::Busy { .. } => ErrorCode::GatewayTimeout,
            Self::Unreachable(_) | Self::Incomplete(_) | Self::HttpStatus(_) => ErrorCode::SubrequestHttpError,
            Self::Malformed(_) => ErrorCode::SubrequestMalformedResponse,
            Self::TooManyEntities { .. }
            | Self::TooManyEntitiesInAll { .. }
            | Self::TooManyBytes { .. }
            | Self::TooManyValues => ErrorCode::CostEstimatedTooExpensive,
            Self::UnknownSubgraph => ErrorCode::InternalServerError,
        }
    }
}

impl FetchError {
    /// What `extensions.reason` says of a failed HTTP request. No addresses: those are nobody's business.
    pub(crate) fn reason(&self) -> Option<String> {
        match self {
            Self::Unreachable(_) => Some("unreachable".to_owned()),
            Self::Incomplete(_) => Some("incomplete".to_owned()),
            Self::HttpStatus(status) => Some(status.to_string()),
            _ => None,
        }
    }
}

impl SubgraphClient {
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::Http(_) => Transport::Http,
            Self::InProcess(_) => Transport::InProcess,
        }
    }

    pub(crate) async fn post(&self, request: SubgraphRequest) -> Result<SubgraphAnswer, FetchError> {
        match self {
            Self::Http(subgraph) => subgraph.post(request).await,
            Self::InProcess(subgraph) => subgraph.post(request).await,
        }
    }
}

/// Reads a body to its end, or fails as soon as it is longer than it may be.
async fn read_body<B>(body: B, bounds: &ResponseBounds) -> Result<Bytes, FetchError>
where
    B: ::http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let bytes_max = bounds.bytes_max;
    let too_long = || FetchError::Malformed(format!("it is longer than {bytes_max} bytes"));
    // What is announced as too long need not be read.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_long());
    }
    let mut body = pin!(body);
    let mut whole = Whole::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Incomplete(error.into()))?;
        let Ok(chunk) = frame.into_data() else { continue };
        if whole.len() + chunk.len() > bytes_max {
            return Err(too_long());
        }
        bounds.budget.take(chunk.len())?;
        whole.push(chunk);
    }
    Ok(whole.into_bytes())
}

/// Chunks of a body. Most come in one piece, which need not be copied.
#[derive(Default)]
struct Whole {
    first: Bytes,
    /// All, when there are several. Each piece is copied, because a small one may hold on to a large buffer.
    copied: BytesMut,
}

impl Whole {
    fn len(&self) -> usize {
        self.first.len().max(self.copied.len())
    }

    fn push(&mut self, chunk: Bytes) {
        if self.first.is_empty() {
            self.first = chunk;
            return;
        }
        if self.copied.is_empty() {
            self.copied.extend_from_slice(&self.first);
        }
        self.copied.extend_from_slice(&chunk);
    }

    fn into_bytes(self) -> Bytes {
        if self.copied.is_empty() {
            self.first
        } else {
            self.copied.freeze()
        }
    }
}
