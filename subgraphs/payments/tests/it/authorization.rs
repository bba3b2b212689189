//! Who sees and does what, what the graph answers, and how many statements that takes.

use expect_test::{expect, expect_file};
use payments::Payments;
use serde_json::{Value, json};
use service::auth::Role;
use service::id;
use service::seed::orders;
use service::testing::statements::StatementTable;
use service::testing::{TempSqlite, TestOptions, TestService};

use crate::shop::{Shop, ShopOptions, each_shop};

const PAYMENT: &str = "query($id: ID!) { payment(id: $id) { status amount { amount } gatewayReference } }";

#[tokio::test(flavor = "multi_thread")]
async fn only_the_payer_and_staff_see_a_payment() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let payment_id = id::new("pay");
        shop.pay(&payment_id, "tok_ok").await;
        let mut seen = String::new();
        for (who, token) in viewers(&shop) {
            let answer = shop
                .service
                .query(PAYMENT, json!({ "id": payment_id }), token.as_deref())
                .await;
            let payment = &answer["data"]["payment"];
            let status = payment["status"].as_str().unwrap_or("nothing");
            let reference = if payment["gatewayReference"].is_string() {
                "with"
            } else {
                "without"
            };
            seen += &format!("{who}: {status} {reference} reference, {}\n", codes(&answer));
            let representations = json!([
                {"__typename": "Payment", "id": payment_id},
                {"__typename": "Payment", "id": "pay_nonsense"},
                {"__typename": "Payment", "id": id::new("pay")},
            ]);
            let answer = shop
                .service
                .entities(representations, "... on Payment { status }", token.as_deref())
                .await;
            seen += &format!("  entities: {}\n", answer["data"]["_entities"]);
        }
        expect![[r#"
        nobody: nothing without reference, no error
          entities: [null,null,null]
        another customer: nothing without reference, no error
          entities: [null,null,null]
        the payer: AUTHORIZED without reference, UNAUTHORIZED_FIELD_OR_TYPE
          entities: [{"status":"AUTHORIZED"},null,null]
        support: AUTHORIZED with reference, no error
          entities: [{"status":"AUTHORIZED"},null,null]
        admin: AUTHORIZED with reference, no error
          entities: [{"status":"AUTHORIZED"},null,null]
    "#]]
        .assert_eq(&seen);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_staff_with_the_scope_moves_money() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
    let payment_id = id::new("pay");
    shop.pay(&payment_id, "tok_ok").await;
    let mut done = String::new();
    for (who, token) in viewers(&shop) {
        for (action, key, amount) in [
            ("paymentCapture", "c", None),
            ("paymentRefund", "r", Some("10.00")),
            ("paymentRefund", "r", Some("10.00")),
            ("paymentRefund", "r2", Some("35.98")),
            ("paymentVoid", "v", None),
        ] {
            let query = format!(
                "mutation($input: PaymentActionInput!) {{ {action}(input: $input) {{
                   payment {{ status refundedAmount {{ amount }} }} userErrors {{ code }} }} }}"
            );
            let input = json!({"idempotencyKey": key, "paymentId": payment_id, "amount": amount});
            let answer = shop
                .service
                .query(&query, json!({ "input": input }), token.as_deref())
                .await;
            done += &format!("{who} {action}: {} {}\n", answer["data"][action], codes(&answer));
        }
    }
    expect![[r#"
        nobody paymentCapture: null UNAUTHENTICATED
        nobody paymentRefund: null UNAUTHENTICATED
        nobody paymentRefund: null UNAUTHENTICATED
        nobody paymentRefund: null UNAUTHENTICATED
        nobody paymentVoid: null UNAUTHENTICATED
        another customer paymentCapture: null UNAUTHORIZED_FIELD_OR_TYPE
        another customer paymentRefund: null UNAUTHORIZED_FIELD_OR_TYPE
        another customer paymentRefund: null UNAUTHORIZED_FIELD_OR_TYPE
        another customer paymentRefund: null UNAUTHORIZED_FIELD_OR_TYPE
        another customer paymentVoid: null UNAUTHORIZED_FIELD_OR_TYPE
        the payer paymentCapture: null UNAUTHORIZED_FIELD_OR_TYPE
        the payer paymentRefund: null UNAUTHORIZED_FIELD_OR_TYPE
        the payer paymentRefund: null UNAUTHORIZED_FIELD_OR_TYPE
        the payer paymentRefund: null UNAUTHORIZED_FIELD_OR_TYPE
        the payer paymentVoid: null UNAUTHORIZED_FIELD_OR_TYPE
        support paymentCapture: null UNAUTHORIZED_FIELD_OR_TYPE
        support paymentRefund: null UNAUTHORIZED_FIELD_OR_TYPE
        support paymentRefund: null UNAUTHORIZED_FIELD_OR_TYPE
        support paymentRefund: null UNAUTHORIZED_FIELD_OR_TYPE
        support paymentVoid: null UNAUTHORIZED_FIELD_OR_TYPE
        admin paymentCapture: {"payment":{"status":"CAPTURED","refundedAmount":{"amount":"0.00"}},"userErrors":[]} no error
        admin paymentRefund: {"payment":{"status":"PARTIALLY_REFUNDED","refundedAmount":{"amount":"10.00"}},"userErrors":[]} no error
        admin paymentRefund: {"payment":{"status":"PARTIALLY_REFUNDED","refundedAmount":{"amount":"10.00"}},"userErrors":[]} no error
        admin paymentRefund: {"payment":null,"userErrors":[{"code":"AMOUNT_TOO_LARGE"}]} no error
        admin paymentVoid: {"payment":null,"userErrors":[{"code":"NOT_VOIDABLE"}]} no error
    "#]].assert_eq(&done);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_shows_its_attempts_newest_first() {
    each_shop(ShopOptions::default(), async |shop: Shop| {
        let mut order = crate::shop::request("tok_declined");
        shop.authorize(&id::new("pay"), &order).await.unwrap();
        order.payment_method_token = Some("tok_ok".to_owned());
        shop.authorize(&id::new("pay"), &order).await.unwrap();
        let selection =
            "... on Order { payments { status declineCode declineMessage method { brand last4 } order { number } } }";
        let token = shop.token(2, &[Role::Customer]);
        let representations = json!([{"__typename": "Order", "id": order.order_id}]);
        let answer = shop.service.entities(representations, selection, Some(&token)).await;
        expect![[r##"
        [
          {
            "payments": [
              {
                "status": "AUTHORIZED",
                "declineCode": null,
                "declineMessage": null,
                "method": {
                  "brand": "visa",
                  "last4": "4242"
                },
                "order": {
                  "number": "#100600"
                }
              },
              {
                "status": "DECLINED",
                "declineCode": "card_declined",
                "declineMessage": "The bank declined the payment.",
                "method": {
                  "brand": "visa",
                  "last4": "4242"
                },
                "order": {
                  "number": "#100600"
                }
              }
            ]
          }
        ]"##]]
        .assert_eq(&format!("{:#}", answer["data"]["_entities"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_loaded_at_once() {
    let sqlite = TempSqlite::new();
    let config = crate::shop::config(&[]);
    let options = TestOptions {
        seed: true,
        ..TestOptions::default()
    };
    let service = TestService::start::<Payments>(&sqlite.url, config, options).await;
    let token = service.keys.user(&id::seeded("usr", 0), &[Role::Admin]);
    let paid: Vec<_> = orders::all().iter().filter(|order| order.payment.is_some()).collect();
    let nth = |number: u64| paid[usize::try_from(number).unwrap()];
    let mut table = StatementTable::new::<Payments>(&service, token.clone());
    let order = |number| json!({ "__typename": "Order", "id": nth(number).id });
    table.count_entities(&order, &[]).await;
    let payment = |number| json!({ "__typename": "Payment", "id": nth(number).payment.as_ref().unwrap().id });
    table.count_entities(&payment, &[]).await;
    table.count_list("payments").await;
    expect_file!["statements.txt"].assert_eq(&table.text());
    let page = "{ payments(first: 3, status: [REFUNDED]) { totalCount pageInfo { hasNextPage } nodes { refundedAmount { amount } } } }";
    let answer = service.query(page, json!({}), Some(&token)).await;
    expect![[r#"{"payments":{"totalCount":22,"pageInfo":{"hasNextPage":true},"nodes":[{"refundedAmount":{"amount":"290.90"}},{"refundedAmount":{"amount":"694.90"}},{"refundedAmount":{"amount":"447.90"}}]}}"#]].assert_eq(&answer["data"].to_string());
}

fn viewers(shop: &Shop) -> Vec<(&'static str, Option<String>)> {
    vec![
        ("nobody", None),
        ("another customer", Some(shop.token(3, &[Role::Customer]))),
        ("the payer", Some(shop.token(2, &[Role::Customer]))),
        ("support", Some(shop.token(1, &[Role::Support]))),
        ("admin", Some(shop.token(0, &[Role::Admin]))),
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
