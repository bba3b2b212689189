//! An orders service with its neighbours, and what a shopper can do with it.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use clap::{Args, FromArgMatches};
use http::Request;
use orders::Orders;
use payments::Payments;
use sandbox_gateway::config::{DEMO_API_KEY, DEMO_WEBHOOK_SECRET, WebhookTarget};
use serde_json::{Value, json};
use service::auth::Role;
use service::clock::Clock;
use service::id;
use service::peer::Peers;
use service::testing::{TempSqlite, TestOptions, TestService};
use tower::ServiceExt as _;
use url::Url;

use crate::neighbours::{Shelf, users};

pub(crate) struct Shop {
    pub(crate) orders: TestService,
    pub(crate) payments: TestService,
    pub(crate) shelf: Shelf,
    gateway: Router,
    gateway_url: Url,
    _files: Vec<TempSqlite>,
}

const ORDER: &str =
    "order { id number status failureReason canPay canCancel expiresAt total { amount } refundedTotal { amount } }
    userErrors { code field variant { id } }";

impl Shop {
    pub(crate) async fn open() -> Shop {
        Shop::open_at(Clock::System).await
    }

    pub(crate) async fn open_at(clock: Clock) -> Shop {
        let file = TempSqlite::new();
        let mut shop = Shop::open_on(&file.url.clone(), clock).await;
        shop._files.push(file);
        shop
    }

    /// A shop with the orders of the demo shop.
    pub(crate) async fn open_seeded() -> Shop {
        let file = TempSqlite::new();
        let options = TestOptions {
            seed: true,
            ..TestOptions::default()
        };
        let mut shop = Shop::open_with(&file.url.clone(), options, config_of_orders()).await;
        shop._files.push(file);
        shop
    }

    pub(crate) async fn open_on(url: &str, clock: Clock) -> Shop {
        let options = TestOptions {
            clock,
            ..TestOptions::default()
        };
        Shop::open_with(url, options, config_of_orders()).await
    }

    /// A shop with other settings of orders; peers are those of the shop.
    pub(crate) async fn open_with(url: &str, options: TestOptions, orders_config: orders::Config) -> Shop {
        let payments_file = TempSqlite::new();
        let peers = Peers {
            reviews: None,
            ..Peers::in_process(&options.internal_key)
        };
        let options = TestOptions {
            peers: peers.clone(),
            ..options
        };
        let (gateway_listener, gateway_url) = listener().await;
        let (webhook_listener, webhook_url) = listener().await;
        let gateway = sandbox_gateway::app(sandbox_gateway::Config {
            webhook: Some(WebhookTarget {
                url: webhook_url.join("/webhooks/sandbox").unwrap(),
                secret: DEMO_WEBHOOK_SECRET.to_owned(),
            }),
            public_url: Some(gateway_url.clone()),
            hang: Duration::from_secs(5),
            time_scale: 1_000,
            ..sandbox_gateway::Config::default()
        })
        .unwrap();
        let serving = gateway.clone();
        tokio::spawn(async move { axum::serve(gateway_listener, serving).await.unwrap() });
        let config: payments::Config = config(&[
            ("gateway-url", gateway_url.as_str()),
            ("gateway-api-key", DEMO_API_KEY),
            ("gateway-webhook-secrets", DEMO_WEBHOOK_SECRET),
            ("gateway-timeout-ms", "400"),
        ]);
        let payments_options = TestOptions {
            clock: Clock::System,
            seed: false,
            ..options.clone()
        };
        let payments = TestService::start::<Payments>(&payments_file.url, config, payments_options).await;
        let webhook = payments.app.webhook.clone().unwrap();
        tokio::spawn(async move { axum::serve(webhook_listener, webhook).await.unwrap() });
        let orders = TestService::start::<Orders>(url, orders_config, options).await;
        let shelf = Shelf::default();
        peers.users.unwrap().bind(users());
        peers.products.unwrap().bind(shelf.router());
        peers.payments.unwrap().bind(payments.app.internal.clone());
        peers.orders.unwrap().bind(orders.app.internal.clone());
        Shop {
            orders,
            payments,
            shelf,
            gateway,
            gateway_url,
            _files: vec![payments_file],
        }
    }

    pub(crate) fn token(&self, user: u64, roles: &[Role]) -> String {
        self.orders.keys.user(&id::seeded("usr", user), roles)
    }

    /// Sends a request as user 2, and answers with `data`; top-level errors fail the test.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> Value {
        let token = self.token(2, &[Role::Customer]);
        let answer = self.orders.query(query, variables, Some(&token)).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    }

    pub(crate) async fn create(&self, input: Value) -> Value {
        let query = format!("mutation($input: OrderCreateInput!) {{ orderCreate(input: $input) {{ {ORDER} }} }}");
        self.ask(&query, json!({ "input": input })).await["orderCreate"].clone()
    }

    /// Places an order of user 2 for these variants, and answers with its id.
    pub(crate) async fn place(&self, lines: &[(&str, u32)]) -> String {
        let answer = self.create(input(&id::new("key"), lines)).await;
        answer["order"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer:#}"))
            .to_owned()
    }

    pub(crate) async fn pay(&self, order_id: &str, token: &str) -> Value {
        self.pay_with_key(order_id, token, &id::new("key")).await
    }

    pub(crate) async fn pay_with_key(&self, order_id: &str, token: &str, key: &str) -> Value {
        let query =
            format!("mutation($input: OrderPayInput!) {{ orderPay(input: $input) {{ {ORDER} payment {{ id }} }} }}");
        let input = json!({"idempotencyKey": key, "orderId": order_id, "paymentMethodToken": token});
        self.ask(&query, json!({ "input": input })).await["orderPay"].clone()
    }

    pub(crate) async fn cancel(&self, order_id: &str) -> Value {
        let query = format!("mutation($id: ID!) {{ orderCancel(id: $id, reason: \"changed my mind\") {{ {ORDER} }} }}");
        self.ask(&query, json!({ "id": order_id })).await["orderCancel"].clone()
    }

    pub(crate) async fn refund(&self, input: Value) -> Value {
        let query = format!("mutation($input: OrderRefundInput!) {{ orderRefund(input: $input) {{ {ORDER} }} }}");
        let token = self.token(0, &[Role::Admin]);
        let answer = self.orders.query(&query, json!({ "input": input }), Some(&token)).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"]["orderRefund"].clone()
    }

    pub(crate) async fn order(&self, order_id: &str, selection: &str) -> Value {
        let query = format!("query($id: ID!) {{ order(id: $id) {{ {selection} }} }}");
        self.ask(&query, json!({ "id": order_id })).await["order"].clone()
    }

    /// The statuses that the order went through.
    pub(crate) async fn story(&self, order_id: &str) -> String {
        let order = self.order(order_id, "history { toStatus actor message }").await;
        let events = order["history"].as_array().unwrap().iter().map(|event| {
            let message = event["message"]
                .as_str()
                .map(|message| format!(": {message}"))
                .unwrap_or_default();
            format!(
                "{} by {}{message}",
                event["toStatus"].as_str().unwrap(),
                event["actor"].as_str().unwrap()
            )
        });
        events.collect::<Vec<_>>().join("\n")
    }

    /// Waits until the order has `status`, as the runner drives it.
    pub(crate) async fn wait_for(&self, order_id: &str, status: &str) {
        for _ in 0..600 {
            if self.order(order_id, "status").await["status"] == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not {status} in time:\n{}", self.story(order_id).await);
    }

    /// What payments says of the order's payments, newest first: `CAPTURED 10.00 back 0.00`.
    pub(crate) async fn payments(&self, order_id: &str) -> Vec<String> {
        let selection = "... on Order { payments { status capturedAmount { amount } refundedAmount { amount } } }";
        let token = self.token(2, &[Role::Customer]);
        let representations = json!([{"__typename": "Order", "id": order_id}]);
        let answer = self.payments.entities(representations, selection, Some(&token)).await;
        let payments = answer["data"]["_entities"][0]["payments"].as_array().unwrap().clone();
        let shown = payments.iter().map(|payment| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (captured, back) = (
                &payment["capturedAmount"]["amount"],
                &payment["refundedAmount"]["amount"],
            );
            format!("{} {} back {}", text(&payment["status"]), text(captured), text(back))
        });
        shown.collect()
    }

    /// What the gateway has booked, in minor units: `PLACED 4597 taken 4597 back 0 EUR`, oldest first.
    pub(crate) async fn ledger(&self) -> Vec<String> {
        let request = Request::get("/__ledger").body(Body::empty()).unwrap();
        let response = self.gateway.clone().oneshot(request).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let ledger: Value = serde_json::from_slice(&body).unwrap();
        let booked = ledger["payments"].as_array().unwrap().iter().map(|payment| {
            format!(
                "{} of {} {} taken {} back {}",
                payment["status"].as_str().unwrap(),
                payment["amount_minor"],
                payment["currency"].as_str().unwrap(),
                payment["captured_minor"],
                payment["refunded_minor"]
            )
        });
        booked.collect()
    }

    /// The shopper decides on the page of the payment.
    pub(crate) async fn decide(&self, payment_id: &str, decision: &str) {
        let query = "query($id: ID!) { payment(id: $id) { nextAction { ... on RedirectAction { url } } } }";
        let token = self.token(2, &[Role::Customer]);
        let answer = self
            .payments
            .query(query, json!({ "id": payment_id }), Some(&token))
            .await;
        let url = answer["data"]["payment"]["nextAction"]["url"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = url
            .strip_prefix(self.gateway_url.as_str().trim_end_matches('/'))
            .unwrap()
            .to_owned();
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("decision={decision}")))
            .unwrap();
        assert!(
            self.gateway
                .clone()
                .oneshot(request)
                .await
                .unwrap()
                .status()
                .is_success()
        );
    }
}

/// An order of these variants to user 2's home.
pub(crate) fn input(key: &str, lines: &[(&str, u32)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(variant_id, quantity)| json!({"variantId": variant_id, "quantity": quantity}))
        .collect();
    json!({"idempotencyKey": key, "lines": lines, "shippingAddressId": id::seeded("adr", 0)})
}

/// Status and codes of a payload: `AWAITING_PAYMENT` or `- OUT_OF_STOCK at input.lines.0`.
pub(crate) fn shown(payload: &Value) -> String {
    let status = payload["order"]["status"].as_str().unwrap_or("-");
    let errors = payload["userErrors"].as_array().unwrap().iter().map(|error| {
        let path: Vec<&str> = error["field"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let variant = if error["variant"].is_object() {
            " of a variant"
        } else {
            ""
        };
        format!(" {} at {}{variant}", error["code"].as_str().unwrap(), path.join("."))
    });
    errors.fold(status.to_owned(), |text, error| text + &error)
}

/// The value with its keys in order: fields arrive in the order in which they were resolved.
pub(crate) fn sorted(value: &Value) -> String {
    fn sort(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().map(|(name, field)| (name.clone(), sort(field))).collect();
                fields.sort_by(|(left, _), (right, _)| left.cmp(right));
                Value::Object(fields.into_iter().collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(sort).collect()),
            plain => plain.clone(),
        }
    }
    sort(value).to_string()
}

pub(crate) fn config_of_orders() -> orders::Config {
    config(&[])
}

pub(crate) fn config<C: Args + FromArgMatches>(flags: &[(&str, &str)]) -> C {
    let command = C::augment_args(clap::Command::new("test"));
    let arguments = flags.iter().map(|(name, value)| format!("--{name}={value}"));
    let matches = command.get_matches_from(std::iter::once("test".to_owned()).chain(arguments));
    C::from_arg_matches(&matches).unwrap()
}

async fn listener() -> (tokio::net::TcpListener, Url) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    (listener, url)
}
