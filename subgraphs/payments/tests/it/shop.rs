//! A payments service with a sandbox gateway, and the ways to talk to both.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::middleware::map_request;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args as _, FromArgMatches as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use payments::{Config, Payments};
use sandbox_gateway::config::{DEMO_ALIPAY_APP_ID, DEMO_API_KEY, DEMO_WEBHOOK_SECRET, WebhookTarget};
use serde_json::{Value, json};
use service::auth::Role;
use service::clock::Clock;
use service::contract::payments::{ActionRequest, AuthorizeRequest, PaymentState};
use service::id;
use service::peer::{PeerClient, PeerError};
use service::testing::{TestOptions, TestService};
use sha2::Sha256;
use tower::ServiceExt as _;
use url::Url;

/// How long a test waits for the gateway; below the sandbox's hang.
const GATEWAY_TIMEOUT_MS: &str = "300";

pub(crate) struct Shop {
    pub(crate) service: TestService,
    pub(crate) internal: PeerClient,
    pub(crate) gateway: Router,
    pub(crate) gateway_url: Url,
    lookups: Arc<AtomicUsize>,
}

/// A row of `webhook_event`.
pub(crate) struct StoredWebhook {
    /// `<gateway>:<event>`
    pub(crate) id: String,
    pub(crate) payment_id: Option<String>,
    /// Whether the runner will look at it.
    pub(crate) waits: bool,
    pub(crate) processed: bool,
}

/// What a test may choose about its shop.
#[derive(Clone, Default)]
pub(crate) struct ShopOptions {
    /// Whether the gateway sends webhooks.
    pub(crate) webhooks: bool,
    /// Further settings of payments; the last of a name wins.
    pub(crate) flags: Vec<(&'static str, String)>,
    /// A manual clock to move, instead of the machine's.
    pub(crate) clock: Option<Clock>,
}

/// Runs `test` with a shop on each database.
pub(crate) async fn each_shop<F, Fut>(options: ShopOptions, test: F)
where
    F: Fn(Shop) -> Fut,
    Fut: Future<Output = ()>,
{
    let (test, options) = (&test, &options);
    let run = |url: String| async move { test(Shop::open(&url, options.clone()).await).await };
    service::testing::each_database(run).await;
}

/// A shop whose gateway sends webhooks.
pub(crate) fn with_webhooks() -> ShopOptions {
    ShopOptions {
        webhooks: true,
        ..ShopOptions::default()
    }
}

impl Shop {
    /// Payments with all three gateways, which are one sandbox.
    pub(crate) async fn open(database_url: &str, options: ShopOptions) -> Shop {
        let (gateway_listener, gateway_url) = listener().await;
        let (webhook_listener, webhook_url) = listener().await;
        let target = |gateway: &str| WebhookTarget {
            url: webhook_url.join(&format!("/webhooks/{gateway}")).unwrap(),
            secret: DEMO_WEBHOOK_SECRET.to_owned(),
        };
        let gateway = sandbox_gateway::app(sandbox_gateway::Config {
            webhook: options.webhooks.then(|| target("sandbox")),
            stripe_webhook: options.webhooks.then(|| target("stripe")),
            public_url: Some(gateway_url.clone()),
            hang: Duration::from_secs(5),
            time_scale: 1_000,
            ..sandbox_gateway::Config::default()
        })
        .unwrap();
        let lookups: Arc<AtomicUsize> = Arc::default();
        let serving = gateway.clone().layer(map_request(count_reads(Arc::clone(&lookups))));
        tokio::spawn(async move { axum::serve(gateway_listener, serving).await.unwrap() });
        let mut flags = flags(&gateway_url);
        if options.webhooks {
            flags.push(("alipay-notify-url", target("alipay").url.to_string()));
        }
        flags.extend(options.flags);
        let test_options = TestOptions {
            clock: options.clock.unwrap_or(Clock::System),
            ..TestOptions::default()
        };
        let service = TestService::start::<Payments>(database_url, config(&flags), test_options).await;
        let internal = PeerClient::in_process("payments", service.internal_key.clone());
        internal.bind(service.app.internal.clone());
        let webhook_router = service.app.webhook.clone().unwrap();
        tokio::spawn(async move { axum::serve(webhook_listener, webhook_router).await.unwrap() });
        Shop {
            service,
            internal,
            gateway,
            gateway_url,
            lookups,
        }
    }

    /// Asks to hold 45.97 EUR for a new order of user 2 with `token`.
    pub(crate) async fn pay(&self, payment_id: &str, token: &str) -> PaymentState {
        self.authorize(payment_id, &request(token)).await.unwrap()
    }

    pub(crate) async fn authorize(
        &self,
        payment_id: &str,
        request: &AuthorizeRequest,
    ) -> Result<PaymentState, PeerError> {
        self.internal
            .call(Method::PUT, &format!("/internal/payments/{payment_id}"), Some(request))
            .await
    }

    pub(crate) async fn state(&self, payment_id: &str) -> PaymentState {
        let path = format!("/internal/payments/{payment_id}");
        self.internal.call::<(), _>(Method::GET, &path, None).await.unwrap()
    }

    pub(crate) async fn act(
        &self,
        payment_id: &str,
        action: &str,
        key: &str,
        amount_minor: Option<i64>,
    ) -> Result<PaymentState, PeerError> {
        let request = ActionRequest {
            idempotency_key: key.to_owned(),
            amount_minor,
        };
        self.internal
            .call(
                Method::POST,
                &format!("/internal/payments/{payment_id}/{action}"),
                Some(&request),
            )
            .await
    }

    /// Waits until the payment has `status`, as the runner settles it.
    pub(crate) async fn wait_for(&self, payment_id: &str, status: &str) -> PaymentState {
        for _ in 0..400 {
            let state = self.state(payment_id).await;
            if state.status.as_str() == status {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not {status} in time: {:?}", self.state(payment_id).await);
    }

    /// Waits until the payment is as [`shown`].
    pub(crate) async fn wait_until(&self, payment_id: &str, expected: &str) {
        for _ in 0..400 {
            if shown(&self.state(payment_id).await) == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not {expected} in time: {}", shown(&self.state(payment_id).await));
    }

    /// Waits until a webhook about this payment has been worked on.
    pub(crate) async fn wait_for_webhook(&self, payment_id: &str) {
        let is_done = |webhook: &StoredWebhook| webhook.payment_id.as_deref() == Some(payment_id) && webhook.processed;
        for _ in 0..400 {
            if self.webhooks().await.iter().any(is_done) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no webhook of `{payment_id}` was worked on in time");
    }

    /// Waits until all webhooks have been worked on.
    pub(crate) async fn wait_for_webhooks(&self) {
        for _ in 0..400 {
            if self.webhooks().await.iter().all(|webhook| webhook.processed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("webhooks were not worked on in time");
    }

    /// Runs a statement that the service itself never would.
    pub(crate) async fn execute(&self, statement: &str) {
        use sea_orm::ConnectionTrait as _;
        let write = self.service.app.database.write();
        write.execute_unprepared(statement).await.unwrap();
    }

    /// What the gateway has booked.
    pub(crate) async fn ledger(&self) -> Vec<Value> {
        let request = Request::get("/__ledger").body(Body::empty()).unwrap();
        let response = self.gateway.clone().oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&body).unwrap()["payments"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// How often the gateway was asked how a payment stands, in the generic dialect.
    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    /// Sends an event of the generic dialect as the gateway would.
    pub(crate) async fn send_event(&self, event_id: &str, data: Value) -> u16 {
        let body = json!({"type": "payment.updated", "data": data}).to_string();
        let timestamp = self.service.clock.now().timestamp();
        let key = BASE64_STANDARD
            .decode(DEMO_WEBHOOK_SECRET.trim_start_matches("whsec_"))
            .unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{event_id}.{timestamp}.{body}").as_bytes());
        let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        let request = Request::post("/webhooks/sandbox")
            .header("webhook-id", event_id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Body::from(body))
            .unwrap();
        let webhook = self.service.app.webhook.clone().unwrap();
        webhook.oneshot(request).await.unwrap().status().as_u16()
    }

    /// Makes the gateway mistreat its webhooks.
    pub(crate) async fn fault(&self, webhooks: &str) {
        self.faults(json!({ "webhooks": webhooks })).await;
    }

    /// Makes the next call that does `operation` see `answer`.
    pub(crate) async fn call_fault(&self, operation: &str, answer: &str) {
        self.faults(json!({ "calls": [{"operation": operation, "answer": answer}] }))
            .await;
    }

    /// Of the call that creates a payment: one that is made again for another payment does not take it.
    pub(crate) async fn create_fault(&self, payment_id: &str, answer: &str) {
        self.faults(json!({ "calls": [{"operation": "create", "answer": answer, "naming": payment_id}] }))
            .await;
    }

    async fn faults(&self, faults: Value) {
        let body = Body::from(faults.to_string());
        let request = Request::post("/__faults")
            .header("content-type", "application/json")
            .body(body)
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

    /// The shopper decides on the page that the payment names.
    pub(crate) async fn decide(&self, url: &str, decision: &str) {
        let path = url
            .strip_prefix(self.gateway_url.as_str().trim_end_matches('/'))
            .unwrap();
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("decision={decision}")))
            .unwrap();
        // Back to the shop, or a word of thanks where the shop gave no address.
        let status = self.gateway.clone().oneshot(request).await.unwrap().status();
        assert!(status.is_redirection() || status.is_success(), "{status}");
    }

    /// What the shopper must do now: `url` of a page, or `payload` of a QR code.
    pub(crate) async fn action_url(&self, payment_id: &str) -> String {
        let query = "query($id: ID!) { payment(id: $id) { nextAction {
            ... on RedirectAction { url } ... on QrCodeAction { url: payload } ... on ClientSecretAction { url: clientSecret }
        } } }";
        let token = self.token(2, &[Role::Customer]);
        let answer = self
            .service
            .query(query, json!({ "id": payment_id }), Some(&token))
            .await;
        let url = &answer["data"]["payment"]["nextAction"]["url"];
        url.as_str().unwrap_or_else(|| panic!("no action: {answer}")).to_owned()
    }

    /// Sends `GET` to a page of the gateway, and follows it where it leads.
    pub(crate) async fn open_page(&self, url: &str) -> String {
        let path = url
            .strip_prefix(self.gateway_url.as_str().trim_end_matches('/'))
            .unwrap();
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.gateway.clone().oneshot(request).await.unwrap();
        let location = response.headers().get("location").cloned();
        match location {
            Some(location) => Box::pin(self.open_page(location.to_str().unwrap())).await,
            None => {
                assert!(response.status().is_success(), "{url}");
                url.to_owned()
            }
        }
    }

    /// Payments that the gateway has booked for this id of ours.
    pub(crate) async fn booked(&self, payment_id: &str) -> Vec<Value> {
        let ledger = self.ledger().await.into_iter();
        ledger.filter(|booked| booked["reference"] == payment_id).collect()
    }

    /// The webhooks that were stored.
    pub(crate) async fn webhooks(&self) -> Vec<StoredWebhook> {
        use sea_orm::{ConnectionTrait as _, Statement};
        let read = self.service.app.database.read();
        let text = "SELECT id, payment_id, next_at IS NOT NULL AS waits, processed_at IS NOT NULL AND body = '' AS processed FROM webhook_event";
        let rows = read
            .query_all_raw(Statement::from_string(read.get_database_backend(), text))
            .await
            .unwrap();
        let rows = rows.iter().map(|row| StoredWebhook {
            id: row.try_get("", "id").unwrap(),
            payment_id: row.try_get("", "payment_id").unwrap(),
            waits: row.try_get("", "waits").unwrap(),
            processed: row.try_get("", "processed").unwrap(),
        });
        rows.collect()
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        let (_, _, body) = service::testing::get(&self.service.app.admin, "/metrics").await;
        String::from_utf8(body).unwrap()
    }

    pub(crate) fn token(&self, user: u64, roles: &[Role]) -> String {
        self.service.keys.user(&id::seeded("usr", user), roles)
    }
}

fn count_reads(reads: Arc<AtomicUsize>) -> impl Fn(Request<Body>) -> Ready<Request<Body>> + Clone {
    move |request| {
        if request.method() == Method::GET {
            reads.fetch_add(1, Ordering::SeqCst);
        }
        ready(request)
    }
}

pub(crate) fn request(token: &str) -> AuthorizeRequest {
    AuthorizeRequest {
        order_id: id::new("ord"),
        order_number: "#100600".to_owned(),
        user_id: id::seeded("usr", 2),
        amount_minor: 4_597,
        currency_code: "EUR".to_owned(),
        gateway: None,
        payment_method_token: Some(token.to_owned()),
        return_url: Some("http://shop.test/back".to_owned()),
    }
}

/// One line about a payment.
pub(crate) fn shown(state: &PaymentState) -> String {
    let refunds: Vec<String> = state
        .refunds
        .iter()
        .map(|refund| format!(" {:?} {}", refund.status, refund.amount_minor))
        .collect();
    format!(
        "{} held {} taken {} back {}{}",
        state.status.as_str(),
        state.authorized_minor,
        state.captured_minor,
        state.refunded_minor,
        refunds.concat()
    )
}

/// The answer, or the reason of the refusal.
pub(crate) fn outcome(answer: Result<PaymentState, PeerError>) -> String {
    match answer {
        Ok(state) => shown(&state),
        Err(PeerError::Status { status, body, .. }) => {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            format!("{} {}", status.as_u16(), body["code"].as_str().unwrap_or_default())
        }
        Err(error) => error.to_string(),
    }
}

/// The same, through the gateway of this name, in a currency that it takes.
pub(crate) fn request_through(gateway: &str, token: &str) -> AuthorizeRequest {
    AuthorizeRequest {
        gateway: Some(gateway.to_owned()),
        currency_code: if gateway == "alipay" { "CNY" } else { "EUR" }.to_owned(),
        payment_method_token: (!token.is_empty()).then(|| token.to_owned()),
        ..request("")
    }
}

/// Settings for all three gateways at `gateway_url`.
pub(crate) fn flags(gateway_url: &Url) -> Vec<(&'static str, String)> {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox-gateway/demo");
    let alipay_url = gateway_url.join("/gateway.do").unwrap();
    let (app_key, alipay_key) = (
        format!("{demo}/alipay-app.pem"),
        format!("{demo}/alipay-gateway.pub.pem"),
    );
    let flags = [
        ("gateways", "generic,stripe,alipay"),
        ("gateway-url", gateway_url.as_str()),
        ("gateway-api-key", DEMO_API_KEY),
        ("gateway-webhook-secrets", DEMO_WEBHOOK_SECRET),
        ("gateway-timeout-ms", GATEWAY_TIMEOUT_MS),
        // Tests make gateways fail again and again; one test is about the breaker.
        ("gateway-failures-max", "0"),
        ("stripe-url", gateway_url.as_str()),
        ("stripe-api-key", DEMO_API_KEY),
        ("stripe-publishable-key", "pk_test_hansa"),
        ("stripe-webhook-secrets", DEMO_WEBHOOK_SECRET),
        ("alipay-url", alipay_url.as_str()),
        ("alipay-app-id", DEMO_ALIPAY_APP_ID),
        ("alipay-private-key-file", &app_key),
        ("alipay-public-key-file", &alipay_key),
    ];
    flags.map(|(name, value)| (name, value.to_owned())).into()
}

/// The last of a name wins, and an empty one is as good as none.
pub(crate) fn config(flags: &[(&'static str, String)]) -> Config {
    let flags: BTreeMap<&str, &String> = flags.iter().map(|(name, value)| (*name, value)).collect();
    let flags = flags.into_iter().filter(|(_, value)| !value.is_empty());
    let command = Config::augment_args(clap::Command::new("payments"));
    let arguments = flags.map(|(name, value)| format!("--{name}={value}"));
    let matches = command.get_matches_from(std::iter::once("payments".to_owned()).chain(arguments));
    Config::from_arg_matches(&matches).unwrap()
}

pub(crate) async fn listener() -> (tokio::net::TcpListener, Url) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    (listener, url)
}

/// Calls of the generic dialect are answered by `answer`, at the URL that is given.
pub(crate) async fn gateway_that<F>(answer: impl Fn() -> F + Clone + Send + Sync + 'static) -> String
where
    F: Future<Output = Json<Value>> + Send + 'static,
{
    let (listener, url) = listener().await;
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url.to_string()
}
