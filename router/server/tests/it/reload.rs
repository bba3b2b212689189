//! A supergraph that changes while it is served.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use server::{Reload, RouterBuilder, RouterConfig, RunningRouter, SupergraphSource};
use tempfile::TempDir;
use tower::ServiceExt;

use super::{Greeter, body, query};

/// A router over a `supergraph.yaml` and one SDL file in a folder of its own.
struct Watched {
    folder: TempDir,
    router: RunningRouter,
}

const HELLO: &str = "type Query { hello: String }";
const HELLO_AND_BYE: &str = "type Query { hello: String bye: String }";
const BROKEN: &str = "type Query { hello: Strin }";

impl Watched {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let yaml =
            "subgraphs: { greeter: { routing_url: 'http://greeter/graphql', schema: { file: greeter.graphql } } }";
        std::fs::write(folder.path().join("supergraph.yaml"), yaml).expect("a file");
        std::fs::write(folder.path().join("greeter.graphql"), HELLO).expect("a file");
        let source = SupergraphSource::SubgraphsFile(folder.path().join("supergraph.yaml"));
        let builder = RouterBuilder::new(RouterConfig::default()).source(source);
        let router = builder
            .in_process("greeter", Greeter::new().app())
            .build()
            .await
            .expect("it composes");
        Self { folder, router }
    }

    fn write(&self, sdl: &str) {
        std::fs::write(self.folder.path().join("greeter.graphql"), sdl).expect("a file");
    }

    async fn answers(&self, text: &str) -> bool {
        body(&query(&self.router.app.public, text, &[]).await)
            .get("data")
            .is_some()
    }

    async fn reload_error(&self) -> Option<String> {
        let (status, readiness) = readiness(&self.router.app.admin).await;
        assert_eq!(
            status,
            StatusCode::OK,
            "a reload that fails does not make the router unready"
        );
        readiness["last_reload"]["error"].as_str().map(str::to_owned)
    }
}

async fn readiness(admin: &Router) -> (StatusCode, Value) {
    let request = Request::get("/readyz").body(Body::empty()).expect("a request");
    let (parts, body) = admin.clone().oneshot(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a complete body").to_bytes();
    (parts.status, serde_json::from_slice(&body).expect("in JSON"))
}

#[tokio::test]
async fn a_change_is_served() {
    let watched = Watched::new().await;
    let hash = watched.router.handle.supergraph_hash();
    assert_eq!(
        watched.router.handle.reload().await.expect("nothing is wrong"),
        Reload::Unchanged
    );
    assert!(watched.answers("{ hello }").await && !watched.answers("{ bye }").await);

    watched.write(HELLO_AND_BYE);
    assert_eq!(
        watched.router.handle.reload().await.expect("it composes"),
        Reload::Swapped
    );
    assert!(watched.answers("{ hello }").await && watched.answers("{ bye }").await);
    assert_ne!(watched.router.handle.supergraph_hash(), hash);
}

#[tokio::test]
async fn a_broken_source_leaves_the_last_good_graph_and_says_why() {
    let watched = Watched::new().await;
    watched.write(BROKEN);
    watched.router.handle.reload().await.expect_err("it does not compose");
    assert!(watched.answers("{ hello }").await);
    let error = watched.reload_error().await.expect("a reason");
    assert!(error.contains("Strin"), "{error}");

    // Unreadable, then broken as before: each time the reason is the present one.
    std::fs::remove_file(watched.folder.path().join("greeter.graphql")).expect("it is there");
    watched.router.handle.reload().await.expect_err("it cannot be read");
    let error = watched.reload_error().await.expect("a reason");
    assert!(
        error.contains("cannot read") && error.contains("greeter.graphql"),
        "{error}"
    );
    watched.write(BROKEN);
    assert_eq!(
        watched.router.handle.reload().await.expect("known already"),
        Reload::Unchanged
    );
    assert!(watched.reload_error().await.expect("a reason").contains("Strin"));

    watched.write(HELLO);
    assert_eq!(
        watched.router.handle.reload().await.expect("it composes again"),
        Reload::Swapped
    );
    assert_eq!(watched.reload_error().await, None);
}

#[tokio::test]
async fn a_source_that_cannot_be_read_for_a_while_changes_nothing() {
    let watched = Watched::new().await;
    let path = watched.folder.path().join("supergraph.yaml");
    let aside = watched.folder.path().join("aside.yaml");
    std::fs::rename(&path, &aside).expect("it is there");
    watched.router.handle.reload().await.expect_err("it cannot be read");
    assert!(watched.reload_error().await.is_some());
    std::fs::rename(&aside, &path).expect("it is there");
    assert_eq!(
        watched.router.handle.reload().await.expect("as before"),
        Reload::Unchanged
    );
    assert_eq!(watched.reload_error().await, None);
}

/// Gives a future up after it was woken this often. Whether it ended before.
async fn ends_within(wakes: usize, future: impl Future) -> bool {
    let (mut future, mut wakes_left) = (pin!(future), wakes);
    let poll = poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if wakes_left == 0 => Poll::Ready(false),
        Poll::Pending => {
            wakes_left -= 1;
            Poll::Pending
        }
    });
    poll.await
}

#[tokio::test]
async fn a_reload_that_is_given_up_is_made_up_for_by_the_next() {
    let watched = Watched::new().await;
    for wakes in 0.. {
        let is_more = wakes % 2 == 0;
        watched.write(if is_more { HELLO_AND_BYE } else { HELLO });
        let has_ended = ends_within(wakes, watched.router.handle.reload()).await;
        watched.router.handle.reload().await.expect("it composes");
        assert_eq!(
            watched.answers("{ bye }").await,
            is_more,
            "given up after {wakes} wakes"
        );
        if has_ended {
            return;
        }
    }
}

#[tokio::test]
async fn a_router_that_drains_is_not_ready_and_answers_still() {
    let watched = Watched::new().await;
    assert_eq!(readiness(&watched.router.app.admin).await.0, StatusCode::OK);
    watched.router.handle.drain();
    let (status, readiness) = readiness(&watched.router.app.admin).await;
    assert_eq!(
        (status, readiness["status"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("draining"))
    );
    assert!(watched.answers("{ hello }").await);
}
