//! The reviews service, through GraphQL and its internal endpoint only.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::large_futures, reason = "a whole service is a local of each test")]

mod access_table;
mod people;

use axum::body::Body;
use expect_test::expect_file;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use reviews::{Reviews, ReviewsConfig};
use serde_json::{Value, json};
use service::auth::Role;
use service::clock::Clock;
use service::contract::events::{Event, ORDERS_PAID, OrderPaid, OrderPaidLine, USERS_ERASED, UserErased};
use service::id;
use service::peer::{PeerClient, PeerError};
use service::testing::statements::StatementTable;
use service::testing::{TempSqlite, TestKeys, TestOptions, TestService, check_sdl, each_database};
use service::{AssembleOptions, assemble};
use std::time::Duration;
use tower::ServiceExt as _;

async fn started(url: &str, config: ReviewsConfig) -> TestService {
    TestService::start::<Reviews>(
        url,
        config,
        TestOptions {
            seed: true,
            ..TestOptions::default()
        },
    )
    .await
}

/// Answers that are made anew for each request.
fn anew() -> ReviewsConfig {
    ReviewsConfig {
        reviews_age_max_ms: 0,
        ..ReviewsConfig::default()
    }
}

async fn data(service: &TestService, query: &str, variables: Value, token: Option<&str>) -> Value {
    let answer = service.query(query, variables, token).await;
    assert!(answer.get("errors").is_none(), "{answer:#}");
    answer["data"].clone()
}

fn token(service: &TestService, user: u64, role: Role) -> String {
    service.keys.user(&id::seeded("usr", user), &[role])
}

const CREATE: &str = "mutation($input: ReviewCreateInput!) { reviewCreate(input: $input) {
    review { id rating title body verifiedPurchase product { id } author { id } } userErrors { code field } } }";

/// A product that nobody of the seed data has bought or reviewed: it is not in the catalogue.
fn fresh_product() -> String {
    id::seeded("prod", 5_000)
}

fn input(rating: i32, body: &str) -> Value {
    json!({ "input": {"productId": fresh_product(), "rating": rating, "title": " Nice ", "body": body} })
}

/// Has the service take an event in.
async fn send(service: &TestService, event_id: &str, event_type: &str, data: Value) -> Result<(), PeerError> {
    let peer = PeerClient::in_process("reviews", service.internal_key.clone());
    peer.bind(service.app.internal.clone());
    let event = Event {
        specversion: "1.0".to_owned(),
        id: event_id.to_owned(),
        source: "orders".to_owned(),
        event_type: event_type.to_owned(),
        subject: "ord_1".to_owned(),
        time: service.clock.now(),
        aggregate_version: 1,
        data,
    };
    peer.call(http::Method::POST, "/internal/events", Some(&event)).await
}

/// User 5 has bought the fresh product, in two lines.
fn paid() -> Value {
    let line = OrderPaidLine {
        product_id: fresh_product(),
        variant_id: id::seeded("var", 1),
        quantity: 1,
    };
    json!(OrderPaid {
        order_id: "ord_1".to_owned(),
        user_id: id::seeded("usr", 5),
        lines: vec![line.clone(), line],
    })
}

/// The account of user 5 is gone.
fn erased() -> Value {
    json!(UserErased {
        user_id: id::seeded("usr", 5)
    })
}

#[test]
fn the_schema_is_published() {
    check_sdl::<Reviews>();
}

#[tokio::test]
async fn the_demo_shop_has_a_thousand_reviews_on_every_database() {
    each_database(|url| async move {
        let service = started(&url, ReviewsConfig::default()).await;
        let again = started(&url, ReviewsConfig::default()).await;
        let representations: Vec<Value> = (0..300)
            .map(|index| json!({"__typename": "Product", "id": id::seeded("prod", index)}))
            .collect();
        let selection = "... on Product { rating { count average histogram } reviews(first: 0) { totalCount } }";
        let answer = again.entities(json!(representations), selection, None).await;
        let mut total = 0;
        for product in answer["data"]["_entities"].as_array().unwrap() {
            let rating = &product["rating"];
            let histogram: i64 = rating["histogram"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_i64)
                .sum();
            assert_eq!(
                (rating["count"].as_i64(), &product["reviews"]["totalCount"]),
                (Some(histogram), &json!(histogram))
            );
            assert_eq!(rating["average"].is_null(), histogram == 0);
            total += histogram;
        }
        assert_eq!(total, 1_000);
        again.app.database.close().await;
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn every_order_pages_through_all_reviews() {
    each_database(|url| async move {
        let service = started(&url, ReviewsConfig::default()).await;
        let selection = "query($r: [_Any!]!, $after: String, $sort: ReviewSort) { _entities(representations: $r) { ... on Product {
            reviews(first: 2, after: $after, sort: $sort) { totalCount nodes { id rating createdAt } pageInfo { hasNextPage endCursor } } } } }";
        let representations = json!([{"__typename": "Product", "id": id::seeded("prod", 0)}]);
        for sort in ["NEWEST", "RATING_DESC", "RATING_ASC"] {
            let (mut seen, mut after) = (Vec::new(), Value::Null);
            let total = loop {
                let variables = json!({"r": representations, "after": after, "sort": sort});
                let page = data(&service, selection, variables, None).await["_entities"][0]["reviews"].clone();
                seen.extend(page["nodes"].as_array().unwrap().clone());
                if page["pageInfo"]["hasNextPage"] == false {
                    break page["totalCount"].as_u64().unwrap();
                }
                after = page["pageInfo"]["endCursor"].clone();
            };
            assert_eq!(u64::try_from(seen.len()).unwrap(), total, "{sort}");
            let ratings: Vec<i64> = seen.iter().filter_map(|review| review["rating"].as_i64()).collect();
            let times: Vec<&str> = seen.iter().filter_map(|review| review["createdAt"].as_str()).collect();
            match sort {
                "NEWEST" => assert!(times.iter().rev().is_sorted(), "{times:?}"),
                "RATING_DESC" => assert!(ratings.iter().rev().is_sorted(), "{ratings:?}"),
                _ => assert!(ratings.is_sorted(), "{ratings:?}"),
            }
        }
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_review_is_written_once_and_deleted_by_its_author_or_staff() {
    each_database(|url| async move {
        let service = started(&url, ReviewsConfig::default()).await;
        let (author, other) = (token(&service, 5, Role::Customer), token(&service, 6, Role::Customer));
        let nobody = service.query(CREATE, input(5, "Good."), None).await;
        assert_eq!(nobody["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
        let created = data(&service, CREATE, input(4, " Good. "), Some(&author)).await;
        let review = &created["reviewCreate"]["review"];
        let expected = json!({
            "id": review["id"], "rating": 4, "title": "Nice", "body": "Good.", "verifiedPurchase": false,
            "product": {"id": fresh_product()}, "author": {"id": id::seeded("usr", 5)},
        });
        assert_eq!(review, &expected);
        let again = data(&service, CREATE, input(1, "Bad."), Some(&author)).await;
        let taken = json!([{"code": "ALREADY_REVIEWED", "field": ["input", "productId"]}]);
        assert_eq!(again["reviewCreate"], json!({"review": null, "userErrors": taken}));

        let delete = "mutation($id: ID!) { reviewDelete(id: $id) { deletedReviewId userErrors { code } } }";
        let not_found = json!({"deletedReviewId": null, "userErrors": [{"code": "NOT_FOUND"}]});
        let deleted = json!({"deletedReviewId": review["id"], "userErrors": []});
        let variables = json!({ "id": review["id"] });
        let nobody = service.query(delete, variables.clone(), None).await;
        assert_eq!(nobody["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
        for (token, expected) in [(&other, &not_found), (&author, &deleted), (&author, &not_found)] {
            assert_eq!(
                &data(&service, delete, variables.clone(), Some(token)).await["reviewDelete"],
                expected
            );
        }
        let second =
            data(&service, CREATE, input(4, "Good."), Some(&author)).await["reviewCreate"]["review"]["id"].clone();
        let support = token(&service, 1, Role::Support);
        let deleted = data(&service, delete, json!({ "id": second }), Some(&support)).await;
        assert_eq!(deleted["reviewDelete"]["deletedReviewId"], second);
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn every_mistake_is_told_at_once() {
    let database = TempSqlite::new();
    let service = started(
        &database.url,
        ReviewsConfig {
            require_purchase: true,
            ..ReviewsConfig::default()
        },
    )
    .await;
    let author = token(&service, 5, Role::Customer);
    let long = "x".repeat(5_001);
    let input_of = |product: &str, rating: i32, title: &str, body: &str| json!({ "input": {"productId": product, "rating": rating, "title": title, "body": body} });
    for (variables, expected) in [
        (
            input_of("junk", 0, &long, &long),
            json!(["NOT_FOUND", "RATING_OUT_OF_RANGE", "TITLE_TOO_LONG", "BODY_TOO_LONG"]),
        ),
        (
            input_of(&fresh_product(), 6, "", " "),
            json!(["RATING_OUT_OF_RANGE", "REQUIRED"]),
        ),
        (input_of(&fresh_product(), 5, "", "Good."), json!(["NOT_PURCHASED"])),
    ] {
        let answer = data(&service, CREATE, variables, Some(&author)).await;
        let errors = answer["reviewCreate"]["userErrors"].as_array().unwrap();
        assert_eq!(
            json!(errors.iter().map(|error| &error["code"]).collect::<Vec<_>>()),
            expected
        );
    }
}

#[tokio::test]
async fn events_take_effect_once() {
    each_database(|url| async move {
        let service = started(&url, ReviewsConfig::default()).await;
        let send = async |event_id, event_type, data| send(&service, event_id, event_type, data).await;
        let author = token(&service, 5, Role::Customer);
        let created = data(&service, CREATE, input(4, "Good."), Some(&author)).await;
        let read = "query($id: ID!) { review(id: $id) { verifiedPurchase } }";
        let variables = json!({"id": created["reviewCreate"]["review"]["id"]});
        let verified =
            async || data(&service, read, variables.clone(), None).await["review"]["verifiedPurchase"].clone();
        assert_eq!(verified().await, false);
        for _ in 0..2 {
            send("evt_1", ORDERS_PAID, paid()).await.unwrap();
        }
        assert_eq!(verified().await, true);
        send("evt_2", "orders.unheard", json!({})).await.unwrap();
        let bad = send("evt_3", ORDERS_PAID, json!({})).await;
        assert!(
            matches!(bad, Err(PeerError::Status { status, .. }) if status == 400),
            "{bad:?}"
        );
        send("evt_4", USERS_ERASED, erased()).await.unwrap();
        assert_eq!(
            data(&service, read, variables.clone(), None).await["review"],
            Value::Null
        );
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn everything_is_loaded_at_once() {
    let database = TempSqlite::new();
    let service = started(&database.url, anew()).await;
    let mut table = StatementTable::new::<Reviews>(&service, token(&service, 0, Role::Admin));
    for (typename, prefix) in [("Product", "prod"), ("User", "usr"), ("Review", "rev")] {
        let entity = |number| json!({ "__typename": typename, "id": id::seeded(prefix, number) });
        table.count_entities(&entity, &[]).await;
    }
    expect_file!["statements.txt"].assert_eq(&table.text());
}

/// An hour, so that nothing is counted anew by itself while the test runs.
#[tokio::test]
async fn ratings_are_counted_once_in_a_moment_and_again_after_a_change() {
    let database = TempSqlite::new();
    let config = ReviewsConfig {
        reviews_age_max_ms: 3_600_000,
        ..ReviewsConfig::default()
    };
    let service = started(&database.url, config).await;
    let products = || [id::seeded("prod", 1), fresh_product()];
    let counts = async || {
        let before = service.app.database.statements();
        let representations = products().map(|id| json!({"__typename": "Product", "id": id}));
        let answer = service
            .entities(json!(representations), "... on Product { rating { count } }", None)
            .await;
        let count = answer["data"]["_entities"][1]["rating"]["count"].as_i64();
        (count, service.app.database.statements() - before)
    };
    assert_eq!(counts().await, (Some(0), 1));
    assert_eq!(counts().await, (Some(0), 0));
    let author = token(&service, 7, Role::Customer);
    let written = data(&service, CREATE, input(5, "Good."), Some(&author)).await;
    assert_eq!(counts().await, (Some(1), 1));
    let delete = "mutation($id: ID!) { reviewDelete(id: $id) { userErrors { code } } }";
    let review = json!({ "id": written["reviewCreate"]["review"]["id"] });
    data(&service, delete, review, Some(&author)).await;
    assert_eq!(counts().await, (Some(0), 1));
}

#[tokio::test]
async fn nobody_has_more_than_fifty_reviews_of_a_day() {
    let database = TempSqlite::new();
    let options = TestOptions {
        clock: Clock::manual(service::seed::opening()),
        ..TestOptions::default()
    };
    let service = TestService::start::<Reviews>(&database.url, ReviewsConfig::default(), options).await;
    let author = token(&service, 7, Role::Customer);
    let write = async |number: u64| {
        let product = id::seeded("prod", 6_000 + number);
        let input = json!({ "input": { "productId": product, "rating": 3, "body": "Not bad." } });
        let written = data(&service, CREATE, input, Some(&author)).await;
        written["reviewCreate"].clone()
    };
    let mut last = Value::Null;
    for number in 0..50 {
        last = write(number).await;
        assert_eq!(last["userErrors"], json!([]));
    }
    let limit = json!([{ "code": "REVIEW_LIMIT", "field": null }]);
    assert_eq!(write(50).await["userErrors"], limit);
    // One that is deleted gives its place back.
    let delete = "mutation($id: ID!) { reviewDelete(id: $id) { userErrors { code } } }";
    data(&service, delete, json!({ "id": last["review"]["id"] }), Some(&author)).await;
    assert_eq!(write(50).await["userErrors"], json!([]));
    assert_eq!(write(51).await["userErrors"], limit);
    service.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(write(51).await["userErrors"], json!([]));
}

#[tokio::test]
async fn a_request_asks_for_twenty_different_lists_of_reviews() {
    let database = TempSqlite::new();
    let service = started(&database.url, anew()).await;
    let lists = |count: usize| (0..count).map(|first| format!("r{first}: reviews(first: {first}) {{ totalCount }}"));
    let ask = async |selection: String| {
        let products = (1..4).map(|number| json!({"__typename": "Product", "id": id::seeded("prod", number)}));
        let products = json!(products.collect::<Vec<_>>());
        let selection = format!("... on Product {{ {selection} again: reviews(first: 0) {{ totalCount }} }}");
        service.entities(products, &selection, None).await
    };
    let answer = ask(lists(20).collect()).await;
    assert!(answer.get("errors").is_none(), "{answer:#}");
    let answer = ask(lists(21).collect()).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
        "{answer:#}"
    );
}

/// PostgreSQL takes no U+0000.
#[tokio::test]
async fn what_no_database_takes_is_refused() {
    each_database(|url| async move {
        let service = started(&url, ReviewsConfig::default()).await;
        let author = token(&service, 7, Role::Customer);
        let input = json!({ "input": { "productId": fresh_product(), "rating": 3, "title": "a\u{0}", "body": "b\u{0}\n" } });
        let payload = data(&service, CREATE, input, Some(&author)).await;
        assert_eq!(
            payload["reviewCreate"]["userErrors"],
            json!([{ "code": "INVALID", "field": ["input", "title"] }, { "code": "INVALID", "field": ["input", "body"] }])
        );
        let query = "query($id: ID!) { review(id: $id) { id } }";
        assert_eq!(data(&service, query, json!({ "id": "\u{0}" }), None).await["review"], Value::Null);
        let delete = "mutation($id: ID!) { reviewDelete(id: $id) { userErrors { code } } }";
        let payload = data(&service, delete, json!({ "id": "\u{0}" }), Some(&author)).await;
        assert_eq!(payload["reviewDelete"]["userErrors"][0]["code"], "NOT_FOUND");
    })
    .await;
}

#[tokio::test]
async fn strangers_get_null() {
    let database = TempSqlite::new();
    let service = started(&database.url, ReviewsConfig::default()).await;
    let representations = json!([
        {"__typename": "Review", "id": "junk"},
        {"__typename": "Review", "id": id::seeded("rev", 9_999)},
        {"__typename": "Product", "id": "junk"},
        {"__typename": "User", "id": "junk"},
        {"__typename": "Product", "id": fresh_product()},
    ]);
    let selection = "... on Review { rating } ... on Product { rating { average count histogram } } ... on User { id }";
    let answer = service.entities(representations, selection, None).await;
    let unrated = json!({"rating": {"average": null, "count": 0, "histogram": [0, 0, 0, 0, 0]}});
    assert_eq!(answer["data"]["_entities"], json!([null, null, null, null, unrated]));
}

#[tokio::test]
async fn without_room_on_the_disk_it_is_not_ready() {
    let database = TempSqlite::new();
    // Of what a disk has free, so much is never.
    for (free_bytes_min, ready) in [
        (0, (StatusCode::OK, "ready\n")),
        (
            u64::MAX,
            (StatusCode::SERVICE_UNAVAILABLE, "the disk of the database is full\n"),
        ),
    ] {
        let keys = TestKeys::default();
        let mut options = AssembleOptions::alone(&database.url, keys.verifier());
        options.database_options.free_bytes_min = free_bytes_min;
        let app = assemble::<Reviews>(options, ReviewsConfig::default()).await.unwrap();
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        let response = app.admin.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!((status, &body[..]), (ready.0, ready.1.as_bytes()));
    }
}
