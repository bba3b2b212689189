//! Who sees and does what, lists and pages, entities of other subgraphs, and how many statements that takes.

use expect_test::{expect, expect_file};
use http::header;
use orders::Orders;
use serde_json::{Value, json};
use service::auth::Role;
use service::id;
use service::seed::{orders as seeds, users};
use service::testing::statements::StatementTable;
use service::testing::{TestOptions, TestService};
use tower::ServiceExt as _;

use crate::shop::{Shop, config_of_orders, sorted};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_buyer_and_staff_see_an_order() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 1)]).await;
    let query = "query($id: ID!, $number: String!, $r: [_Any!]!) {
        byId: order(id: $id) { status } byNumber: order(number: $number) { status }
        _entities(representations: $r) { ... on Order { status } ... on User { orders { totalCount } cart { totalQuantity } } } }";
    let representations = json!([
        {"__typename": "Order", "id": order_id},
        {"__typename": "Order", "id": "nonsense"},
        {"__typename": "User", "id": id::seeded("usr", 2)},
        {"__typename": "User", "id": "nonsense"},
    ]);
    let variables = json!({"id": order_id, "number": "#100001", "r": representations});
    let mut seen = String::new();
    for (who, token) in viewers(&shop.orders) {
        let answer = shop.orders.query(query, variables.clone(), token.as_deref()).await;
        seen += &format!("{who}: {} {}\n", sorted(&answer["data"]), codes(&answer));
        for mutation in [
            "orderCancel(id: $id)",
            "orderFulfill(id: $id)",
            "orderRefund(input: {idempotencyKey: \"k\", orderId: $id})",
        ] {
            if mutation.starts_with("orderCancel") && who != "nobody" && who != "another customer" && who != "support" {
                continue;
            }
            let query = format!("mutation($id: ID!) {{ did: {mutation} {{ userErrors {{ code }} }} }}");
            let answer = shop
                .orders
                .query(&query, json!({ "id": order_id }), token.as_deref())
                .await;
            seen += &format!("  {mutation}: {} {}\n", answer["data"], codes(&answer));
        }
        let answer = shop
            .orders
            .query("{ orders { totalCount } }", json!({}), token.as_deref())
            .await;
        seen += &format!("  orders: {} {}\n", answer["data"], codes(&answer));
    }
    expect![[r#"
        nobody: {"_entities":[null,null,{"cart":null,"orders":null},null],"byId":null,"byNumber":null} no error
          orderCancel(id: $id): null UNAUTHENTICATED
          orderFulfill(id: $id): null UNAUTHENTICATED
          orderRefund(input: {idempotencyKey: "k", orderId: $id}): null UNAUTHENTICATED
          orders: null UNAUTHENTICATED
        another customer: {"_entities":[null,null,{"cart":null,"orders":null},null],"byId":null,"byNumber":null} no error
          orderCancel(id: $id): {"did":{"userErrors":[{"code":"NOT_FOUND"}]}} no error
          orderFulfill(id: $id): null UNAUTHORIZED_FIELD_OR_TYPE
          orderRefund(input: {idempotencyKey: "k", orderId: $id}): null UNAUTHORIZED_FIELD_OR_TYPE
          orders: null UNAUTHORIZED_FIELD_OR_TYPE
        the buyer: {"_entities":[{"status":"AWAITING_PAYMENT"},null,{"cart":null,"orders":{"totalCount":1}},null],"byId":{"status":"AWAITING_PAYMENT"},"byNumber":{"status":"AWAITING_PAYMENT"}} no error
          orderFulfill(id: $id): null UNAUTHORIZED_FIELD_OR_TYPE
          orderRefund(input: {idempotencyKey: "k", orderId: $id}): null UNAUTHORIZED_FIELD_OR_TYPE
          orders: null UNAUTHORIZED_FIELD_OR_TYPE
        support: {"_entities":[{"status":"AWAITING_PAYMENT"},null,{"cart":null,"orders":{"totalCount":1}},null],"byId":{"status":"AWAITING_PAYMENT"},"byNumber":{"status":"AWAITING_PAYMENT"}} no error
          orderCancel(id: $id): {"did":{"userErrors":[]}} no error
          orderFulfill(id: $id): {"did":{"userErrors":[{"code":"INVALID"}]}} no error
          orderRefund(input: {idempotencyKey: "k", orderId: $id}): {"did":{"userErrors":[{"code":"INVALID"}]}} no error
          orders: {"orders":{"totalCount":1}} no error
        admin: {"_entities":[{"status":"CANCELLED"},null,{"cart":null,"orders":{"totalCount":1}},null],"byId":{"status":"CANCELLED"},"byNumber":{"status":"CANCELLED"}} no error
          orderFulfill(id: $id): {"did":{"userErrors":[{"code":"INVALID"}]}} no error
          orderRefund(input: {idempotencyKey: "k", orderId: $id}): {"did":{"userErrors":[{"code":"INVALID"}]}} no error
          orders: {"orders":{"totalCount":1}} no error
    "#]].assert_eq(&seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_and_filtered() {
    service::testing::each_database(async |url: String| {
        let service = seeded(&url).await;
        let token = service.keys.user(&users::id(users::ADMIN), &[Role::Admin]);
        let query = "query($after: String, $before: String, $first: Int, $last: Int, $filter: OrderFilter) {
            orders(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
              totalCount pageInfo { hasNextPage hasPreviousPage endCursor startCursor } nodes { number } } }";
        let mut story = String::new();
        let mut variables = json!({"first": 2, "filter": {"status": ["EXPIRED"]}});
        for turn in 0..3 {
            let answer = service.query(query, variables.clone(), Some(&token)).await;
            let page = &answer["data"]["orders"];
            let info = &page["pageInfo"];
            let numbers: Vec<&str> = page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|node| node["number"].as_str())
                .collect();
            story += &format!(
                "{numbers:?} of {} next {} previous {}\n",
                page["totalCount"], info["hasNextPage"], info["hasPreviousPage"]
            );
            variables = if turn == 0 {
                json!({"first": 2, "after": info["endCursor"], "filter": {"status": ["EXPIRED"]}})
            } else {
                json!({"last": 2, "before": info["startCursor"], "filter": {"status": ["EXPIRED"]}})
            };
        }
        for filter in [
            json!({"number": "#100042"}),
            json!({"number": "x"}),
            json!({"placedFrom": "2026-11-01T00:00:00Z", "status": ["PAID"]}),
        ] {
            let answer = service
                .query(query, json!({"first": 1, "filter": filter}), Some(&token))
                .await;
            story += &format!("{}\n", answer["data"]["orders"]["totalCount"]);
        }
        expect![[r##"
            ["#100460", "#100436"] of 27 next true previous false
            ["#100434", "#100426"] of 27 next true previous true
            ["#100460", "#100436"] of 27 next true previous false
            1
            0
            24
        "##]]
        .assert_eq(&story);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_loaded_at_once() {
    let shop = Shop::open_seeded().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    // A cart is seen by nobody but its owner, so there is one at a time.
    let owner = shop.token(2, &[Role::Admin]);
    let add = "mutation($id: ID!) { cartLinesAdd(lines: [{variantId: $id}]) { cart { id } } }";
    let cart = shop.ask(add, json!({ "id": shoe })).await["cartLinesAdd"]["cart"]["id"].clone();
    let mut table = StatementTable::new::<Orders>(&shop.orders, owner);
    let order = |number: u64| json!({ "__typename": "Order", "id": seeds::all()[usize::try_from(number).unwrap()].id });
    table.count_entities(&order, &[]).await;
    let user = |number| json!({ "__typename": "User", "id": users::id(number + 2) });
    table.count_entities(&user, &[]).await;
    let to = "(to: {countryCode: \"DE\"})";
    let cart = |_| json!({ "__typename": "Cart", "id": cart });
    table.count_entities(&cart, &[("estimate", to)]).await;
    let variant = |number| {
        let id = id::seeded("var", number);
        json!({ "__typename": "ProductVariant", "id": id, "weightGrams": 300, "taxClass": "standard" })
    };
    table.count_entities(&variant, &[("shippingEstimate", to)]).await;
    table.count_list("orders").await;
    expect_file!["statements.txt"].assert_eq(&table.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_a_variant_is_estimated_from_what_products_knows() {
    let shop = Shop::open().await;
    let variant = |grams: i32| json!({"__typename": "ProductVariant", "id": id::seeded("var", 1), "weightGrams": grams, "taxClass": "standard"});
    let query =
        "query($r: [_Any!]!, $to: ShippingDestinationInput!) { _entities(representations: $r) { ... on ProductVariant {
        one: shippingEstimate(to: $to) { cost { amount currencyCode } minDays maxDays }
        many: shippingEstimate(to: $to, quantity: 20) { cost { amount } } } } }";
    let answer = shop
        .ask(
            query,
            json!({"r": [variant(300), variant(9_000)], "to": {"countryCode": "DE"}}),
        )
        .await;
    expect![[r#"[{"many":{"cost":{"amount":"9.90"}},"one":{"cost":{"amount":"4.90","currencyCode":"EUR"},"maxDays":3,"minDays":1}},{"many":{"cost":{"amount":"59.40"}},"one":{"cost":{"amount":"9.90","currencyCode":"EUR"},"maxDays":3,"minDays":1}}]"#]].assert_eq(&sorted(&answer["_entities"]));
    let answer = shop
        .orders
        .query(
            query,
            json!({"r": [variant(1)], "to": {"countryCode": "Germany"}}),
            None,
        )
        .await;
    assert_eq!(codes(&answer), "BAD_USER_INPUT BAD_USER_INPUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_an_order_tells_each_status() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 1)]).await;
    let query = "subscription($id: ID!) { orderUpdated(id: $id) { status } }";
    let watch = async |token: String| {
        let request = http::Request::post("/graphql")
            .header(header::ACCEPT, "text/event-stream")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(axum::body::Body::from(
                json!({"query": query, "variables": {"id": order_id}}).to_string(),
            ))
            .unwrap();
        shop.orders
            .app
            .public
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_body()
            .into_data_stream()
    };
    let mut mine = watch(shop.token(2, &[Role::Customer])).await;
    let mut theirs = watch(shop.token(3, &[Role::Customer])).await;
    assert!(next(&mut mine).await.contains("AWAITING_PAYMENT"));
    assert!(next(&mut theirs).await.contains("UNAUTHORIZED_FIELD_OR_TYPE"));
    shop.pay(&order_id, "tok_ok").await;
    assert!(next(&mut mine).await.contains("PAID"));
}

async fn next(events: &mut axum::body::BodyDataStream) -> String {
    use futures::StreamExt as _;
    let event = tokio::time::timeout(std::time::Duration::from_secs(10), events.next())
        .await
        .unwrap();
    String::from_utf8(event.unwrap().unwrap().to_vec()).unwrap()
}

async fn seeded(url: &str) -> TestService {
    let options = TestOptions {
        seed: true,
        ..TestOptions::default()
    };
    TestService::start::<Orders>(url, config_of_orders(), options).await
}

fn viewers(service: &TestService) -> Vec<(&'static str, Option<String>)> {
    let token = |user, role| Some(service.keys.user(&id::seeded("usr", user), &[role]));
    vec![
        ("nobody", None),
        ("another customer", token(3, Role::Customer)),
        ("the buyer", token(2, Role::Customer)),
        ("support", token(1, Role::Support)),
        ("admin", token(0, Role::Admin)),
    ]
}

fn codes(answer: &Value) -> String {
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let codes: Vec<&str> = errors
        .iter()
        .filter_map(|error| error["extensions"]["code"].as_str())
        .collect();
    if codes.is_empty() {
        "no error".to_owned()
    } else {
        codes.join(" ")
    }
}
