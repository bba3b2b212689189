//! The generic dialect: `/api/v1/payments`, with a bearer key and idempotency keys.
//!
//! Also the two paths for tests, `/__ledger` and `/__faults`, which every dialect shares.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Sandbox;
use crate::call::{
    Call, CallFault, Done, Operation, Reply, authorize_later, is_authorized, page_url, return_refund_later,
};
use crate::ledger::{LedgerError, NewPayment, Payment};
use crate::token::{self, Answer, Decision};
use crate::webhook::Fault;

/// Most payments that `/__ledger` lists.
const LEDGER_MAX: usize = 10_000;

const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

pub(crate) fn router(sandbox: Arc<Sandbox>) -> Router {
    Router::new()
        .route("/api/v1/payments", post(create).get(find))
        .route("/api/v1/payments/{id}", get(show))
        .route("/api/v1/payments/{id}/capture", post(capture))
        .route("/api/v1/payments/{id}/void", post(void))
        .route("/api/v1/payments/{id}/refunds", post(refund))
        .route("/__ledger", get(ledger))
        .route("/__faults", post(faults))
        .with_state(sandbox)
}

/// Why a request is refused before, or instead of, doing anything.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message}})
    }
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        let (status, code) = match error {
            LedgerError::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            LedgerError::NotCapturable => (StatusCode::CONFLICT, "not_capturable"),
            LedgerError::NotVoidable => (StatusCode::CONFLICT, "not_voidable"),
            LedgerError::NotRefundable => (StatusCode::CONFLICT, "not_refundable"),
            LedgerError::NotWaiting => (StatusCode::CONFLICT, "not_waiting"),
            LedgerError::AmountTooLarge => (StatusCode::UNPROCESSABLE_ENTITY, "amount_too_large"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, axum::Json(self.body())).into_response()
    }
}

type Shared = State<Arc<Sandbox>>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    #[serde(default)]
    amount_minor: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRefund {
    reference: String,
    #[serde(default)]
    amount_minor: Option<i64>,
}

async fn create(State(sandbox): Shared, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let mut call = begin(&sandbox, &headers, (Operation::Create, "create"), &body)?;
    let new: NewPayment = parse(&body)?;
    let fate = token::fate(&new.payment_method_token)
        .ok_or_else(|| invalid(format!("`{}` is not a token of this gateway", new.payment_method_token)))?;
    if new.amount_minor <= 0 || new.currency.len() != 3 || new.reference.is_empty() {
        return Err(invalid(
            "`amount_minor` must be positive, `currency` a code of three letters, `reference` not empty",
        ));
    }
    call.answer = fate.answer;
    call.act = format!("create {}", new.reference);
    let page = page_url(&sandbox, &headers);
    run(call, move |sandbox| {
        let payment = sandbox.ledger.create(new, fate.decision, &page);
        if let Decision::Later(delay) = fate.decision {
            authorize_later(Arc::clone(sandbox), payment.id.clone(), delay);
        }
        Ok((StatusCode::CREATED, payment))
    })
    .await
}

async fn capture(
    State(sandbox): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let mut call = begin(
        &sandbox,
        &headers,
        (Operation::Capture, &format!("capture {id}")),
        &body,
    )?;
    let Amount { amount_minor } = parse_or_default(&body)?;
    let payment = sandbox.ledger.get(&id).ok_or(LedgerError::NotFound)?;
    call.answer = token::fate(&payment.token).map_or(Answer::Prompt, |fate| fate.capture_answer);
    run(call, move |sandbox| {
        Ok((StatusCode::OK, sandbox.ledger.capture(&id, amount_minor)?))
    })
    .await
}

async fn void(
    State(sandbox): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let call = begin(&sandbox, &headers, (Operation::Void, &format!("void {id}")), &body)?;
    run(call, move |sandbox| Ok((StatusCode::OK, sandbox.ledger.void(&id)?))).await
}

async fn refund(
    State(sandbox): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let call = begin(&sandbox, &headers, (Operation::Refund, &format!("refund {id}")), &body)?;
    let NewRefund {
        reference,
        amount_minor,
    } = parse(&body)?;
    run(call, move |sandbox| {
        let payment = sandbox.ledger.refund(&id, &reference, amount_minor)?;
        return_refund_later(sandbox, &payment);
        Ok((StatusCode::OK, payment))
    })
    .await
}

async fn show(State(sandbox): Shared, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    authorize(&sandbox, &headers)?;
    let payment = sandbox.ledger.get(&id).ok_or(LedgerError::NotFound)?;
    Ok(axum::Json(payment).into_response())
}

#[derive(Deserialize)]
struct Find {
    reference: String,
}

async fn find(State(sandbox): Shared, Query(query): Query<Find>, headers: HeaderMap) -> Result<Response, Refusal> {
    authorize(&sandbox, &headers)?;
    Ok(axum::Json(json!({"payments": sandbox.ledger.by_reference(&query.reference)})).into_response())
}

/// Everything booked, for tests: `{"payments": […]}`, newest first.
async fn ledger(State(sandbox): Shared) -> Response {
    axum::Json(json!({"payments": sandbox.ledger.newest(LEDGER_MAX)})).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    /// How every webhook is treated from now on; as before when absent.
    webhooks: Option<Fault>,
    /// What the next calls see; replaces what has not happened yet.
    calls: Option<Vec<CallFault>>,
}

async fn faults(State(sandbox): Shared, axum::Json(faults): axum::Json<Faults>) -> StatusCode {
    if let Some(fault) = faults.webhooks {
        sandbox.webhooks.set_fault(fault);
    }
    if let Some(calls) = faults.calls {
        sandbox.call_faults.set(calls);
    }
    StatusCode::NO_CONTENT
}

/// A call with an idempotency key. `act` is its operation, and what tells it from others with the same body.
fn begin(sandbox: &Arc<Sandbox>, headers: &HeaderMap, act: (Operation, &str), body: &[u8]) -> Result<Call, Refusal> {
    authorize(sandbox, headers)?;
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        let message = format!("`Idempotency-Key` must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "idempotency_key_missing",
            message,
        ));
    }
    Ok(Call {
        sandbox: Arc::clone(sandbox),
        operation: act.0,
        key: Some(key.to_owned()),
        fingerprint: format!("{}\n{}", act.1, String::from_utf8_lossy(body)),
        act: act.1.to_owned(),
        answer: Answer::Prompt,
        internal_error: json!({"error": {"code": "internal", "message": "something went wrong"}}),
    })
}

async fn run<W>(call: Call, work: W) -> Result<Response, Refusal>
where
    W: FnOnce(&Arc<Sandbox>) -> Result<(StatusCode, Payment), Refusal> + Send + 'static,
{
    let reply = call.run(move |sandbox| match work(sandbox) {
        Ok((status, payment)) => Done {
            status,
            body: json!(payment),
            changed: Some(payment),
        },
        Err(refusal) => Done {
            status: refusal.status,
            body: refusal.body(),
            changed: None,
        },
    });
    match reply.await {
        Reply::Answer {
            status,
            body,
            replayed: true,
        } => Ok((status, [("idempotent-replayed", "true")], axum::Json(body)).into_response()),
        Reply::Answer { status, body, .. } => Ok((status, axum::Json(body)).into_response()),
        Reply::Mismatch => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "idempotency_key_mismatch",
            "this key was used for another request",
        )),
        Reply::Running => Err(Refusal::new(
            StatusCode::CONFLICT,
            "idempotency_conflict",
            "the same request is running",
        )),
    }
}

fn authorize(sandbox: &Sandbox, headers: &HeaderMap) -> Result<(), Refusal> {
    if is_authorized(sandbox, headers) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "send `Authorization: Bearer <API key>`",
    ))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))
}

fn parse_or_default<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Refusal> {
    if body.is_empty() { Ok(T::default()) } else { parse(body) }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
}
