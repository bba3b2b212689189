//! Webhooks: how they arrive, twice, not at all, or from somebody else.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::json;
use service::id;
use tower::ServiceExt as _;

use crate::shop::{Shop, each_shop, with_webhooks};

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
