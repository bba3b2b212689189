//! Subgraphs behind a socket.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use balanced_client::{ClientOptions, HttpClient, Resolver};
use executor::{
    ExecutablePlan, ExecutionRequest, Executor, ExecutorOptions, HttpSubgraph, SubgraphClient, SubgraphPolicy,
};
use http::{HeaderMap, HeaderValue};
use serde_json::Map;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{operation, plan, root};

const SCHEMA: &str = "type Query { name: String }  type Mutation { name: String }";

fn executor(client: &HttpClient, url: &str, policy: SubgraphPolicy) -> Executor {
    let subgraph = SubgraphClient::Http(HttpSubgraph::new(client, url).unwrap());
    let subgraphs = HashMap::from([(Arc::from("shop"), (subgraph, policy))]);
    Executor::new(subgraphs, ExecutorOptions::default())
}

/// Executes `query` as one fetch against `url`; gives the answer, and the cookies that are passed back.
async fn ask(url: &str, query: &str) -> (String, Vec<String>) {
    let operation = operation(SCHEMA, query);
    let plan = ExecutablePlan::from(plan(&operation, root(0, "shop", query)));
    let policy = SubgraphPolicy {
        query_timeout: Duration::from_millis(500),
        response_bytes_max: 1_000,
        ..SubgraphPolicy::default()
    };
    let executor = executor(&HttpClient::default(), url, policy);
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer x"));
    let request = ExecutionRequest {
        variables: Map::new(),
        headers: Arc::new(headers),
        deadline: Instant::now() + Duration::from_secs(5),
        explain: false,
    };
    let mut bodies = String::new();
    let mut cookies = Vec::new();
    // Twice: the second time over the connection that was kept.
    for _ in 0..2 {
        let response = executor.execute(&plan, operation.schema(), request.clone()).await;
        bodies += std::str::from_utf8(&response.to_bytes()).unwrap();
        bodies.push('\n');
        let passed_back = response.response_headers.get_all("set-cookie").into_iter();
        cookies.extend(passed_back.map(|value| value.to_str().unwrap().to_owned()));
    }
    (bodies, cookies)
}

/// Reads one request with its body (`{"query":"…"}`), or `None` at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\"}") {
        let mut chunk = [0; 1024];
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        request.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(request).ok()
}

/// A server that answers each request with `answer`, and closes the connection after `per_connection` of them.
async fn serve(answer: String, per_connection: usize) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let requests = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (answer, seen) = (answer.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                for _ in 0..per_connection {
                    let Some(request) = read_request(&mut stream).await else {
                        return;
                    };
                    seen.lock().unwrap().push(request);
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
                // The connection stays open until one more request comes in, which it drops: a server that restarts.
                let _ = read_request(&mut stream).await;
            });
        }
    });
    (url, requests)
}

fn answer(body: &str, headers: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn headers_travel_both_ways() {
    let (url, requests) = serve(
        answer(r#"{"data":{"name":"n"}}"#, "set-cookie: a=1\r\nset-cookie: b=2\r\n"),
        100,
    )
    .await;
    let (bodies, cookies) = ask(&url, "{name}").await;
    assert_eq!(bodies, "{\"data\":{\"name\":\"n\"}}\n{\"data\":{\"name\":\"n\"}}\n");
    assert_eq!(cookies, ["a=1", "b=2", "a=1", "b=2"]);
    let request = requests.lock().unwrap()[0].to_lowercase();
    let deadline = request
        .split_once("x-hansa-deadline-ms: ")
        .unwrap()
        .1
        .split("\r\n")
        .next()
        .unwrap();
    assert!((400..=500).contains(&deadline.parse::<u32>().unwrap()), "{deadline}");
    for line in [
        "post /graphql http/1.1",
        "authorization: bearer x",
        "content-type: application/json",
        "accept: application/graphql-response+json, application/json",
    ] {
        assert!(request.contains(line), "{line} in {request}");
    }
}

#[tokio::test]
async fn a_closed_connection_is_replaced_for_queries_only() {
    let (url, requests) = serve(answer(r#"{"data":{"name":"n"}}"#, ""), 1).await;
    let (bodies, _) = ask(&url, "{name}").await;
    assert_eq!(bodies, "{\"data\":{\"name\":\"n\"}}\n{\"data\":{\"name\":\"n\"}}\n");
    assert_eq!(requests.lock().unwrap().len(), 2);

    let (url, requests) = serve(answer(r#"{"data":{"name":"n"}}"#, ""), 1).await;
    let (bodies, _) = ask(&url, "mutation{name}").await;
    let second = bodies.lines().nth(1).unwrap();
    assert!(second.contains("SUBREQUEST_HTTP_ERROR"), "{second}");
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_long_answer_is_given_up() {
    let (url, _) = serve(
        answer(&format!(r#"{{"data":{{"name":"{}"}}}}"#, "x".repeat(2_000)), ""),
        100,
    )
    .await;
    let (bodies, _) = ask(&url, "{name}").await;
    assert!(
        bodies.contains("SUBREQUEST_MALFORMED_RESPONSE") && bodies.contains("longer than 1000 bytes"),
        "{bodies}"
    );
}

#[tokio::test]
async fn nobody_listening_is_an_error_without_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (bodies, _) = ask(&format!("http://{address}/graphql"), "{name}").await;
    assert!(bodies.contains("subgraph `shop` could not be reached"), "{bodies}");
    assert!(!bodies.contains("127.0.0.1"), "{bodies}");
}

#[test]
fn urls_are_checked_at_the_start() {
    for url in ["", "shop", "/graphql", "ftp://shop/graphql", "http://"] {
        assert!(HttpSubgraph::new(&HttpClient::default(), url).is_err(), "{url}");
    }
}

#[tokio::test]
async fn fetches_are_spread_over_all_replicas() {
    const FETCHES: usize = 3_000;
    let mut replicas = Vec::new();
    for _ in 0..3 {
        let (url, requests) = serve(answer(r#"{"data":{"name":"n"}}"#, ""), usize::MAX).await;
        let address = url
            .trim_start_matches("http://")
            .trim_end_matches("/graphql")
            .parse()
            .unwrap();
        replicas.push((address, requests));
    }
    let addresses = replicas
        .iter()
        .map(|(address, _)| *address)
        .collect::<Vec<SocketAddr>>();
    let resolver = Resolver::new(move |_, _| std::future::ready(Ok(addresses.clone())));
    let client = HttpClient::new(ClientOptions::default(), resolver);
    let executor = executor(&client, "http://shop/graphql", SubgraphPolicy::default());
    let operation = operation(SCHEMA, "{name}");
    let plan = ExecutablePlan::from(plan(&operation, root(0, "shop", "{name}")));
    for _ in 0..FETCHES {
        let request = ExecutionRequest {
            variables: Map::new(),
            headers: Arc::default(),
            deadline: Instant::now() + Duration::from_secs(5),
            explain: false,
        };
        let response = executor.execute(&plan, operation.schema(), request).await;
        assert_eq!(&response.to_bytes()[..], br#"{"data":{"name":"n"}}"#);
    }
    let fetches = replicas.iter().map(|(_, requests)| requests.lock().unwrap().len());
    let fetches = fetches.collect::<Vec<_>>();
    let share = FETCHES / 3;
    assert!(
        fetches
            .iter()
            .all(|fetches| fetches.abs_diff(share) * 100 <= share * 15),
        "{fetches:?}"
    );
}
