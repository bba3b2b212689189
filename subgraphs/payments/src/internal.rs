//! The endpoints for orders; the README of this package is their contract.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use service::contract::payments::{
    ActionRequest, AuthorizeRequest, GatewayProfile, PaymentState, Refusal, RefusalCode,
};
use tracing::error;

use crate::domain::Payment;
use crate::event::state;
use crate::gateway::Gateway as _;
use crate::processor::{CommandError, Processor};

/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 200;

/// `/internal/…`; the signature is checked by the layer around it.
pub fn router(processor: Processor) -> Router {
    Router::new()
        .route("/internal/payments/{payment_id}", put(authorize).get(show))
        .route("/internal/payments/{payment_id}/capture", post(capture))
        .route("/internal/payments/{payment_id}/void", post(void))
        .route("/internal/payments/{payment_id}/refunds", post(refund))
        .route("/internal/gateways", get(gateways))
        .with_state(processor)
}

type Answer = Result<Json<PaymentState>, CommandError>;

async fn authorize(
    State(processor): State<Processor>,
    Path(payment_id): Path<String>,
    Json(request): Json<AuthorizeRequest>,
) -> Answer {
    // A task of its own: orders hanging up must not cut the call to the gateway in two.
    let authorized = spawned(async move { processor.authorize(&payment_id, request).await }).await?;
    Ok(Json(state(&authorized)))
}

async fn show(State(processor): State<Processor>, Path(payment_id): Path<String>) -> Answer {
    let payment = processor
        .store()
        .payment(&payment_id)
        .await?
        .ok_or(CommandError::NotFound)?;
    Ok(Json(state(&payment)))
}

async fn capture(
    State(processor): State<Processor>,
    Path(payment_id): Path<String>,
    Json(request): Json<ActionRequest>,
) -> Answer {
    let ActionRequest {
        idempotency_key,
        amount_minor,
    } = checked(request)?;
    let captured = spawned(async move {
        let captured = processor.capture(&payment_id, &idempotency_key, amount_minor).await;
        or_decided(&processor, &payment_id, captured, amount_minor).await
    });
    Ok(Json(state(&captured.await?)))
}

async fn void(
    State(processor): State<Processor>,
    Path(payment_id): Path<String>,
    Json(request): Json<ActionRequest>,
) -> Answer {
    let ActionRequest { idempotency_key, .. } = checked(request)?;
    let voided = spawned(async move {
        let voided = processor.void(&payment_id, &idempotency_key).await;
        or_decided(&processor, &payment_id, voided, None).await
    });
    Ok(Json(state(&voided.await?)))
}

async fn refund(
    State(processor): State<Processor>,
    Path(payment_id): Path<String>,
    Json(request): Json<ActionRequest>,
) -> Answer {
    let ActionRequest {
        idempotency_key,
        amount_minor,
    } = checked(request)?;
    let refunded = spawned(async move { processor.refund(&payment_id, &idempotency_key, amount_minor).await });
    Ok(Json(state(&refunded.await?)))
}

async fn gateways(State(processor): State<Processor>) -> Json<Vec<GatewayProfile>> {
    let profiles = processor.gateways().iter().map(|gateway| GatewayProfile {
        name: gateway.name().to_owned(),
        currencies: gateway
            .currencies()
            .iter()
            .map(|currency| currency.code().to_owned())
            .collect(),
    });
    Json(profiles.collect())
}

/// A capture or a void comes too late when the gateway took the money at once, or staff did what orders asks for: then
/// the state is the answer, and orders goes on from there. A 409 would make it ask for ever.
async fn or_decided(
    processor: &Processor,
    payment_id: &str,
    outcome: Result<Payment, CommandError>,
    amount_minor: Option<i64>,
) -> Result<Payment, CommandError> {
    let late = RefusalCode::NotCapturable;
    match outcome {
        Err(CommandError::Refused { code, message }) if code == late || code == RefusalCode::NotVoidable => {
            let payment = processor.store().payment(payment_id).await?;
            let decided = payment.filter(|payment| {
                payment.captured_minor > 0 && amount_minor.is_none_or(|amount| amount == payment.captured_minor)
            });
            decided.ok_or(CommandError::Refused { code, message })
        }
        outcome => outcome,
    }
}

fn checked(request: ActionRequest) -> Result<ActionRequest, CommandError> {
    if (1..=KEY_BYTES_MAX).contains(&request.idempotency_key.len()) {
        return Ok(request);
    }
    let message = format!("`idempotencyKey` must have 1 to {KEY_BYTES_MAX} bytes");
    Err(CommandError::Refused {
        code: RefusalCode::Invalid,
        message,
    })
}

/// Runs `work` to its end even when the caller goes away.
pub(crate) async fn spawned<T: Send + 'static>(
    work: impl Future<Output = Result<T, CommandError>> + Send + 'static,
) -> Result<T, CommandError> {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

impl IntoResponse for CommandError {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::Refused { code, message } => {
                let status = match code {
                    RefusalCode::Invalid | RefusalCode::GatewayUnknown | RefusalCode::AmountTooLarge => {
                        StatusCode::UNPROCESSABLE_ENTITY
                    }
                    _ => StatusCode::CONFLICT,
                };
                (status, Json(Refusal { code, message })).into_response()
            }
            Self::Store(error) => {
                error!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "An internal command failed"
                );
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
