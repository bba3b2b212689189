//! Subgraphs in this process: the same requests and answers, with no socket between.

use std::convert::Infallible;
use std::fmt;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::task::JoinSet;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};
use tracing::Instrument;

use super::{BoxError, FetchError, SubgraphAnswer, SubgraphRequest, read_body};

type BoxService = BoxCloneSyncService<Request<Full<Bytes>>, Response<UnsyncBoxBody<Bytes, std::io::Error>>, Infallible>;

/// A subgraph that is a service of this process (an `axum::Router`, for example).
#[derive(Clone)]
pub struct InProcessSubgraph {
    service: BoxService,
    uri: Uri,
}

impl fmt::Debug for InProcessSubgraph {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InProcessSubgraph")
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}

impl InProcessSubgraph {
    /// The subgraph that `service` answers for at `uri`, such as `/graphql`.
    pub fn new<S, B>(service: S, uri: Uri) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service =
            service.map_response(|response| response.map(|body| body.map_err(std::io::Error::other).boxed_unsync()));
        Self {
            service: BoxService::new(service),
            uri,
        }
    }

    pub(super) async fn post(&self, request: SubgraphRequest) -> Result<SubgraphAnswer, FetchError> {
        let SubgraphRequest {
            headers, body, bounds, ..
        } = request;
        let mut http_request = Request::new(Full::new(body));
        *http_request.method_mut() = Method::POST;
        *http_request.uri_mut() = self.uri.clone();
        *http_request.headers_mut() = headers;
        let service = self.service.clone();
        // A task of its own: fetches of one stage run on several cores, and a panic there ends that fetch only. The
        // set ends the task when the fetch is given up.
        let mut tasks = JoinSet::new();
        let call = async move {
            let Ok(response) = service.oneshot(http_request).await;
            let (parts, body) = response.into_parts();
            let body = read_body(body, &bounds).await?;
            Ok(SubgraphAnswer {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        };
        tasks.spawn(call.instrument(tracing::Span::current()));
        match tasks.join_next().await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => Err(FetchError::Unreachable(error.into())),
            None => Err(FetchError::Unreachable("the task is gone".into())),
        }
    }
}
