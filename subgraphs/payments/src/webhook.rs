//! `POST /webhooks/<gateway>`: checks the signature, stores the event once, answers, and only then works on it.
//!
//! What the event says is not believed: the runner looks the payment up at the gateway, so the order in which events
//! arrive does not matter.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tracing::{error, warn};

use crate::processor::Processor;
use crate::store::NewWebhook;

/// Largest webhook; a gateway's are a few kB.
const BODY_BYTES_MAX: usize = 256 * 1024;

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
    let webhook = match gateway.verify_webhook(&headers, &body, processor.now()) {
        Ok(webhook) => webhook,
        Err(reason) => {
            warn!(gateway = gateway.name(), %reason, "A webhook was refused");
            return (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response();
        }
    };
    let stored = NewWebhook {
        gateway: gateway.name().to_owned(),
        event_id: webhook.id,
        payment_id: webhook.payment_id.filter(|id| service::id::is("pay", id)),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    match processor.store().webhook_received(stored, processor.now()).await {
        Ok(_) => {
            processor.wake();
            StatusCode::NO_CONTENT.into_response()
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
