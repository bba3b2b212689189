//! One request from bytes to bytes: decode, parse, validate, plan, execute, encode.
//!
//! Each stage takes the type that the one before it makes, so that none can be left out. Everything that is plain HTTP
//! (CORS, panics, logging) is a layer around it, in `app`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use executor::{ExecutionRequest, ExecutionResponse, FetchRecord, ResponsePart, coerce_variables};
use federation::deferral::ActiveDefers;
use federation::error::ErrorCode;
use federation::query_plan::OperationKind;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trace_context::TraceContext;
use tracing::Instrument;

use crate::failure::Failure;
use crate::graph::{Graph, PreparedOperation};
use crate::incremental::{AnswerInParts, Rest};
use crate::media_type::{Accepted, MediaType};
use crate::request::GraphqlRequest;
use crate::state::RouterState;
use crate::telemetry::AnswerRecord;

/// Asks for [`explain`] in the answer.
const EXPLAIN_HEADER: HeaderName = HeaderName::from_static("x-router-explain");

/// For completing what has arrived when the deadline is reached.
const GRACE: Duration = Duration::from_secs(1);

/// Longest operation name that is logged; names are the client's to choose.
const LOGGED_NAME_CHARS_MAX: usize = 100;

/// Handler of `/graphql`.
pub(crate) async fn graphql(State(state): State<Arc<RouterState>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut record = AnswerRecord::default();
    let mut response = match Accepted::negotiate(&parts.headers) {
        None => {
            record.failure = Some(ErrorCode::NotAcceptable);
            let message = "answers are `application/graphql-response+json`, `application/json`, or `multipart/mixed` with \
                `deferSpec=20220824` or `incrementalSpec=v0.2`";
            Failure::new(ErrorCode::NotAcceptable, message).into_response(MediaType::Json)
        }
        Some(accepted) => match answer_in_time(&state, &parts, (body, accepted), &mut record).await {
            Ok(answer) => {
                record.errors = answer.first.errors.len();
                match (accepted.whole, accepted.in_parts) {
                    (Some(media_type), _) if !answer.announcement.has_next => encode(answer.first, media_type),
                    (_, Some(format)) => answer.into_response(format),
                    // Negotiated is one of the two, and parts are made for those who accept them.
                    (media_type, None) => encode(answer.first, media_type.unwrap_or(MediaType::Json)),
                }
            }
            Err(failure) => {
                record.failure = Some(failure.code());
                failure.into_response(accepted.whole.unwrap_or(MediaType::Json))
            }
        },
    };
    tell_caches(response.headers_mut());
    response.extensions_mut().insert(record);
    response
}

/// What is answered depends on `Accept`, and on whoever asks: no cache may give it to others, unless a subgraph says so and
/// its `Cache-Control` is passed back.
fn tell_caches(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_name(header::ACCEPT));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// The executor keeps the deadline by itself, and leaves a partial answer. This is for the stages before it.
async fn answer_in_time(
    state: &RouterState,
    parts: &request::Parts,
    (body, accepted): (Body, Accepted),
    record: &mut AnswerRecord,
) -> Result<AnswerInParts, Failure> {
    let answer = timeout(
        state.request_timeout + GRACE,
        answer(state, parts, (body, accepted), record),
    );
    let too_late = || Failure::new(ErrorCode::GatewayTimeout, "the request could not be answered in time");
    answer.await.unwrap_or_else(|_| Err(too_late()))
}

/// The stages in order.
async fn answer(
    state: &RouterState,
    parts: &request::Parts,
    (body, accepted): (Body, Accepted),
    record: &mut AnswerRecord,
) -> Result<AnswerInParts, Failure> {
    let deadline = Instant::now() + state.request_timeout;
    let request = GraphqlRequest::decode(parts, body, state.body_bytes_max).await?;
    let graph = state.graph();
    let prepared = graph.prepare(&request).await?;
    record.describe(&prepared);
    admit(&prepared, &parts.method)?;
    let variables = coerce_variables(&prepared.operation, Some(request.variables))?;
    let defers = match accepted.in_parts {
        Some(_) => prepared.defer_conditions.active(&variables),
        None => ActiveDefers::NONE,
    };
    let text = (request.query.as_str(), request.operation_name.as_deref());
    let prepared = graph.prepare_in_parts(text, prepared, &defers).await?;
    let is_explained = state.explain_enabled && parts.headers.contains_key(EXPLAIN_HEADER);
    let execution = ExecutionRequest {
        variables,
        headers: Arc::new(upstream_headers(state, parts)),
        deadline,
        explain: is_explained,
    };
    if defers != ActiveDefers::NONE {
        let mut answer = execute_in_parts(&state.operations, graph, Arc::clone(&prepared), execution).await?;
        if is_explained {
            answer.explain(prepared);
        }
        return Ok(answer);
    }
    let mut response = match prepared.operation.kind() {
        OperationKind::Mutation => {
            execute_to_the_end(&state.operations, graph, Arc::clone(&prepared), execution).await?
        }
        OperationKind::Query | OperationKind::Subscription => graph.execute(&prepared, execution).await,
    };
    if is_explained {
        response
            .extensions
            .insert("explain".into(), explain(&prepared, &response.fetches));
    }
    Ok(AnswerInParts::whole(response))
}

/// Begins in a task of its own, and gives the first part. The task ends when nobody wants the others; a mutation does not
/// end before its first part.
async fn execute_in_parts(
    operations: &TaskTracker,
    graph: Arc<Graph>,
    prepared: Arc<PreparedOperation>,
    execution: ExecutionRequest,
) -> Result<AnswerInParts, Failure> {
    let stop = CancellationToken::new();
    let (sender, mut parts) = mpsc::unbounded_channel();
    let is_mutation = prepared.operation.kind() == OperationKind::Mutation;
    let stopped = stop.clone();
    let task = async move {
        let execute = graph.execute_in_parts(&prepared, execution, sender);
        // Whether it was stopped makes no difference: nobody listens then.
        let _ = stopped.run_until_cancelled(execute).await;
    };
    operations.spawn(task.in_current_span());
    let guard = (!is_mutation).then(|| stop.clone().drop_guard());
    match parts.recv().await {
        Some(ResponsePart::First(first, announcement)) => Ok(AnswerInParts {
            first,
            announcement,
            rest: Some(Rest {
                parts,
                _stop: guard.unwrap_or_else(|| stop.drop_guard()),
                explained: None,
            }),
        }),
        // A panic was logged where it happened.
        _ => Err(Failure::internal()),
    }
}

/// In a task of its own: a client that goes away must not stop a mutation between two of its steps.
async fn execute_to_the_end(
    operations: &TaskTracker,
    graph: Arc<Graph>,
    prepared: Arc<PreparedOperation>,
    execution: ExecutionRequest,
) -> Result<ExecutionResponse, Failure> {
    let task = operations.spawn(async move { graph.execute(&prepared, execution).await }.in_current_span());
    // A panic was logged where it happened.
    task.await.map_err(|_| Failure::internal())
}

/// The plan, and what each of its fetches did this time.
pub(crate) fn explain(prepared: &PreparedOperation, fetches: &[FetchRecord]) -> serde_json::Value {
    json!({
        "plan_ms": prepared.prepared_in.as_secs_f64() * 1_000.0,
        "override_labels": prepared.labels_on,
        "plan": prepared.plan.to_json(),
        "fetches": fetches,
    })
}

/// GET may be repeated, prefetched and cached by anybody on the way, so it must not change anything.
fn admit(prepared: &PreparedOperation, method: &Method) -> Result<(), Failure> {
    match prepared.operation.kind() {
        OperationKind::Mutation if method == Method::GET => {
            Err(Failure::method_not_allowed("POST", "send mutations by POST"))
        }
        OperationKind::Subscription => {
            let message = "subscriptions are not served yet: send a query or a mutation";
            Err(Failure::new(ErrorCode::OperationResolutionFailure, message))
        }
        _ => Ok(()),
    }
}

fn upstream_headers(state: &RouterState, parts: &request::Parts) -> HeaderMap {
    let peer: Option<IpAddr> = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip());
    let trace = parts
        .extensions
        .get::<TraceContext>()
        .cloned()
        .unwrap_or_else(|| TraceContext::from_headers(&parts.headers));
    state.propagation.upstream(&parts.headers, peer, &trace)
}

/// The operation ran, so the status is 200, whatever the errors in it (GraphQL over HTTP, "Status Codes").
fn encode(mut execution: ExecutionResponse, media_type: MediaType) -> Response {
    let headers = std::mem::take(&mut execution.response_headers);
    let mut response = execution.to_bytes().into_response();
    *response.headers_mut() = headers;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type.content_type());
    response
}

impl AnswerRecord {
    fn describe(&mut self, prepared: &PreparedOperation) {
        self.operation_kind = Some(prepared.operation.kind());
        self.operation_name = prepared
            .operation
            .name()
            .map(|name| name.chars().take(LOGGED_NAME_CHARS_MAX).collect());
    }
}
