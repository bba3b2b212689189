//! The generic dialect: `/api/v1/payments`, with a bearer key and idempotency keys.
//!
//! Decides what the caller *sees*: the truth, late, never, or an error. What *is* belongs to [`crate::ledger`].

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::Sandbox;
use crate::idempotency::Claim;
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
    let mut call = Call::begin(&sandbox, &headers, "create", &body)?;
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
    call.run(move |sandbox| {
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
    let mut call = Call::begin(&sandbox, &headers, &format!("capture {id}"), &body)?;
    let Amount { amount_minor } = parse_or_default(&body)?;
    let payment = sandbox.ledger.get(&id).ok_or(LedgerError::NotFound)?;
    call.answer = token::fate(&payment.token).map_or(Answer::Prompt, |fate| fate.capture_answer);
    call.run(move |sandbox| Ok((StatusCode::OK, sandbox.ledger.capture(&id, amount_minor)?)))
        .await
}

async fn void(
    State(sandbox): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let call = Call::begin(&sandbox, &headers, &format!("void {id}"), &body)?;
    call.run(move |sandbox| Ok((StatusCode::OK, sandbox.ledger.void(&id)?)))
        .await
}

async fn refund(
    State(sandbox): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let call = Call::begin(&sandbox, &headers, &format!("refund {id}"), &body)?;
    let NewRefund {
        reference,
        amount_minor,
    } = parse(&body)?;
    call.run(move |sandbox| Ok((StatusCode::OK, sandbox.ledger.refund(&id, &reference, amount_minor)?)))
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
    webhooks: Fault,
}

async fn faults(State(sandbox): Shared, axum::Json(faults): axum::Json<Faults>) -> StatusCode {
    sandbox.webhooks.set_fault(faults.webhooks);
    StatusCode::NO_CONTENT
}

/// One call that carries an idempotency key.
struct Call {
    sandbox: Arc<Sandbox>,
    key: String,
    fingerprint: String,
    /// Names the act for the faults that happen once.
    act: String,
    answer: Answer,
}

impl Call {
    fn begin(sandbox: &Arc<Sandbox>, headers: &HeaderMap, act: &str, body: &[u8]) -> Result<Self, Refusal> {
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
        Ok(Self {
            sandbox: Arc::clone(sandbox),
            key: key.to_owned(),
            fingerprint: format!("{act}\n{}", String::from_utf8_lossy(body)),
            act: act.to_owned(),
            answer: Answer::Prompt,
        })
    }

    /// Does `work` once for this key. In a task of its own: a caller that hangs up does not undo what it asked for.
    async fn run<W>(self, work: W) -> Result<Response, Refusal>
    where
        W: FnOnce(&Arc<Sandbox>) -> Result<(StatusCode, Payment), Refusal> + Send + 'static,
    {
        match self.sandbox.keys.claim(&self.key, self.fingerprint.clone()) {
            Claim::New => {}
            Claim::Replay(status, body) => {
                return Ok((status, [("idempotent-replayed", "true")], axum::Json(body)).into_response());
            }
            Claim::Mismatch => {
                let message = "this key was used for another request";
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "idempotency_key_mismatch",
                    message,
                ));
            }
            Claim::Running => {
                let message = "the same request is running";
                return Err(Refusal::new(StatusCode::CONFLICT, "idempotency_conflict", message));
            }
        }
        let task = tokio::spawn(self.perform(work));
        task.await.unwrap_or_else(|_| Err(internal_error()))
    }

    async fn perform<W>(self, work: W) -> Result<Response, Refusal>
    where
        W: FnOnce(&Arc<Sandbox>) -> Result<(StatusCode, Payment), Refusal> + Send + 'static,
    {
        let Self {
            sandbox,
            key,
            act,
            answer,
            ..
        } = self;
        let once = matches!(answer, Answer::HangBeforeOnce | Answer::ErrorBeforeOnce);
        if once && sandbox.ledger.first_try(&act) {
            sandbox.keys.forget(&key);
            if answer == Answer::HangBeforeOnce {
                tokio::time::sleep(sandbox.config.hang).await;
            }
            return Err(internal_error());
        }
        if let Answer::Slow(delay) = answer {
            tokio::time::sleep(sandbox.config.scaled(delay)).await;
        }
        let (status, body) = match work(&sandbox) {
            Ok((status, payment)) => {
                sandbox.webhooks.send(&payment, sandbox.config.time_scale);
                (status, json!(payment))
            }
            Err(refusal) => (refusal.status, refusal.body()),
        };
        if answer == Answer::ErrorAfter {
            let error = internal_error();
            sandbox.keys.finish(&key, error.status, error.body());
            return Err(error);
        }
        sandbox.keys.finish(&key, status, body.clone());
        if answer == Answer::HangAfter {
            tokio::time::sleep(sandbox.config.hang).await;
        }
        Ok((status, axum::Json(body)).into_response())
    }
}

fn authorize_later(sandbox: Arc<Sandbox>, id: String, delay: std::time::Duration) {
    tokio::spawn(async move {
        tokio::time::sleep(sandbox.config.scaled(delay)).await;
        // An error means that it was voided meanwhile.
        if let Ok(payment) = sandbox.ledger.decide(&id, true) {
            sandbox.webhooks.send(&payment, sandbox.config.time_scale);
        }
    });
}

fn authorize(sandbox: &Sandbox, headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let known = sandbox
        .config
        .api_keys
        .iter()
        .any(|key| bool::from(key.as_bytes().ct_eq(given.as_bytes())));
    if known {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "send `Authorization: Bearer <API key>`",
    ))
}

/// Where the gateway's own pages are, as the caller reaches it.
fn page_url(sandbox: &Sandbox, headers: &HeaderMap) -> String {
    if let Some(url) = &sandbox.config.public_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("127.0.0.1:4100");
    format!("http://{host}")
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

fn internal_error() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong")
}
