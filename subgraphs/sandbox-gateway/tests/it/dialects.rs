//! Stripe's and Alipay's dialects: what is refused, replayed and signed. How they carry money is in the tests of payments.

use axum::body::Body;
use expect_test::expect;
use http::Request;
use sandbox_gateway::Config;
use sandbox_gateway::config::DEMO_API_KEY;
use serde_json::Value;

use crate::Gateway;

impl Gateway {
    async fn stripe(&self, path: &str, key: &str, form: &str) -> (u16, Value) {
        let request = Request::post(format!("/v1{path}"))
            .header("authorization", format!("Bearer {DEMO_API_KEY}"))
            .header("idempotency-key", key)
            .body(Body::from(form.to_owned()))
            .unwrap();
        let (status, body) = self.send(request).await;
        (status.as_u16(), serde_json::from_str(&body).unwrap())
    }

    async fn intents(&self) -> usize {
        let request = Request::get("/__ledger").body(Body::empty()).unwrap();
        let ledger: Value = serde_json::from_str(&self.send(request).await.1).unwrap();
        ledger["payments"].as_array().unwrap().len()
    }
}

const FORM: &str = "amount=4597&currency=eur&capture_method=manual&confirm=true&metadata[payment_id]=pay_1";

fn form(token: &str) -> String {
    format!("{FORM}&payment_method={token}")
}

fn shown((status, body): &(u16, Value)) -> String {
    let error = &body["error"];
    if error.is_null() {
        return format!("{status} {}", body["status"].as_str().unwrap());
    }
    let text = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
    format!("{status} {} {} {}", text("type"), text("code"), text("decline_code"))
}

#[tokio::test]
async fn stripes_idempotency_is_stripes() {
    let gateway = Gateway::new();
    let mut story = String::new();
    for (key, token) in [
        ("ok", "tok_ok"),
        ("ok", "tok_ok"),
        ("ok", "tok_3ds"),
        ("declined", "tok_declined"),
        ("declined", "tok_declined"),
        ("broken", "tok_500_after_success"),
        ("broken", "tok_500_after_success"),
        // What did not pass validation leaves the key free.
        ("invalid", "4242424242424242"),
        ("invalid", "tok_ok"),
    ] {
        let answer = gateway.stripe("/payment_intents", key, &form(token)).await;
        story += &format!("{key} {token}: {}\n", shown(&answer));
    }
    story += &format!("booked {}\n", gateway.intents().await);
    expect![[r#"
        ok tok_ok: 200 requires_capture
        ok tok_ok: 200 requires_capture
        ok tok_3ds: 400 idempotency_error - -
        declined tok_declined: 402 card_error card_declined card_declined
        declined tok_declined: 402 card_error card_declined card_declined
        broken tok_500_after_success: 500 api_error - -
        broken tok_500_after_success: 500 api_error - -
        invalid 4242424242424242: 400 invalid_request_error resource_missing -
        invalid tok_ok: 200 requires_capture
        booked 4
    "#]]
    .assert_eq(&story);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_twice_at_once_is_a_conflict() {
    let gateway = Gateway::with(Config {
        time_scale: 20,
        ..Config::default()
    });
    let form = form("tok_slow_5s");
    let (first, second) = tokio::join!(
        gateway.stripe("/payment_intents", "key", &form),
        gateway.stripe("/payment_intents", "key", &form),
    );
    let mut seen = [shown(&first), shown(&second)];
    seen.sort();
    assert_eq!(
        seen,
        [
            "200 requires_capture",
            "409 invalid_request_error idempotency_key_in_use -"
        ]
    );
    assert_eq!(gateway.intents().await, 1);
}

#[tokio::test]
async fn an_action_too_late_tells_how_the_intent_stands() {
    let gateway = Gateway::new();
    let (_, intent) = gateway.stripe("/payment_intents", "create", &form("tok_ok")).await;
    let id = intent["id"].as_str().unwrap();
    let mut story = String::new();
    for (path, key, form) in [
        (
            format!("/payment_intents/{id}/capture"),
            "c0",
            "amount_to_capture=9999".to_owned(),
        ),
        (
            format!("/payment_intents/{id}/capture"),
            "c1",
            "amount_to_capture=4000".to_owned(),
        ),
        (format!("/payment_intents/{id}/cancel"), "v", String::new()),
        (
            "/refunds".to_owned(),
            "r1",
            format!("payment_intent={id}&amount=1000&metadata[reference]=txn_1"),
        ),
        (
            "/refunds".to_owned(),
            "r2",
            format!("payment_intent={id}&amount=3001&metadata[reference]=txn_2"),
        ),
    ] {
        let answer = gateway.stripe(&path, key, &form).await;
        let told = answer.1["error"]["payment_intent"]["status"]
            .as_str()
            .unwrap_or("nothing");
        story += &format!("{key}: {}, tells {told}\n", shown(&answer));
    }
    expect![[r#"
        c0: 400 invalid_request_error amount_too_large -, tells nothing
        c1: 200 succeeded, tells nothing
        v: 400 invalid_request_error payment_intent_unexpected_state -, tells succeeded
        r1: 200 succeeded, tells nothing
        r2: 400 invalid_request_error amount_too_large -, tells nothing
    "#]]
    .assert_eq(&story);
}

#[tokio::test]
async fn alipay_answers_nobody_else() {
    let gateway = Gateway::new();
    let mut story = String::new();
    for form in [
        "app_id=1&method=alipay.trade.query&sign_type=RSA2&sign=AAAA&biz_content={}",
        "app_id=9021000000000000&method=alipay.trade.query&sign_type=RSA2&sign=AAAA&biz_content={}",
        "app_id=9021000000000000&method=alipay.trade.query&biz_content={}",
    ] {
        let request = Request::post("/gateway.do").body(Body::from(form)).unwrap();
        let (_, body) = gateway.send(request).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        story += &format!("{}\n", body["error_response"]["sub_code"]);
    }
    expect![[r#"
        "isv.invalid-app-id"
        "isv.invalid-signature"
        "isv.invalid-signature"
    "#]]
    .assert_eq(&story);
}
