//! Webhooks: how they arrive, twice, not at all, or from somebody else.

use axum::body::Body;
use chrono::TimeDelta;
use expect_test::expect;
use http::{Request, StatusCode};
use payments::store::Store;
use serde_json::{Value, json};
use service::id;
use tower::ServiceExt as _;

use crate::shop::{Shop, ShopOptions, each_shop, request_through, shown, with_webhooks};

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
            for _ in 0..400 {
                if shop.webhooks().await.iter().all(|webhook| webhook.processed) {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            let done = shop.webhooks().await.iter().all(|webhook| webhook.processed);
            assert!(done, "{event} is not worked on in time");
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
