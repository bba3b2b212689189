//! The gateway as a shop sees it: over its router, without a socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dialects;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use expect_test::expect;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use sandbox_gateway::Config;
use sandbox_gateway::config::DEMO_API_KEY;
use serde_json::{Value, json};
use tower::ServiceExt as _;

struct Gateway {
    router: Router,
}

impl Gateway {
    fn new() -> Self {
        Self::with(Config {
            hang: Duration::from_millis(50),
            time_scale: 1_000,
            ..Config::default()
        })
    }

    fn with(config: Config) -> Self {
        Self {
            router: sandbox_gateway::app(config).unwrap(),
        }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let location = response
            .headers()
            .get("location")
            .map(|url| url.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (
            status,
            location.unwrap_or_else(|| String::from_utf8(body.to_vec()).unwrap()),
        )
    }

    async fn post(&self, path: &str, key: &str, body: Value) -> (u16, Value) {
        let request = Request::post(format!("/api/v1/payments{path}"))
            .header("authorization", format!("Bearer {DEMO_API_KEY}"))
            .header("idempotency-key", key)
            .body(Body::from(body.to_string()))
            .unwrap();
        let (status, body) = self.send(request).await;
        (status.as_u16(), serde_json::from_str(&body).unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let request = Request::get(format!("/api/v1/payments{path}"))
            .header("authorization", format!("Bearer {DEMO_API_KEY}"))
            .body(Body::empty())
            .unwrap();
        serde_json::from_str(&self.send(request).await.1).unwrap()
    }

    async fn pay(&self, key: &str, token: &str) -> (u16, Value) {
        self.post("", key, new_payment("pay_1", token)).await
    }
}

fn new_payment(reference: &str, token: &str) -> Value {
    json!({"reference": reference, "amount_minor": 4597, "currency": "EUR", "payment_method_token": token,
           "return_url": "http://shop.test/back?order=1"})
}

fn shown((status, body): &(u16, Value)) -> String {
    match body.get("error") {
        Some(error) => format!("{status} {}", error["code"].as_str().unwrap()),
        None => format!(
            "{status} {} held {} taken {} back {}",
            body["status"].as_str().unwrap(),
            body["authorized_minor"],
            body["captured_minor"],
            body["refunded_minor"]
        ),
    }
}

#[tokio::test]
async fn each_token_has_its_fate() {
    let mut fates = String::new();
    for (token, _, _) in sandbox_gateway::token::TOKENS {
        let gateway = Gateway::new();
        let first = gateway.pay("key", token).await;
        let again = gateway.pay("key", token).await;
        let booked = gateway.get("?reference=pay_1").await["payments"]
            .as_array()
            .unwrap()
            .len();
        fates += &format!(
            "{token}: {}; again: {}; booked {booked}\n",
            shown(&first),
            shown(&again)
        );
    }
    expect![[r#"
        tok_ok: 201 authorized held 4597 taken 0 back 0; again: 201 authorized held 4597 taken 0 back 0; booked 1
        tok_3ds: 201 requires_action held 0 taken 0 back 0; again: 201 requires_action held 0 taken 0 back 0; booked 1
        tok_qr: 201 requires_action held 0 taken 0 back 0; again: 201 requires_action held 0 taken 0 back 0; booked 1
        tok_declined: 201 declined held 0 taken 0 back 0; again: 201 declined held 0 taken 0 back 0; booked 1
        tok_declined_insufficient_funds: 201 declined held 0 taken 0 back 0; again: 201 declined held 0 taken 0 back 0; booked 1
        tok_declined_expired_card: 201 declined held 0 taken 0 back 0; again: 201 declined held 0 taken 0 back 0; booked 1
        tok_slow_5s: 201 authorized held 4597 taken 0 back 0; again: 201 authorized held 4597 taken 0 back 0; booked 1
        tok_async_10s: 201 processing held 0 taken 0 back 0; again: 201 processing held 0 taken 0 back 0; booked 1
        tok_timeout_after_success: 201 authorized held 4597 taken 0 back 0; again: 201 authorized held 4597 taken 0 back 0; booked 1
        tok_timeout_before: 500 internal; again: 201 authorized held 4597 taken 0 back 0; booked 1
        tok_500_then_ok: 500 internal; again: 201 authorized held 4597 taken 0 back 0; booked 1
        tok_500_after_success: 500 internal; again: 500 internal; booked 1
        tok_capture_timeout_after_success: 201 authorized held 4597 taken 0 back 0; again: 201 authorized held 4597 taken 0 back 0; booked 1
        tok_capture_500_then_ok: 201 authorized held 4597 taken 0 back 0; again: 201 authorized held 4597 taken 0 back 0; booked 1
        tok_refund_refused: 201 authorized held 4597 taken 0 back 0; again: 201 authorized held 4597 taken 0 back 0; booked 1
        tok_refund_returned: 201 authorized held 4597 taken 0 back 0; again: 201 authorized held 4597 taken 0 back 0; booked 1
    "#]].assert_eq(&fates);
}

#[tokio::test]
async fn money_moves_once_and_never_beyond_what_is_there() {
    let gateway = Gateway::new();
    let (_, payment) = gateway.pay("create", "tok_ok").await;
    let id = payment["id"].as_str().unwrap();
    let refund = |reference: &str, amount: i64| json!({"reference": reference, "amount_minor": amount});
    let mut story = String::new();
    for (path, key, body) in [
        ("refunds", "r0", refund("txn_0", 100)),
        ("capture", "c1", json!({"amount_minor": 9_999})),
        ("capture", "c2", json!({"amount_minor": 4_000})),
        ("capture", "c2", json!({"amount_minor": 4_000})),
        ("capture", "c2", json!({"amount_minor": 3_000})),
        ("capture", "c3", json!({})),
        ("void", "v1", json!({})),
        ("refunds", "r1", refund("txn_1", 1_000)),
        ("refunds", "r1", refund("txn_1", 1_000)),
        ("refunds", "r2", refund("txn_2", 3_001)),
        ("refunds", "r3", json!({"reference": "txn_3"})),
        ("refunds", "r4", refund("txn_4", 1)),
    ] {
        let answer = gateway.post(&format!("/{id}/{path}"), key, body).await;
        story += &format!("{path} {key}: {}\n", shown(&answer));
    }
    expect![[r#"
        refunds r0: 409 not_refundable
        capture c1: 422 amount_too_large
        capture c2: 200 captured held 4597 taken 4000 back 0
        capture c2: 200 captured held 4597 taken 4000 back 0
        capture c2: 400 idempotency_key_mismatch
        capture c3: 409 not_capturable
        void v1: 409 not_voidable
        refunds r1: 200 captured held 4597 taken 4000 back 1000
        refunds r1: 200 captured held 4597 taken 4000 back 1000
        refunds r2: 422 amount_too_large
        refunds r3: 200 captured held 4597 taken 4000 back 4000
        refunds r4: 422 amount_too_large
    "#]]
    .assert_eq(&story);
}

#[tokio::test]
async fn the_shopper_approves_or_rejects_on_a_page() {
    let mut story = String::new();
    for decision in ["approve", "reject"] {
        let gateway = Gateway::new();
        let (_, payment) = gateway.pay("create", "tok_3ds").await;
        let id = payment["id"].as_str().unwrap();
        assert_eq!(payment["next_action"]["url"], format!("http://127.0.0.1:4100/3ds/{id}"));
        let page = Request::get(format!("/3ds/{id}")).body(Body::empty()).unwrap();
        let (_, html) = gateway.send(page).await;
        assert!(html.contains("45.97 EUR") && html.contains("Approve"), "{html}");
        for attempt in ["first", "second"] {
            let form = Request::post(format!("/3ds/{id}"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(format!("decision={decision}")))
                .unwrap();
            let (status, location) = gateway.send(form).await;
            story += &format!("{decision} {attempt}: {status} {location}\n");
        }
        story += &format!("{}\n", shown(&(200, gateway.get(&format!("/{id}")).await)));
    }
    expect![[r#"
        approve first: 303 See Other http://shop.test/back?order=1&payment=pay_1&status=authorized
        approve second: 303 See Other http://shop.test/back?order=1&payment=pay_1&status=authorized
        200 authorized held 4597 taken 0 back 0
        reject first: 303 See Other http://shop.test/back?order=1&payment=pay_1&status=declined
        reject second: 303 See Other http://shop.test/back?order=1&payment=pay_1&status=declined
        200 declined held 0 taken 0 back 0
    "#]]
    .assert_eq(&story);
}

#[tokio::test]
async fn strangers_and_nonsense_are_refused() {
    let gateway = Gateway::new();
    let request = Request::post("/api/v1/payments")
        .header("authorization", "Bearer wrong")
        .body(Body::empty())
        .unwrap();
    assert_eq!(gateway.send(request).await.0, StatusCode::UNAUTHORIZED);
    let mut answers = String::new();
    for body in [
        new_payment("pay_1", "4242424242424242"),
        json!({"reference": "pay_1"}),
        json!({"reference": "pay_1", "amount_minor": 0, "currency": "EUR", "payment_method_token": "tok_ok"}),
    ] {
        answers += &format!("{}\n", shown(&gateway.post("", "key", body).await));
    }
    answers += &format!(
        "{}\n",
        shown(&gateway.post("", "", new_payment("pay_1", "tok_ok")).await)
    );
    // What was refused before anything happened leaves the key free.
    answers += &format!("{}\n", shown(&gateway.pay("key", "tok_ok").await));
    expect![[r#"
        422 invalid
        422 invalid
        422 invalid
        400 idempotency_key_missing
        201 authorized held 4597 taken 0 back 0
    "#]]
    .assert_eq(&answers);
}

#[tokio::test]
async fn the_ledger_survives_a_restart() {
    let folder = std::env::temp_dir().join(service::id::new("sandbox_test"));
    std::fs::create_dir(&folder).unwrap();
    let config = Config {
        journal: Some(folder.join("ledger.jsonl")),
        seed: true,
        ..Config::default()
    };
    let gateway = Gateway::with(config.clone());
    let (_, payment) = gateway.pay("create", "tok_ok").await;
    let id = payment["id"].as_str().unwrap();
    gateway.post(&format!("/{id}/capture"), "capture", json!({})).await;
    // Killed in the middle of a line, and started again.
    let journal = folder.join("ledger.jsonl");
    let mut torn = std::fs::read(&journal).unwrap();
    torn.extend_from_slice(b"\n{\"id\":\"sbx_torn\",");
    std::fs::write(&journal, torn).unwrap();
    let gateway = Gateway::with(config.clone());
    let (_, after) = gateway.pay("after", "tok_ok").await;
    let gateway = Gateway::with(config);
    assert_eq!(gateway.get(&format!("/{id}")).await["status"], "captured");
    let after = after["id"].as_str().unwrap();
    assert_eq!(gateway.get(&format!("/{after}")).await["status"], "authorized");
    let seeded = service::seed::orders::all()
        .iter()
        .find_map(|order| order.payment.as_ref())
        .unwrap();
    assert_eq!(
        gateway.get(&format!("/{}", seeded.gateway_reference)).await["reference"],
        seeded.id
    );
    std::fs::remove_dir_all(folder).unwrap();
}
