//! Carts, and estimates of what they cost.

use expect_test::expect;
use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use service::clock::Clock;
use service::id;
use service::peer::PeerClient;

use crate::shop::{Shop, input, shown, sorted};

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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sold_out_may_wait_in_a_cart() {
    let shop = Shop::open().await;
    let (shoe, lace) = (shop.shelf.stock(1, 8_990, 0), shop.shelf.stock(2, 350, 5));
    let added = add(&shop, json!([{ "variantId": shoe }, { "variantId": lace }])).await;
    assert_eq!(
        (&added["cart"]["totalQuantity"], &added["userErrors"]),
        (&json!(2), &json!([]))
    );
    let ordered = shop.create(from_cart("k")).await;
    assert_eq!(shown(&ordered), "- OUT_OF_STOCK at  of a variant");
    shop.shelf.withdraw(&lace);
    let refused = add(&shop, json!([{ "variantId": lace }])).await["userErrors"].clone();
    assert_eq!(refused, json!([{ "code": "PRODUCT_UNAVAILABLE", "field": null }]));
}

/// While products reserves, another tab adds more of the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_takes_what_was_ordered_out_of_the_cart() {
    service::testing::each_database(async |url: String| {
        let shop = Shop::open_on(&url, Clock::System).await;
        let (shoe, lace, sock) = (
            shop.shelf.stock(1, 8_990, 5),
            shop.shelf.stock(2, 350, 50),
            shop.shelf.stock(3, 900, 50),
        );
        add(
            &shop,
            json!([{ "variantId": shoe }, { "variantId": lace, "quantity": 3 }]),
        )
        .await;
        shop.shelf.set_reserving_down(true);
        let order = shop.create(from_cart("k")).await;
        assert_eq!(shown(&order), "PENDING");
        add(
            &shop,
            json!([{ "variantId": lace, "quantity": 2 }, { "variantId": sock }]),
        )
        .await;
        assert_eq!(
            shown(&shop.create(from_cart("another tab")).await),
            "- EMPTY at ",
            "the cart is being ordered"
        );
        shop.shelf.set_reserving_down(false);
        let order_id = order["order"]["id"].as_str().unwrap();
        shop.wait_for(order_id, "AWAITING_PAYMENT").await;
        assert_eq!(
            units(&shop).await,
            [(lace, 2), (sock, 1)].map(|(id, units)| json!([id, units]))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_is_ordered_once_however_often_the_button_is_pressed() {
    service::testing::each_database(async |url: String| {
        let shop = Shop::open_on(&url, Clock::System).await;
        let shoe = shop.shelf.stock(1, 8_990, 50);
        add(&shop, json!([{ "variantId": shoe }])).await;
        let orders = join_all((0..8).map(|key| shop.create(from_cart(&format!("k{key}"))))).await;
        let placed = orders.iter().filter(|order| order["order"].is_object());
        assert_eq!(placed.count(), 1, "{orders:#?}");
        let refused = orders.iter().filter(|order| shown(order) == "- EMPTY at ");
        assert_eq!(refused.count(), 7, "{orders:#?}");
        assert_eq!(units(&shop).await, Vec::<Value>::new());
    })
    .await;
}

/// Who never pays must not hold all stock.
#[tokio::test(flavor = "multi_thread")]
async fn unpaid_orders_are_few() {
    service::testing::each_database(async |url: String| {
        let shop = Shop::open_on(&url, Clock::System).await;
        let shoe = shop.shelf.stock(1, 8_990, 50);
        let create = async |key: usize| shop.create(input(&format!("k{key}"), &[(&shoe, 1)])).await;
        let orders = join_all((0..20).map(create)).await;
        let placed: Vec<_> = orders
            .iter()
            .filter(|order| shown(order) == "AWAITING_PAYMENT")
            .collect();
        assert_eq!(placed.len(), 10, "{orders:#?}");
        let refused = orders.iter().filter(|order| shown(order) == "- ORDER_LIMIT at ");
        assert_eq!(refused.count(), 10, "{orders:#?}");
        assert_eq!(shop.shelf.count(&shoe), (50, 10));
        // Numbers have no gaps, whoever was refused.
        let number = |order: &&Value| -> i64 {
            let shown = order["order"]["number"].as_str().unwrap();
            shown
                .trim_start_matches(|letter: char| !letter.is_ascii_digit())
                .parse()
                .unwrap()
        };
        let mut numbers: Vec<i64> = placed.iter().map(number).collect();
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");

        let paid = placed[0]["order"]["id"].as_str().unwrap();
        assert_eq!(shown(&shop.pay(paid, "tok_ok").await), "PAID");
        assert_eq!(shown(&create(100).await), "AWAITING_PAYMENT");
        assert_eq!(shown(&create(101).await), "- ORDER_LIMIT at ");
        assert_eq!(shown(&create(100).await), "AWAITING_PAYMENT", "it was placed before");
        shop.cancel(placed[1]["order"]["id"].as_str().unwrap()).await;
        assert_eq!(shown(&create(102).await), "AWAITING_PAYMENT");
    })
    .await;
}

fn from_cart(key: &str) -> Value {
    json!({ "idempotencyKey": key, "shippingAddressId": id::seeded("adr", 0) })
}

/// Variants in the cart of user 2, and how many of each.
async fn units(shop: &Shop) -> Vec<Value> {
    let query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on User { cart {
        lines { quantity variant { id } } } } } }";
    let user = json!([{ "__typename": "User", "id": id::seeded("usr", 2) }]);
    let answer = shop.ask(query, json!({ "r": user })).await;
    let lines = answer["_entities"][0]["cart"]["lines"].as_array().unwrap().clone();
    lines
        .iter()
        .map(|line| json!([line["variant"]["id"], line["quantity"]]))
        .collect()
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
async fn the_cart_of_an_erased_account_is_deleted_and_stays_so() {
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
        // With a token that is still good.
        let added = add(&shop, json!([{"variantId": shoe}])).await;
        assert_eq!(added["userErrors"], json!([{ "code": "NOT_FOUND", "field": null }]));
        shop.ask("mutation { cartClear { userErrors { code } } }", json!({})).await;
        let cart = shop.ask(query, json!({ "r": user })).await["_entities"][0]["cart"].clone();
        assert_eq!(cart, Value::Null);
    })
    .await;
}
