//! Placing, paying, cancelling and refunding orders when everybody answers.

use std::time::Duration;

use chrono::Utc;
use expect_test::expect;
use serde_json::{Value, json};
use service::auth::Role;
use service::clock::Clock;
use service::id;

use crate::shop::{Shop, input, shown, sorted};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_placed_and_paid() {
    service::testing::each_database(async |url: String| {
        let shop = Shop::open_on(&url, Clock::System).await;
        let shoe = shop.shelf.stock(1, 8_990, 5);
        let order_id = shop.place(&[(&shoe, 2)]).await;
        assert_eq!(shop.shelf.count(&shoe), (5, 2));
        let paid = shop.pay(&order_id, "tok_ok").await;
        assert_eq!(shown(&paid), "PAID", "{}", shop.story(&order_id).await);
        assert_eq!(shop.shelf.count(&shoe), (3, 0));
        assert_eq!(shop.payments(&order_id).await, ["CAPTURED 184.70 back 0.00"]);
        expect![[r#"
            PENDING by shopper
            AWAITING_PAYMENT by system
            PAYMENT_PROCESSING by shopper
            PAID by system"#]].assert_eq(&shop.story(&order_id).await);
        let selection = "number status total { amount } taxTotal { amount } expiresAt canPay canCancel user { id }
            shippingAddress { name city countryCode } lines { totalCount nodes { title sku quantity total { amount } } }";
        expect![[r##"{"canCancel":true,"canPay":false,"expiresAt":null,"lines":{"nodes":[{"quantity":2,"sku":"SKU-6mn9","title":"Trail shoe – 38 / Red","total":{"amount":"179.80"}}],"totalCount":1},"number":"#100001","shippingAddress":{"city":"Lübeck","countryCode":"DE","name":"Ada Lindqvist"},"status":"PAID","taxTotal":{"amount":"29.49"},"total":{"amount":"184.70"},"user":{"id":"usr_01ke6jq4ygf80bf3a7r8ab0d0g"}}"##]].assert_eq(&sorted(&shop.order(&order_id, selection).await));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_places_and_pays_once() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 50);
    let mut created = Vec::new();
    for answer in futures::future::join_all((0..4).map(|_| shop.create(input("key", &[(&shoe, 1)])))).await {
        created.push(answer["order"]["id"].as_str().unwrap().to_owned());
    }
    created.dedup();
    assert_eq!(created.len(), 1);
    let other = shop.create(input("key", &[(&shoe, 2)])).await;
    assert_eq!(shown(&other), "- IDEMPOTENCY_KEY_REUSED at input.idempotencyKey");
    let order_id = &created[0];
    let paid = futures::future::join_all((0..4).map(|_| shop.pay_with_key(order_id, "tok_ok", "pay"))).await;
    let mut payments: Vec<_> = paid
        .iter()
        .map(|paid| paid["payment"]["id"].as_str().unwrap())
        .collect();
    payments.dedup();
    assert_eq!(payments.len(), 1);
    shop.wait_for(order_id, "PAID").await;
    assert_eq!(
        shown(&shop.pay_with_key(order_id, "tok_3ds", "pay").await),
        "PAID IDEMPOTENCY_KEY_REUSED at input.idempotencyKey"
    );
    assert_eq!(
        shown(&shop.pay(order_id, "tok_ok").await),
        "PAID ALREADY_PAID at input.orderId"
    );
    assert_eq!(shop.payments(order_id).await, ["CAPTURED 94.80 back 0.00"]);
    assert_eq!(shop.shelf.count(&shoe), (49, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payment_can_be_tried_again() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 1)]).await;
    assert_eq!(
        shown(&shop.pay(&order_id, "tok_declined_insufficient_funds").await),
        "AWAITING_PAYMENT"
    );
    assert_eq!(shown(&shop.pay(&order_id, "tok_ok").await), "PAID");
    assert_eq!(
        shop.payments(&order_id).await,
        ["CAPTURED 94.80 back 0.00", "DECLINED 0.00 back 0.00"]
    );
    expect![[r#"
        PENDING by shopper
        AWAITING_PAYMENT by system
        PAYMENT_PROCESSING by shopper
        AWAITING_PAYMENT by system: The payment was not accepted: insufficient_funds
        PAYMENT_PROCESSING by shopper
        PAID by system"#]]
    .assert_eq(&shop.story(&order_id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shopper_approves_or_rejects_at_the_bank() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    for (decision, status) in [("approve", "PAID"), ("reject", "AWAITING_PAYMENT")] {
        let order_id = shop.place(&[(&shoe, 1)]).await;
        let asked = shop.pay(&order_id, "tok_3ds").await;
        assert_eq!(shown(&asked), "REQUIRES_ACTION");
        shop.decide(asked["payment"]["id"].as_str().unwrap(), decision).await;
        shop.wait_for(&order_id, status).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_ordered_is_explained() {
    let shop = Shop::open().await;
    let (shoe, rare) = (shop.shelf.stock(1, 8_990, 5), shop.shelf.stock(2, 100, 0));
    let mut story = String::new();
    let good = input("k1", &[(&shoe, 1)]);
    for (name, patch) in [
        ("no key", json!({"idempotencyKey": ""})),
        ("no lines", json!({"lines": []})),
        ("empty cart", json!({"lines": null})),
        ("nothing of it", json!({"lines": [{"variantId": shoe, "quantity": 0}]})),
        (
            "not a variant",
            json!({"lines": [{"variantId": "prod_1", "quantity": 1}]}),
        ),
        (
            "unknown and sold out",
            json!({"lines": [{"variantId": id::new("var"), "quantity": 1}, {"variantId": rare, "quantity": 1}]}),
        ),
        (
            "one of them twice, the other sold out",
            json!({"lines": [{"variantId": shoe, "quantity": 1}, {"variantId": shoe, "quantity": 1}, {"variantId": rare, "quantity": 1}]}),
        ),
        (
            "more than there is",
            json!({"lines": [{"variantId": shoe, "quantity": 6}]}),
        ),
        ("another total", json!({"expectedTotal": "1.00"})),
        ("another currency", json!({"currencyCode": "JPY"})),
        ("no address", json!({"shippingAddressId": null})),
        (
            "somebody else's address",
            json!({"shippingAddressId": id::seeded("adr", 9)}),
        ),
        (
            "a bad address",
            json!({"shippingAddressId": null, "shippingAddress": {"name": "", "line1": "x", "city": "y", "countryCode": "Germany"}}),
        ),
        ("a long note", json!({"note": "x".repeat(1_001)})),
        ("nothing wrong", json!({"expectedTotal": "94.80"})),
    ] {
        story += &explained(&shop, &good, (name, patch)).await;
    }
    expect![[r#"
        no key: - REQUIRED at input.idempotencyKey
        no lines: - EMPTY at input.lines
        empty cart: - EMPTY at 
        nothing of it: - QUANTITY_INVALID at input.lines.0.quantity of a variant
        not a variant: - NOT_FOUND at input.lines.0.variantId
        unknown and sold out: - PRODUCT_UNAVAILABLE at input.lines.0 of a variant OUT_OF_STOCK at input.lines.1 of a variant
        one of them twice, the other sold out: - OUT_OF_STOCK at input.lines.2 of a variant
        more than there is: - OUT_OF_STOCK at input.lines.0 of a variant
        another total: - PRICE_CHANGED at input.expectedTotal
        another currency: - PRODUCT_UNAVAILABLE at input.lines.0 of a variant
        no address: - ADDRESS_REQUIRED at input.shippingAddressId
        somebody else's address: - NOT_FOUND at input.shippingAddressId
        a bad address: - REQUIRED at input.shippingAddress.name INVALID at input.shippingAddress.countryCode
        a long note: - INVALID at input.note
        nothing wrong: AWAITING_PAYMENT
    "#]].assert_eq(&story);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_what_no_database_stores_is_explained() {
    let shop = Shop::open().await;
    let good = input("k", &[(&shop.shelf.stock(1, 8_990, 5), 1)]);
    let mut story = String::new();
    for (name, patch) in [
        ("U+0000 in the note", json!({"note": "a\0b"})),
        (
            "U+0000 in the address",
            json!({"shippingAddressId": null, "shippingAddress": {"name": "A\0da", "line1": "x", "city": "y", "countryCode": "DE"}}),
        ),
        ("U+0000 in an address's id", json!({"shippingAddressId": "adr_\0"})),
        ("U+0000 in the key", json!({"idempotencyKey": "k\0"})),
    ] {
        story += &explained(&shop, &good, (name, patch)).await;
    }
    expect![[r#"
        U+0000 in the note: - INVALID at input.note
        U+0000 in the address: - INVALID at input.shippingAddress
        U+0000 in an address's id: - NOT_FOUND at input.shippingAddressId
        U+0000 in the key: - INVALID at input.idempotencyKey
    "#]]
    .assert_eq(&story);
}

/// What becomes of the good order with another part.
async fn explained(shop: &Shop, good: &Value, (name, patch): (&str, Value)) -> String {
    let mut input = good.clone();
    patch
        .as_object()
        .unwrap()
        .iter()
        .for_each(|(key, value)| input[key] = value.clone());
    format!("{name}: {}\n", shown(&shop.create(input).await))
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_gives_everything_back() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let mut story = String::new();
    for token in [None, Some("tok_3ds"), Some("tok_ok")] {
        let order_id = shop.place(&[(&shoe, 2)]).await;
        if let Some(token) = token {
            shop.pay(&order_id, token).await;
        }
        let cancelled = shop.cancel(&order_id).await;
        let again = shop.cancel(&order_id).await;
        for _ in 0..100 {
            let settled = shop
                .payments(&order_id)
                .await
                .iter()
                .all(|payment| !payment.starts_with("REQUIRES"));
            if settled && shop.shelf.count(&shoe) == (5, 0) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        let (payments, shelf) = (shop.payments(&order_id).await, shop.shelf.count(&shoe));
        let refunded = shop.order(&order_id, "refundedTotal { amount }").await["refundedTotal"]["amount"].clone();
        story += &format!(
            "{token:?}: {}; again {}; {payments:?}; shelf {shelf:?}; back {refunded}\n",
            shown(&cancelled),
            shown(&again)
        );
    }
    expect![[r#"
        None: CANCELLED; again CANCELLED; []; shelf (5, 0); back "0.00"
        Some("tok_3ds"): CANCELLED; again CANCELLED; ["VOIDED 0.00 back 0.00"]; shelf (5, 0); back "0.00"
        Some("tok_ok"): CANCELLED; again CANCELLED; ["REFUNDED 184.70 back 184.70"]; shelf (5, 0); back "184.70"
    "#]]
    .assert_eq(&story);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_refund_of_a_cancelled_order_is_asked_for_again() {
    let clock = Clock::manual(Utc::now());
    let shop = Shop::open_at(clock.clone()).await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 2)]).await;
    shop.pay(&order_id, "tok_refund_refused").await;
    shop.cancel(&order_id).await;
    let refused = async || shop.story(&order_id).await.matches("refused by the gateway").count();
    for (wait, times) in [(0, 1), (50, 1), (11, 2), (590, 2), (11, 3)] {
        clock.advance(Duration::from_secs(wait));
        for _ in 0..100 {
            if refused().await >= times {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Nothing is asked for too soon, such as by the event that the refusal is.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(refused().await, times, "{}", shop.story(&order_id).await);
    }
    assert_eq!(shop.payments(&order_id).await, ["CAPTURED 184.70 back 0.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_a_silent_service_failed_says_so() {
    let clock = Clock::manual(Utc::now());
    let shop = Shop::open_at(clock.clone()).await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    shop.shelf.set_reserving_down(true);
    let created = shop.create(input("k", &[(&shoe, 1)])).await;
    clock.advance(Duration::from_secs(121));
    shop.wait_for(created["order"]["id"].as_str().unwrap(), "FAILED").await;
    let again = shop.create(input("k", &[(&shoe, 1)])).await;
    assert_eq!(shown(&again), "FAILED SERVICE_UNAVAILABLE at ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_the_gateway_refuses_is_no_success() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 2)]).await;
    shop.pay(&order_id, "tok_refund_refused").await;
    for _ in 0..2 {
        let refused = shop
            .refund(json!({"idempotencyKey": "once", "orderId": order_id}))
            .await;
        assert_eq!(shown(&refused), "- INVALID at input.idempotencyKey");
    }
}

/// U+0000 above all: PostgreSQL does not take it, so that payments could never answer for it.
#[tokio::test(flavor = "multi_thread")]
async fn how_to_pay_is_text() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 2)]).await;
    let pay = "mutation($input: OrderPayInput!) { orderPay(input: $input) { order { status } userErrors { code field variant { id } } } }";
    for (field, text) in [
        ("gateway", "sand\0box".to_owned()),
        ("gateway", "s".repeat(41)),
        ("paymentMethodToken", "tok_ok\0".to_owned()),
        ("returnUrl", "https://shop.test/\n".to_owned()),
    ] {
        let mut input = json!({"idempotencyKey": "k", "orderId": order_id, "paymentMethodToken": "tok_ok"});
        input[field] = text.into();
        let answer = shop.ask(pay, json!({ "input": input })).await;
        assert_eq!(
            shown(&answer["orderPay"]),
            format!("AWAITING_PAYMENT INVALID at input.{field}")
        );
    }
}

/// Each ends in a word of what is wrong, on PostgreSQL too.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_database_stores_is_refused() {
    service::testing::each_database(async |url: String| {
        let shop = Shop::open_on(&url, Clock::System).await;
        let shoe = shop.shelf.stock(1, 8_990, 5);
        let order_id = shop.place(&[(&shoe, 1)]).await;
        let token = shop.token(0, &[Role::Admin]);
        let mut story = String::new();
        for (mutation, path) in [
            (json!({"id": order_id, "reason": "a\0b"}), "orderCancel"),
            (json!({"id": "ord_\0"}), "orderCancel"),
            (json!({"id": order_id, "trackingUrl": "a\0b"}), "orderFulfill"),
            (json!({"id": "ord_\0"}), "orderFulfill"),
            (
                json!({"input": {"idempotencyKey": "k\0", "orderId": order_id}}),
                "orderRefund",
            ),
            (
                json!({"input": {"idempotencyKey": "k", "orderId": "ord_\0"}}),
                "orderRefund",
            ),
            (
                json!({"input": {"idempotencyKey": "k", "orderId": order_id, "reason": "\0"}}),
                "orderRefund",
            ),
            (
                json!({"input": {"idempotencyKey": "k", "orderId": "ord_\0"}}),
                "orderPay",
            ),
            (
                json!({"lines": [{"lineId": "cln_\0", "quantity": 1}]}),
                "cartLinesUpdate",
            ),
        ] {
            let (arguments, passed) = match path {
                "orderCancel" => ("$id: ID!, $reason: String", "id: $id, reason: $reason"),
                "orderFulfill" => ("$id: ID!, $trackingUrl: String", "id: $id, trackingUrl: $trackingUrl"),
                "orderRefund" => ("$input: OrderRefundInput!", "input: $input"),
                "orderPay" => ("$input: OrderPayInput!", "input: $input"),
                _ => ("$lines: [CartLineUpdateInput!]!", "lines: $lines"),
            };
            let query = format!(
                "mutation({arguments}) {{ {path}({passed}) {{ userErrors {{ code field variant {{ id }} }} }} }}"
            );
            let answer = shop.orders.query(&query, mutation, Some(&token)).await;
            assert!(answer.get("errors").is_none(), "{path} on {url}: {answer:#}");
            story += &format!("{path}: {}\n", shown(&answer["data"][path]));
        }
        expect![[r#"
            orderCancel: - INVALID at reason
            orderCancel: - NOT_FOUND at id
            orderFulfill: - INVALID at trackingUrl
            orderFulfill: - NOT_FOUND at id
            orderRefund: - INVALID at input.idempotencyKey
            orderRefund: - NOT_FOUND at input.orderId
            orderRefund: - INVALID at input.reason
            orderPay: - NOT_FOUND at input.orderId
            cartLinesUpdate: - NOT_FOUND at lines.0.lineId
        "#]]
        .assert_eq(&story);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_payment_is_refused_too_often_fails() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let order_id = shop.place(&[(&shoe, 1)]).await;
    for _ in 1..10 {
        assert_eq!(shown(&shop.pay(&order_id, "tok_declined").await), "AWAITING_PAYMENT");
    }
    for _ in 0..2 {
        let refused = shop.pay(&order_id, "tok_declined").await;
        assert_eq!(shown(&refused), "FAILED NOT_PAYABLE at input.orderId");
    }
    for _ in 0..200 {
        if shop.shelf.count(&shoe) == (5, 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the goods are still reserved");
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_sends_and_refunds() {
    let shop = Shop::open().await;
    let (shoe, lace) = (shop.shelf.stock(1, 8_990, 5), shop.shelf.stock(2, 350, 5));
    let order_id = shop.place(&[(&shoe, 2), (&lace, 1)]).await;
    let refund = async |key: &str, patch: serde_json::Value| {
        let mut input = json!({"idempotencyKey": key, "orderId": order_id});
        patch
            .as_object()
            .unwrap()
            .iter()
            .for_each(|(key, value)| input[key] = value.clone());
        let answer = shop.refund(input).await;
        format!(
            "{key}: {} back {}\n",
            shown(&answer),
            answer["order"]["refundedTotal"]["amount"]
        )
    };
    let mut story = refund("unpaid", json!({})).await;
    let fulfill = "mutation($id: ID!) { orderFulfill(id: $id, trackingUrl: \"https://parcel.test/1\") { order { status } userErrors { code field variant { id } } } }";
    let staff = shop.token(0, &[Role::Admin]);
    for attempt in 0..3 {
        if attempt == 1 {
            shop.pay(&order_id, "tok_ok").await;
        }
        let answer = shop
            .orders
            .query(fulfill, json!({ "id": order_id }), Some(&staff))
            .await;
        story += &format!("fulfill: {}\n", shown(&answer["data"]["orderFulfill"]));
    }
    let lines = shop.order(&order_id, "lines { nodes { id } }").await;
    let shoes = lines["lines"]["nodes"][0]["id"].clone();
    let one_shoe = json!({"lines": [{"lineId": shoes, "quantity": 1}]});
    story += &refund("nothing ticked", json!({"lines": []})).await;
    story += &refund("one shoe", one_shoe.clone()).await;
    story += &refund("one shoe", one_shoe).await;
    story += &refund("one shoe", json!({"amount": "1.00"})).await;
    story += &refund("two shoes", json!({"lines": [{"lineId": shoes, "quantity": 2}]})).await;
    story += &refund("an amount", json!({"amount": "5.00"})).await;
    story += &refund("too much", json!({"amount": "500.00"})).await;
    story += &refund("the rest", json!({"restock": false})).await;
    story += &refund("more", json!({})).await;
    expect![[r#"
        unpaid: - INVALID at input.orderId back null
        fulfill: - INVALID at id
        fulfill: FULFILLED
        fulfill: FULFILLED
        nothing ticked: - INVALID at input.lines back null
        one shoe: PARTIALLY_REFUNDED back "89.90"
        one shoe: PARTIALLY_REFUNDED back "89.90"
        one shoe: - IDEMPOTENCY_KEY_REUSED at input.idempotencyKey back null
        two shoes: - REFUND_TOO_LARGE at input.amount back null
        an amount: PARTIALLY_REFUNDED back "94.90"
        too much: - REFUND_TOO_LARGE at input.amount back null
        the rest: REFUNDED back "188.20"
        more: - INVALID at input.orderId back null
    "#]]
    .assert_eq(&story);
    assert_eq!((shop.shelf.count(&shoe), shop.shelf.count(&lace)), ((4, 0), (4, 0)));
    assert_eq!(shop.payments(&order_id).await, ["REFUNDED 188.20 back 188.20"]);
    assert_eq!(shown(&shop.cancel(&order_id).await), "- NOT_CANCELLABLE at ");
}

/// Each step of the saga is one transaction; what it was read with is not read again.
#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_takes_few_statements() {
    let shop = Shop::open().await;
    let shoe = shop.shelf.stock(1, 8_990, 5);
    let statements = || shop.orders.app.database.statements();
    // The smallest of three, since the runner looks at its tables every second.
    let (mut placing, mut paying) = (u64::MAX, u64::MAX);
    for _ in 0..3 {
        let before = statements();
        let order = shop.place(&[(&shoe, 1)]).await;
        let placed = statements();
        assert_eq!(shown(&shop.pay(&order, "tok_ok").await), "PAID");
        placing = placing.min(placed - before);
        paying = paying.min(statements() - placed);
    }
    // 7 and 13 when nothing comes in between; what payments tells of the payment takes three more each time, and so does a look
    // of the runner, whose lanes look each for itself.
    assert!(placing <= 13 && paying <= 23, "{placing} to place, {paying} to pay");
}
