//! A payments service with a sandbox gateway, and the ways to talk to both.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use clap::{Args as _, FromArgMatches as _};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use payments::{Config, Payments};
use sandbox_gateway::config::{DEMO_API_KEY, DEMO_WEBHOOK_SECRET, WebhookTarget};
use serde_json::{Value, json};
use service::auth::Role;
use service::contract::payments::{ActionRequest, AuthorizeRequest, PaymentState};
use service::id;
use service::peer::{PeerClient, PeerError};
use service::testing::{TempSqlite, TestOptions, TestService};
use tower::ServiceExt as _;
use url::Url;

/// How long a test waits for the gateway; below the sandbox's hang.
const GATEWAY_TIMEOUT_MS: &str = "300";

pub(crate) struct Shop {
    pub(crate) service: TestService,
    pub(crate) internal: PeerClient,
    pub(crate) gateway: Router,
    pub(crate) gateway_url: Url,
    _sqlite: Option<TempSqlite>,
}

impl Shop {
    /// A shop whose gateway sends no webhooks.
    pub(crate) async fn open() -> Shop {
        let sqlite = TempSqlite::new();
        let mut shop = Shop::open_on(&sqlite.url.clone(), false).await;
        shop._sqlite = Some(sqlite);
        shop
    }

    pub(crate) async fn open_with_webhooks() -> Shop {
        let sqlite = TempSqlite::new();
        let mut shop = Shop::open_on(&sqlite.url.clone(), true).await;
        shop._sqlite = Some(sqlite);
        shop
    }

    pub(crate) async fn open_on(database_url: &str, webhooks: bool) -> Shop {
        let (gateway_listener, gateway_url) = listener().await;
        let (webhook_listener, webhook_url) = listener().await;
        let webhook = webhooks.then(|| WebhookTarget {
            url: webhook_url.join("/webhooks/sandbox").unwrap(),
            secret: DEMO_WEBHOOK_SECRET.to_owned(),
        });
        let gateway = sandbox_gateway::app(sandbox_gateway::Config {
            webhook,
            public_url: Some(gateway_url.clone()),
            hang: Duration::from_secs(5),
            time_scale: 1_000,
            ..sandbox_gateway::Config::default()
        })
        .unwrap();
        let serving = gateway.clone();
        tokio::spawn(async move { axum::serve(gateway_listener, serving).await.unwrap() });
        let config = config(&[
            ("gateway-url", gateway_url.as_str()),
            ("gateway-api-key", DEMO_API_KEY),
            ("gateway-webhook-secrets", DEMO_WEBHOOK_SECRET),
            ("gateway-timeout-ms", GATEWAY_TIMEOUT_MS),
        ]);
        let service = TestService::start::<Payments>(database_url, config, TestOptions::default()).await;
        let internal = PeerClient::in_process("payments", service.internal_key.clone());
        internal.bind(service.app.internal.clone());
        let webhook_router = service.app.webhook.clone().unwrap();
        tokio::spawn(async move { axum::serve(webhook_listener, webhook_router).await.unwrap() });
        Shop {
            service,
            internal,
            gateway,
            gateway_url,
            _sqlite: None,
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

    /// Makes the gateway mistreat its webhooks.
    pub(crate) async fn fault(&self, webhooks: &str) {
        let body = Body::from(json!({ "webhooks": webhooks }).to_string());
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
        assert!(
            self.gateway
                .clone()
                .oneshot(request)
                .await
                .unwrap()
                .status()
                .is_redirection()
        );
    }

    pub(crate) fn token(&self, user: u64, roles: &[Role]) -> String {
        self.service.keys.user(&id::seeded("usr", user), roles)
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

pub(crate) fn config(flags: &[(&str, &str)]) -> Config {
    let command = Config::augment_args(clap::Command::new("payments"));
    let arguments = flags.iter().map(|(name, value)| format!("--{name}={value}"));
    let matches = command.get_matches_from(std::iter::once("payments".to_owned()).chain(arguments));
    Config::from_arg_matches(&matches).unwrap()
}

async fn listener() -> (tokio::net::TcpListener, Url) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    (listener, url)
}
