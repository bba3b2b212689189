//! `POST /internal/events`: orders tells who bought what, users whose account was deleted.
//!
//! 204 for an event that took effect, had before, or is of no interest here; 400 for one that cannot be read.

use crate::store::{Effect, Store};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use service::contract::events::{Event, ORDERS_PAID, OrderPaid, USERS_ERASED, UserErased};

/// Longest id of an event, in bytes: the width of its column.
const EVENT_ID_BYTES_MAX: usize = 64;

pub(crate) fn router(store: Store) -> Router {
    Router::new().route("/internal/events", post(receive)).with_state(store)
}

async fn receive(State(store): State<Store>, Json(event): Json<Event>) -> Response {
    if !(1..=EVENT_ID_BYTES_MAX).contains(&event.id.len()) {
        return (StatusCode::BAD_REQUEST, "the id of an event is 1 to 64 bytes\n").into_response();
    }
    let effect = match effect(&event) {
        Ok(Some(effect)) => effect,
        Ok(None) => return StatusCode::NO_CONTENT.into_response(),
        Err(error) => return (StatusCode::BAD_REQUEST, format!("`{}`: {error}\n", event.event_type)).into_response(),
    };
    match store.apply(&event.id, effect).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                event.id,
                "An event failed"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `None` for a type that does nothing here.
fn effect(event: &Event) -> Result<Option<Effect>, serde_json::Error> {
    Ok(match event.event_type.as_str() {
        ORDERS_PAID => {
            let paid: OrderPaid = serde_json::from_value(event.data.clone())?;
            let mut product_ids: Vec<String> = paid.lines.into_iter().map(|line| line.product_id).collect();
            product_ids.sort();
            product_ids.dedup();
            Some(Effect::Bought {
                user_id: paid.user_id,
                product_ids,
            })
        }
        USERS_ERASED => {
            let erased: UserErased = serde_json::from_value(event.data.clone())?;
            Some(Effect::Erased {
                user_id: erased.user_id,
            })
        }
        _ => None,
    })
}
