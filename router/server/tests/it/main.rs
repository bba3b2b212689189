//! The router as a library, with subgraphs in this process that answer what a test tells them to; and its commands.

mod check;
mod commands;
mod compose;
mod cors;
mod defer;
mod explain;
mod failures;
mod features;
mod headers;
mod healthcheck;
mod introspection;
mod mutations;
mod override_labels;
mod plan;
mod reload;
mod serve;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use axum::routing::post;
use federation::subgraph::Subgraph;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use server::{RouterBuilder, RouterConfig};
use tower::ServiceExt;

/// A subgraph with one field, `hello`, that answers one thing always, and remembers the headers it was sent.
#[derive(Clone)]
struct Greeter {
    answer: Value,
    headers: HeaderMap,
    received: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Greeter {
    fn new() -> Self {
        Self {
            answer: json!({"data": {"hello": "world"}}),
            headers: HeaderMap::new(),
            received: Arc::default(),
        }
    }

    /// Sends this header with every answer.
    fn answering_with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers
            .append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    fn subgraph() -> Subgraph {
        Subgraph {
            name: "greeter".into(),
            routing_url: "http://greeter/graphql".into(),
            sdl: "type Query { hello: String }".into(),
        }
    }

    fn app(&self) -> Router {
        let greeter = self.clone();
        let answer = move |headers: HeaderMap, _: Bytes| async move {
            greeter.received.lock().expect("nobody panicked").push(headers);
            let mut response = axum::Json(greeter.answer).into_response();
            response.headers_mut().extend(greeter.headers);
            response
        };
        Router::new().route("/graphql", post(answer))
    }

    /// Headers of the last request.
    fn last_received(&self) -> HeaderMap {
        self.received
            .lock()
            .expect("nobody panicked")
            .last()
            .expect("a request came")
            .clone()
    }
}

fn config(yaml: &str) -> RouterConfig {
    RouterConfig::parse(yaml, "router.yaml", |_| None).expect("the test's configuration is sound")
}

/// The public app of a router over one greeter.
async fn router(config: RouterConfig, greeter: &Greeter) -> Router {
    let builder = RouterBuilder::new(config)
        .subgraphs(vec![Greeter::subgraph()])
        .in_process("greeter", greeter.app());
    builder.build().await.expect("one subgraph composes").app.public
}

/// Sends a query with these headers.
async fn query(app: &Router, query: &str, headers: &[(&'static str, &'static str)]) -> Response<Bytes> {
    let mut request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Body::from(json!({ "query": query }).to_string()))
        .expect("a request");
    let (parts, body) = app
        .clone()
        .oneshot(request)
        .await
        .expect("a router always answers")
        .into_parts();
    Response::from_parts(parts, body.collect().await.expect("a complete body").to_bytes())
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).expect("an answer in JSON")
}
