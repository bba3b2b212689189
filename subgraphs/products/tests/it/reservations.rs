//! Stock under orders: `/internal/…` as orders calls it.

use super::{Shop, admin, data, started};
use chrono::{TimeZone, Utc};
use futures::FutureExt as _;
use futures::future::join_all;
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};
use service::clock::Clock;
use service::id;
use service::peer::{PeerClient, PeerError};
use service::seed::orders::{self, SeedOrder, SeedOrderLine, SeedOrderStatus};
use service::testing::{TestService, each_database};
use std::time::Duration;

fn peer(service: &TestService) -> PeerClient {
    let peer = PeerClient::in_process("products", service.internal_key.clone());
    peer.bind(service.app.internal.clone());
    peer
}

pub(super) async fn call(
    service: &TestService,
    method: Method,
    path: &str,
    body: Option<&(impl Serialize + ?Sized)>,
) -> Value {
    peer(service)
        .call(method, path, body)
        .await
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

async fn reserve(service: &TestService, order: &str, lines: &[(u64, u32)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(variant, quantity)| json!({"variantId": id::seeded("var", *variant), "quantity": quantity}))
        .collect();
    let body = json!({"lines": lines, "currencyCode": "EUR"});
    call(
        service,
        Method::PUT,
        &format!("/internal/reservations/{order}"),
        Some(&body),
    )
    .await
}

async fn act(service: &TestService, method: Method, order: &str, action: &str) -> Value {
    call(
        service,
        method,
        &format!("/internal/reservations/{order}{action}"),
        None::<&()>,
    )
    .await
}

/// On hand and reserved.
async fn stock(service: &TestService, variant: u64) -> (i64, i64) {
    let query = "query($id: ID!) { productVariant(id: $id) { stock { onHand reserved } } }";
    let answer = data(
        service,
        query,
        json!({"id": id::seeded("var", variant)}),
        Some(&admin(service)),
    )
    .await;
    let stock = &answer["productVariant"]["stock"];
    (
        stock["onHand"].as_i64().expect("units"),
        stock["reserved"].as_i64().expect("units"),
    )
}

#[tokio::test]
async fn a_quote_has_what_a_line_needs() {
    let shop = Shop::open().await;
    let ids = [
        id::seeded("var", 1),
        "var_none".to_owned(),
        id::seeded("var", 1),
        id::seeded("var", 7),
    ];
    let body = json!({"variantIds": ids, "currencyCode": "EUR"});
    let quote = call(&shop.service, Method::POST, "/internal/quote", Some(&body)).await;
    assert_eq!(quote["variants"].as_array().unwrap().len(), 2);
    expect_test::expect![[r#"
        {
          "variantId": "var_01ke6jq3z8e68swbasv7w46mn9",
          "productId": "prod_01ke6jq300e10r2eddybmrm2wj",
          "sku": "TSHI-01-S-BLACK",
          "productTitle": "Heavyweight Tee",
          "variantTitle": "S / Black",
          "imageUrl": "http://127.0.0.1:5000/media/products/prod_01ke6jq300e10r2eddybmrm2wj.svg",
          "price": {
            "amountMinor": 2900,
            "currencyCode": "EUR"
          },
          "weightGrams": 190,
          "taxClass": "standard",
          "availableForSale": true,
          "quantityAvailable": 52
        }"#]]
    .assert_eq(&format!("{:#}", quote["variants"][0]));
    let yen = json!({"variantIds": ids, "currencyCode": "JPY"});
    assert_eq!(
        call(&shop.service, Method::POST, "/internal/quote", Some(&yen)).await,
        json!({"variants": []})
    );
}

#[tokio::test]
async fn a_reservation_lives_as_documented_on_every_database() {
    each_database(|url| async move {
        let clock = Clock::manual(Utc.with_ymd_and_hms(2026, 6, 1, 12, 0, 0).unwrap());
        let service = started(&url, clock.clone()).await;
        // Reserve, again, and with another body.
        let first = reserve(&service, "ord_a", &[(1, 2), (2, 1)]).await;
        assert_eq!(first["outcome"], "RESERVED");
        assert_eq!(first["expiresAt"], "2026-06-01T12:20:00Z");
        assert_eq!(
            first["variants"][0]["price"],
            json!({"amountMinor": 2900, "currencyCode": "EUR"})
        );
        assert_eq!(reserve(&service, "ord_a", &[(1, 2), (2, 1)]).await, first);
        assert_eq!(stock(&service, 1).await, (52, 2));
        let body = json!({"lines": [{"variantId": id::seeded("var", 1), "quantity": 3}], "currencyCode": "EUR"});
        let conflict = peer(&service)
            .call::<_, Value>(Method::PUT, "/internal/reservations/ord_a", Some(&body))
            .await;
        assert!(
            matches!(conflict, Err(PeerError::Status { status, .. }) if status == 409),
            "{conflict:?}"
        );
        // Commit, twice; a release is too late.
        for _ in 0..2 {
            assert_eq!(
                act(&service, Method::POST, "ord_a", "/commit").await,
                json!({"outcome": "COMMITTED"})
            );
            assert_eq!(stock(&service, 1).await, (50, 0));
        }
        assert_eq!(
            act(&service, Method::DELETE, "ord_a", "").await,
            json!({"outcome": "COMMITTED"})
        );
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_refusal_or_a_release_is_final_on_every_database() {
    each_database(|url| async move {
        let service = started(&url, Clock::System).await;
        // All or nothing, with every reason.
        let short = reserve(&service, "ord_b", &[(1, 1), (2, 10_000), (9_999, 1)]).await;
        let shortages = short["shortages"].as_array().unwrap();
        let reasons: Vec<_> = shortages
            .iter()
            .map(|shortage| shortage["reason"].as_str().unwrap())
            .collect();
        assert_eq!(
            (short["outcome"].as_str().unwrap(), reasons.len()),
            ("REFUSED", 2),
            "{short:#}"
        );
        assert!(
            reasons.contains(&"OUT_OF_STOCK") && reasons.contains(&"NOT_FOUND"),
            "{short:#}"
        );
        assert_eq!(stock(&service, 1).await, (52, 0));
        assert_eq!(
            reserve(&service, "ord_b", &[(1, 1), (2, 10_000), (9_999, 1)]).await,
            short
        );
        // Release before reserve: the tombstone.
        assert_eq!(
            act(&service, Method::DELETE, "ord_c", "").await,
            json!({"outcome": "RELEASED"})
        );
        assert_eq!(
            reserve(&service, "ord_c", &[(1, 1)]).await,
            json!({"outcome": "RELEASED"})
        );
        assert_eq!(
            act(&service, Method::POST, "ord_c", "/commit").await,
            json!({"outcome": "RELEASED"})
        );
        // Release after reserve, twice.
        reserve(&service, "ord_d", &[(1, 5)]).await;
        for _ in 0..2 {
            assert_eq!(
                act(&service, Method::DELETE, "ord_d", "").await,
                json!({"outcome": "RELEASED"})
            );
            assert_eq!(stock(&service, 1).await, (52, 0));
        }
        assert_eq!(
            act(&service, Method::POST, "ord_none", "/commit").await,
            json!({"outcome": "NOT_FOUND"})
        );
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_lapsed_reservation_is_committed_only_while_its_units_are_free() {
    let database = service::testing::TempSqlite::new();
    let clock = Clock::manual(Utc.with_ymd_and_hms(2026, 6, 1, 12, 0, 0).unwrap());
    let service = started(&database.url, clock.clone()).await;
    reserve(&service, "ord_a", &[(1, 30)]).await;
    let until = json!({"expiresAt": "2026-06-01T13:00:00Z"});
    let extended = call(
        &service,
        Method::POST,
        "/internal/reservations/ord_a/extend",
        Some(&until),
    )
    .await;
    assert_eq!(
        extended,
        json!({"outcome": "EXTENDED", "expiresAt": "2026-06-01T13:00:00Z"})
    );
    let shorter = json!({"expiresAt": "2026-06-01T12:01:00Z"});
    let kept = call(
        &service,
        Method::POST,
        "/internal/reservations/ord_a/extend",
        Some(&shorter),
    )
    .await;
    assert_eq!(kept["expiresAt"], "2026-06-01T13:00:00Z");
    // Of 52 units 30 are held, also after the usual 20 minutes.
    clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(reserve(&service, "ord_b", &[(1, 40)]).await["outcome"], "REFUSED");
    clock.advance(Duration::from_secs(31 * 60));
    // Somebody else takes the units: the commit is refused. They come back: it is not.
    assert_eq!(reserve(&service, "ord_c", &[(1, 40)]).await["outcome"], "RESERVED");
    let late = call(
        &service,
        Method::POST,
        "/internal/reservations/ord_a/extend",
        Some(&until),
    )
    .await;
    assert_eq!(late, json!({"outcome": "NOT_RESERVED"}));
    let refused = act(&service, Method::POST, "ord_a", "/commit").await;
    let shortage = json!({"variantId": id::seeded("var", 1), "reason": "OUT_OF_STOCK", "quantityAvailable": 12});
    assert_eq!(refused, json!({"outcome": "REFUSED", "shortages": [shortage]}));
    act(&service, Method::DELETE, "ord_c", "").await;
    assert_eq!(
        act(&service, Method::POST, "ord_a", "/commit").await,
        json!({"outcome": "COMMITTED"})
    );
    assert_eq!(stock(&service, 1).await, (22, 0));
}

#[tokio::test]
async fn commands_that_come_at_once_are_answered_each_for_itself() {
    each_database(|url| async move {
        let service = started(&url, Clock::System).await;
        reserve(&service, "ord_a", &[(1, 5)]).await;
        reserve(&service, "ord_b", &[(1, 7), (2, 1)]).await;
        let outcomes = |replies: &[Value]| -> Vec<String> {
            let outcome = |reply: &Value| reply["outcome"].as_str().expect("an outcome").to_owned();
            replies.iter().map(outcome).collect()
        };
        let commit = |order| act(&service, Method::POST, order, "/commit").boxed();
        let reserve = |order, lines| reserve(&service, order, lines).boxed();
        let replies = join_all([
            commit("ord_a"),
            commit("ord_b"),
            reserve("ord_c", &[(1, 1)]),
            reserve("ord_d", &[(2, 2), (1, 1)]),
        ]);
        let first = replies.await;
        let expected = ["COMMITTED", "COMMITTED", "RESERVED", "RESERVED"];
        assert_eq!(outcomes(&first), expected, "on {url}");
        assert_eq!(stock(&service, 1).await, (40, 2), "on {url}");
        // Beside what is repeated, unknown or too much, what is right is done.
        let replies = join_all([
            reserve("ord_c", &[(1, 1)]),
            reserve("ord_e", &[(1, 39)]),
            commit("ord_none"),
            commit("ord_d"),
            commit("ord_a"),
            reserve("ord_f", &[(1, 3)]),
        ]);
        let second = replies.await;
        let expected = ["RESERVED", "REFUSED", "NOT_FOUND", "COMMITTED", "COMMITTED", "RESERVED"];
        assert_eq!(outcomes(&second), expected, "on {url}");
        assert_eq!(second[0], first[2], "the same answer to the same command, on {url}");
        assert_eq!(stock(&service, 1).await, (39, 4), "on {url}");
        // A commit that comes with its own reservation may find it or not.
        let own = join_all([reserve("ord_g", &[(1, 2)]), commit("ord_g")]).await;
        assert_eq!(own[0]["outcome"], "RESERVED", "on {url}");
        assert_eq!(commit("ord_g").await["outcome"], "COMMITTED", "on {url}");
        assert_eq!(stock(&service, 1).await, (37, 4), "on {url}");
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn units_come_back_once_and_never_more_than_left() {
    each_database(|url| async move {
        let service = started(&url, Clock::System).await;
        reserve(&service, "ord_a", &[(1, 5)]).await;
        let restock = async |restock_id: &str, quantity: u32| {
            let line = json!({"variantId": id::seeded("var", 1), "quantity": quantity});
            let body = json!({"orderId": "ord_a", "lines": [line]});
            call(
                &service,
                Method::PUT,
                &format!("/internal/restocks/{restock_id}"),
                Some(&body),
            )
            .await
        };
        assert_eq!(
            restock("ref_a", 2).await,
            json!({"outcome": "REFUSED"}),
            "not committed yet"
        );
        act(&service, Method::POST, "ord_a", "/commit").await;
        for (restock_id, quantity, outcome, on_hand) in [
            ("ref_a", 2, "RESTOCKED", 49),
            ("ref_a", 2, "RESTOCKED", 49),
            ("ref_b", 4, "REFUSED", 49),
            ("ref_c", 3, "RESTOCKED", 52),
        ] {
            assert_eq!(
                restock(restock_id, quantity).await,
                json!({ "outcome": outcome }),
                "{restock_id}"
            );
            assert_eq!(stock(&service, 1).await, (on_hand, 0));
        }
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn units_of_the_demo_shop_s_orders_come_back() {
    let shop = Shop::open().await;
    let paid = |order: &&SeedOrder| order.status == SeedOrderStatus::Paid;
    let order = orders::all().iter().find(paid).expect("a paid order");
    let on_hand = async |line: &SeedOrderLine| {
        let query = "query($id: ID!) { productVariant(id: $id) { stock { onHand } } }";
        let answer = shop.admin(query, json!({"id": line.variant.id})).await;
        answer["productVariant"]["stock"]["onHand"].as_i64().expect("units")
    };
    let line = &order.lines[0];
    let before = on_hand(line).await;
    let lines: Vec<Value> = order
        .lines
        .iter()
        .map(|line| json!({"variantId": line.variant.id, "quantity": line.quantity}))
        .collect();
    let body = json!({"orderId": order.id, "lines": lines});
    let reply = call(&shop.service, Method::PUT, "/internal/restocks/rfd_test", Some(&body)).await;
    assert_eq!(reply, json!({"outcome": "RESTOCKED"}));
    assert_eq!(on_hand(line).await, before + i64::from(line.quantity));
    let again = call(&shop.service, Method::PUT, "/internal/restocks/rfd_other", Some(&body)).await;
    assert_eq!(again, json!({"outcome": "REFUSED"}), "all of it is back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_race_for_the_last_units_never_oversells() {
    each_database(|url| async move {
        let service = started(&url, Clock::System).await;
        // 52 of one variant; two orders in three also want another one, named in either order.
        let orders: Vec<String> = (0..40).map(|number| format!("ord_{number}")).collect();
        let racing = orders.iter().enumerate().map(|(number, order)| {
            let lines: &[(u64, u32)] = [&[(1, 3)][..], &[(1, 3), (2, 1)], &[(2, 1), (1, 3)]][number % 3];
            reserve(&service, order, lines)
        });
        let replies = join_all(racing).await;
        let reserved: Vec<_> = orders
            .iter()
            .zip(&replies)
            .filter(|(_, reply)| reply["outcome"] == "RESERVED")
            .collect();
        let (on_hand, held) = stock(&service, 1).await;
        assert_eq!(held, 3 * i64::try_from(reserved.len()).unwrap(), "on {url}");
        assert!(held <= on_hand && on_hand - held < 3 + 3 * 27, "{held} of {on_hand}");
        // Everybody who has a reservation acts at once, half of them twice.
        let acting = reserved.iter().enumerate().flat_map(|(number, (order, _))| {
            let service = &service;
            let action = move || async move {
                match number % 2 {
                    0 => act(service, Method::POST, order, "/commit").await,
                    _ => act(service, Method::DELETE, order, "").await,
                }
            };
            [action(), action()]
        });
        join_all(acting).await;
        let committed = i64::try_from(reserved.len().div_ceil(2)).unwrap();
        assert_eq!(stock(&service, 1).await, (52 - 3 * committed, 0), "on {url}");
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn bodies_beyond_the_limits_are_refused() {
    let shop = Shop::open().await;
    let line = json!({"variantId": id::seeded("var", 1), "quantity": 1});
    for (body, expected) in [
        (
            json!({"lines": [], "currencyCode": "EUR"}),
            "between 1 and 200 lines are needed\n",
        ),
        (
            json!({"lines": [line, line], "currencyCode": "EUR"}),
            "a variant occurs in two lines\n",
        ),
        (
            json!({"lines": [{"variantId": "x", "quantity": 0}], "currencyCode": "EUR"}),
            "quantities are between 1 and 10000\n",
        ),
        (
            json!({"lines": [line], "currencyCode": "eur"}),
            "`eur` is not a known currency\n",
        ),
    ] {
        let answer = peer(&shop.service)
            .call::<_, Value>(Method::PUT, "/internal/reservations/ord_a", Some(&body))
            .await;
        let Err(PeerError::Status { status, body, .. }) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((status.as_u16(), std::str::from_utf8(&body).unwrap()), (400, expected));
    }
}

#[tokio::test]
async fn strangers_are_turned_away() {
    let shop = Shop::open().await;
    let stranger = PeerClient::in_process("products", service::auth::InternalKey::generate());
    stranger.bind(shop.service.app.internal.clone());
    let answer = stranger
        .call::<(), Value>(Method::DELETE, "/internal/reservations/ord_a", None)
        .await;
    assert!(
        matches!(answer, Err(PeerError::Status { status, .. }) if status == 401),
        "{answer:?}"
    );
}
