//! A gateway that cannot be reached, a circuit breaker that is open, webhooks of payments that nobody knows, old secrets.

use std::time::Duration;

use axum::Json;
use chrono::{DateTime, Utc};
use expect_test::expect;
use sandbox_gateway::config::{DEMO_API_KEY, DEMO_WEBHOOK_SECRET};
use serde_json::json;
use service::auth::Role;
use service::clock::Clock;
use service::contract::payments::RefundStatus;
use service::id;

use crate::shop::{Shop, ShopOptions, StoredWebhook, each_shop, gateway_that, listener, request, shown, with_webhooks};

/// An address at which nobody listens, until somebody does.
async fn reserved() -> (std::net::SocketAddr, String) {
    let (listener, url) = listener().await;
    (listener.local_addr().unwrap(), url.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_wait_while_the_gateway_is_gone_and_the_breaker_open() {
    let clock = Clock::manual(Utc::now());
    let (address, url) = reserved().await;
    let options = ShopOptions {
        flags: vec![
            ("gateway-url", url),
            ("gateway-failures-max", "2".to_owned()),
            ("gateway-open-ms", "20000".to_owned()),
        ],
        clock: Some(clock.clone()),
        ..ShopOptions::default()
    };
    let sqlite = service::testing::TempSqlite::new();
    let shop = Shop::open(&sqlite.url, options).await;
    let mut payments = Vec::new();
    for _ in 0..5 {
        let payment_id = id::new("pay");
        let state = shop.pay(&payment_id, "tok_ok").await;
        assert_eq!(shown(&state), "CREATED held 0 taken 0 back 0");
        payments.push(payment_id);
    }
    let metrics = shop.metrics().await;
    // Not the value of the gauge: other tests of this process set it too.
    for line in [
        "payments_gateway_circuit_state{gateway=\"sandbox\"} ",
        "payments_gateway_circuit_opened_total{gateway=\"sandbox\"} ",
        "payments_gateway_calls_total{gateway=\"sandbox\",operation=\"create\",outcome=\"circuit_open\"}",
        // What nothing has happened to yet is there as well, or Prometheus would not see it grow.
        "payments_taken_after_end_total{gateway=\"sandbox\"} ",
        "payments_refunds_returned_total{gateway=\"sandbox\"} ",
        "payments_webhooks_unmatched_total{gateway=\"sandbox\"} ",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    // It comes back, on the same address; the breaker lets one call through after its time, then all.
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let gateway = shop.gateway.clone();
    tokio::spawn(async move { axum::serve(listener, gateway).await.unwrap() });
    for payment_id in &payments {
        wait_moving(&shop, &clock, payment_id, "AUTHORIZED").await;
        assert_eq!(shop.booked(payment_id).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_that_was_never_sent_is_given_up_in_the_end() {
    let clock = Clock::manual(Utc::now());
    let (_, url) = reserved().await;
    let options = ShopOptions {
        flags: vec![("gateway-url", url)],
        clock: Some(clock.clone()),
        ..ShopOptions::default()
    };
    let sqlite = service::testing::TempSqlite::new();
    let shop = Shop::open(&sqlite.url, options).await;
    let (payment_id, order) = (id::new("pay"), request("tok_ok"));
    shop.authorize(&payment_id, &order).await.unwrap();
    let state = wait_moving(&shop, &clock, &payment_id, "FAILED").await;
    assert_eq!(state.decline_code.as_deref(), Some("gateway_unreachable"));
    // The order is free for another attempt.
    assert!(shop.authorize(&id::new("pay"), &order).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_api_key_costs_no_payment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "sk_test_wrong").unwrap();
    let clock = Clock::manual(Utc::now());
    let options = ShopOptions {
        flags: vec![
            ("stripe-api-key", String::new()),
            ("stripe-api-key-file", file.display().to_string()),
        ],
        clock: Some(clock.clone()),
        ..ShopOptions::default()
    };
    let sqlite = service::testing::TempSqlite::new();
    let shop = Shop::open(&sqlite.url, options).await;
    let payment_id = id::new("pay");
    let request = crate::shop::request_through("stripe", "tok_ok");
    let state = shop.authorize(&payment_id, &request).await.unwrap();
    assert_eq!(state.status.as_str(), "CREATED");
    // The right key is mounted, and nobody restarts anything.
    std::fs::write(&file, DEMO_API_KEY).unwrap();
    wait_moving(&shop, &clock, &payment_id, "AUTHORIZED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_used_again_after_the_gateway_may_have_forgotten_it() {
    each_shop(
        ShopOptions {
            clock: Some(Clock::manual(Utc::now())),
            ..ShopOptions::default()
        },
        async |shop: Shop| {
            let payment_id = id::new("pay");
            shop.call_fault("create", "timeout_before").await;
            assert_eq!(shop.pay(&payment_id, "tok_ok").await.status.as_str(), "PROCESSING");
            // A day later the gateway knows nothing: what became of the first call is asked, and nothing is repeated.
            shop.service.clock.advance(Duration::from_secs(24 * 3_600));
            for _ in 0..60 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert_eq!(shop.state(&payment_id).await.status.as_str(), "PROCESSING");
            assert!(shop.booked(&payment_id).await.is_empty());
            // Until a person looks.
            let reconcile = "mutation($id: ID!) { paymentReconcile(id: $id) { payment { status declineCode } } }";
            let staff = shop.token(0, &[Role::Admin]);
            let answer = shop
                .service
                .query(reconcile, json!({ "id": payment_id }), Some(&staff))
                .await;
            let payment = &answer["data"]["paymentReconcile"]["payment"];
            assert_eq!(
                *payment,
                json!({"status": "FAILED", "declineCode": "not_found_at_gateway"}),
                "{answer}"
            );
        },
    )
    .await;
}

/// Stripe answers for a key what it has once answered for it, a 500 too.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_done_once_only_is_asked_for_with_another_key() {
    let options = ShopOptions {
        clock: Some(Clock::manual(Utc::now())),
        ..ShopOptions::default()
    };
    each_shop(options, async |shop: Shop| {
        let clock = shop.service.clock.clone();
        for (act, end) in [("capture", "CAPTURED"), ("void", "VOIDED")] {
            let payment_id = id::new("pay");
            shop.pay(&payment_id, "tok_ok").await;
            shop.call_fault(act, "error_stored").await;
            let state = shop.act(&payment_id, act, "a", None).await.unwrap();
            assert_eq!(shown(&state), "AUTHORIZED held 4597 taken 0 back 0");
            wait_moving(&shop, &clock, &payment_id, end).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_the_gateway_has_not_made_a_day_later_has_failed() {
    let clock = Clock::manual(Utc::now());
    let options = ShopOptions {
        clock: Some(clock.clone()),
        ..ShopOptions::default()
    };
    let sqlite = service::testing::TempSqlite::new();
    let shop = Shop::open(&sqlite.url, options).await;
    let payment_id = id::new("pay");
    shop.pay(&payment_id, "tok_ok").await;
    shop.act(&payment_id, "capture", "c", None).await.unwrap();
    shop.call_fault("refund", "error_stored").await;
    let state = shop.act(&payment_id, "refunds", "r", Some(500)).await.unwrap();
    assert_eq!(shown(&state), "CAPTURED held 4597 taken 4597 back 0 Pending 500");
    for hours in 0..60 {
        clock.advance(Duration::from_secs(3_600));
        tokio::time::sleep(Duration::from_millis(30)).await;
        let state = shop.state(&payment_id).await;
        if state.refunds[0].status != RefundStatus::Pending {
            assert!(hours >= 22, "too soon for the key");
            break;
        }
    }
    let state = shop.act(&payment_id, "refunds", "r2", Some(500)).await.unwrap();
    assert_eq!(
        shown(&state),
        "PARTIALLY_REFUNDED held 4597 taken 4597 back 500 Failed 500 Succeeded 500"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_signed_with_the_old_secret_are_taken_during_a_rotation() {
    let new = "whsec_bmV3LXNlY3JldC1vZi10aGUtc2hvcA==";
    let both = format!("{new},{DEMO_WEBHOOK_SECRET}");
    let mut options = with_webhooks();
    options.flags = vec![
        ("gateway-webhook-secrets", both.clone()),
        ("stripe-webhook-secrets", both),
    ];
    let sqlite = service::testing::TempSqlite::new();
    let shop = Shop::open(&sqlite.url, options).await;
    for gateway in ["sandbox", "stripe"] {
        let payment_id = id::new("pay");
        shop.authorize(&payment_id, &crate::shop::request_through(gateway, "tok_3ds"))
            .await
            .unwrap();
        let page = shop.open_page(&shop.action_url(&payment_id).await).await;
        let stored = stored_events(&shop, &payment_id).await;
        shop.decide(&page, "approve").await;
        shop.wait_for(&payment_id, "AUTHORIZED").await;
        for _ in 0..200 {
            if stored_events(&shop, &payment_id).await > stored {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(stored_events(&shop, &payment_id).await > stored, "{gateway}");
    }
}

async fn stored_events(shop: &Shop, payment_id: &str) -> usize {
    shop.webhooks()
        .await
        .iter()
        .filter(|webhook| webhook.payment_id.as_deref() == Some(payment_id))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_an_unknown_payment_is_kept_and_then_matched_or_told_of() {
    each_shop(
        ShopOptions {
            clock: Some(Clock::manual(Utc::now())),
            ..ShopOptions::default()
        },
        async |shop: Shop| {
            let clock = shop.service.clock.clone();
            let (early, never) = (id::new("pay"), id::new("pay"));
            let told = |payment_id: &str| json!({"id": "sbx_x", "reference": payment_id});
            assert_eq!(shop.send_event("evt_early", told(&early)).await, 204);
            assert_eq!(shop.send_event("evt_never", told(&never)).await, 204);
            shop.pay(&early, "tok_ok").await;
            let open = |webhooks: Vec<StoredWebhook>| {
                webhooks
                    .iter()
                    .filter(|webhook| webhook.waits)
                    .map(|webhook| webhook.id.clone())
                    .collect::<Vec<_>>()
            };
            for _ in 0..400 {
                let waiting = open(shop.webhooks().await);
                if waiting.is_empty() {
                    break;
                }
                clock.advance(Duration::from_secs(60));
                // A repeat of the event changes nothing, and wakes the runner.
                shop.send_event("evt_never", told(&never)).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let mut webhooks = shop.webhooks().await;
            webhooks.sort_by(|left, right| left.id.cmp(&right.id));
            let seen: Vec<_> = webhooks
                .iter()
                .map(|webhook| (webhook.id.as_str(), webhook.waits, webhook.processed))
                .collect();
            assert_eq!(
                seen,
                [("sandbox:evt_early", false, true), ("sandbox:evt_never", false, false)]
            );
            let metrics = shop.metrics().await;
            assert!(
                metrics.contains("payments_webhooks_unmatched_total{gateway=\"sandbox\"}"),
                "{metrics}"
            );
        },
    )
    .await;
}

/// Waits until the payment has `status` while time goes by.
async fn wait_moving(
    shop: &Shop,
    clock: &Clock,
    payment_id: &str,
    status: &str,
) -> service::contract::payments::PaymentState {
    let began: DateTime<Utc> = clock.now();
    for _ in 0..1_000 {
        let state = shop.state(payment_id).await;
        if state.status.as_str() == status {
            return state;
        }
        clock.advance(Duration::from_secs(3));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "not {status} after {}: {:?}",
        clock.now() - began,
        shop.state(payment_id).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_gateway_holds_up_no_webhook_of_another() {
    let url = gateway_that(std::future::pending).await;
    let options = ShopOptions {
        flags: vec![("gateway-url", url), ("gateway-timeout-ms", "4000".to_owned())],
        ..with_webhooks()
    };
    let sqlite = service::testing::TempSqlite::new();
    let shop = Shop::open(&sqlite.url, options).await;
    let slow = id::new("pay");
    assert_eq!(shop.pay(&slow, "tok_ok").await.status.as_str(), "PROCESSING");
    shop.send_event("news", json!({"reference": slow})).await;
    // It is being asked about the slow one, for four seconds.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = std::time::Instant::now();
    let payment_id = id::new("pay");
    let request = crate::shop::request_through("stripe", "tok_3ds");
    shop.authorize(&payment_id, &request).await.unwrap();
    shop.decide(&shop.action_url(&payment_id).await, "approve").await;
    shop.wait_for(&payment_id, "AUTHORIZED").await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "waited for the slow one: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_gateway_holds_up_no_open_call_of_another() {
    let url = gateway_that(std::future::pending).await;
    let options = ShopOptions {
        flags: vec![("gateway-url", url), ("gateway-timeout-ms", "4000".to_owned())],
        ..ShopOptions::default()
    };
    let sqlite = service::testing::TempSqlite::new();
    let shop = Shop::open(&sqlite.url, options).await;
    let ids: [String; 3] = std::array::from_fn(|_| id::new("pay"));
    futures::future::join_all(ids.iter().map(|id| shop.pay(id, "tok_ok"))).await;
    // All are asked about again in two seconds; those of the slow gateway first.
    let payment_id = id::new("pay");
    let began = std::time::Instant::now();
    let request = crate::shop::request_through("stripe", "tok_500_after_success");
    shop.authorize(&payment_id, &request).await.unwrap();
    shop.wait_for(&payment_id, "AUTHORIZED").await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "waited for the slow ones: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_something_else_is_not_believed() {
    let payment_id = id::new("pay");
    let captured = json!({
        "id": "sbx_1", "reference": payment_id, "status": "captured", "amount_minor": 4_597, "currency": "EUR",
        "authorized_minor": 4_597, "captured_minor": 4_597, "refunded_minor": 0, "refunds": [],
    });
    let sqlite = service::testing::TempSqlite::new();
    let mut story = String::new();
    for (field, value) in [
        ("reference", json!("pay_of_another")),
        ("amount_minor", json!(1)),
        ("currency", json!("JPY")),
        ("currency", json!("euros")),
        ("id", json!("sbx_1")),
    ] {
        let mut answer = captured.clone();
        answer[field] = value.clone();
        let url = gateway_that(move || std::future::ready(Json(answer.clone()))).await;
        let options = ShopOptions {
            flags: vec![("gateway-url", url)],
            ..ShopOptions::default()
        };
        let shop = Shop::open(&sqlite.url, options).await;
        let state = shop.pay(&payment_id, "tok_ok").await;
        story += &format!("{field} {value}: {}\n", shown(&state));
        shop.execute("DELETE FROM payment_transaction").await;
        shop.execute("DELETE FROM payment").await;
    }
    expect![[r#"
        reference "pay_of_another": PROCESSING held 0 taken 0 back 0
        amount_minor 1: PROCESSING held 0 taken 0 back 0
        currency "JPY": PROCESSING held 0 taken 0 back 0
        currency "euros": PROCESSING held 0 taken 0 back 0
        id "sbx_1": CAPTURED held 4597 taken 4597 back 0
    "#]]
    .assert_eq(&story);
}
