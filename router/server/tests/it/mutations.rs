//! Mutations change things, so what happens to the connection must not decide how far they come.

use std::sync::Arc;
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use federation::subgraph::Subgraph;
use serde_json::json;
use server::{Listeners, RouterBuilder, RouterConfig, RunningRouter, serve};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use crate::query;

fn subgraph(name: &str) -> Subgraph {
    Subgraph {
        name: name.into(),
        routing_url: format!("http://{name}/graphql"),
        sdl: format!("type Query {{ {name}: Int }} type Mutation {{ {name}Change: Int }}"),
    }
}

/// Tells `arrived` of every request, and answers it when `release` is notified.
fn app(field: &'static str, arrived: mpsc::UnboundedSender<&'static str>, release: Arc<Notify>) -> Router {
    let answer = move || async move {
        arrived.send(field).expect("the test listens");
        release.notified().await;
        Json(json!({ "data": { field: 1 } }))
    };
    Router::new().route("/graphql", post(answer))
}

/// A router over two such subgraphs.
async fn router(arrived: &mpsc::UnboundedSender<&'static str>, release: &Arc<Notify>) -> RunningRouter {
    RouterBuilder::new(RouterConfig::default())
        .subgraphs(vec![subgraph("one"), subgraph("two")])
        .in_process("one", app("oneChange", arrived.clone(), Arc::clone(release)))
        .in_process("two", app("twoChange", arrived.clone(), Arc::clone(release)))
        .build()
        .await
        .expect("it composes")
}

const MUTATION: &str = "mutation { oneChange twoChange }";

#[tokio::test]
async fn a_mutation_goes_on_when_its_client_goes_away() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let public = router(&arrived, &release).await.app.public;

    let client = tokio::spawn(async move { query(&public, MUTATION, &[]).await });
    assert_eq!(arrivals.recv().await, Some("oneChange"));
    client.abort();
    assert!(client.await.is_err(), "the client is gone");
    release.notify_one();

    let second = timeout(Duration::from_secs(5), arrivals.recv()).await;
    assert_eq!(second, Ok(Some("twoChange")), "the second step comes all the same");
}

/// The process ends when `serve` does.
#[tokio::test]
async fn a_router_ends_after_the_mutations_of_clients_that_went_away() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let listeners = Listeners {
        public: TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
        admin: TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
        connections_max: 10,
    };
    let address = listeners.public.local_addr().expect("it is bound");
    let (shutdown, told) = oneshot::channel::<()>();
    let told = async { drop(told.await) };
    let mut serving = tokio::spawn(serve(router(&arrived, &release).await, listeners, told));

    let mut client = TcpStream::connect(address).await.expect("it listens");
    let body = json!({ "query": MUTATION }).to_string();
    let head = "POST /graphql HTTP/1.1\r\nhost: router\r\ncontent-type: application/json\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    client.write_all(request.as_bytes()).await.expect("it reads");
    assert_eq!(arrivals.recv().await, Some("oneChange"));
    drop(client);
    shutdown.send(()).expect("it serves");
    // Long enough for a router that does not wait to end.
    let early = timeout(Duration::from_millis(300), &mut serving).await;
    assert!(early.is_err(), "it ended between two steps");

    release.notify_one();
    assert_eq!(arrivals.recv().await, Some("twoChange"));
    release.notify_one();
    let ended = timeout(Duration::from_secs(5), serving)
        .await
        .expect("nothing is left to wait for");
    ended.expect("nobody panicked");
}
