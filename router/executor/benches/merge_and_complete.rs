//! What the executor itself costs for one answer of 88 KB out of four fetches, subgraphs apart:
//! `cargo bench -p executor`.
//!
//! The subgraphs are services in this process that give the same bytes each time; no socket is opened. Printed are the
//! microseconds of the fastest execution, of the median, and of processor time on average (Linux only).

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use composition::compose;
use executor::{
    ExecutablePlan, ExecutionRequest, Executor, ExecutorOptions, InProcessSubgraph, SubgraphClient, SubgraphPolicy,
};
use federation::limits::Limits;
use federation::operation::{parse, validate};
use federation::subgraph::Subgraph;
use federation::supergraph::{ActiveLabels, Supergraph};
use http::{HeaderMap, Response};
use http_body_util::Full;
use planner::Planner;
use serde_json::Map;

const PRODUCTS: usize = 100;
const REVIEWS_PER_PRODUCT: usize = 5;
const USERS: usize = 20;
const EXECUTIONS: usize = 5_000;

const LINK: &str = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@external", "@requires"]) "#;
const SUBGRAPHS: [(&str, &str); 4] = [
    (
        "products",
        r#"type Query { topProducts: [Product!] }
        type Product @key(fields: "upc") { upc: String!  name: String  price: Int  weight: Int }"#,
    ),
    (
        "inventory",
        r#"type Product @key(fields: "upc") { upc: String!  price: Int @external  weight: Int @external
           inStock: Boolean  shippingEstimate: Int @requires(fields: "price weight") }"#,
    ),
    (
        "reviews",
        r#"type Product @key(fields: "upc") { upc: String!  reviews: [Review!]! }
        type Review { id: ID!  body: String  author: User }
        type User @key(fields: "id") { id: ID! }"#,
    ),
    (
        "accounts",
        r#"type User @key(fields: "id") { id: ID!  name: String  username: String }"#,
    ),
];
const QUERY: &str = "{ topProducts { upc name price weight inStock shippingEstimate reviews { id body author { id name username } } } }";

/// `{"data":{"NAME":[ITEMS]}}`
fn answer(name: &str, items: impl Iterator<Item = String>) -> Bytes {
    let items: Vec<String> = items.collect();
    format!(r#"{{"data":{{"{name}":[{}]}}}}"#, items.join(",")).into()
}

fn answers() -> HashMap<&'static str, Bytes> {
    let products = (0..PRODUCTS).map(|n| {
        format!(
            r#"{{"__typename":"Product","upc":"{n}","name":"Product number {n}","price":{},"weight":{n}}}"#,
            n * 10
        )
    });
    let inventory = (0..PRODUCTS).map(|n| format!(r#"{{"inStock":true,"shippingEstimate":{n}}}"#));
    let reviews = (0..PRODUCTS).map(|product| {
        let reviews = (0..REVIEWS_PER_PRODUCT).fold(String::new(), |mut reviews, n| {
            let author = (product * REVIEWS_PER_PRODUCT + n) % USERS;
            let comma = if n == 0 { "" } else { "," };
            let body = "I read this twice, and would read it again on a long evening, all of it.";
            write!(
                reviews,
                r#"{comma}{{"id":"{product}-{n}","body":"{body}","author":{{"__typename":"User","id":"{author}"}}}}"#
            )
            .expect("strings grow");
            reviews
        });
        format!(r#"{{"reviews":[{reviews}]}}"#)
    });
    let accounts = (0..USERS).map(|n| format!(r#"{{"name":"User number {n}","username":"user{n}"}}"#));
    HashMap::from([
        ("products", answer("topProducts", products)),
        ("inventory", answer("_entities", inventory)),
        ("reviews", answer("_entities", reviews)),
        ("accounts", answer("_entities", accounts)),
    ])
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let subgraphs = SUBGRAPHS.map(|(name, sdl)| Subgraph {
        name: name.to_owned(),
        routing_url: format!("http://{name}"),
        sdl: format!("{LINK}{sdl}"),
    });
    let supergraph = compose(&subgraphs).expect("the subgraphs compose").supergraph_sdl;
    let supergraph = Arc::new(Supergraph::parse(&supergraph).expect("the supergraph is one"));
    let document = parse(QUERY, &Limits::default()).expect("the query parses");
    let operation = validate(&document, supergraph.api_schema(), None).expect("the query is valid");
    let plan = Planner::new(Arc::clone(&supergraph))
        .plan(&operation, &ActiveLabels::NONE)
        .expect("the query can be planned");
    let plan = ExecutablePlan::from(plan);

    let clients = answers().into_iter().map(|(name, answer)| {
        let service = tower::service_fn(move |_| {
            let response = Response::builder().header("content-type", "application/json");
            let response = response.body(Full::new(answer.clone())).expect("the header is valid");
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let uri = "/graphql".parse().expect("the path is valid");
        let client = SubgraphClient::InProcess(InProcessSubgraph::new(service, uri));
        (Arc::from(name), (client, SubgraphPolicy::default()))
    });
    let executor = Executor::new(clients.collect(), ExecutorOptions::default());
    let request = || ExecutionRequest {
        variables: Map::new(),
        headers: Arc::new(HeaderMap::new()),
        deadline: Instant::now() + Duration::from_secs(10),
        explain: false,
    };

    let mut times = Vec::with_capacity(EXECUTIONS);
    let mut length = 0;
    let processor_before = processor_time();
    for _ in 0..EXECUTIONS {
        let started = Instant::now();
        let response = executor.execute(&plan, supergraph.api_schema(), request()).await;
        length = response.to_bytes().len();
        times.push(started.elapsed());
        assert!(response.errors.is_empty(), "{:?}", response.errors);
    }
    let processor = processor_before.zip(processor_time());
    let processor = processor.map(|(before, after)| micros(after - before) / EXECUTIONS as f64);
    times.sort_unstable();
    let (fastest, median) = (micros(times[0]), micros(times[EXECUTIONS / 2]));
    let processor = processor.map_or_else(|| "unknown".to_owned(), |processor| format!("{processor:.1}"));
    writeln!(
        std::io::stdout(),
        "{length} bytes: fastest {fastest:.1} us, median {median:.1} us, processor {processor} us"
    )
    .expect("stdout is open");
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Time that this thread has spent on a processor so far.
fn processor_time() -> Option<Duration> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = statistics.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
