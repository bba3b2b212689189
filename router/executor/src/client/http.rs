//! Subgraphs in other processes: HTTP/1.1 over `balanced_client`, which chooses among the replicas.

use balanced_client::{HttpClient, InvalidUrl, Origin, Repeat, SendError};
use http::{Method, Request, Uri};

use super::{FetchError, SubgraphAnswer, SubgraphRequest, read_body};

/// A subgraph at a URL.
#[derive(Debug, Clone)]
pub struct HttpSubgraph {
    origin: Origin,
    url: Uri,
}

impl HttpSubgraph {
    /// The subgraph at `url`, over the connections of `client`.
    ///
    /// # Errors
    /// When `url` is not `http://…` or `https://…`.
    pub fn new(client: &HttpClient, url: &str) -> Result<Self, InvalidUrl> {
        let url = url.parse::<Uri>().map_err(|_| InvalidUrl(url.to_owned()))?;
        let origin = client.origin(&url)?;
        Ok(Self { origin, url })
    }

    pub(super) async fn post(&self, request: SubgraphRequest) -> Result<SubgraphAnswer, FetchError> {
        let repeat = match request.repeatable {
            true => Repeat::Harmless,
            false => Repeat::Harmful,
        };
        let mut http_request = Request::new(request.body);
        *http_request.method_mut() = Method::POST;
        *http_request.uri_mut() = self.url.clone();
        *http_request.headers_mut() = request.headers;
        let response = self.origin.send(&http_request, repeat).await;
        let (parts, body) = response
            .map_err(|error| match error {
                SendError::NotSent(reason) => FetchError::Unreachable(reason),
                SendError::Lost(reason) => FetchError::Incomplete(reason),
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
