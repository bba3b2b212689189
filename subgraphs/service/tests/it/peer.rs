//! Calls between services, over sockets and within the process.

use axum::extract::Request;
use axum::routing::{get, post};
use axum::{Json, Router};
use balanced_client::{ClientOptions, HttpClient, Resolver};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use service::auth::InternalKey;
use service::deadline::Deadline;
use service::internal::verified;
use service::peer::{PeerClient, PeerError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use trace_context::{TRACEPARENT, TraceContext};

fn routes() -> Router {
    Router::new()
        .route(
            "/internal/echo",
            post(|Json(body): Json<Value>| async move { Json(body) }),
        )
        .route("/internal/empty", post(|| async {}))
        .route("/internal/junk", post(|| async { "not JSON" }))
        .route("/internal/conflict", post(|| async { (StatusCode::CONFLICT, "taken") }))
        .route("/internal/slow", post(|| tokio::time::sleep(Duration::from_secs(30))))
        .route("/internal/headers", get(headers))
}

async fn headers(request: Request) -> Json<Value> {
    let text = |name: &str| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    Json(
        json!({ "trace": text("traceparent"), "deadline": text("x-hansa-deadline-ms"), "query": request.uri().query() }),
    )
}

/// The same peer, reached in both ways.
async fn both(key: &InternalKey) -> [PeerClient; 2] {
    let router = verified(routes(), key.clone());
    let in_process = PeerClient::in_process("peer", key.clone());
    in_process.bind(router.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    [
        PeerClient::http(&HttpClient::default(), "peer", url, key.clone()).unwrap(),
        in_process,
    ]
}

#[tokio::test]
async fn both_ways_give_the_same_answers() {
    let key = InternalKey::generate();
    for peer in both(&key).await {
        let body = json!({ "café": [1, null] });
        let echoed: Value = peer.call(Method::POST, "/internal/echo", Some(&body)).await.unwrap();
        assert_eq!(echoed, body);
        peer.call::<Value, ()>(Method::POST, "/internal/empty", None)
            .await
            .unwrap();

        let mut seen = Vec::new();
        for path in ["/internal/junk", "/internal/conflict", "/internal/nothing"] {
            let error = peer.call::<Value, Value>(Method::POST, path, None).await.unwrap_err();
            seen.push(format!("{error}, unknown: {}", error.outcome_is_unknown()));
        }
        let expected = [
            "`peer` sent an unexpected answer, unknown: true",
            "`peer` answered with status 409 Conflict, unknown: false",
            "`peer` answered with status 404 Not Found, unknown: false",
        ];
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn another_key_opens_nothing() {
    let key = InternalKey::generate();
    let router = verified(routes(), key);
    let stranger = PeerClient::in_process("peer", InternalKey::generate());
    stranger.bind(router);
    let error = stranger
        .call::<Value, Value>(Method::POST, "/internal/echo", Some(&json!({})))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            PeerError::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn trace_and_deadline_travel() {
    let key = InternalKey::generate();
    let incoming = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = TraceContext::from_headers(&[(TRACEPARENT, incoming.parse().unwrap())].into_iter().collect());
    for peer in both(&key).await {
        let call = peer.call::<Value, Value>(Method::GET, "/internal/headers?a=b%20c", None);
        let seen = trace
            .clone()
            .scope(Deadline::after(Duration::from_secs(3)).scope(call))
            .await
            .unwrap();
        let (sent, own) = (seen["trace"].as_str().unwrap(), trace.to_string());
        assert_ne!(own, incoming, "this service is the parent");
        assert_eq!(sent, own);
        let deadline: u64 = seen["deadline"].as_str().unwrap().parse().unwrap();
        assert!((1..=3000).contains(&deadline), "{deadline}");
        assert_eq!(seen["query"], "a=b%20c");
    }
}

#[tokio::test]
async fn a_slow_peer_costs_no_more_than_the_deadline() {
    let key = InternalKey::generate();
    for peer in both(&key).await {
        let call = peer.call::<Value, ()>(Method::POST, "/internal/slow", None);
        let error = Deadline::after(Duration::from_millis(30))
            .scope(call)
            .await
            .unwrap_err();
        assert!(
            matches!(error, PeerError::Timeout { .. }) && error.outcome_is_unknown(),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_peer_that_is_not_there_did_surely_nothing() {
    let key = InternalKey::generate();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    for peer in [
        PeerClient::http(&HttpClient::default(), "peer", url, key.clone()).unwrap(),
        PeerClient::in_process("peer", key.clone()),
    ] {
        let error = peer
            .call::<Value, ()>(Method::POST, "/internal/empty", None)
            .await
            .unwrap_err();
        assert!(
            matches!(error, PeerError::NotSent { .. }) && !error.outcome_is_unknown(),
            "{error}"
        );
    }
}

/// A replica of a peer at an address of its own, and the calls that it got.
async fn replica(host: u8, key: &InternalKey) -> (SocketAddr, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let count = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    };
    let router = verified(Router::new().route("/internal/empty", post(count)), key.clone());
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, host], 0)))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, calls)
}

#[tokio::test]
async fn calls_are_spread_over_all_replicas() {
    const CALLS: usize = 3_000;
    let key = InternalKey::generate();
    let replicas = [replica(2, &key).await, replica(3, &key).await, replica(4, &key).await];
    let addresses = replicas.each_ref().map(|(address, _)| *address);
    let resolver = Resolver::new(move |host, port| {
        assert_eq!((host.as_str(), port), ("peer", 5001));
        async move { Ok(addresses.to_vec()) }
    });
    let client = HttpClient::new(ClientOptions::default(), resolver);
    let peer = PeerClient::http(&client, "peer", "http://peer".parse().unwrap(), key).unwrap();
    let callers = (0..6).map(|_| async {
        for _ in 0..CALLS / 6 {
            peer.call::<Value, ()>(Method::POST, "/internal/empty", None)
                .await
                .unwrap();
        }
    });
    futures::future::join_all(callers).await;
    let calls = replicas.map(|(_, calls)| calls.load(Ordering::Relaxed));
    let share = CALLS / 3;
    assert!(
        calls.iter().all(|calls| calls.abs_diff(share) * 100 <= share * 15),
        "{calls:?}"
    );
}
