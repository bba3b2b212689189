//! The GraphQL-over-HTTP specification, check by check, against a served router; then everything a client can do wrong.
//!
//! Most checks are data, in `fixtures/graphql_over_http`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing;
use bytes::Bytes;
use expect_test::expect_file;
use federation::subgraph::Subgraph;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use server::{Listeners, RouterBuilder, RouterConfig, serve};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const SDL: &str = "
    type Query { hello: String  echo(text: String, number: Int): String  nested: Nested }
    type Mutation { touch: String }
    type Nested { nested: Nested  name: String }
";

/// A subgraph that answers `hello`, `touch` and `echo` wherever they are asked for.
fn greetings() -> Router {
    async fn answer(body: Bytes) -> axum::Json<Value> {
        let request: Value = serde_json::from_slice(&body).expect("the router sends JSON");
        let query = request["query"].as_str().expect("with a document");
        let mut data = serde_json::Map::new();
        for (field, value) in [
            ("hello", json!("world")),
            ("touch", json!("done")),
            ("echo", request["variables"]["text"].clone()),
        ] {
            if query.contains(field) {
                data.insert(field.into(), value);
            }
        }
        axum::Json(json!({ "data": data }))
    }
    Router::new().route("/graphql", routing::post(answer))
}

/// A router on a port of its own, ended when it is dropped.
struct Served {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    _stop: DropGuard,
}

impl Served {
    async fn start() -> Self {
        let subgraph = Subgraph {
            name: "greetings".into(),
            routing_url: "http://greetings/graphql".into(),
            sdl: SDL.into(),
        };
        let router = RouterBuilder::new(RouterConfig::default())
            .subgraphs(vec![subgraph])
            .in_process("greetings", greetings())
            .build()
            .await
            .expect("the subgraph composes");
        let public = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let admin = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = public.local_addr().expect("it is bound");
        let stop = CancellationToken::new();
        let listeners = Listeners {
            public,
            admin,
            connections_max: 100,
        };
        tokio::spawn(serve(router, listeners, stop.clone().cancelled_owned()));
        Self {
            address,
            client: Client::builder(TokioExecutor::new()).build_http(),
            _stop: stop.drop_guard(),
        }
    }

    async fn send(&self, call: &Call) -> Answer {
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = format!("http://{}{}", self.address, call.path_and_query)
            .parse()
            .expect("a URL");
        *request.headers_mut() = call.headers.clone();
        let response = self
            .client
            .request(request)
            .await
            .expect("an answer, whatever was sent");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the answer is complete").to_bytes();
        Answer(Response::from_parts(parts, body))
    }

    /// Sends every request of a fixture, and compares what the answers come down to.
    async fn check_fixture(&self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/graphql_over_http")
            .join(name);
        let text = std::fs::read_to_string(&path).expect("the fixture is there");
        let mut found = String::new();
        for block in text.trim_end().split("\n\n") {
            let (sent, _) = block.split_once("\n= ").expect("every check says what it expects");
            let answer = self.send(&Call::parse(sent)).await;
            found.push_str(&format!("{sent}\n= {}\n\n", answer.summary()));
        }
        found.pop();
        expect_file![path].assert_eq(&found);
    }

    /// The same for requests that are made here.
    async fn check(&self, checks: Vec<(&str, Call, &str)>) {
        for (name, call, expected) in checks {
            let answer = self.send(&call).await;
            assert_eq!(
                answer.summary(),
                expected,
                "{name}: {:.300}",
                String::from_utf8_lossy(answer.0.body())
            );
        }
    }
}

/// What is sent.
struct Call {
    method: Method,
    path_and_query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// Reads the format of `fixtures/graphql_over_http/README.md`.
    fn parse(text: &str) -> Self {
        let mut lines = text.lines().skip_while(|line| line.starts_with('#'));
        let request = lines.next().expect("a request");
        let mut call = match request.split_once(' ').unwrap_or((request, "")) {
            ("GET", parameters) => get(parameters),
            (method, body) => Self {
                method: method.parse().expect("a method"),
                ..post(body.to_owned())
            },
        };
        for line in lines {
            if let Some(name) = line.strip_prefix('-') {
                call.headers.remove(name);
            } else {
                let (name, value) = line.split_once(": ").expect("`name: value`");
                let name: HeaderName = name.parse().expect("the name of a header");
                call.headers.insert(name, value.parse().expect("a header value"));
            }
        }
        call
    }
}

/// A POST of this text as JSON.
fn post(body: impl Into<Bytes>) -> Call {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Call {
        method: Method::POST,
        path_and_query: "/graphql".into(),
        headers,
        body: body.into(),
    }
}

/// A POST of this document.
fn operation(query: &str) -> Call {
    post(json!({ "query": query }).to_string())
}

/// A GET with these parameters, which are not encoded yet: `query={ hello }&operationName=A`.
fn get(parameters: &str) -> Call {
    let pairs = parameters.split('&').filter_map(|pair| pair.split_once('='));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let path_and_query = format!("/graphql?{query}");
    Call {
        method: Method::GET,
        path_and_query,
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

struct Answer(Response<Bytes>);

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(self.0.body()).unwrap_or_default()
    }

    /// `200 json data`, `400 graphql-response+json BAD_REQUEST`, ...
    fn summary(&self) -> String {
        let content_type = self
            .0
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        // The charset is part of every check: its absence shows.
        let media_type = content_type
            .and_then(|text| text.strip_prefix("application/")?.strip_suffix("; charset=utf-8"))
            .unwrap_or("no-media-type");
        let body = self.json();
        let mut parts = vec![self.0.status().as_str().to_owned(), media_type.to_owned()];
        if body.get("data").is_some() {
            parts.push("data".to_owned());
        }
        for error in body["errors"].as_array().into_iter().flatten() {
            assert!(
                error["message"].as_str().is_some_and(|message| !message.is_empty()),
                "{error}"
            );
            parts.push(error["extensions"]["code"].as_str().unwrap_or("no-code").to_owned());
        }
        parts.join(" ")
    }
}

#[tokio::test]
async fn media_types_are_negotiated() {
    Served::start().await.check_fixture("media_types.txt").await;
}

#[tokio::test]
async fn methods_and_parameters_are_those_of_the_specification() {
    Served::start().await.check_fixture("parameters.txt").await;
}

/// A client that reads `application/graphql-response+json` may rely on the status; one that reads `application/json` sees 200
/// for every well-formed request.
#[tokio::test]
async fn status_codes_depend_on_the_media_type() {
    Served::start().await.check_fixture("status_codes.txt").await;
}

#[tokio::test]
async fn a_refused_method_says_which_are_allowed() {
    let router = Served::start().await;
    for (call, allow) in [
        (get("query=mutation { touch }"), "POST"),
        (Call::parse("PUT {\"query\": \"{ hello }\"}"), "GET, POST"),
    ] {
        let answer = router.send(&call).await;
        assert_eq!(answer.0.headers()[header::ALLOW], allow);
    }
}

#[tokio::test]
async fn clients_of_persisted_queries_are_told_in_their_words() {
    let router = Served::start().await;
    let hash = json!({"persistedQuery": {"version": 1, "sha256Hash": "ecf4edb46db40b5132295c0291d62fb6"}});
    let answer = router
        .send(&post(json!({ "extensions": hash }).to_string()))
        .await
        .json();
    assert_eq!(answer["errors"][0]["message"], "PersistedQueryNotSupported");
    // With the document beside the hash there is nothing to look up.
    let answer = router
        .send(&post(json!({"query": "{ hello }", "extensions": hash}).to_string()))
        .await
        .json();
    assert_eq!(answer, json!({"data": {"hello": "world"}}));
}

#[tokio::test]
async fn bodies_that_are_no_requests_are_refused() {
    let router = Served::start().await;
    let nested = format!(
        "{{\"query\": \"{{ hello }}\", \"variables\": {}",
        "{\"a\":".repeat(1_000)
    );
    router
        .check(vec![
            ("nothing", post(""), "400 json BAD_REQUEST"),
            (
                "malformed JSON",
                post("{\"query\": \"{ hello }"),
                "400 json BAD_REQUEST",
            ),
            (
                "something behind it",
                post("{\"query\": \"{ hello }\"} more"),
                "400 json BAD_REQUEST",
            ),
            ("no object", post("\"{ hello }\""), "400 json BAD_REQUEST"),
            (
                "no UTF-8",
                post(&b"{\"query\": \"{ hello }\xff\"}"[..]),
                "400 json BAD_REQUEST",
            ),
            ("a thousand levels", post(nested), "400 json BAD_REQUEST"),
            ("10 MB", post(vec![b' '; 10_000_000]), "413 json PAYLOAD_TOO_LARGE"),
            ("and a good request", operation("{ hello }"), "200 json data"),
        ])
        .await;
}

#[tokio::test]
async fn operations_that_explode_are_refused_at_once() {
    let router = Served::start().await;
    let levels = |count: usize| format!("{{ {} name {} }}", "nested {".repeat(count), "}".repeat(count));
    let aliases = |count: usize| {
        (0..count)
            .map(|number| format!("a{number}: hello "))
            .collect::<String>()
    };
    let fragment = |number: usize| format!("fragment F{number} on Nested {{ ...F{0} ...F{0} }} ", number + 1);
    let fragments: String = (0..40).map(fragment).collect();
    let bomb = format!("{{ nested {{ ...F0 }} }} {fragments} fragment F40 on Nested {{ name }}");
    let begin = Instant::now();
    router
        .check(vec![
            ("90 levels", operation(&levels(90)), "200 json data"),
            ("500 levels", operation(&levels(500)), "200 json MAX_DEPTH_LIMIT"),
            (
                "100,000 brackets",
                operation(&"{a".repeat(100_000)),
                "200 json MAX_DEPTH_LIMIT",
            ),
            (
                "3,000 aliases",
                operation(&format!("{{ nested {{ {} }} }}", aliases(3_000))),
                "200 json MAX_ALIASES_LIMIT",
            ),
            (
                "10,000 aliases",
                operation(&format!("{{ {} }}", aliases(10_000))),
                "200 json GRAPHQL_PARSE_FAILED",
            ),
            (
                "600 root fields",
                operation(&format!("{{ {} }}", aliases(600))),
                "200 json MAX_ROOT_FIELDS_LIMIT",
            ),
            ("2^40 selections", operation(&bomb), "200 json MAX_HEIGHT_LIMIT"),
            (
                "300 KB",
                operation(&format!("{{ hello }} #{}", "x".repeat(300_000))),
                "200 json GRAPHQL_PARSE_FAILED",
            ),
            ("and a good request", operation("{ hello }"), "200 json data"),
        ])
        .await;
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn errors_name_the_place_in_the_document() {
    let answer = Served::start().await.send(&operation("{\n  hullo\n}")).await.json();
    assert_eq!(answer["errors"][0]["locations"], json!([{"line": 2, "column": 3}]));
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let call = Call {
        path_and_query: "/nothing".into(),
        ..get("")
    };
    assert_eq!(Served::start().await.send(&call).await.0.status(), 404);
}
