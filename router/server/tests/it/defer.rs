//! `@defer` from clients: in parts for those who read them, in both forms; whole for all others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use federation::subgraph::Subgraph;
use http::{Request, header};
use serde_json::{Value, json};
use server::RouterBuilder;
use tokio::sync::Notify;
use tokio::time::timeout;
use tower::ServiceExt;

use super::{Greeter, body, config, query, router};

fn subgraph(name: &str, sdl: &str) -> Subgraph {
    let keys = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])"#;
    Subgraph {
        name: name.into(),
        routing_url: format!("http://{name}/graphql"),
        sdl: format!("{keys} {sdl}"),
    }
}

/// Always answers this.
fn answering(data: Value) -> Router {
    let answer = move || async move { axum::Json(json!({ "data": data })) };
    Router::new().route("/graphql", post(answer))
}

async fn users() -> Router {
    users_with("explain: { enabled: true }").await
}

/// Two subgraphs: users have names, and friends that another subgraph knows.
async fn users_with(yaml: &str) -> Router {
    let builder = RouterBuilder::new(config(yaml)).subgraphs(vec![
        subgraph(
            "users",
            r#"type Query { me: User } type User @key(fields: "id") { id: ID! name: String }"#,
        ),
        subgraph(
            "friends",
            r#"type User @key(fields: "id") { id: ID! friends: [String!]! score: Int! }"#,
        ),
    ]);
    let users = answering(json!({"me": {"id": "1", "name": "Ada"}}));
    let friends = answering(json!({"_entities": [{"__typename": "User", "friends": ["Bo"], "score": null}]}));
    let builder = builder.in_process("users", users).in_process("friends", friends);
    builder.build().await.expect("the subgraphs compose").app.public
}

/// The JSON of each part. The delimiter after a part is what ends it.
fn parts(text: &str) -> Vec<Value> {
    let end = text.strip_suffix("\r\n-----\r\n").expect("the answer ends");
    let mut parts = end.split("\r\n---");
    assert_eq!(parts.next(), Some(""), "nothing comes before the first part");
    let json = parts.map(|part| {
        let (head, json) = part.split_once("\r\n\r\n").expect("a part has a head");
        assert_eq!(head, "\r\ncontent-type: application/json; charset=utf-8");
        serde_json::from_str(json).expect("a part is JSON")
    });
    json.collect()
}

async fn in_parts(accept: &'static str, text: &str) -> Vec<Value> {
    let response = query(&users().await, text, &[("accept", accept)]).await;
    assert_eq!(response.status(), 200);
    let content_type = response.headers()[header::CONTENT_TYPE].to_str().expect("text");
    assert!(
        content_type.starts_with("multipart/mixed; boundary=\"-\"; "),
        "{content_type}"
    );
    parts(std::str::from_utf8(response.body()).expect("text"))
}

const LATER: &str = r#"{ me { name ... @defer(label: "later") { friends } } }"#;

#[tokio::test]
async fn clients_of_2022_are_told_the_place_of_each_part() {
    let parts = in_parts("multipart/mixed;deferSpec=20220824,application/json", LATER).await;
    let expected = [
        json!({"data": {"me": {"name": "Ada"}}, "hasNext": true}),
        json!({
            "incremental": [{"data": {"friends": ["Bo"]}, "path": ["me"], "label": "later"}],
            "hasNext": false,
        }),
    ];
    assert_eq!(parts, expected);
}

#[tokio::test]
async fn clients_of_today_are_told_what_is_pending() {
    let parts = in_parts("multipart/mixed;incrementalSpec=v0.2,application/json;q=0.9", LATER).await;
    let expected = [
        json!({
            "data": {"me": {"name": "Ada"}},
            "pending": [{"id": "0", "path": ["me"], "label": "later"}],
            "hasNext": true,
        }),
        json!({
            "incremental": [{"data": {"friends": ["Bo"]}, "id": "0"}],
            "completed": [{"id": "0"}],
            "hasNext": false,
        }),
    ];
    assert_eq!(parts, expected);
}

#[tokio::test]
async fn a_null_that_must_not_be_takes_its_fragment_along_and_nothing_else() {
    let text = "{ me { name ... @defer { score } ... @defer { friends } } }";
    let failed = |parts: &[Value]| {
        parts[1..]
            .iter()
            .any(|part| part.to_string().contains("schema promises a value"))
    };
    let by_path = in_parts("multipart/mixed;deferSpec=20220824", text).await;
    assert_eq!(by_path[0], json!({"data": {"me": {"name": "Ada"}}, "hasNext": true}));
    assert!(
        by_path[1..].iter().any(|part| part["incremental"][0]["data"].is_null()),
        "{by_path:?}"
    );
    assert!(failed(&by_path), "{by_path:?}");
    let by_id = in_parts("multipart/mixed;incrementalSpec=v0.2", text).await;
    let completed = by_id[1..]
        .iter()
        .flat_map(|part| part["completed"].as_array().into_iter().flatten());
    assert_eq!(completed.clone().count(), 2, "{by_id:?}");
    assert_eq!(
        completed.filter(|completed| completed["errors"].is_array()).count(),
        1,
        "{by_id:?}"
    );
    assert!(failed(&by_id), "{by_id:?}");
}

#[tokio::test]
async fn what_was_done_stands_in_the_last_part() {
    let app = users().await;
    let headers = [
        ("accept", "multipart/mixed;deferSpec=20220824"),
        ("x-router-explain", "1"),
    ];
    let response = query(&app, LATER, &headers).await;
    let parts = parts(std::str::from_utf8(response.body()).expect("text"));
    assert!(parts[0].get("extensions").is_none(), "{parts:?}");
    let explain = &parts[1]["extensions"]["explain"];
    assert_eq!(explain["plan"]["node"]["kind"], "Defer");
    assert_eq!(explain["fetches"].as_array().map(Vec::len), Some(2), "{explain}");
}

/// All parts together are bounded: whoever does not read them has them all in memory.
#[tokio::test]
async fn what_no_longer_fits_into_the_answer_is_left_out() {
    let app = users_with("limits: { response_bytes_max: 60 }").await;
    let text = "{ me { name ... @defer { friends } ... @defer { again: friends } } }";
    let response = query(&app, text, &[("accept", "multipart/mixed;deferSpec=20220824")]).await;
    let parts = parts(std::str::from_utf8(response.body()).expect("text"));
    assert_eq!(parts[0]["data"], json!({"me": {"name": "Ada"}}));
    let pieces = parts[1..]
        .iter()
        .flat_map(|part| part["incremental"].as_array().expect("pieces"));
    let (refused, given): (Vec<_>, Vec<_>) = pieces.partition(|piece| piece["data"].is_null());
    assert_eq!((refused.len(), given.len()), (1, 1), "{parts:?}");
    assert_eq!(refused[0]["errors"][0]["message"], "the answer is longer than 60 bytes");
}

#[tokio::test]
async fn others_are_answered_whole() {
    let app = router(config(""), &Greeter::new()).await;
    let text = "{ __typename ... @defer(label: \"later\") { hello } }";
    for accept in ["application/json", "application/json, multipart/mixed", "*/*"] {
        let response = query(&app, text, &[("accept", accept)]).await;
        assert_eq!(response.status(), 200, "{accept}");
        let content_type = response.headers()[header::CONTENT_TYPE].to_str().expect("text");
        assert!(content_type.contains("json"), "{accept}: {content_type}");
        let expected = r#"{"data":{"__typename":"Query","hello":"world"}}"#;
        assert_eq!(response.body(), expected, "{accept}");
    }
    // Nothing is deferred, so nothing is sent in parts.
    let accept = [("accept", "multipart/mixed;deferSpec=20220824,application/json")];
    let response = query(&app, "{ ... @defer(if: false) { hello } }", &accept).await;
    assert_eq!(body(&response), json!({"data": {"hello": "world"}}));
    let refused = "{ ... @defer(label: \"a\") { hello } ... @defer(label: \"a\") { hello } }";
    let refused = body(&query(&app, refused, &accept).await);
    let code = &refused["errors"][0]["extensions"]["code"];
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{refused}");
}

/// Never answers its first request, which `arrived` is told of; answers the others.
fn hanging_once(arrived: Arc<Notify>) -> Router {
    let is_first = Arc::new(AtomicBool::new(true));
    let answer = move || async move {
        if is_first.swap(false, Ordering::SeqCst) {
            arrived.notify_one();
            std::future::pending::<()>().await;
        }
        axum::Json(json!({"data": {"jam": true}}))
    };
    Router::new().route("/graphql", post(answer))
}

/// What a client does not read must not keep the requests of its other fragments, which others need, from timing out.
#[tokio::test]
async fn a_client_that_does_not_read_holds_no_subgraph_up() {
    let settings = "traffic: { subgraphs: { roads: { requests_in_flight_max: 1, query_timeout_ms: 200 } } }";
    let user = |field: &str| format!(r#"type User @key(fields: "id") {{ id: ID! {field}: Int }}"#);
    let one = |field: &str| json!({"_entities": [{"__typename": "User", field: 1}]});
    let arrived = Arc::new(Notify::new());
    let app = RouterBuilder::new(config(settings))
        .subgraphs(vec![
            subgraph("users", &format!("type Query {{ me: User }} {}", user("age"))),
            subgraph("friends", &user("friends")),
            subgraph("scores", &user("score")),
            subgraph("roads", &format!("type Query {{ jam: Boolean }} {}", user("roads"))),
        ])
        .in_process("users", answering(json!({"me": {"id": "1", "age": 36}})))
        .in_process("friends", answering(one("friends")))
        .in_process("scores", answering(one("score")))
        .in_process("roads", hanging_once(Arc::clone(&arrived)))
        .build()
        .await
        .expect("the subgraphs compose")
        .app
        .public;
    let text = "{ me { age ... @defer { friends } ... @defer { score } ... @defer { roads } } }";
    let request = Request::post("/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "multipart/mixed;deferSpec=20220824")
        .body(Body::from(json!({ "query": text }).to_string()))
        .expect("a request");
    let unread = app.clone().oneshot(request).await.expect("a router always answers");
    let served = async {
        arrived.notified().await;
        // Whoever comes while the subgraph is busy waits for no longer than its time.
        while body(&query(&app, "{ jam }", &[]).await) != json!({"data": {"jam": true}}) {}
    };
    let served = timeout(Duration::from_secs(10), served).await;
    served.expect("the subgraph can be asked again");
    drop(unread);
}
