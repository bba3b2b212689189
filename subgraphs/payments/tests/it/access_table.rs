//! Who may do what: every field of the service, tried by everybody. Here a payment and its order are the owner's.

use expect_test::expect_file;
use payments::Payments;
use serde_json::json;
use service::id;
use service::testing::TempSqlite;
use service::testing::access::{AccessTable, VIEWERS};

use crate::shop::{Shop, ShopOptions, request, request_through};

#[tokio::test(flavor = "multi_thread")]
async fn everybody_tries_everything() {
    let sqlite = TempSqlite::new();
    let shop = Shop::open(&sqlite.url, ShopOptions::default()).await;
    let mut table = AccessTable::new::<Payments>(&shop.service, [3, 2, 1, 0]);

    // Each field has a value at one of these two.
    let declined = request("tok_declined");
    let declined_id = id::new("pay");
    shop.authorize(&declined_id, &declined).await.unwrap();
    let by_declined = json!({ "__typename": "Payment", "id": declined_id });
    table.try_entity(&by_declined, &[]).await;
    let by_order = json!({ "__typename": "Order", "id": declined.order_id });
    table.try_entity(&by_order, &[]).await;
    let redirected = id::new("pay");
    shop.authorize(&redirected, &request_through("sandbox", "tok_3ds"))
        .await
        .unwrap();
    let by_redirected = json!({ "__typename": "Payment", "id": redirected });
    table.try_entity(&by_redirected, &[]).await;

    let one = "query($id: ID!) { payment(id: $id) { id } }";
    table
        .try_field("Query.payment", one, &|_| json!({ "id": declined_id }))
        .await;
    table
        .try_field("Query.payments", "{ payments { totalCount } }", &|_| json!({}))
        .await;
    let gateways = "{ paymentGateways(currencyCode: \"EUR\") { name } }";
    table.try_field("Query.paymentGateways", gateways, &|_| json!({})).await;

    for (action, captured) in [
        ("paymentCapture", false),
        ("paymentVoid", false),
        ("paymentRefund", true),
    ] {
        let payments = payments(&shop, captured).await;
        let mutation =
            format!("mutation($input: PaymentActionInput!) {{ {action}(input: $input) {{ userErrors {{ code }} }} }}");
        let input = |viewer: usize| json!({ "input": { "idempotencyKey": "k", "paymentId": payments[viewer] } });
        table.try_field(&format!("Mutation.{action}"), &mutation, &input).await;
    }
    let reconcile = "mutation($id: ID!) { paymentReconcile(id: $id) { userErrors { code } } }";
    table
        .try_field(
            "Mutation.paymentReconcile",
            reconcile,
            &|_| json!({ "id": declined_id }),
        )
        .await;
    expect_file!["access_table.txt"].assert_eq(&table.text());
}

/// A payment of the owner for each viewer to try something with.
async fn payments(shop: &Shop, captured: bool) -> Vec<String> {
    let mut payments = Vec::new();
    for _ in VIEWERS {
        let payment_id = id::new("pay");
        shop.pay(&payment_id, "tok_ok").await;
        if captured {
            shop.act(&payment_id, "capture", "c", None).await.unwrap();
        }
        payments.push(payment_id);
    }
    payments
}
