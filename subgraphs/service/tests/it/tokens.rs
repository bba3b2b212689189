//! Verifying tokens with keys that another service publishes.

use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::jwk::JwkSet;
use serde_json::json;
use service::auth::{SigningKey, TokenError, TokenSettings, TokenVerifier, Viewer};
use service::testing::TestKeys;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

/// A key server that counts its visitors.
async fn key_server(keys: JwkSet) -> (TokenVerifier, Arc<AtomicUsize>, tokio::task::AbortHandle) {
    let visits: Arc<AtomicUsize> = Arc::default();
    let counted = Arc::clone(&visits);
    let answer = get(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Json(json!(keys)))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, Router::new().route("/keys", answer)).await });
    let verifier = TokenVerifier::from_url(url, &TokenSettings::default()).unwrap();
    (verifier, visits, server.abort_handle())
}

fn published() -> JwkSet {
    JwkSet {
        keys: vec![TestKeys::default().jwk().clone()],
    }
}

#[tokio::test]
async fn the_keys_are_fetched_once_and_outlive_their_server() {
    let (verifier, visits, server) = key_server(published()).await;
    let token = TestKeys::default().user("usr_1", &[]);
    for _ in 0..3 {
        assert!(verifier.verify(&token).await.unwrap().is_user("usr_1"));
    }
    server.abort();
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(visits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn forged_tokens_do_not_flood_the_key_server() {
    let (verifier, visits, _) = key_server(published()).await;
    for seed in 0..20 {
        let stranger = SigningKey::from_seed(&[seed; 32]).unwrap();
        let token = TestKeys::with(stranger).token(&Viewer::user("usr_1", &[]));
        assert_eq!(verifier.verify(&token).await, Err(TokenError::Invalid));
    }
    assert_eq!(visits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn without_keys_nobody_is_signed_in() {
    let token = TestKeys::default().user("usr_1", &[]);
    let (empty, _, _) = key_server(JwkSet { keys: Vec::new() }).await;
    assert_eq!(empty.verify(&token).await, Err(TokenError::NoKeys));
    let (gone, visits, server) = key_server(published()).await;
    server.abort();
    while !server.is_finished() {
        tokio::task::yield_now().await;
    }
    assert_eq!(gone.verify(&token).await, Err(TokenError::NoKeys));
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}
