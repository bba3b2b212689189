//! `POST /internal/events`: payments tells that a payment changed. Each event takes effect once.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use service::contract::events::Event;
use service::contract::payments::{PAYMENT_CHANGED, PaymentState};
use tracing::error;

use crate::driver::Driver;

/// Longest id of an event.
const EVENT_ID_BYTES_MAX: usize = 80;

/// `/internal/…`; the signature is checked by the layer around it.
pub fn router(driver: Driver) -> Router {
    Router::new()
        .route("/internal/events", post(receive))
        .with_state(driver)
}

async fn receive(State(driver): State<Driver>, Json(event): Json<Event>) -> StatusCode {
    if event.event_type != PAYMENT_CHANGED {
        return StatusCode::NO_CONTENT;
    }
    let Ok(state) = serde_json::from_value::<PaymentState>(event.data) else {
        return StatusCode::BAD_REQUEST;
    };
    if event.id.len() > EVENT_ID_BYTES_MAX {
        return StatusCode::BAD_REQUEST;
    }
    let now = driver.now();
    let heard = driver
        .store()
        .change_once(&state.order_id, (&event.id, now), |file| file.hear_event(&state, now));
    match heard.await {
        Ok(()) => {
            driver.wake();
            StatusCode::NO_CONTENT
        }
        // Not stored, so not acknowledged: payments sends it again.
        Err(error) => {
            error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "An event could not be stored"
            );
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
