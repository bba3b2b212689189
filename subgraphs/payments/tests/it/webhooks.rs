//! Webhooks: how they arrive, twice, not at all, or from somebody else.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::Body;
use chrono::TimeDelta;
use expect_test::expect;
use http::{Request, StatusCode};
use payments::store::Store;
use serde_json::{Value, json};
use service::id;
use tower::ServiceExt as _;

use crate::shop::{Shop, ShopOptions, each_shop, gateway_that, request, request_through, shown, with_webhooks};

#[tokio::test(flavor = "multi_thread")]
async fn the_shopper_approves_and_the_webhook_tells() {
    each_shop(with_webhooks(), async |shop: Shop| {
        for (fault, decision, status) in [
            ("none", "approve", "AUTHORIZED"),
            ("duplicate", "approve", "AUTHORIZED"),
            ("none", "reject", "DECLINED"),
        ] {
            shop.fault(fault).await;
            let payment_id = id::new("pay");
            assert_eq!(
                shop.pay(&payment_id, "tok_3ds").await.status.as_str(),
                "REQUIRES_ACTION"
            );
            shop.decide(&shop.action_url(&payment_id).await, decision).await;
            shop.wait_for(&payment_id, status).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_decided_later_is_settled() {
    each_shop(with_webhooks(), async |shop: Shop| {
        let payment_id = id::new("pay");
        shop.pay(&payment_id, "tok_async_10s").await;
        shop.wait_for(&payment_id, "AUTHORIZED").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_and_foreign_webhooks_change_nothing() {
    each_shop(with_webhooks(), async |shop: Shop| {
        shop.fault("wrong_signature").await;
        let payment_id = id::new("pay");
        shop.pay(&payment_id, "tok_3ds").await;
        let webhook = shop.service.app.webhook.clone().unwrap();
        for path in ["/webhooks/sandbox", "/webhooks/unknown"] {
            let body = json!({"data": {"reference": payment_id, "status": "captured"}}).to_string();
            let request = Request::post(path).body(Body::from(body)).unwrap();
            let status = webhook.clone().oneshot(request).await.unwrap().status();
            assert!(
                matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND),
                "{status}"
            );
        }
        assert_eq!(shop.state(&payment_id).await.status.as_str(), "REQUIRES_ACTION");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_asked_about_news_and_the_webhook_is_not_believed() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let payment_id = id::new("pay");
        shop.pay(&payment_id, "tok_ok").await;
        let booked = shop.booked(&payment_id).await.remove(0);
        let but = |field: &str, value: Value| {
            let mut data = booked.clone();
            data[field] = value;
            data
        };
        let mut part = booked.clone();
        part.as_object_mut().unwrap().remove("refunds");
        let mut story = String::new();
        for (event, data) in [
            ("what is known", booked.clone()),
            ("what was before", but("status", json!("processing"))),
            ("another status", but("status", json!("captured"))),
            ("another amount", but("captured_minor", json!(1))),
            ("a refund by hand", but("refunded_minor", json!(1))),
            ("nothing of refunds", part),
            ("no status", but("status", Value::Null)),
        ] {
            let before = shop.lookups();
            assert_eq!(shop.send_event(event, data).await, 204);
            shop.wait_for_webhooks().await;
            let (asked, state) = (shop.lookups() - before, shop.state(&payment_id).await);
            story += &format!("{event}: asked {asked}, {}\n", shown(&state));
        }
        expect![[r#"
            what is known: asked 0, AUTHORIZED held 4597 taken 0 back 0
            what was before: asked 0, AUTHORIZED held 4597 taken 0 back 0
            another status: asked 1, AUTHORIZED held 4597 taken 0 back 0
            another amount: asked 1, AUTHORIZED held 4597 taken 0 back 0
            a refund by hand: asked 1, AUTHORIZED held 4597 taken 0 back 0
            nothing of refunds: asked 1, AUTHORIZED held 4597 taken 0 back 0
            no status: asked 1, AUTHORIZED held 4597 taken 0 back 0
        "#]]
        .assert_eq(&story);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_comes_back_is_owed_again() {
    each_shop(with_webhooks(), async |shop: Shop| {
        for gateway in ["sandbox", "stripe"] {
            let payment_id = id::new("pay");
            let request = request_through(gateway, "tok_refund_returned");
            shop.authorize(&payment_id, &request).await.unwrap();
            shop.act(&payment_id, "capture", "c", None).await.unwrap();
            shop.act(&payment_id, "refunds", "r", Some(500)).await.unwrap();
            let returned = "CAPTURED held 4597 taken 4597 back 0 Failed 500";
            shop.wait_until(&payment_id, returned).await;
            // It may be tried again.
            let again = shop.act(&payment_id, "refunds", "r2", None).await.unwrap();
            assert_eq!(again.refunds.len(), 2, "{gateway}");
            shop.wait_until(&payment_id, &format!("{returned} Failed 4597")).await;
        }
    })
    .await;
}

/// An order that was given all back may be paid again; then the first payment gets its money back.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_comes_back_leaves_the_orders_other_payment_alone() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let (first, second, order) = (id::new("pay"), id::new("pay"), request("tok_refund_returned"));
        shop.authorize(&first, &order).await.unwrap();
        shop.act(&first, "capture", "c", None).await.unwrap();
        let refunded = shop.act(&first, "refunds", "r", None).await.unwrap();
        assert_eq!(refunded.status.as_str(), "REFUNDED");
        shop.authorize(&second, &order).await.unwrap();
        for event in ["1", "2"] {
            shop.send_event(event, json!({"reference": first})).await;
            shop.wait_until(&first, "CAPTURED held 4597 taken 4597 back 0 Failed 4597")
                .await;
        }
        shop.act(&second, "void", "v", None).await.unwrap();
        shop.wait_for(&second, "VOIDED").await;
    })
    .await;
}

/// As somebody does at the gateway, who gives it no reference of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_by_hand_is_heard_of_and_so_is_its_return() {
    let payment_id = id::new("pay");
    let answer = |status: &str, refunded: i64| {
        json!({
            "id": "sbx_1", "reference": payment_id, "status": "captured", "amount_minor": 4_597, "currency": "EUR",
            "authorized_minor": 4_597, "captured_minor": 4_597, "refunded_minor": refunded,
            "refunds": [{"id": "sbr_1", "reference": null, "amount_minor": 4_597, "status": status}],
        })
    };
    let now = Arc::new(Mutex::new(answer("succeeded", 4_597)));
    let told = Arc::clone(&now);
    let url = gateway_that(move || std::future::ready(Json(told.lock().unwrap().clone()))).await;
    let options = ShopOptions {
        flags: vec![("gateway-url", url)],
        ..ShopOptions::default()
    };
    let sqlite = service::testing::TempSqlite::new();
    let shop = Shop::open(&sqlite.url, options).await;
    let paid = shop.pay(&payment_id, "tok_ok").await;
    assert_eq!(shown(&paid), "REFUNDED held 4597 taken 4597 back 4597");
    let before = std::mem::replace(&mut *now.lock().unwrap(), answer("failed", 0));
    shop.send_event("returned", json!({"reference": payment_id})).await;
    shop.wait_until(&payment_id, "CAPTURED held 4597 taken 4597 back 0")
        .await;
    // An answer from before, that arrives late.
    *now.lock().unwrap() = before;
    shop.send_event("late", json!({"reference": payment_id})).await;
    shop.wait_for_webhooks().await;
    assert_eq!(
        shown(&shop.state(&payment_id).await),
        "CAPTURED held 4597 taken 4597 back 0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_cannot_be_read_holds_up_no_other() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let (broken, sound) = (id::new("pay"), id::new("pay"));
        for payment_id in [&broken, &sound] {
            shop.pay(payment_id, "tok_3ds").await;
        }
        shop.execute(&format!("UPDATE payment SET status = 'LOST' WHERE id = '{broken}'"))
            .await;
        for payment_id in [&broken, &sound] {
            assert_eq!(shop.send_event(payment_id, json!({"reference": payment_id})).await, 204);
        }
        shop.wait_for_webhook(&sound).await;
        let webhooks = shop.webhooks().await;
        let waiting = webhooks
            .iter()
            .find(|webhook| webhook.payment_id.as_ref() == Some(&broken));
        assert!(waiting.is_some_and(|webhook| webhook.waits && !webhook.processed));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_webhooks_are_forgotten_and_waiting_ones_are_not() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let (known, unknown) = (id::new("pay"), id::new("pay"));
        shop.pay(&known, "tok_ok").await;
        for payment_id in [&known, &unknown] {
            shop.send_event(payment_id, json!({"reference": payment_id})).await;
        }
        shop.wait_for_webhook(&known).await;
        let store = Store::new(shop.service.app.database.clone());
        let now = shop.service.clock.now();
        for (before, left) in [(now - TimeDelta::hours(1), 2), (now + TimeDelta::hours(1), 1)] {
            store.forget_webhooks(before).await.unwrap();
            assert_eq!(shop.webhooks().await.len(), left, "{before}");
        }
        assert_eq!(shop.webhooks().await[0].payment_id, Some(unknown));
    })
    .await;
}
