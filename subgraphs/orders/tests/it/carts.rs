//! Carts, and estimates of what they cost.

use expect_test::expect;
use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use service::clock::Clock;
use service::id;
use service::peer::PeerClient;

use crate::shop::{Shop, sorted};

const CART: &str = "cart { totalQuantity lines { id quantity variant { id } } subtotal { amount }
    estimate(to: {countryCode: \"DE\"}) { subtotal { amount } shippingTotal { amount } taxTotal { amount } total { amount } taxIncluded } }
    userErrors { code field }";

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_is_filled_changed_and_ordered() {
    service::testing::each_database(async |url: String| {
        let shop = Shop::open_on(&url, Clock::System).await;
        let (shoe, lace) = (shop.shelf.stock(1, 8_990, 5), shop.shelf.stock(2, 350, 50));
        let added = add(
            &shop,
            json!([{"variantId": shoe}, {"variantId": lace, "quantity": 2}, {"variantId": lace}]),
        )
        .await;
        let cart = &added["cart"];
        expect![[r#"4 {"amount":"100.40"} {"shippingTotal":{"amount":"4.90"},"subtotal":{"amount":"100.40"},"taxIncluded":true,"taxTotal":{"amount":"16.81"},"total":{"amount":"105.30"}}"#]].assert_eq(&format!(
            "{} {} {}",
            cart["totalQuantity"], sorted(&cart["subtotal"]), sorted(&cart["estimate"])
        ));
        let line_id = cart["lines"][1]["id"].as_str().unwrap();
        let query =
            format!("mutation($lines: [CartLineUpdateInput!]!) {{ cartLinesUpdate(lines: $lines) {{ {CART} }} }}");
        let update = async |quantity: i32, line_id: &str| {
            let lines = json!([{"lineId": line_id, "quantity": quantity}]);
            let answer = shop.ask(&query, json!({ "lines": lines })).await["cartLinesUpdate"].clone();
            format!("{} {}\n", answer["cart"]["totalQuantity"], sorted(&answer["userErrors"]))
        };
        let mut story = String::new();
        for (quantity, line_id) in [(1, line_id), (-1, line_id), (1_000, line_id), (1, "cln_unknown")] {
            story += &update(quantity, line_id).await;
        }
        expect![[r#"
            2 []
            2 [{"code":"QUANTITY_INVALID","field":["lines","0","quantity"]}]
            2 [{"code":"QUANTITY_INVALID","field":["lines","0","quantity"]}]
            2 [{"code":"NOT_FOUND","field":["lines","0","lineId"]}]
        "#]].assert_eq(&story);
        let total = cart["estimate"]["total"]["amount"].clone();
        let mut input =
            json!({"idempotencyKey": "k", "shippingAddressId": id::seeded("adr", 0), "expectedTotal": total});
        assert_eq!(
            crate::shop::shown(&shop.create(input.clone()).await),
            "- PRICE_CHANGED at input.expectedTotal"
        );
        input["expectedTotal"] = Value::Null;
        let ordered = shop.create(input).await;
        assert_eq!(crate::shop::shown(&ordered), "AWAITING_PAYMENT");
        let query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on User { cart { totalQuantity } } } }";
        let user = json!([{"__typename": "User", "id": id::seeded("usr", 2)}]);
        let left = shop.ask(query, json!({ "r": user })).await;
        assert_eq!(left["_entities"][0]["cart"]["totalQuantity"], 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_has_limits() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let mut story = String::new();
    for lines in [
        json!([]),
        json!([{"variantId": shoe, "quantity": 0}]),
        json!([{"variantId": shoe, "quantity": 1_000}]),
        json!([{"variantId": shoe, "quantity": 999}]),
        json!([{"variantId": shoe, "quantity": 1}]),
        json!([{"variantId": id::new("var")}]),
        json!([{"variantId": "nonsense"}]),
        json!(vec![json!({"variantId": shoe}); 101]),
    ] {
        let answer = add(&shop, lines).await;
        story += &format!(
            "{} {}\n",
            answer["cart"]["totalQuantity"],
            sorted(&answer["userErrors"])
        );
    }
    expect![[r#"
        null [{"code":"EMPTY","field":["lines"]}]
        null [{"code":"QUANTITY_INVALID","field":["lines","0","quantity"]}]
        null [{"code":"QUANTITY_INVALID","field":["lines","0","quantity"]}]
        999 []
        999 [{"code":"QUANTITY_INVALID","field":["lines","0","quantity"]}]
        null [{"code":"PRODUCT_UNAVAILABLE","field":null}]
        null [{"code":"NOT_FOUND","field":["lines","0","variantId"]}]
        null [{"code":"LINE_LIMIT","field":["lines"]}]
    "#]]
    .assert_eq(&story);
}

/// What they add is stored together; what is refused to one of them is not refused to the others.
#[tokio::test(flavor = "multi_thread")]
async fn many_fill_their_carts_at_once() {
    service::testing::each_database(async |url: String| {
        let shop = Shop::open_on(&url, Clock::System).await;
        let (shoe, lace) = (shop.shelf.stock(1, 8_990, 5), shop.shelf.stock(2, 350, 50));
        let query = "mutation($lines: [CartLineInput!]!) { cartLinesAdd(lines: $lines) {
            cart { lines { variant { id } quantity } } userErrors { code } } }";
        let add = async |user: u64, lines: Value| {
            let token = shop.token(user, &[]);
            let answer = shop.orders.query(query, json!({ "lines": lines }), Some(&token)).await;
            answer["data"]["cartLinesAdd"].clone()
        };
        let of = |lines: &Value, variant: &str| {
            let mut quantities = lines.as_array().into_iter().flatten();
            let line = quantities.find(|line| line["variant"]["id"] == variant);
            line.map_or(0, |line| line["quantity"].as_i64().unwrap())
        };
        add(20, json!([{ "variantId": shoe, "quantity": 999 }])).await;
        // Each of 21 to 30 twice.
        let users = (20..=30).chain(21..=30);
        let lines = json!([{ "variantId": lace }, { "variantId": shoe, "quantity": 2 }]);
        let added = join_all(users.clone().map(|user| add(user, lines.clone()))).await;
        for (user, added) in users.zip(added) {
            let expected = if user == 20 {
                json!([{ "code": "QUANTITY_INVALID" }])
            } else {
                json!([])
            };
            assert_eq!(added["userErrors"], expected, "user {user}: {added:#}");
        }
        for user in 20..=30 {
            let cart = &add(user, json!([{ "variantId": lace }])).await["cart"];
            let expected = if user == 20 { (999, 1) } else { (4, 3) };
            assert_eq!(
                (of(&cart["lines"], &shoe), of(&cart["lines"], &lace)),
                expected,
                "user {user}: {cart:#}"
            );
        }
    })
    .await;
}

async fn add(shop: &Shop, lines: Value) -> Value {
    // An estimate of more than is in stock is an error, so it is asked only where it succeeds.
    let fields = if lines[0]["quantity"].is_null() && lines.as_array().unwrap().len() == 3 {
        CART
    } else {
        "cart { totalQuantity } userErrors { code field }"
    };
    let query = format!("mutation($lines: [CartLineInput!]!) {{ cartLinesAdd(lines: $lines) {{ {fields} }} }}");
    shop.ask(&query, json!({ "lines": lines })).await["cartLinesAdd"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cart_of_an_erased_account_is_deleted() {
    service::testing::each_database(async |url: String| {
        let shop = Shop::open_on(&url, Clock::System).await;
        let shoe = shop.shelf.stock(1, 8_990, 5);
        add(&shop, json!([{"variantId": shoe}])).await;
        let users = PeerClient::in_process("orders", shop.orders.internal_key.clone());
        users.bind(shop.orders.app.internal.clone());
        let erased = |user_id: String| {
            json!({
                "specversion": "1.0", "id": id::new("evt"), "source": "users", "type": "users.erased",
                "subject": user_id, "time": "2026-11-27T00:00:00Z", "aggregateversion": 1, "data": { "userId": user_id },
            })
        };
        let query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on User { cart { totalQuantity } } } }";
        let user = json!([{"__typename": "User", "id": id::seeded("usr", 2)}]);
        // Somebody else's account, then the shopper's own, twice.
        for (index, left) in [(3, Some(1)), (2, None), (2, None)] {
            let event = erased(id::seeded("usr", index));
            users
                .call::<Value, ()>(Method::POST, "/internal/events", Some(&event))
                .await
                .unwrap();
            let cart = shop.ask(query, json!({ "r": user.clone() })).await["_entities"][0]["cart"].clone();
            assert_eq!(cart["totalQuantity"].as_i64().filter(|units| *units > 0), left);
        }
    })
    .await;
}
