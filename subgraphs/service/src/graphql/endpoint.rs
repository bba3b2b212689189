//! `POST /graphql`: one request in, one JSON response out; or a stream of them as server-sent events
//! (graphql-sse, distinct connections mode) when the client accepts `text/event-stream`.
//!
//! Made for the router as its client: no GET, no batching, no uploads, no GraphiQL.

use super::answers::{SharedAnswers, Sharing};
use super::error::finish;
use super::event_stream::{Stopping, event_stream};
use super::operations::Operations;
use super::sdl::{built_in, sdl};
use crate::auth::{TokenVerifier, Viewer};
use crate::deadline::Deadline;
use async_graphql::{ObjectType, Request, Response, Schema, ServerError, SubscriptionType, ValidationMode, Value};
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::post;
use axum::{Extension, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use std::sync::Arc;

/// Largest request body. The router may send some thousand representations in one.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is known of the client behind the router. In the data of every request.
#[derive(Clone, Debug, Default)]
pub struct ClientInfo {
    /// Address from `x-forwarded-for`, which the router cleans.
    pub address: Option<String>,
    /// Header `user-agent`, at most 512 characters.
    pub user_agent: Option<String>,
    /// Header `cookie`.
    pub cookie: Option<String>,
}

impl ClientInfo {
    fn from_headers(headers: &HeaderMap) -> ClientInfo {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        ClientInfo {
            address: text("x-forwarded-for")
                .and_then(|list| list.split(',').next())
                .map(|address| address.trim().chars().take(64).collect()),
            user_agent: text("user-agent").map(|agent| agent.chars().take(512).collect()),
            cookie: text("cookie").map(str::to_owned),
        }
    }

    /// Value of the cookie `name`.
    #[must_use]
    pub fn cookie_value(&self, name: &str) -> Option<&str> {
        let cookies = self.cookie.as_deref()?.split(';');
        cookies
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

type PerRequest = Arc<dyn Fn(Request) -> Request + Send + Sync>;

/// Builds the GraphQL endpoint of a subgraph.
pub struct Endpoint<Query, Mutation, Subscription> {
    operations: Operations<Query, Mutation, Subscription>,
    verifier: TokenVerifier,
    per_request: PerRequest,
    accepts_bad_tokens: bool,
    shared: SharedAnswers,
}

/// The endpoint of `schema` with the usual rules: `per_request` adds loaders to the request; a request with a bad token is
/// refused whole (`UNAUTHENTICATED`), so that a client refreshes its token instead of seeing a stranger's page.
pub fn endpoint<Query, Mutation, Subscription>(
    schema: impl Fn(ValidationMode) -> Schema<Query, Mutation, Subscription>,
    verifier: TokenVerifier,
    per_request: impl Fn(Request) -> Request + Send + Sync + 'static,
) -> Router
where
    Query: ObjectType + 'static,
    Mutation: ObjectType + 'static,
    Subscription: SubscriptionType + 'static,
{
    Endpoint::new(schema, verifier).per_request(per_request).router()
}

impl<Query, Mutation, Subscription> Endpoint<Query, Mutation, Subscription>
where
    Query: ObjectType + 'static,
    Mutation: ObjectType + 'static,
    Subscription: SubscriptionType + 'static,
{
    /// An endpoint that serves `schema` to viewers whom `verifier` knows. The schema is made twice: with every rule for
    /// operations that come for the first time, and with few for those that passed all of them before.
    #[must_use]
    pub fn new(
        schema: impl Fn(ValidationMode) -> Schema<Query, Mutation, Subscription>,
        verifier: TokenVerifier,
    ) -> Self {
        Endpoint {
            operations: Operations::new(schema),
            verifier,
            per_request: Arc::new(|request| request),
            accepts_bad_tokens: false,
            shared: SharedAnswers::none(),
        }
    }

    /// Adds what each request needs, such as loaders.
    #[must_use]
    pub fn per_request(self, per_request: impl Fn(Request) -> Request + Send + Sync + 'static) -> Self {
        Endpoint {
            per_request: Arc::new(per_request),
            ..self
        }
    }

    /// Serves requests with a bad token as nobody's, with the reason in `Viewer::rejected`: for login and refresh,
    /// which a client must reach while it still sends an expired token.
    #[must_use]
    pub fn accept_bad_tokens(self) -> Self {
        Endpoint {
            accepts_bad_tokens: true,
            ..self
        }
    }

    /// Gives an answer to all who ask the same. See [`SharedAnswers`] for what resolvers may then look at.
    #[must_use]
    pub fn share(self, shared: SharedAnswers) -> Self {
        Endpoint { shared, ..self }
    }

    /// The endpoint at `/graphql`.
    pub fn router(self) -> Router {
        let (built_in_sdl, published_sdl) = (built_in(&self.operations.strict), sdl(&self.operations.strict));
        let serving = Serving {
            operations: self.operations,
            verifier: self.verifier,
            per_request: self.per_request,
            accepts_bad_tokens: self.accepts_bad_tokens,
            shared: self.shared,
            built_in_sdl,
            published_sdl,
        };
        Router::new()
            .route("/graphql", post(serve::<Query, Mutation, Subscription>))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::new(serving))
    }
}

struct Serving<Query, Mutation, Subscription> {
    operations: Operations<Query, Mutation, Subscription>,
    verifier: TokenVerifier,
    per_request: PerRequest,
    accepts_bad_tokens: bool,
    shared: SharedAnswers,
    built_in_sdl: String,
    published_sdl: String,
}

async fn serve<Query, Mutation, Subscription>(
    State(serving): State<Arc<Serving<Query, Mutation, Subscription>>>,
    stopping: Option<Extension<Stopping>>,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse
where
    Query: ObjectType + 'static,
    Mutation: ObjectType + 'static,
    Subscription: SubscriptionType + 'static,
{
    let viewer = match viewer(&serving.verifier, &headers, serving.accepts_bad_tokens).await {
        Ok(viewer) => viewer,
        // 200, so that the router passes the code on instead of reporting an outage.
        Err(reason) => return refuse(StatusCode::OK, super::UNAUTHENTICATED, reason),
    };
    let streamed = accepts_event_stream(&headers);
    let place = if streamed {
        None
    } else {
        serving.shared.place(&viewer, &body)
    };
    if let Some(answer) = place.as_ref().and_then(|place| serving.shared.find(place)) {
        return respond(&HeaderMap::new(), answer);
    }
    let request = match serde_json::from_slice::<Request>(&body) {
        Ok(request) => request,
        Err(error) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "BAD_REQUEST",
                format!("not a GraphQL request: {error}"),
            );
        }
    };
    let asks_sdl = request.query.contains("_service");
    let expires_at = viewer.expires_at;
    let sharing = Sharing::default();
    let request = request.data(viewer).data(ClientInfo::from_headers(&headers));
    let request = (serving.per_request)(request.data(sharing.clone()));
    if streamed {
        let responses = serving.operations.strict.execute_stream(request);
        let Extension(stopping) = stopping.unwrap_or_default();
        return event_stream(responses, expires_at, stopping);
    }
    // A box, since the future of a whole schema is large.
    let executing = Box::pin(serving.operations.execute(request));
    let deadline = Deadline::current().unwrap_or_else(|| Deadline::from_headers(&headers));
    let Ok(mut executed) = tokio::time::timeout_at(deadline.instant().into(), executing).await else {
        return refuse(
            StatusCode::OK,
            "GATEWAY_TIMEOUT",
            "the request took longer than its deadline".to_owned(),
        );
    };
    if asks_sdl {
        let data = &mut executed.response.data;
        replace_sdl(data, &serving.built_in_sdl, &serving.published_sdl);
    }
    let is_shared = executed.is_query && executed.response.is_ok() && sharing.is_allowed();
    let (headers, answer) = encode(executed.response);
    if let Some(place) = place.filter(|_| is_shared && headers.is_empty()) {
        serving.shared.keep(place, &answer);
    }
    respond(&headers, answer)
}

async fn viewer(verifier: &TokenVerifier, headers: &HeaderMap, accepts_bad: bool) -> Result<Viewer, String> {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        return Ok(Viewer::nobody());
    };
    let token = authorization.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let verified = match token {
        Some(token) => verifier.verify(token).await,
        None => Err(crate::auth::TokenError::Invalid),
    };
    match verified {
        Ok(viewer) => Ok(viewer),
        Err(reason) if accepts_bad => Ok(Viewer {
            rejected: Some(reason),
            ..Viewer::nobody()
        }),
        Err(reason) => Err(reason.to_string()),
    }
}

/// Whether the client wants events and nothing else: who also takes JSON gets that, since most operations have one
/// response.
fn accepts_event_stream(headers: &HeaderMap) -> bool {
    let mut types = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .peekable();
    types.peek().is_some() && types.all(|accept| accept.split(',').all(|one| one.contains("text/event-stream")))
}

/// `_service { sdl }` under whatever alias: async-graphql prints it without our options (see `sdl`).
fn replace_sdl(data: &mut Value, built_in: &str, published: &str) {
    match data {
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| replace_sdl(field, built_in, published)),
        Value::String(text) if text == built_in => *text = published.to_owned(),
        _ => {}
    }
}

fn encode(mut response: Response) -> (HeaderMap, Bytes) {
    response.errors.iter_mut().for_each(finish);
    let headers = std::mem::take(&mut response.http_headers);
    let body = serde_json::to_vec(&response).unwrap_or_else(|_| b"{\"data\":null}".to_vec());
    (headers, body.into())
}

fn respond(headers: &HeaderMap, body: Bytes) -> HttpResponse {
    let mut http = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    for (name, value) in headers {
        http.headers_mut().append(name, value.clone());
    }
    http
}

fn refuse(status: StatusCode, code: &'static str, message: String) -> HttpResponse {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code);
    let (headers, body) = encode(Response::from_errors(vec![error]));
    let mut http = respond(&headers, body);
    *http.status_mut() = status;
    http
}
