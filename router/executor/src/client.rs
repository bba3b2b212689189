//! How one subgraph is called: over HTTP, or in this process.
//!
//! Both take and give bytes. Does not know what the bytes mean; `subgraph_response` does.

mod http;
mod in_process;

use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use federation::error::ErrorCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};

pub use self::http::{HttpClient, HttpSubgraph, InvalidUrl};
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

/// How long a subgraph may take and how much it may answer.
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
}

impl Default for SubgraphPolicy {
    fn default() -> Self {
        Self {
            query_timeout: Duration::from_secs(5),
            mutation_timeout: Duration::from_secs(12),
            response_bytes_max: 16 * 1024 * 1024,
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
    pub(crate) response_bytes_max: usize,
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
    #[error("could not be reached")]
    Unreachable(#[source] BoxError),
    #[error("answered with HTTP status {0}")]
    HttpStatus(StatusCode),
    #[error("gave a malformed answer: {0}")]
    Malformed(String),
    #[error("would be asked for more than {entities_max} entities at once")]
    TooManyEntities { entities_max: usize },
    #[error("answered with more than one operation may hold")]
    TooManyValues,
    #[error("is not known to this router")]
    UnknownSubgraph,
}

impl FetchError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Timeout { .. } | Self::OutOfTime => ErrorCode::GatewayTimeout,
            Self::Unreachable(_) | Self::HttpStatus(_) => ErrorCode::SubrequestHttpError,
            Self::Malformed(_) => ErrorCode::SubrequestMalformedResponse,
            Self::TooManyEntities { .. } | Self::TooManyValues => ErrorCode::CostEstimatedTooExpensive,
            Self::UnknownSubgraph => ErrorCode::InternalServerError,
        }
    }
}

impl SubgraphClient {
    pub(crate) async fn post(&self, request: SubgraphRequest) -> Result<SubgraphAnswer, FetchError> {
        match self {
            Self::Http(subgraph) => subgraph.post(request).await,
            Self::InProcess(subgraph) => subgraph.post(request).await,
        }
    }
}

/// Reads a body to its end, or fails as soon as it is longer than `bytes_max`.
async fn read_body<B>(body: B, bytes_max: usize) -> Result<Bytes, FetchError>
where
    B: ::http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(FetchError::Malformed(format!("it is longer than {bytes_max} bytes")))
        }
        Err(error) => Err(FetchError::Unreachable(error)),
    }
}
