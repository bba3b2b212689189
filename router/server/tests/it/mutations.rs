//! Mutations change things, so what happens to the connection must not decide how far they come.

use std::sync::Arc;
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use federation::subgraph::Subgraph;
use serde_json::json;
use server::{RouterBuilder, RouterConfig};
use tokio::sync::{Notify, mpsc};

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

#[tokio::test]
async fn a_mutation_goes_on_when_its_client_goes_away() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let router = RouterBuilder::new(RouterConfig::default())
        .subgraphs(vec![subgraph("one"), subgraph("two")])
        .in_process("one", app("oneChange", arrived.clone(), Arc::clone(&release)))
        .in_process("two", app("twoChange", arrived, Arc::clone(&release)))
        .build()
        .await
        .expect("it composes")
        .app
        .public;

    let client = tokio::spawn(async move { query(&router, "mutation { oneChange twoChange }", &[]).await });
    assert_eq!(arrivals.recv().await, Some("oneChange"));
    client.abort();
    assert!(client.await.is_err(), "the client is gone");
    release.notify_one();

    let second = tokio::time::timeout(Duration::from_secs(5), arrivals.recv()).await;
    assert_eq!(second, Ok(Some("twoChange")), "the second step comes all the same");
}
