//! Who may do what: every field of the service, tried by everybody. Here an order and a cart are the owner's.

use expect_test::expect_file;
use orders::Orders;
use serde_json::{Value, json};
use service::id;
use service::testing::access::{AccessTable, VIEWERS};

use crate::shop::{Shop, input};

/// For the fields that price something.
const TO: &str = "(to: {countryCode: \"DE\"})";

#[tokio::test(flavor = "multi_thread")]
async fn everybody_tries_everything() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 1_000);
    let mut table = AccessTable::new::<Orders>(&shop.orders, [3, 2, 1, 0]);
    try_entities(&mut table, &shop, &shoe).await;
    try_carts(&mut table, &shop, &shoe).await;
    try_orders(&mut table, &shop, &shoe).await;
    shop.shelf.snatch();
    let failed = shop.place(&[(&shoe, 1)]).await;
    table
        .try_entity(&json!({ "__typename": "Order", "id": failed }), &[])
        .await;
    expect_file!["access_table.txt"].assert_eq(&table.text());
}

async fn add_to_cart(shop: &Shop, shoe: &str) -> Value {
    let add = "mutation($lines: [CartLineInput!]!) { cartLinesAdd(lines: $lines) { cart { id lines { id } } } }";
    let lines = json!({ "lines": [{ "variantId": shoe, "quantity": 1 }] });
    shop.ask(add, lines).await["cartLinesAdd"]["cart"].clone()
}

async fn try_entities(table: &mut AccessTable<'_>, shop: &Shop, shoe: &str) {
    let mut wish = input(&id::new("key"), &[(shoe, 1)]);
    wish["note"] = json!("Ring twice.");
    let address = json!({ "name": "Ada", "line1": "Street 1", "city": "Berlin", "countryCode": "DE" });
    wish["billingAddress"] = address;
    let order = shop.create(wish).await["order"]["id"].clone();
    let cancelled = shop.place(&[(shoe, 1)]).await;
    shop.cancel(&cancelled).await;
    let cart = add_to_cart(shop, shoe).await;
    for representation in [
        json!({ "__typename": "Order", "id": order }),
        json!({ "__typename": "Order", "id": cancelled }),
        json!({ "__typename": "Cart", "id": cart["id"] }),
        json!({ "__typename": "User", "id": id::seeded("usr", 2) }),
        json!({ "__typename": "ProductVariant", "id": shoe, "weightGrams": 300, "taxClass": "standard" }),
    ] {
        let arguments = [("estimate", TO), ("shippingEstimate", TO)];
        table.try_entity(&representation, &arguments).await;
    }
}

async fn try_carts(table: &mut AccessTable<'_>, shop: &Shop, shoe: &str) {
    let add = "mutation($id: ID!) { cartLinesAdd(lines: [{variantId: $id}]) { userErrors { code } } }";
    table
        .try_field("Mutation.cartLinesAdd", add, &|_| json!({ "id": shoe }))
        .await;
    let line = add_to_cart(shop, shoe).await["lines"][0]["id"].clone();
    let update = "mutation($id: ID!) { cartLinesUpdate(lines: [{lineId: $id, quantity: 3}]) { userErrors { code } } }";
    table
        .try_field("Mutation.cartLinesUpdate", update, &|_| json!({ "id": line }))
        .await;
    let clear = "mutation { cartClear { userErrors { code } } }";
    table.try_field("Mutation.cartClear", clear, &|_| json!({})).await;
}

async fn try_orders(table: &mut AccessTable<'_>, shop: &Shop, shoe: &str) {
    let create = "mutation($input: OrderCreateInput!) { orderCreate(input: $input) { userErrors { code } } }";
    let address = json!({ "name": "Ada", "line1": "Street 1", "city": "Berlin", "countryCode": "DE" });
    let own = |viewer: usize| {
        let line = json!({ "variantId": shoe, "quantity": 1 });
        json!({ "input": { "idempotencyKey": format!("k{viewer}"), "lines": [line], "shippingAddress": address } })
    };
    table.try_field("Mutation.orderCreate", create, &own).await;
    let theirs = |_| json!({ "input": input(&id::new("key"), &[(shoe, 1)]) });
    table
        .try_field("Mutation.orderCreate (to the owner's address)", create, &theirs)
        .await;

    let orders = orders(shop, shoe, false).await;
    let first = orders[0].clone();
    let number = shop.order(&first, "number").await["number"].clone();
    let by_id = "query($id: ID!) { order(id: $id) { id } }";
    table.try_field("Query.order", by_id, &|_| json!({ "id": first })).await;
    let by_number = "query($number: String!) { order(number: $number) { id } }";
    table
        .try_field(
            "Query.order (by its number)",
            by_number,
            &|_| json!({ "number": number }),
        )
        .await;
    table
        .try_field("Query.orders", "{ orders { totalCount } }", &|_| json!({}))
        .await;
    let updated = "subscription($id: ID!) { orderUpdated(id: $id) { status } }";
    table
        .try_subscription("Subscription.orderUpdated", updated, json!({ "id": first }))
        .await;

    let pay =
        "mutation($id: ID!) { orderPay(input: {idempotencyKey: \"k\", orderId: $id, paymentMethodToken: \"tok_ok\"}) {
        userErrors { code } } }";
    table
        .try_field("Mutation.orderPay", pay, &|viewer| json!({ "id": orders[viewer] }))
        .await;
    for (field, call) in [
        ("orderCancel", "orderCancel(id: $id)"),
        ("orderFulfill", "orderFulfill(id: $id)"),
        (
            "orderRefund",
            "orderRefund(input: {idempotencyKey: \"k\", orderId: $id})",
        ),
    ] {
        let orders = self::orders(shop, shoe, true).await;
        let mutation = format!("mutation($id: ID!) {{ {call} {{ userErrors {{ code }} }} }}");
        let order = |viewer: usize| json!({ "id": orders[viewer] });
        table.try_field(&format!("Mutation.{field}"), &mutation, &order).await;
    }
}

/// An order of the owner for each viewer to try something with.
async fn orders(shop: &Shop, shoe: &str, paid: bool) -> Vec<String> {
    let mut orders = Vec::new();
    for _ in VIEWERS {
        let order = shop.place(&[(shoe, 1)]).await;
        if paid {
            shop.pay(&order, "tok_ok").await;
            shop.wait_for(&order, "PAID").await;
        }
        orders.push(order);
    }
    orders
}
