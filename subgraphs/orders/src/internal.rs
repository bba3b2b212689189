//! `POST /internal/events`: payments tells that a payment changed, and users that an account was erased. Each event
//! takes effect once.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use service::contract::events::{Event, USERS_ERASED, UserErased};
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
    match event.event_type.as_str() {
        PAYMENT_CHANGED => payment_changed(&driver, event).await,
        USERS_ERASED => user_erased(&driver, event).await,
        _ => StatusCode::NO_CONTENT,
    }
}

/// The cart goes. Orders stay as they are, with the addresses they were sent to, as long as the law demands.
async fn user_erased(driver: &Driver, event: Event) -> StatusCode {
    let Ok(erased) = serde_json::from_value::<UserErased>(event.data) else {
        return StatusCode::BAD_REQUEST;
    };
    // No inbox: a cart that is gone cannot be deleted twice, and nobody will fill it again.
    match driver.store().cart_delete(&erased.user_id).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            error!(error, "The cart of an erased account could not be deleted");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

async fn payment_changed(driver: &Driver, event: Event) -> StatusCode {
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
