//! Several replicas of orders on one database.

use axum::body::{Body, BodyDataStream};
use futures::StreamExt as _;
use http::{Request, header};
use orders::Orders;
use serde_json::json;
use service::auth::Role;
use service::clock::Clock;
use service::peer::Peers;
use service::testing::{TestOptions, TestService, each_database};
use std::time::Duration;
use tower::ServiceExt as _;

use crate::neighbours::users;
use crate::shop::{Shop, config_of_orders};

/// One more replica of the shop's orders, with the same neighbours.
async fn replica(shop: &Shop, url: &str) -> TestService {
    let peers = Peers {
        reviews: None,
        ..Peers::in_process(&shop.orders.internal_key)
    };
    peers.users.as_ref().unwrap().bind(users());
    peers.products.as_ref().unwrap().bind(shop.shelf.router());
    let payments = shop.payments.app.internal.clone();
    peers.payments.as_ref().unwrap().bind(payments);
    let options = TestOptions {
        peers,
        internal_key: shop.orders.internal_key.clone(),
        ..TestOptions::default()
    };
    TestService::start::<Orders>(url, config_of_orders(), options).await
}

async fn watch(replica: &TestService, order_id: &str, token: &str) -> BodyDataStream {
    let query = "subscription($id: ID!) { orderUpdated(id: $id) { status } }";
    let body = json!({"query": query, "variables": {"id": order_id}}).to_string();
    let request = Request::post("/graphql")
        .header(header::ACCEPT, "text/event-stream")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::from(body))
        .unwrap();
    let response = replica.app.public.clone().oneshot(request).await.unwrap();
    response.into_body().into_data_stream()
}

/// Reads messages until one holds `status`.
async fn wait_for(messages: &mut BodyDataStream, status: &str) {
    let told = async {
        loop {
            let message = messages.next().await.unwrap().unwrap();
            if String::from_utf8_lossy(&message).contains(&format!("\"{status}\"")) {
                return;
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(20), told).await;
    assert!(told.is_ok(), "nobody told {status}");
}

/// A card may be refused between two looks at the order, which is then where it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_hears_of_each_refusal() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 1)]).await;
    let mut messages = watch(&shop.orders, &order_id, &shop.token(2, &[Role::Customer])).await;
    wait_for(&mut messages, "AWAITING_PAYMENT").await;
    for _ in 0..3 {
        shop.pay(&order_id, "tok_declined").await;
        wait_for(&mut messages, "AWAITING_PAYMENT").await;
    }
}

/// Whoever has heard of the end need not look any further.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_is_done_when_the_order_is() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 1)]).await;
    let mut messages = watch(&shop.orders, &order_id, &shop.token(2, &[Role::Customer])).await;
    wait_for(&mut messages, "AWAITING_PAYMENT").await;
    shop.cancel(&order_id).await;
    let rest = async {
        let mut rest = String::new();
        while let Some(message) = messages.next().await {
            rest += &String::from_utf8_lossy(&message.unwrap());
        }
        rest
    };
    let rest = tokio::time::timeout(Duration::from_secs(20), rest).await.unwrap();
    assert!(rest.contains("\"CANCELLED\"") && rest.contains("complete"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_at_every_replica_hear_what_any_of_them_wrote() {
    each_database(async |url: String| {
        let shop = Shop::open_on(&url, Clock::System).await;
        let others = [replica(&shop, &url).await, replica(&shop, &url).await];
        let shoe = shop.shelf.stock(1, 8_990, 5);
        let order_id = shop.place(&[(&shoe, 1)]).await;
        let token = shop.token(2, &[Role::Customer]);
        let mut watchers = Vec::new();
        for replica in [&shop.orders, &others[0], &others[1]] {
            let mut messages = watch(replica, &order_id, &token).await;
            wait_for(&mut messages, "AWAITING_PAYMENT").await;
            watchers.push(messages);
        }
        shop.pay(&order_id, "tok_ok").await;
        for messages in &mut watchers {
            wait_for(messages, "PAID").await;
        }
    })
    .await;
}
