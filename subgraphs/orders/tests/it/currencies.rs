//! A whole purchase in yuan, which have two digits, and in yen, which have none: no step may take one for the other. And
//! one in a shop that adds the tax.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use service::id;
use service::testing::{TempSqlite, TestOptions};

use crate::shop::{Shop, config, input, shown, sorted};

/// A shop that sells in one currency, and somebody who buys there.
struct Purchase {
    currency: &'static str,
    country: &'static str,
    /// Prices of one unit, in minor units. Their tax does not come out even.
    shoe: i64,
    lace: i64,
    /// A part of the total, to be given back.
    part: &'static str,
    /// What is no amount in this currency.
    too_fine: &'static str,
}

const MONEY: &str = "{ amount amountMinor currencyCode }";

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_in_yuan() {
    let purchase = Purchase {
        currency: "CNY",
        country: "CN",
        shoe: 70_122,
        lace: 1_999,
        part: "100.01",
        too_fine: "100.001",
    };
    purchase.check(expect![[r#"
        cart {"shippingTotal":{"amount":"159.00","amountMinor":15900,"currencyCode":"CNY"},"subtotal":{"amount":"761.19","amountMinor":76119,"currencyCode":"CNY"},"taxTotal":{"amount":"105.86","amountMinor":10586,"currencyCode":"CNY"},"total":{"amount":"920.19","amountMinor":92019,"currencyCode":"CNY"}}
        order {"lines":{"nodes":[{"quantity":1,"taxTotal":{"amount":"80.67","amountMinor":8067,"currencyCode":"CNY"},"total":{"amount":"701.22","amountMinor":70122,"currencyCode":"CNY"},"unitPrice":{"amount":"701.22","amountMinor":70122,"currencyCode":"CNY"}},{"quantity":3,"taxTotal":{"amount":"6.90","amountMinor":690,"currencyCode":"CNY"},"total":{"amount":"59.97","amountMinor":5997,"currencyCode":"CNY"},"unitPrice":{"amount":"19.99","amountMinor":1999,"currencyCode":"CNY"}}]},"shippingTotal":{"amount":"159.00","amountMinor":15900,"currencyCode":"CNY"},"subtotal":{"amount":"761.19","amountMinor":76119,"currencyCode":"CNY"},"taxTotal":{"amount":"105.86","amountMinor":10586,"currencyCode":"CNY"},"total":{"amount":"920.19","amountMinor":92019,"currencyCode":"CNY"}}
        gateway ["captured of 92019 CNY taken 92019 back 0"]
        too fine: - INVALID at input.amount, back {"amount":"0.00","amountMinor":0,"currencyCode":"CNY"}
        gateway ["captured of 92019 CNY taken 92019 back 0"]
        a part: PARTIALLY_REFUNDED, back {"amount":"100.01","amountMinor":10001,"currencyCode":"CNY"}
        gateway ["captured of 92019 CNY taken 92019 back 10001"]
        a lace: PARTIALLY_REFUNDED, back {"amount":"120.00","amountMinor":12000,"currencyCode":"CNY"}
        gateway ["captured of 92019 CNY taken 92019 back 12000"]
        the rest: REFUNDED, back {"amount":"920.19","amountMinor":92019,"currencyCode":"CNY"}
        gateway ["captured of 92019 CNY taken 92019 back 92019"]
    "#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_in_yen() {
    let purchase = Purchase {
        currency: "JPY",
        country: "JP",
        shoe: 14_833,
        lace: 333,
        part: "1001",
        too_fine: "1001.5",
    };
    purchase.check(expect![[r#"
        cart {"shippingTotal":{"amount":"3200","amountMinor":3200,"currencyCode":"JPY"},"subtotal":{"amount":"15832","amountMinor":15832,"currencyCode":"JPY"},"taxTotal":{"amount":"1730","amountMinor":1730,"currencyCode":"JPY"},"total":{"amount":"19032","amountMinor":19032,"currencyCode":"JPY"}}
        order {"lines":{"nodes":[{"quantity":1,"taxTotal":{"amount":"1348","amountMinor":1348,"currencyCode":"JPY"},"total":{"amount":"14833","amountMinor":14833,"currencyCode":"JPY"},"unitPrice":{"amount":"14833","amountMinor":14833,"currencyCode":"JPY"}},{"quantity":3,"taxTotal":{"amount":"91","amountMinor":91,"currencyCode":"JPY"},"total":{"amount":"999","amountMinor":999,"currencyCode":"JPY"},"unitPrice":{"amount":"333","amountMinor":333,"currencyCode":"JPY"}}]},"shippingTotal":{"amount":"3200","amountMinor":3200,"currencyCode":"JPY"},"subtotal":{"amount":"15832","amountMinor":15832,"currencyCode":"JPY"},"taxTotal":{"amount":"1730","amountMinor":1730,"currencyCode":"JPY"},"total":{"amount":"19032","amountMinor":19032,"currencyCode":"JPY"}}
        gateway ["captured of 19032 JPY taken 19032 back 0"]
        too fine: - INVALID at input.amount, back {"amount":"0","amountMinor":0,"currencyCode":"JPY"}
        gateway ["captured of 19032 JPY taken 19032 back 0"]
        a part: PARTIALLY_REFUNDED, back {"amount":"1001","amountMinor":1001,"currencyCode":"JPY"}
        gateway ["captured of 19032 JPY taken 19032 back 1001"]
        a lace: PARTIALLY_REFUNDED, back {"amount":"1334","amountMinor":1334,"currencyCode":"JPY"}
        gateway ["captured of 19032 JPY taken 19032 back 1334"]
        the rest: REFUNDED, back {"amount":"19032","amountMinor":19032,"currencyCode":"JPY"}
        gateway ["captured of 19032 JPY taken 19032 back 19032"]
    "#]]).await;
}

/// Prices of a shop that adds the tax, and does not charge for sending.
const NET_PRICES: &str = r#"{
    "pricesIncludeTax": false,
    "taxPermille": { "DE": { "standard": 190 } },
    "shipping": [{ "countries": ["DE"], "minDays": 1, "maxDays": 3, "parcels": [
        { "weightGramsMax": 31500, "costMinor": { "EUR": 0 } }] }]
}"#;

#[tokio::test(flavor = "multi_thread")]
async fn refunds_of_all_units_of_a_line_are_the_line() {
    let (file, prices) = (TempSqlite::new(), std::env::temp_dir().join(id::new("prices")));
    std::fs::write(&prices, NET_PRICES).unwrap();
    let settings = config(&[("pricing-file", prices.to_str().unwrap())]);
    let shop = Shop::open_with(&file.url, TestOptions::default(), settings).await;
    std::fs::remove_file(prices).unwrap();
    let (shoe, gift) = (shop.shelf.stock(1, 999, 5), shop.shelf.stock(2, 0, 5));
    let order = shop.place(&[(&shoe, 3)]).await;
    assert_eq!(shown(&shop.pay(&order, "tok_ok").await), "PAID");
    let line = shop.order(&order, "total { amount } lines { nodes { id } }").await;
    assert_eq!(line["total"]["amount"], "35.66");
    let mut story = Vec::new();
    for unit in 0..3 {
        let back = json!([{ "lineId": line["lines"]["nodes"][0]["id"], "quantity": 1 }]);
        let refund = json!({ "orderId": order, "idempotencyKey": format!("k{unit}"), "lines": back });
        let answer = shop.refund(refund).await;
        story.push(format!(
            "{} {}",
            shown(&answer),
            answer["order"]["refundedTotal"]["amount"]
        ));
    }
    assert_eq!(
        story,
        [
            "PARTIALLY_REFUNDED \"11.88\"",
            "PARTIALLY_REFUNDED \"23.77\"",
            "REFUNDED \"35.66\""
        ]
    );
    // No gateway takes a payment of nothing.
    let nothing = shop.create(input("nothing", &[(&gift, 1)])).await;
    assert_eq!(shown(&nothing), "- INVALID at ");
}

impl Purchase {
    /// Runs it on each database; the story must be the same on all.
    async fn check(&self, expected: Expect) {
        service::testing::each_database(async |url: String| {
            let settings = config(&[("currency-default", self.currency)]);
            let shop = Shop::open_with(&url, TestOptions::default(), settings).await;
            expected.assert_eq(&self.story(&shop).await);
        })
        .await;
    }

    async fn story(&self, shop: &Shop) -> String {
        let shoe = shop.shelf.stock_for(1, (self.shoe, self.currency), 5);
        let lace = shop.shelf.stock_for(2, (self.lace, self.currency), 50);
        let estimate = self.fill_cart(shop, &shoe, &lace).await;
        let mut story = format!("cart {}\n", sorted(&estimate));

        let address = json!({ "name": "Li", "line1": "Road 1", "city": "Town", "countryCode": self.country });
        let input = json!({ "idempotencyKey": "k", "shippingAddress": address,
            "expectedTotal": estimate["total"]["amount"] });
        let order = shop.create(input).await;
        assert_eq!(shown(&order), "AWAITING_PAYMENT");
        let order = order["order"]["id"].as_str().unwrap().to_owned();
        let amounts = format!(
            "subtotal {MONEY} shippingTotal {MONEY} taxTotal {MONEY} total {MONEY}
             lines {{ nodes {{ quantity unitPrice {MONEY} total {MONEY} taxTotal {MONEY} }} }}"
        );
        story += &format!("order {}\n", sorted(&shop.order(&order, &amounts).await));

        assert_eq!(shown(&shop.pay(&order, "tok_ok").await), "PAID");
        story += &format!("gateway {:?}\n", shop.ledger().await);
        for (what, refund) in [
            ("too fine", json!({ "amount": self.too_fine })),
            ("a part", json!({ "amount": self.part })),
            (
                "a lace",
                json!({ "lines": [{ "lineId": self.line(shop, &order).await, "quantity": 1 }] }),
            ),
            ("the rest", json!({})),
        ] {
            let mut input = json!({ "orderId": order, "idempotencyKey": id::new("key") });
            input
                .as_object_mut()
                .unwrap()
                .extend(refund.as_object().unwrap().clone());
            let answer = shop.refund(input).await;
            let refunded = &shop.order(&order, &format!("refundedTotal {MONEY}")).await["refundedTotal"];
            story += &format!("{what}: {}, back {}\n", shown(&answer), sorted(refunded));
            story += &format!("gateway {:?}\n", shop.ledger().await);
        }
        story
    }

    /// A shoe and three laces; answers with the estimate.
    async fn fill_cart(&self, shop: &Shop, shoe: &str, lace: &str) -> Value {
        let query = format!(
            "mutation($lines: [CartLineInput!]!, $country: String!) {{ cartLinesAdd(lines: $lines) {{ cart {{
                estimate(to: {{countryCode: $country}}) {{
                    subtotal {MONEY} shippingTotal {MONEY} taxTotal {MONEY} total {MONEY} }} }} }} }}"
        );
        let lines = json!([{ "variantId": shoe }, { "variantId": lace, "quantity": 3 }]);
        let variables = json!({ "lines": lines, "country": self.country });
        shop.ask(&query, variables).await["cartLinesAdd"]["cart"]["estimate"].clone()
    }

    /// The id of the order's line of laces.
    async fn line(&self, shop: &Shop, order: &str) -> Value {
        let order = shop.order(order, "lines { nodes { id quantity } }").await;
        let lines = order["lines"]["nodes"].as_array().unwrap();
        lines.iter().find(|line| line["quantity"] == 3).unwrap()["id"].clone()
    }
}
