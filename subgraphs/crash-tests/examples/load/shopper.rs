//! One shopper, and the journeys they make.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use e2e::deployment::Deployment;
use serde_json::{Value, json};

use crate::report::{Operation, Report};

/// What shoppers look for; the seed data has some of each.
const WORDS: [&str; 8] = ["lamp", "mug", "tee", "knife", "tea", "jacket", "pan", "headphones"];

/// One payment in so many is declined, and then made with another card.
const DECLINE_EVERY: u32 = 20;

/// Longest wait for a payment that is not settled by the call itself.
const SETTLE: Duration = Duration::from_secs(10);

pub(crate) struct Shopper {
    shop: Arc<Deployment>,
    token: String,
    number: u64,
    journeys: u32,
    report: Report,
}

impl Shopper {
    pub(crate) fn new(shop: Arc<Deployment>, number: u64, token: String) -> Shopper {
        Shopper {
            shop,
            token,
            number,
            journeys: 0,
            report: Report::default(),
        }
    }

    /// Forgets what was measured, but not what went wrong.
    pub(crate) fn count_from_now(&mut self) {
        self.report.forget_times();
    }

    pub(crate) fn into_report(self) -> Report {
        self.report
    }

    /// Begins a journey at `first` and then every `pause`, or as soon as the last one has ended.
    pub(crate) async fn shop_until(mut self, end: Instant, first: Instant, pause: Duration) -> Shopper {
        let mut next = first;
        while next < end && Instant::now() < end {
            tokio::time::sleep_until(next.into()).await;
            if let Err(error) = self.journey().await {
                self.report.fail(format!("{error:#}"));
            }
            self.journeys += 1;
            next += pause;
        }
        self
    }

    async fn journey(&mut self) -> Result<()> {
        let front = include_str!("../../../../schema/operations/shop_front.graphql");
        self.ask(Operation::Browse, front, json!({})).await?;
        let dice = self.number.wrapping_mul(31).wrapping_add(u64::from(self.journeys));
        let word = WORDS[usize::try_from(dice)? % WORDS.len()];
        let found = self.ask(Operation::Search, front, json!({ "query": word })).await?;
        let products = found["products"]["nodes"].as_array().context("products")?;
        let product = products.get(usize::try_from(dice)? % products.len().max(1));
        let slug = &product.context("the shop sells what shoppers look for")?["slug"];
        let page = include_str!("../../../../schema/operations/product_page.graphql");
        let variables = json!({ "slug": slug, "to": { "countryCode": "DE" } });
        let page = self.ask(Operation::Product, page, variables).await?;
        let variant = &page["product"]["variants"]["nodes"][0]["id"];

        let add = include_str!("../../../../schema/operations/cart_add.graphql");
        let lines = json!({ "lines": [{ "variantId": variant, "quantity": 1 }] });
        let cart = self.ask(Operation::Cart, add, lines).await?;
        expect_none("cart", &cart["cartLinesAdd"], &[])?;
        let Some(order) = self.order().await? else {
            return Ok(());
        };
        self.pay_in_full(&order).await
    }

    /// Orders what is in the cart; `None` when it has run out.
    async fn order(&mut self) -> Result<Option<String>> {
        let place = include_str!("../../../../schema/operations/place_order.graphql");
        let address = json!({ "name": "Load", "line1": "Street 1", "city": "Berlin", "countryCode": "DE" });
        let input = json!({ "idempotencyKey": service::id::new("key"), "shippingAddress": address });
        let placed = self.ask(Operation::Order, place, json!({ "input": input })).await?;
        expect_none("order", &placed["orderCreate"], &["OUT_OF_STOCK"])?;
        let Some(id) = placed["orderCreate"]["order"]["id"].as_str() else {
            self.report.out_of_stock += 1;
            return Ok(None);
        };
        if placed["orderCreate"]["order"]["status"] == "PENDING" {
            self.settle(id, "AWAITING_PAYMENT").await?;
        }
        Ok(Some(id.to_owned()))
    }

    async fn pay_in_full(&mut self, order: &str) -> Result<()> {
        if (self.journeys + u32::try_from(self.number)?).is_multiple_of(DECLINE_EVERY) {
            let status = self.pay(order, "tok_declined").await?;
            if status != "AWAITING_PAYMENT" {
                bail!("a declined payment leaves the order {status}");
            }
            self.report.declined += 1;
        }
        let status = self.pay(order, "tok_ok").await?;
        if status != "PAID" {
            self.settle(order, "PAID").await?;
        }
        self.report.paid += 1;
        Ok(())
    }

    /// The order's status after it.
    async fn pay(&mut self, order: &str, method: &str) -> Result<String> {
        let pay = include_str!("../../../../schema/operations/pay.graphql");
        let input =
            json!({ "idempotencyKey": service::id::new("key"), "orderId": order, "paymentMethodToken": method });
        let paid = self.ask(Operation::Pay, pay, json!({ "input": input })).await?;
        expect_none("payment", &paid["orderPay"], &[])?;
        let status = paid["orderPay"]["order"]["status"].as_str().context("an order")?;
        Ok(status.to_owned())
    }

    async fn settle(&mut self, order: &str, status: &str) -> Result<()> {
        let begun = Instant::now();
        let query = "query($id: ID!) { order(id: $id) { status } }";
        loop {
            let data = self.ask(Operation::Look, query, json!({ "id": order })).await?;
            if data["order"]["status"] == status {
                return Ok(());
            }
            if begun.elapsed() > SETTLE {
                bail!("order {order} is {}, not {status}", data["order"]["status"]);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn ask(&mut self, operation: Operation, document: &str, variables: Value) -> Result<Value> {
        let begun = Instant::now();
        let data = self.shop.data(document, variables, Some(&self.token)).await;
        self.report.took(operation, begun.elapsed());
        data.with_context(|| format!("{operation:?}"))
    }
}

fn expect_none(what: &str, payload: &Value, allowed: &[&str]) -> Result<()> {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for error in payload["userErrors"].as_array().into_iter().flatten() {
        *codes.entry(error["code"].as_str().unwrap_or("no code")).or_default() += 1;
    }
    codes.retain(|code, _| !allowed.contains(code));
    if codes.is_empty() {
        return Ok(());
    }
    bail!("{what}: {codes:?}")
}
