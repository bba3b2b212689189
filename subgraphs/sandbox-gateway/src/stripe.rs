//! Stripe's dialect, as far as `subgraphs/payments` speaks it: PaymentIntents with manual capture, refunds, search, and the
//! errors and idempotency that go with them.
//!
//! A token (`tok_ok`, …) in `payment_method_data[card][token]` or `payment_method` chooses the fate, as in the generic dialect.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::Sandbox;
use crate::call::{Call, Done, Operation, Reply, authorize_later, is_authorized, page_url, return_refund_later};
use crate::ledger::{Dialect, LedgerError, NewPayment, NextAction, Payment, Refund, SUCCEEDED, Status};
use crate::token::{self, Answer, Decision};

const CHARGE_REFUNDED: &str = "charge.refunded";

const REFUND_FAILED: &str = "refund.failed";

/// Most refunds of one list.
const LISTED_MAX: usize = 100;

pub(crate) fn router(sandbox: Arc<Sandbox>) -> Router {
    Router::new()
        .route("/v1/payment_intents", post(create))
        .route("/v1/payment_intents/search", get(search))
        .route("/v1/payment_intents/{id}", get(show))
        .route("/v1/payment_intents/{id}/confirm", post(confirm))
        .route("/v1/payment_intents/{id}/capture", post(capture))
        .route("/v1/payment_intents/{id}/cancel", post(cancel))
        .route("/v1/refunds", post(refund).get(refunds))
        .with_state(sandbox)
}

type Shared = State<Arc<Sandbox>>;
type Form = BTreeMap<String, String>;

/// An error of Stripe's, before or instead of doing anything.
struct Problem {
    status: StatusCode,
    error: Value,
}

impl Problem {
    fn invalid(code: &str, message: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error: json!({"type": "invalid_request_error", "code": code, "message": message}),
        }
    }

    fn missing() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::invalid("resource_missing", "No such object")
        }
    }

    fn body(&self) -> Value {
        json!({"error": self.error})
    }

    fn of(error: LedgerError, payment: Option<&Payment>) -> Self {
        let code = match error {
            LedgerError::NotFound => return Self::missing(),
            LedgerError::AmountTooLarge => "amount_too_large",
            LedgerError::NotRefundable => "charge_not_refundable",
            _ => "payment_intent_unexpected_state",
        };
        let mut problem = Self::invalid(code, &error.to_string());
        if let Some(payment) = payment.filter(|_| code == "payment_intent_unexpected_state") {
            problem.error["payment_intent"] = intent(payment);
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, axum::Json(self.body())).into_response()
    }
}

async fn create(State(sandbox): Shared, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let (mut call, form) = begin(&sandbox, &headers, (Operation::Create, "create"), &body)?;
    let amount = amount(&form, "amount")?.ok_or_else(|| Problem::invalid("parameter_missing", "amount"))?;
    let currency = text(&form, "currency").to_ascii_uppercase();
    let manual = text(&form, "capture_method") == "manual";
    if currency.len() != 3 || !manual {
        return Err(Problem::invalid(
            "parameter_invalid",
            "the sandbox knows manual capture only",
        ));
    }
    let given = token_of(&form);
    let fate = match given {
        Some(token) => Some(token::fate(token).ok_or_else(|| Problem::invalid("resource_missing", "No such token"))?),
        None => None,
    };
    let metadata = metadata(&form);
    let new = NewPayment {
        reference: metadata.get("payment_id").cloned().unwrap_or_default(),
        amount_minor: amount,
        currency,
        payment_method_token: given.unwrap_or_default().to_owned(),
        return_url: form.get("return_url").cloned(),
        dialect: Dialect::Stripe,
        metadata,
        notify_url: None,
    };
    call.answer = fate.map_or(Answer::Prompt, |fate| fate.answer);
    call.act = format!("stripe create {}", new.reference);
    let page = page_url(&sandbox, &headers);
    let decision = fate.map_or(Decision::Form, |fate| fate.decision);
    run(call, move |sandbox| {
        let payment = sandbox.ledger.create(new, decision, &page);
        if let Decision::Later(delay) = decision {
            authorize_later(Arc::clone(sandbox), payment.id.clone(), delay);
        }
        answered(payment)
    })
    .await
}

/// What the shopper's browser does with the client secret and the publishable key.
async fn confirm(
    State(sandbox): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let form: Form = form_urlencoded::parse(&body).into_owned().collect();
    let known = sandbox.ledger.get(&id).ok_or_else(Problem::missing)?;
    if text(&form, "client_secret") != client_secret(&known) {
        return Err(Problem::missing());
    }
    let token = token_of(&form).unwrap_or_default().to_owned();
    let fate = token::fate(&token).ok_or_else(|| Problem::invalid("resource_missing", "No such token"))?;
    let page = page_url(&sandbox, &headers);
    let confirmed = sandbox.ledger.confirm(&id, &token, fate.decision, &page);
    let payment = confirmed.map_err(|error| Problem::of(error, Some(&known)))?;
    sandbox.webhooks.send(&payment);
    let done = answered(payment);
    Ok((done.status, axum::Json(done.body)).into_response())
}

async fn capture(
    State(sandbox): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let (mut call, form) = begin(
        &sandbox,
        &headers,
        (Operation::Capture, &format!("capture {id}")),
        &body,
    )?;
    let amount = amount(&form, "amount_to_capture")?;
    let payment = sandbox.ledger.get(&id).ok_or_else(Problem::missing)?;
    call.answer = token::fate(&payment.token).map_or(Answer::Prompt, |fate| fate.capture_answer);
    run(call, move |sandbox| {
        changed(sandbox, &id, sandbox.ledger.capture(&id, amount))
    })
    .await
}

async fn cancel(
    State(sandbox): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let (call, _) = begin(&sandbox, &headers, (Operation::Void, &format!("cancel {id}")), &body)?;
    run(call, move |sandbox| changed(sandbox, &id, sandbox.ledger.void(&id))).await
}

async fn refund(State(sandbox): Shared, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let (call, form) = begin(&sandbox, &headers, (Operation::Refund, "refund"), &body)?;
    let id = text(&form, "payment_intent").to_owned();
    let amount = amount(&form, "amount")?;
    let reference = metadata(&form).remove("reference").unwrap_or_default();
    run(call, move |sandbox| {
        match sandbox.ledger.refund(&id, &reference, amount) {
            Ok(payment) => {
                return_refund_later(sandbox, &payment);
                Done {
                    status: StatusCode::OK,
                    body: payment
                        .refunds
                        .last()
                        .map(|refund| refund_json(&payment, refund))
                        .unwrap_or_default(),
                    changed: Some(payment),
                }
            }
            Err(error) => refused(&Problem::of(error, None)),
        }
    })
    .await
}

async fn show(State(sandbox): Shared, Path(id): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    authorize(&sandbox, &headers)?;
    let payment = sandbox
        .ledger
        .get(&id)
        .filter(|payment| payment.dialect == Dialect::Stripe);
    let payment = payment.ok_or_else(Problem::missing)?;
    read(&sandbox, intent(&payment)).await
}

#[derive(Deserialize)]
struct Search {
    query: String,
}

async fn search(State(sandbox): Shared, Query(search): Query<Search>, headers: HeaderMap) -> Result<Response, Problem> {
    authorize(&sandbox, &headers)?;
    // The one query that the sandbox knows: metadata['payment_id']:'pay_…'
    let id = search
        .query
        .strip_prefix("metadata['payment_id']:'")
        .and_then(|rest| rest.strip_suffix('\''));
    let id = id.ok_or_else(|| Problem::invalid("parameter_invalid", "the sandbox searches by payment_id only"))?;
    let found = sandbox
        .ledger
        .by_reference(id)
        .into_iter()
        .filter(|payment| payment.dialect == Dialect::Stripe);
    let data: Vec<Value> = found.map(|payment| intent(&payment)).collect();
    read(
        &sandbox,
        json!({"object": "search_result", "data": data, "has_more": false}),
    )
    .await
}

#[derive(Deserialize)]
struct OfIntent {
    payment_intent: String,
    limit: Option<usize>,
    /// The last refund of the page before.
    starting_after: Option<String>,
}

async fn refunds(State(sandbox): Shared, Query(of): Query<OfIntent>, headers: HeaderMap) -> Result<Response, Problem> {
    authorize(&sandbox, &headers)?;
    let payment = sandbox.ledger.get(&of.payment_intent).ok_or_else(Problem::missing)?;
    let mut newest_first = payment.refunds.iter().rev();
    if let Some(last) = &of.starting_after {
        newest_first.find(|refund| refund.id == *last);
    }
    let listed = newest_first
        .by_ref()
        .take(of.limit.unwrap_or(LISTED_MAX).min(LISTED_MAX));
    let data: Vec<Value> = listed.map(|refund| refund_json(&payment, refund)).collect();
    let has_more = newest_first.next().is_some();
    Ok(axum::Json(json!({"object": "list", "data": data, "has_more": has_more})).into_response())
}

/// A read, which may be struck by a fault as well.
async fn read(sandbox: &Arc<Sandbox>, body: Value) -> Result<Response, Problem> {
    let call = Call {
        sandbox: Arc::clone(sandbox),
        operation: Operation::Lookup,
        key: None,
        fingerprint: String::new(),
        act: "stripe lookup".to_owned(),
        answer: Answer::Prompt,
        internal_error: internal_error(),
    };
    run(call, move |_| Done {
        status: StatusCode::OK,
        body,
        changed: None,
    })
    .await
}

fn begin(
    sandbox: &Arc<Sandbox>,
    headers: &HeaderMap,
    act: (Operation, &str),
    body: &[u8],
) -> Result<(Call, Form), Problem> {
    authorize(sandbox, headers)?;
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    if key.is_some_and(|key| key.len() > 255) {
        return Err(Problem::invalid(
            "parameter_invalid",
            "an idempotency key has at most 255 characters",
        ));
    }
    let form: Form = form_urlencoded::parse(body).into_owned().collect();
    let call = Call {
        sandbox: Arc::clone(sandbox),
        operation: act.0,
        key: key.map(str::to_owned),
        fingerprint: format!("stripe {}\n{form:?}", act.1),
        act: format!("stripe {}", act.1),
        answer: Answer::Prompt,
        internal_error: internal_error(),
    };
    Ok((call, form))
}

async fn run<W>(call: Call, work: W) -> Result<Response, Problem>
where
    W: FnOnce(&Arc<Sandbox>) -> Done + Send + 'static,
{
    let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
    match call.run(work).await {
        Reply::Answer {
            status,
            body,
            replayed: true,
        } => Ok((status, [("idempotent-replayed", "true")], axum::Json(body)).into_response()),
        Reply::Answer { status, body, .. } => Ok((status, axum::Json(body)).into_response()),
        Reply::Mismatch => Err(Problem {
            status: StatusCode::BAD_REQUEST,
            error: json!({"type": "idempotency_error", "message": message}),
        }),
        Reply::Running => Err(Problem {
            status: StatusCode::CONFLICT,
            error: json!({"type": "invalid_request_error", "code": "idempotency_key_in_use", "message": "It is running."}),
        }),
    }
}

fn authorize(sandbox: &Sandbox, headers: &HeaderMap) -> Result<(), Problem> {
    if is_authorized(sandbox, headers) {
        return Ok(());
    }
    Err(Problem {
        status: StatusCode::UNAUTHORIZED,
        error: json!({"type": "invalid_request_error", "message": "Invalid API Key provided"}),
    })
}

/// A new or confirmed payment; a decline is an error that carries the payment.
fn answered(payment: Payment) -> Done {
    let body = intent(&payment);
    if payment.status != Status::Declined {
        return Done {
            status: StatusCode::OK,
            body,
            changed: Some(payment),
        };
    }
    let mut error = body["last_payment_error"].clone();
    error["payment_intent"] = body;
    Done {
        status: StatusCode::PAYMENT_REQUIRED,
        body: json!({"error": error}),
        changed: Some(payment),
    }
}

fn changed(sandbox: &Sandbox, id: &str, outcome: Result<Payment, LedgerError>) -> Done {
    match outcome {
        Ok(payment) => Done {
            status: StatusCode::OK,
            body: intent(&payment),
            changed: Some(payment),
        },
        Err(error) => refused(&Problem::of(error, sandbox.ledger.get(id).as_ref())),
    }
}

fn refused(problem: &Problem) -> Done {
    Done {
        status: problem.status,
        body: problem.body(),
        changed: None,
    }
}

/// The payment as a PaymentIntent with its charge expanded.
pub(crate) fn intent(payment: &Payment) -> Value {
    let (status, error) = match payment.status {
        Status::RequiresAction if payment.next_action.is_some() => ("requires_action", Value::Null),
        Status::RequiresAction => ("requires_payment_method", Value::Null),
        Status::Processing => ("processing", Value::Null),
        Status::Authorized => ("requires_capture", Value::Null),
        Status::Captured => ("succeeded", Value::Null),
        Status::Voided => ("canceled", Value::Null),
        Status::Declined => ("requires_payment_method", decline(payment)),
    };
    let charged = matches!(payment.status, Status::Authorized | Status::Captured);
    let capturable = if payment.status == Status::Authorized {
        payment.authorized_minor
    } else {
        0
    };
    json!({
        "id": payment.id,
        "object": "payment_intent",
        "status": status,
        "amount": payment.amount_minor,
        "amount_capturable": capturable,
        "amount_received": payment.captured_minor,
        "currency": payment.currency.to_ascii_lowercase(),
        "capture_method": "manual",
        "client_secret": client_secret(payment),
        "created": payment.created_at.timestamp(),
        "last_payment_error": error,
        "metadata": payment.metadata,
        "next_action": payment.next_action.as_ref().map(action),
        "latest_charge": charged.then(|| charge(payment)),
    })
}

fn decline(payment: &Payment) -> Value {
    let code = payment.decline_code.as_deref().unwrap_or("generic_decline");
    json!({"type": "card_error", "code": "card_declined", "decline_code": code, "message": payment.decline_message})
}

fn action(action: &NextAction) -> Value {
    match action {
        NextAction::Redirect { url, .. } => json!({"type": "redirect_to_url", "redirect_to_url": {"url": url}}),
        NextAction::QrCode { payload, .. } => {
            json!({"type": "wechat_pay_display_qr_code", "wechat_pay_display_qr_code": {"data": payload}})
        }
    }
}

fn charge(payment: &Payment) -> Value {
    let method = &payment.payment_method;
    let card = method.last4.as_ref().map(|last4| {
        json!({"brand": method.brand, "last4": last4, "exp_month": method.expiry_month, "exp_year": method.expiry_year})
    });
    json!({
        "id": payment.id.replacen("pi_", "ch_", 1),
        "object": "charge",
        "amount_refunded": payment.refunded_minor,
        "payment_method_details": {"type": method.kind, "card": card},
    })
}

fn refund_json(payment: &Payment, refund: &Refund) -> Value {
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount_minor,
        "currency": payment.currency.to_ascii_lowercase(),
        "payment_intent": payment.id,
        "status": refund.status,
        "metadata": {"reference": refund.reference},
    })
}

/// Type of the event that tells of the payment as it is now.
pub(crate) fn event_type(payment: &Payment) -> &'static str {
    match payment.status {
        Status::RequiresAction => "payment_intent.requires_action",
        Status::Processing => "payment_intent.processing",
        Status::Authorized => "payment_intent.amount_capturable_updated",
        Status::Captured if returned_refund(payment).is_some() => REFUND_FAILED,
        Status::Captured if payment.refunded_minor > 0 => CHARGE_REFUNDED,
        Status::Captured => "payment_intent.succeeded",
        Status::Voided => "payment_intent.canceled",
        Status::Declined => "payment_intent.payment_failed",
    }
}

/// What an event of [`event_type`] is about.
pub(crate) fn event_object(payment: &Payment) -> Value {
    match (event_type(payment), returned_refund(payment)) {
        (REFUND_FAILED, Some(refund)) => refund_json(payment, refund),
        (CHARGE_REFUNDED, _) => {
            let mut charge = charge(payment);
            charge["payment_intent"] = json!(payment.id);
            charge
        }
        _ => intent(payment),
    }
}

/// The last refund, if its money came back.
fn returned_refund(payment: &Payment) -> Option<&Refund> {
    payment.refunds.last().filter(|refund| refund.status != SUCCEEDED)
}

fn client_secret(payment: &Payment) -> String {
    format!("{}_secret_sandbox", payment.id)
}

fn internal_error() -> Value {
    json!({"error": {"type": "api_error", "message": "something went wrong"}})
}

fn token_of(form: &Form) -> Option<&str> {
    let token = form
        .get("payment_method_data[card][token]")
        .or_else(|| form.get("payment_method"));
    token.map(String::as_str)
}

fn metadata(form: &Form) -> BTreeMap<String, String> {
    let entries = form.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("metadata[")?.strip_suffix(']')?;
        Some((name.to_owned(), value.clone()))
    });
    entries.collect()
}

fn text<'a>(form: &'a Form, name: &str) -> &'a str {
    form.get(name).map(String::as_str).unwrap_or_default()
}

fn amount(form: &Form, name: &str) -> Result<Option<i64>, Problem> {
    let parsed = form
        .get(name)
        .map(|text| text.parse::<i64>().ok().filter(|amount| *amount > 0));
    match parsed {
        None => Ok(None),
        Some(Some(amount)) => Ok(Some(amount)),
        Some(None) => Err(Problem::invalid("parameter_invalid_integer", name)),
    }
}
