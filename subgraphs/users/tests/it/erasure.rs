//! Erasure of an account, and who hears of it.

use crate::shop::{PASSWORD, Shop, eventually, user_errors};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use service::contract::events::Event;
use service::contract::users::{BuyerReply, BuyerRequest};
use service::peer::{PeerClient, Peers};
use service::testing::{TestOptions, each_database};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Heard = Arc<Mutex<Vec<Event>>>;

/// A service that takes events, but the first one only when it is sent again.
fn listener(name: &'static str, options: &TestOptions) -> (PeerClient, Heard) {
    let heard: Heard = Arc::default();
    let router = Router::new()
        .route("/internal/events", post(hear))
        .with_state(Arc::clone(&heard));
    let peer = PeerClient::in_process(name, options.internal_key.clone());
    peer.bind(service::internal::verified(router, options.internal_key.clone()));
    (peer, heard)
}

async fn hear(State(heard): State<Heard>, Json(event): Json<Event>) -> StatusCode {
    let mut heard = heard.lock().unwrap();
    heard.push(event);
    if heard.len() == 1 {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::NO_CONTENT
    }
}

async fn erase(shop: &Shop, password: &str, token: &str) -> Value {
    let erase =
        "mutation($password: String!) { userDelete(password: $password) { deletedUserId userErrors { code field } } }";
    shop.data(erase, json!({ "password": password }), Some(token)).await["userDelete"].clone()
}

#[tokio::test]
async fn an_erased_account_is_gone_and_others_are_told() {
    each_database(|url| async move {
        let mut options = TestOptions::default();
        let (orders, orders_heard) = listener("orders", &options);
        let (reviews, reviews_heard) = listener("reviews", &options);
        options.peers = Peers {
            orders: Some(orders),
            reviews: Some(reviews),
            ..Peers::default()
        };
        let shop = Shop::start_changed(&url, options, |_| {}).await;
        let registered = shop.register("mira").await;
        let (id, token) = (
            &registered["user"]["id"],
            registered["tokens"]["accessToken"].as_str().unwrap(),
        );
        let address =
            "mutation { addressCreate(input: { name: \"Mira\", line1: \"b\", city: \"c\", countryCode: \"DE\" },
            setDefault: true) { address { id } userErrors { code } } }";
        let address = shop.data(address, json!({}), Some(token)).await["addressCreate"]["address"]["id"].clone();
        shop.mails_to("mira@example.com", 1).await;

        assert_eq!(
            user_errors(&erase(&shop, "wrong password", token).await),
            "INVALID_CREDENTIALS@password"
        );
        let done = erase(&shop, PASSWORD, token).await;
        assert_eq!(&done["deletedUserId"], id);
        assert_nothing_is_left(&shop, id, &address, &registered["tokens"]).await;
        assert_eq!(
            user_errors(&erase(&shop, PASSWORD, token).await),
            "INVALID_CREDENTIALS@password"
        );

        let mails = shop.mails_to("mira@example.com", 2).await;
        assert!(mails[1].contains("Your account was deleted"), "{mails:?}");
        for heard in [&orders_heard, &reviews_heard] {
            let events = eventually("the event a second time", || {
                shop.service.clock.advance(Duration::from_secs(1));
                let heard = heard.lock().unwrap();
                (heard.len() >= 2).then(|| heard.clone())
            })
            .await;
            assert_eq!(events[0], events[1], "the same event until it is acknowledged");
            assert_eq!(events[0].event_type, "users.erased");
            assert_eq!((&events[0].data["userId"], &json!(events[0].subject)), (id, id));
        }
        assert_eq!(
            user_errors(&shop.register("mira").await),
            "",
            "the address is free again"
        );
    })
    .await;
}

async fn assert_nothing_is_left(shop: &Shop, id: &Value, address: &Value, tokens: &Value) {
    let token = tokens["accessToken"].as_str();
    assert_eq!(shop.data("{ me { id } }", json!({}), token).await["me"], Value::Null);
    let entities = json!([{ "__typename": "User", "id": id }, { "__typename": "Address", "id": address }]);
    let admin = shop.demo("admin").await;
    let answer = shop.service.entities(entities, "__typename", Some(&admin)).await;
    assert_eq!(answer["data"]["_entities"], json!([null, null]));
    assert_eq!(
        user_errors(&shop.login("mira@example.com", PASSWORD).await),
        "INVALID_CREDENTIALS@"
    );
    let refresh = "mutation($token: String) { userTokenRefresh(refreshToken: $token) { userErrors { code field } } }";
    let data = shop
        .data(refresh, json!({ "token": tokens["refreshToken"] }), None)
        .await;
    assert_eq!(user_errors(&data["userTokenRefresh"]), "TOKEN_INVALID@refreshToken");

    let users = PeerClient::in_process("users", shop.service.internal_key.clone());
    users.bind(shop.service.app.internal.clone());
    let request = BuyerRequest {
        user_id: id.as_str().unwrap().to_owned(),
        address_id: None,
    };
    let reply: BuyerReply = users
        .call(Method::POST, "/internal/buyer", Some(&request))
        .await
        .unwrap();
    assert_eq!(reply.user, None);
}
