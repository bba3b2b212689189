//! Connections of clients, over sockets.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use federation::subgraph::Subgraph;
use serde_json::{Value, json};
use server::{Listeners, RouterBuilder, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::config;

/// More than all buffers between two sockets hold.
const LONG_BYTES: usize = 15 << 20;

/// A router with room for two connections. Its subgraph answers `long` at once, and `short` when it is told to.
async fn start(short: mpsc::Receiver<()>) -> SocketAddr {
    let greeter = Subgraph {
        name: "greeter".into(),
        routing_url: "http://greeter/graphql".into(),
        sdl: "type Query { long: String short: String }".into(),
    };
    let short = std::sync::Arc::new(tokio::sync::Mutex::new(short));
    let answer = move |axum::Json(request): axum::Json<Value>| async move {
        let is_long = request["query"].as_str().is_some_and(|query| query.contains("long"));
        let data = if is_long {
            json!({"long": "x".repeat(LONG_BYTES)})
        } else {
            let _ = short.lock().await.recv().await;
            json!({"short": "y"})
        };
        axum::Json(json!({ "data": data }))
    };
    let yaml = "traffic: { write_timeout_ms: 300, query_timeout_ms: 60000, request_timeout_ms: 60000 }";
    let router = RouterBuilder::new(config(yaml))
        .subgraphs(vec![greeter])
        .in_process("greeter", Router::new().route("/graphql", post(answer)))
        .build()
        .await
        .expect("it composes");
    let listeners = Listeners {
        public: TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
        admin: TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
        connections_max: 2,
    };
    let address = listeners.public.local_addr().expect("it is bound");
    tokio::spawn(serve(router, listeners, std::future::pending()));
    address
}

/// Sends a query, on a connection of its own, and reads nothing.
async fn ask(address: SocketAddr, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let body = json!({ "query": query }).to_string();
    let length = body.len();
    let head = format!("POST /graphql HTTP/1.1\r\nhost: router\r\nconnection: close\r\ncontent-length: {length}\r\n");
    let request = format!("{head}content-type: application/json\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    stream
}

async fn read(mut stream: TcpStream) -> std::io::Result<Vec<u8>> {
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.map(|_| received)
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_loses_its_connection_and_no_other_does() {
    let (release, released) = mpsc::channel(1);
    let address = start(released).await;
    let waiting = ask(address, "{ short }").await;
    let untaken = ask(address, "{ long }").await;
    // The third has room once one of the two is closed, after the time that the other has been waiting for as well.
    let taken = async { read(ask(address, "{ long }").await).await };
    let taken = timeout(Duration::from_secs(10), taken).await.expect("there is room");
    assert!(taken.expect("a whole answer").len() > LONG_BYTES);
    release.send(()).await.expect("it waits");
    let answer = read(waiting).await.expect("a whole answer");
    assert!(answer.ends_with(br#"{"data":{"short":"y"}}"#), "who waits is answered");
    let lost = read(untaken).await.unwrap_or_default().len();
    assert!(lost < LONG_BYTES, "what was not taken is lost, not kept: {lost}");
}
