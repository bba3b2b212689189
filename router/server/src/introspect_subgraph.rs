//! Fetches a subgraph's SDL from the subgraph itself (Federation subgraph spec, `Query._service`).

use std::time::Duration;

use balanced_client::{HttpClient, InvalidUrl, Repeat, SendError};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use url::Url;

/// The biggest SDL that is taken: ten times the biggest subgraph known to us.
const SDL_BYTES_MAX: usize = 32 << 20;
/// Longest time a subgraph may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a subgraph did not give its SDL.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectError {
    /// The URL is not one that HTTP can be spoken to.
    #[error("it cannot be asked")]
    Url(#[from] InvalidUrl),
    /// No connection, or it broke.
    #[error("it could not be reached (is it running?)")]
    Unreachable(#[source] SendError),
    /// The answer was not complete, or too long.
    #[error("its answer could not be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing came in time.
    #[error("it did not answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// It is no GraphQL endpoint, or refuses.
    #[error("it answered with HTTP status {0}")]
    Status(StatusCode),
    /// GraphQL errors instead of the SDL.
    #[error("it answered with an error: {0}")]
    Refused(String),
    /// JSON of another shape.
    #[error("its answer has no `data._service.sdl`: is it a federation subgraph?")]
    NoSdl,
}

/// An HTTP client for that one question.
#[derive(Debug, Clone, Default)]
pub struct SdlClient(HttpClient);

impl SdlClient {
    /// Asks over the connections of `client`.
    pub(crate) fn new(client: HttpClient) -> Self {
        Self(client)
    }

    /// The SDL of the subgraph at `url`, asked with `headers` besides the usual ones.
    ///
    /// # Errors
    /// [`IntrospectError`].
    pub async fn fetch(&self, url: &Url, headers: HeaderMap) -> Result<String, IntrospectError> {
        tokio::time::timeout(TIMEOUT, self.fetch_unbounded(url, headers))
            .await
            .map_err(|_| IntrospectError::Timeout)?
    }

    async fn fetch_unbounded(&self, url: &Url, headers: HeaderMap) -> Result<String, IntrospectError> {
        let body = Bytes::from_static(br#"{"query":"query SubgraphSdl { _service { sdl } }"}"#);
        let uri = url.as_str().parse::<Uri>();
        let uri = uri.map_err(|_| InvalidUrl(url.to_string()))?;
        let origin = self.0.origin(&uri)?;
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request
            .headers_mut()
            .insert(header::ACCEPT, HeaderValue::from_static("application/json"));

        let response = origin.send(&request, Repeat::Harmless).await;
        let response = response.map_err(IntrospectError::Unreachable)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), SDL_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| {
                let too_long = error.is::<LengthLimitError>();
                if too_long {
                    IntrospectError::Body("it is over 32 MiB".into())
                } else {
                    IntrospectError::Body(error)
                }
            })?;
        read_answer(status, &body.to_bytes())
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
    #[serde(default)]
    errors: Vec<AnswerError>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "_service")]
    service: Option<Service>,
}

#[derive(Deserialize)]
struct Service {
    sdl: Option<String>,
}

#[derive(Deserialize)]
struct AnswerError {
    message: String,
}

fn read_answer(status: StatusCode, body: &[u8]) -> Result<String, IntrospectError> {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let Some(answer) = answer else {
        return Err(if status.is_success() {
            IntrospectError::NoSdl
        } else {
            IntrospectError::Status(status)
        });
    };
    if let Some(sdl) = answer
        .data
        .and_then(|data| data.service)
        .and_then(|service| service.sdl)
    {
        return Ok(sdl);
    }
    match answer.errors.into_iter().next() {
        Some(error) => Err(IntrospectError::Refused(error.message)),
        None if !status.is_success() => Err(IntrospectError::Status(status)),
        None => Err(IntrospectError::NoSdl),
    }
}
