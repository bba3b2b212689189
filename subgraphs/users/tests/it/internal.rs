//! What other services ask.

use crate::shop::Shop;
use http::Method;
use service::auth::InternalKey;
use service::contract::users::{BuyerReply, BuyerRequest};
use service::peer::{PeerClient, PeerError};
use service::seed::users as seed;
use service::testing::{TempSqlite, get};

fn peer(shop: &Shop, key: InternalKey) -> PeerClient {
    let client = PeerClient::in_process("users", key);
    client.bind(shop.service.app.internal.clone());
    client
}

#[tokio::test]
async fn orders_learns_who_buys_and_where_they_live() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let users = peer(&shop, shop.service.internal_key.clone());
    let ada = seed::id(seed::DEMO);
    let ask = async |user_id: &str, address_id: Option<String>| {
        let request = BuyerRequest {
            user_id: user_id.to_owned(),
            address_id,
        };
        let reply: BuyerReply = users
            .call(Method::POST, "/internal/buyer", Some(&request))
            .await
            .unwrap();
        (
            reply.user.map(|user| user.email),
            reply.address.map(|address| address.country_code),
        )
    };
    let email = Some("ada@hansa.example".to_owned());
    let country = seed::user(seed::DEMO).addresses[0].country_code.to_owned();
    assert_eq!(ask(&ada, None).await, (email.clone(), None));
    assert_eq!(
        ask(&ada, Some(seed::address_id(seed::DEMO, 0))).await,
        (email.clone(), Some(country))
    );
    assert_eq!(ask(&ada, Some(seed::address_id(5, 0))).await, (email, None), "not hers");
    assert_eq!(ask("usr_unknown", Some(seed::address_id(5, 0))).await, (None, None));
}

#[tokio::test]
async fn strangers_are_refused() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let stranger = peer(&shop, InternalKey::generate());
    let request = BuyerRequest {
        user_id: seed::id(seed::DEMO),
        address_id: None,
    };
    let refused = stranger
        .call::<_, BuyerReply>(Method::POST, "/internal/buyer", Some(&request))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, PeerError::Status { status, .. } if status.as_u16() == 401),
        "{refused}"
    );
    assert_eq!(get(&shop.service.app.internal, "/internal/buyer").await.0.as_u16(), 401);
    assert_eq!(get(&shop.service.app.public, "/internal/buyer").await.0.as_u16(), 404);
}
