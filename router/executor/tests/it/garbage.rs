//! A subgraph that answers with garbage, over a real socket: its part of the answer is null with one clear error, and
//! the rest of the answer stands.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use balanced_client::HttpClient;
use executor::{
    ExecutablePlan, ExecutionRequest, Executor, ExecutorOptions, HttpSubgraph, SubgraphClient, SubgraphPolicy,
};
use expect_test::expect_file;
use federation::query_plan::PlanNode;
use futures::future::join_all;
use http::HeaderMap;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{entities, operation, plan, root};

const SCHEMA: &str = "
    type Query { products: [Product]  shop: Shop }
    type Shop { name: String  sizes: [Int]  open: Boolean  rate: Float }
    type Product { id: ID!  price: Int }
";
const RESPONSE_BYTES_MAX: usize = 100_000;
/// For a subgraph that stops sending: the test waits as long.
const TIMEOUT: Duration = Duration::from_secs(1);
/// For all others, which are to fail by what they send, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server sends after a request.
enum Sent {
    /// A whole answer; the connection stays open.
    Bytes(Vec<u8>),
    /// The beginning of an answer, and then nothing; the connection stays open.
    Stalled(Vec<u8>),
    /// All of it, and then the end of the connection.
    Closed(Vec<u8>),
    /// The first, and then the second again and again, as fast as it is taken.
    Endless(Vec<u8>, Vec<u8>),
    /// The first, and then a byte each 20 ms.
    Drip(Vec<u8>),
}

impl Sent {
    /// How long the subgraph may take.
    fn timeout(&self) -> Duration {
        match self {
            Sent::Stalled(_) | Sent::Drip(_) => TIMEOUT,
            Sent::Bytes(_) | Sent::Closed(_) | Sent::Endless(..) => PATIENCE,
        }
    }
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut response = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n").into_bytes();
    response.extend_from_slice(body);
    response
}

fn json_of(body: impl AsRef<[u8]>) -> Sent {
    Sent::Bytes(response("200 OK", "content-type: application/json\r\n", body.as_ref()))
}

fn status(status: &str, body: &str) -> Sent {
    let content_type = if body.starts_with('{') {
        "application/json"
    } else {
        "text/html"
    };
    let headers = format!("content-type: {content_type}\r\nlocation: http://elsewhere/\r\n");
    Sent::Bytes(response(status, &headers, body.as_bytes()))
}

fn head(headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}\r\n").into_bytes()
}

/// `[[[…]]]` as the name of the shop.
fn nested(levels: usize) -> String {
    format!(
        r#"{{"data":{{"shop":{{"name":{}{}}}}}}}"#,
        "[".repeat(levels),
        "]".repeat(levels)
    )
}

fn many(item: &str, count: usize) -> String {
    vec![item; count].join(",")
}

const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabVJI,IT\xb2\xaa\x06\x00";

/// What can be wrong with the answer to root fields.
fn root_garbage() -> Vec<(&'static str, Sent)> {
    [connection_garbage(), http_garbage(), text_garbage(), shape_garbage()]
        .into_iter()
        .flatten()
        .collect()
}

/// What can be wrong with a text that should be JSON.
fn text_garbage() -> Vec<(&'static str, Sent)> {
    vec![
        ("nothing", json_of("")),
        ("spaces", json_of(" \n ")),
        ("not JSON", json_of("<h1>oops</h1>")),
        ("truncated JSON", json_of(r#"{"data":{"shop":{"name":"S""#)),
        ("two values", json_of(r#"{"data":{}}{"data":{}}"#)),
        ("NaN", json_of(r#"{"data":{"shop":{"rate":NaN}}}"#)),
        (
            "a number with a leading zero",
            json_of(r#"{"data":{"shop":{"rate":01}}}"#),
        ),
        (
            "a control character in a string",
            json_of("{\"data\":{\"shop\":{\"name\":\"a\nb\"}}}"),
        ),
        ("an unknown escape", json_of(r#"{"data":{"shop":{"name":"\q"}}}"#)),
        (
            "half a surrogate pair",
            json_of(r#"{"data":{"shop":{"name":"\ud83d"}}}"#),
        ),
        (
            "the second half alone",
            json_of(r#"{"data":{"shop":{"name":"\ude00"}}}"#),
        ),
        ("not UTF-8", json_of(b"{\"data\":{\"shop\":{\"name\":\"\xff\xfe\"}}}")),
        (
            "a byte order mark",
            json_of("\u{FEFF}{\"data\":{\"shop\":{\"name\":\"S\"}}}"),
        ),
        ("a name twice", json_of(r#"{"data":{"shop":{"name":"a","name":"b"}}}"#)),
        ("data twice", json_of(r#"{"data":null,"data":{"shop":null}}"#)),
        ("10,000 levels", json_of(nested(10_000))),
        ("200 levels", json_of(nested(200))),
        ("100 levels", json_of(nested(100))),
    ]
}

/// What can be wrong with JSON that should be a response.
fn shape_garbage() -> Vec<(&'static str, Sent)> {
    vec![
        ("null", json_of("null")),
        ("a list", json_of("[]")),
        ("a string", json_of("\"data\"")),
        ("no data", json_of("{}")),
        ("data null", json_of(r#"{"data":null}"#)),
        (
            "data null and an error",
            json_of(r#"{"data":null,"errors":[{"message":"oops"}]}"#),
        ),
        ("data a list", json_of(r#"{"data":[1]}"#)),
        ("data a number", json_of(r#"{"data":7}"#)),
        ("no errors in errors", json_of(r#"{"errors":[]}"#)),
        ("errors a string", json_of(r#"{"data":{},"errors":"many"}"#)),
        ("errors of numbers", json_of(r#"{"data":{},"errors":[7]}"#)),
        (
            "an error of wrong parts",
            json_of(r#"{"errors":[{"message":7,"path":{},"extensions":[]}]}"#),
        ),
        ("a string for an object", json_of(r#"{"data":{"shop":"S"}}"#)),
        ("a list for an object", json_of(r#"{"data":{"shop":[{"name":"S"}]}}"#)),
        (
            "an object for a list",
            json_of(r#"{"data":{"shop":{"sizes":{"0":1}}}}"#),
        ),
        (
            "an object for a string",
            json_of(r#"{"data":{"shop":{"name":{"a":1}}}}"#),
        ),
        (
            "a number out of range",
            json_of(r#"{"data":{"shop":{"sizes":[2147483648]}}}"#),
        ),
        ("a float out of range", json_of(r#"{"data":{"shop":{"rate":1e400}}}"#)),
        (
            "fields that nobody asked for",
            json_of(r#"{"data":{"extra":{"a":[1]},"shop":{"name":"S","b":2}}}"#),
        ),
    ]
}

const GOOD_BODY: &[u8] = br#"{"data":{"shop":{"name":"S"}}}"#;

/// What can be wrong with a connection, and with the length of what comes over it.
fn connection_garbage() -> Vec<(&'static str, Sent)> {
    let ok = GOOD_BODY;
    vec![
        ("not HTTP", Sent::Bytes(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())),
        ("no answer", Sent::Stalled(Vec::new())),
        ("a closed connection", Sent::Closed(Vec::new())),
        (
            "closed in the head",
            Sent::Closed(b"HTTP/1.1 200 OK\r\ncontent-".to_vec()),
        ),
        (
            "closed in the body",
            Sent::Closed([&head("content-length: 30\r\n")[..], &ok[..9]].concat()),
        ),
        (
            "a body shorter than announced",
            Sent::Stalled([&head("content-length: 31\r\n")[..], ok].concat()),
        ),
        (
            "a body longer than announced",
            Sent::Bytes([&head("content-length: 20\r\n")[..], ok].concat()),
        ),
        (
            "a length that is no number",
            Sent::Bytes([&head("content-length: x\r\n")[..], ok].concat()),
        ),
        (
            "a chunk that is none",
            Sent::Bytes([&head("transfer-encoding: chunked\r\n")[..], b"zz\r\n"].concat()),
        ),
        (
            "no length, closed after the body",
            Sent::Closed([&head("")[..], ok].concat()),
        ),
        ("100 MB announced", Sent::Bytes(head("content-length: 100000000\r\n"))),
        (
            "100 MB",
            Sent::Endless(head("content-length: 100000000\r\n"), vec![b' '; 65_536]),
        ),
        (
            "an endless body",
            Sent::Endless(
                head("transfer-encoding: chunked\r\n"),
                format!("400\r\n{}\r\n", " ".repeat(1_024)).into_bytes(),
            ),
        ),
        (
            "an endless head",
            Sent::Endless(
                b"HTTP/1.1 200 OK\r\n".to_vec(),
                b"x-a: bbbbbbbbbbbbbbbbbbbbbbbb\r\n".repeat(500),
            ),
        ),
        ("a slow drip", Sent::Drip(head("content-length: 3000\r\n"))),
    ]
}

/// What can be wrong with status and headers.
fn http_garbage() -> Vec<(&'static str, Sent)> {
    let ok = GOOD_BODY;
    let graphql_error = r#"{"errors":[{"message":"no database","extensions":{"code":"DATABASE"}}]}"#;
    vec![
        (
            "another content type",
            Sent::Bytes(response("200 OK", "content-type: text/plain\r\n", ok)),
        ),
        ("no content type", Sent::Bytes(response("200 OK", "", ok))),
        (
            "gzip unasked",
            Sent::Bytes(response(
                "200 OK",
                "content-type: application/json\r\ncontent-encoding: gzip\r\n",
                GZIP,
            )),
        ),
        ("gzip unannounced", json_of(GZIP)),
        ("204", Sent::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())),
        ("302", status("302 Found", "")),
        ("404", status("404 Not Found", "<h1>no</h1>")),
        ("500", status("500 Internal Server Error", "{}")),
        (
            "500 with data",
            status("500 Internal Server Error", r#"{"data":{"shop":{"name":"S"}}}"#),
        ),
        ("500 with errors", status("500 Internal Server Error", graphql_error)),
        ("503 with a page", status("503 Service Unavailable", "<h1>later</h1>")),
    ]
}

/// What can be wrong with the answer to a question for two entities.
fn entity_garbage() -> Vec<(&'static str, Sent)> {
    let list = |items: &str| json_of(format!(r#"{{"data":{{"_entities":[{items}]}}}}"#));
    vec![
        ("too few", list(r#"{"price":1}"#)),
        ("too many", list(r#"{"price":1},{"price":2},{"price":3}"#)),
        ("far too many", list(&many("null", 10_000))),
        ("none", list("")),
        ("no list", json_of(r#"{"data":{"_entities":{"price":1}}}"#)),
        ("null", json_of(r#"{"data":{"_entities":null}}"#)),
        ("another field", json_of(r#"{"data":{"entities":[]}}"#)),
        ("numbers", list("1,2")),
        ("lists", list(r#"[{"price":1}],[{"price":2}]"#)),
        ("a null among them", list(r#"null,{"price":2}"#)),
        (
            "of another type",
            list(r#"{"__typename":"User","price":1},{"price":2}"#),
        ),
        ("of another key", list(r#"{"id":"7","price":1},{"price":2}"#)),
        ("without the field", list(r#"{"cost":1},{"price":2}"#)),
        (
            "an error for one that was not asked for",
            json_of(
                r#"{"data":{"_entities":[{"price":1},null]},"errors":[{"message":"oops","path":["_entities",9]}]}"#,
            ),
        ),
    ]
}

#[tokio::test]
async fn garbage_is_one_error_and_the_rest_stands() {
    let root_fields = || {
        PlanNode::Parallel(vec![
            root(0, "good", "{products{__typename id}}"),
            root(1, "bad", "{shop}"),
        ])
    };
    let query = "{ products { id } s: shop { name sizes open rate } }";
    let mut report = check(query, &root_fields(), root_garbage()).await;
    let entity_fields = || {
        PlanNode::Sequence(vec![
            root(0, "good", "{products{__typename id}}"),
            entities(1, "bad", "products.@", &[("Product", &["id"])]),
        ])
    };
    report += &check("{ products { id price } }", &entity_fields(), entity_garbage()).await;
    expect_file!["garbage.txt"].assert_eq(&report);
}

/// Runs `node` against each kind of garbage; gives the answers for people to read.
async fn check(query: &str, node: &PlanNode, cases: Vec<(&str, Sent)>) -> String {
    let good = br#"{"data":{"products":[{"__typename":"Product","id":"1"},{"__typename":"Product","id":"2"}]}}"#;
    let good = serve(json_of(good)).await;
    let operation = operation(SCHEMA, query);
    let plan = ExecutablePlan::from(plan(&operation, node.clone()));
    let mut report = String::new();
    let (good, plan, operation) = (&good, &plan, &operation);
    let answers = cases.into_iter().map(|(name, sent)| async move {
        let timeout = sent.timeout();
        let bad = serve(sent).await;
        let request = ExecutionRequest {
            variables: Map::new(),
            headers: Arc::new(HeaderMap::new()),
            deadline: Instant::now() + PATIENCE,
            explain: false,
        };
        let response = executor(good, &bad, timeout)
            .execute(plan, operation.schema(), request)
            .await;
        (name, response.to_bytes())
    });
    for (name, answer) in join_all(answers).await {
        let answer: Value = serde_json::from_slice(&answer).expect("the answer is JSON, come what may");
        assert_eq!(answer["data"]["products"][0]["id"], "1", "{name}: the rest stands");
        writeln!(report, "{name}\n    {}", answer["data"]).unwrap();
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        assert!(errors.len() <= 1, "{name}: one error for one failure: {errors:?}");
        for error in errors {
            assert!(
                error["extensions"]["code"].is_string() && error["path"].is_array(),
                "{name}: {error}"
            );
            writeln!(report, "    {error}").unwrap();
        }
    }
    report
}

fn executor(good: &str, bad: &str, bad_timeout: Duration) -> Executor {
    let policy = |query_timeout| SubgraphPolicy {
        query_timeout,
        response_bytes_max: RESPONSE_BYTES_MAX,
        ..SubgraphPolicy::default()
    };
    let client = |url| SubgraphClient::Http(HttpSubgraph::new(&HttpClient::default(), url).unwrap());
    let subgraphs = HashMap::from([
        (Arc::from("good"), (client(good), policy(PATIENCE))),
        (Arc::from("bad"), (client(bad), policy(bad_timeout))),
    ]);
    Executor::new(subgraphs, ExecutorOptions::default())
}

async fn serve(sent: Sent) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let sent = Arc::new(sent);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&sent)));
        }
    });
    url
}

/// Answers every request of one connection; ends when the other side does.
async fn answer(mut stream: TcpStream, sent: Arc<Sent>) -> std::io::Result<()> {
    let mut received = vec![0; 65_536];
    loop {
        if stream.read(&mut received).await? == 0 {
            return Ok(());
        }
        match &*sent {
            Sent::Bytes(bytes) | Sent::Stalled(bytes) => stream.write_all(bytes).await?,
            Sent::Closed(bytes) => return stream.write_all(bytes).await,
            Sent::Endless(first, rest) => {
                stream.write_all(first).await?;
                loop {
                    stream.write_all(rest).await?;
                }
            }
            Sent::Drip(first) => {
                stream.write_all(first).await?;
                loop {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    stream.write_all(b" ").await?;
                }
            }
        }
    }
}

/// Every answer is short enough, but all of them together are not.
#[tokio::test]
async fn all_answers_together_are_bounded() {
    let name = "x".repeat(40_000);
    let shop = serve(json_of(json!({ "data": { "shop": { "name": name } } }).to_string())).await;
    let client = || SubgraphClient::Http(HttpSubgraph::new(&HttpClient::default(), &shop).unwrap());
    let subgraphs = HashMap::from([
        (Arc::from("good"), (client(), SubgraphPolicy::default())),
        (Arc::from("bad"), (client(), SubgraphPolicy::default())),
    ]);
    let options = ExecutorOptions {
        fetched_bytes_max: 60_000,
        ..ExecutorOptions::default()
    };
    let operation = operation(SCHEMA, "{ shop { name } }");
    let node = PlanNode::Sequence(vec![root(0, "good", "{shop{name}}"), root(1, "bad", "{shop{name}}")]);
    let plan = ExecutablePlan::from(plan(&operation, node));
    let request = ExecutionRequest {
        variables: Map::new(),
        headers: Arc::new(HeaderMap::new()),
        deadline: Instant::now() + PATIENCE,
        explain: false,
    };
    let response = Executor::new(subgraphs, options)
        .execute(&plan, operation.schema(), request)
        .await;
    let [error] = response.errors.as_slice() else {
        panic!("one error: {:?}", response.errors)
    };
    assert_eq!(
        error.message,
        "subgraph `bad` answered with more bytes than all subgraphs together may: 60000"
    );
    assert_eq!(error.extensions["code"], "COST_ESTIMATED_TOO_EXPENSIVE");
}
