//! One shopper, and the journeys they make.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use e2e::deployment::Deployment;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
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
        self.ask::<IgnoredAny>(Operation::Browse, front, json!({})).await?;
        let dice = usize::try_from(self.number.wrapping_mul(31).wrapping_add(u64::from(self.journeys)))?;
        let word = WORDS[dice % WORDS.len()];
        let found: Found = self.ask(Operation::Search, front, json!({ "query": word })).await?;
        let products = found.products.nodes;
        let product = products.get(dice % products.len().max(1));
        let slug = &product.context("the shop sells what shoppers look for")?.slug;
        let page = include_str!("../../../../schema/operations/product_page.graphql");
        let variables = json!({ "slug": slug, "to": { "countryCode": "DE" } });
        let page: ProductPage = self.ask(Operation::Product, page, variables).await?;
        let variant = page.product.variants.nodes.first().context("a variant")?;

        let add = include_str!("../../../../schema/operations/cart_add.graphql");
        let lines = json!({ "lines": [{ "variantId": variant.id, "quantity": 1 }] });
        let added: CartAdd = self.ask(Operation::Cart, add, lines).await?;
        expect_none("cart", &added.cart_lines_add.user_errors, &[])?;
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
        let placed: PlaceOrder = self.ask(Operation::Order, place, json!({ "input": input })).await?;
        expect_none("order", &placed.order_create.user_errors, &["OUT_OF_STOCK"])?;
        let Some(order) = placed.order_create.order else {
            self.report.out_of_stock += 1;
            return Ok(None);
        };
        if order.status == "PENDING" {
            self.settle(&order.id, "AWAITING_PAYMENT").await?;
        }
        Ok(Some(order.id))
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
        let paid: Pay = self.ask(Operation::Pay, pay, json!({ "input": input })).await?;
        expect_none("payment", &paid.order_pay.user_errors, &[])?;
        Ok(paid.order_pay.order.context("an order")?.status)
    }

    async fn settle(&mut self, id: &str, status: &str) -> Result<()> {
        let begun = Instant::now();
        let query = "query($id: ID!) { order(id: $id) { id status } }";
        loop {
            let looked: Look = self.ask(Operation::Look, query, json!({ "id": id })).await?;
            if looked.order.status == status {
                return Ok(());
            }
            if begun.elapsed() > SETTLE {
                bail!("order {id} is {}, not {status}", looked.order.status);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn ask<T: DeserializeOwned>(&mut self, operation: Operation, document: &str, variables: Value) -> Result<T> {
        let begun = Instant::now();
        let data = self.shop.data_as(document, variables, Some(&self.token)).await;
        self.report.took(operation, begun.elapsed());
        data.with_context(|| format!("{operation:?}"))
    }
}

fn expect_none(what: &str, errors: &[UserError], allowed: &[&str]) -> Result<()> {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for error in errors {
        *codes.entry(&error.code).or_default() += 1;
    }
    codes.retain(|code, _| !allowed.contains(code));
    if codes.is_empty() {
        return Ok(());
    }
    bail!("{what}: {codes:?}")
}

/// What a shopper looks at of the answers.
#[derive(Deserialize)]
struct Found {
    products: Nodes<Product>,
}

#[derive(Deserialize)]
struct Nodes<T> {
    nodes: Vec<T>,
}

#[derive(Deserialize)]
struct Product {
    slug: String,
}

#[derive(Deserialize)]
struct ProductPage {
    product: Variants,
}

#[derive(Deserialize)]
struct Variants {
    variants: Nodes<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CartAdd {
    cart_lines_add: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlaceOrder {
    order_create: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pay {
    order_pay: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    order: Option<Order>,
    user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
struct UserError {
    code: String,
}

#[derive(Deserialize)]
struct Look {
    order: Order,
}

#[derive(Deserialize)]
struct Order {
    id: String,
    status: String,
}
