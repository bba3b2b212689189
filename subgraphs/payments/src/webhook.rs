//! `POST /webhooks/<gateway>`: checks the signature, stores the event once, answers, and only then works on it.
//!
//! What is new in an event is not believed: the runner looks the payment up at the gateway, so the order in which events
//! arrive does not matter. An event without news, as most are that tell of what the shop itself has done, costs no call.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tracing::{error, warn};

use crate::gateway::Gateway as _;
use crate::processor::Processor;
use crate::store::NewWebhook;

/// Largest webhook; a gateway's are a few kB.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Longest id that a gateway may give a payment, in bytes.
const REFERENCE_BYTES_MAX: usize = 255;

/// `/webhooks/<gateway>`, for the edge.
pub fn router(processor: Processor) -> Router {
    Router::new()
        .route("/webhooks/{gateway}", post(receive))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(processor)
}

async fn receive(
    State(processor): State<Processor>,
    Path(gateway): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(gateway) = processor.gateway(Some(&gateway)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let webhook = match gateway.verify_webhook(&headers, &body, processor.world_now()) {
        Ok(webhook) => webhook,
        Err(reason) => {
            warn!(gateway = gateway.name(), %reason, "A webhook was refused");
            count(gateway.name(), "refused");
            return (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response();
        }
    };
    let stored = NewWebhook {
        gateway: gateway.name().to_owned(),
        event_id: webhook.id,
        payment_id: webhook.payment_id.filter(|id| service::id::is("pay", id)),
        gateway_reference: webhook.gateway_reference.filter(|id| id.len() <= REFERENCE_BYTES_MAX),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    match processor.store().webhook_received(stored, processor.now()).await {
        Ok(new) => {
            count(gateway.name(), if new { "stored" } else { "repeated" });
            service::fault::point("payments.webhook.stored");
            processor.wake(gateway.name());
            match gateway.webhook_reply() {
                "" => StatusCode::NO_CONTENT.into_response(),
                text => text.into_response(),
            }
        }
        // Not stored, so not acknowledged: the gateway sends it again.
        Err(error) => {
            error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "A webhook could not be stored"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn count(gateway: &str, outcome: &'static str) {
    metrics::counter!("payments_webhooks_total", "gateway" => gateway.to_owned(), "outcome" => outcome).increment(1);
}
