//! Runs a plan: which fetch begins when, and what becomes of the answers.
//!
//! The state of one operation is behind a lock that is held for computing only, never while a subgraph is awaited. Does
//! not say what a fetch sends and how its answer is merged; `fetch` does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use federation::api_schema::ApiSchema;
use federation::error::ErrorCode;
use federation::query_plan::{Fetch, OperationKind, PlanNode};
use futures::future::{BoxFuture, join_all};
use http::header::{HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value as JsonValue};
use tokio::sync::Semaphore;

use crate::client::{
    ByteBudget, FetchError, ResponseBounds, SubgraphAnswer, SubgraphClient, SubgraphPolicy, SubgraphRequest,
};
use crate::completion::{AnswerBytes, DeferredObject, ErrorNulls, complete, is_true, response_path};
use crate::executable_plan::ExecutablePlan;
use crate::fetch::{Deprived, EntityLimits, Prepared, State};
use crate::in_parts::Progress;
use crate::introspection::INTROSPECTIONS_MAX;
use crate::response::{ExecutionResponse, FetchRecord, GraphqlError};
use crate::store::Store;

/// Tells a subgraph how many milliseconds are left for its answer.
pub const DEADLINE_HEADER: HeaderName = HeaderName::from_static("x-hansa-deadline-ms");

/// Headers that belong to one connection or one body, and are never copied from one request to another; and those that
/// ask for encodings that the executor does not decode.
const NOT_FORWARDED: [HeaderName; 10] = [
    http::header::ACCEPT_ENCODING,
    http::header::CONNECTION,
    http::header::CONTENT_ENCODING,
    http::header::CONTENT_LENGTH,
    http::header::EXPECT,
    http::header::HOST,
    http::header::TE,
    http::header::TRAILER,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
];

/// Most requests of one operation that are under way at once; more wait. 64: twice the widest stage of plans for real
/// pages, and too few for one client to keep a subgraph from answering the others.
const FETCHES_IN_FLIGHT_MAX: usize = 64;

/// What holds for the execution of every operation.
#[derive(Debug, Clone)]
pub struct ExecutorOptions {
    /// How many entities one operation may ask for.
    pub entities: EntityLimits,
    /// Most bytes that all answers of subgraphs to one operation may have. 64 MiB: four answers of the longest kind.
    pub fetched_bytes_max: usize,
    /// Most bytes of data in one answer to a client, all its parts together. 64 MiB: as much as may be fetched; an entity that
    /// is fetched once may be written many times.
    pub response_bytes_max: usize,
    /// Headers of subgraph answers that are passed back to the client. Values of several subgraphs are all kept.
    pub passed_back: Vec<HeaderName>,
    /// Called after each request to a subgraph, for metrics: with the subgraph's name, how long it took, and the error when
    /// the fetch failed as a whole.
    pub on_fetched: fn(&str, Duration, Option<ErrorCode>),
}

impl Default for ExecutorOptions {
    fn default() -> Self {
        Self {
            entities: EntityLimits::default(),
            fetched_bytes_max: 64 * 1024 * 1024,
            response_bytes_max: 64 * 1024 * 1024,
            passed_back: vec![SET_COOKIE],
            on_fetched: |_, _, _| {},
        }
    }
}

/// Runs plans against a set of subgraphs. Made once per supergraph.
#[derive(Debug)]
pub struct Executor {
    subgraphs: HashMap<Arc<str>, Subgraph>,
    options: ExecutorOptions,
    introspecting: Arc<Semaphore>,
}

#[derive(Debug)]
struct Subgraph {
    client: SubgraphClient,
    policy: SubgraphPolicy,
    /// One permit for each request that may be under way.
    in_flight: Semaphore,
}

/// What a client wants of a plan.
#[derive(Debug, Clone)]
pub struct ExecutionRequest {
    /// Coerced values: see [`crate::coerce_variables`].
    pub variables: Map<String, JsonValue>,
    /// Sent to every subgraph; whoever makes the request has chosen them.
    pub headers: Arc<HeaderMap>,
    /// When the client gives up.
    pub deadline: Instant,
    /// Whether to fill [`ExecutionResponse::fetches`].
    pub explain: bool,
}

impl Executor {
    /// An executor for the subgraphs of these names.
    pub fn new(subgraphs: HashMap<Arc<str>, (SubgraphClient, SubgraphPolicy)>, options: ExecutorOptions) -> Self {
        let subgraphs = subgraphs.into_iter().map(|(name, (client, policy))| {
            let in_flight = Semaphore::new(policy.requests_in_flight_max.min(Semaphore::MAX_PERMITS));
            let subgraph = Subgraph {
                client,
                policy,
                in_flight,
            };
            (name, subgraph)
        });
        Self {
            subgraphs: subgraphs.collect(),
            options,
            introspecting: Arc::new(Semaphore::new(INTROSPECTIONS_MAX)),
        }
    }

    /// Runs a query or mutation. Whatever subgraphs do, there is an answer.
    ///
    /// * `api_schema`: the schema that `plan` was made for.
    ///
    /// A subscription's plan gives an error: it has no single answer. Of a plan in parts it is the first; see
    /// [`Executor::execute_in_parts`].
    pub async fn execute(
        &self,
        plan: &ExecutablePlan,
        api_schema: &Arc<ApiSchema>,
        request: ExecutionRequest,
    ) -> ExecutionResponse {
        let execution = Execution::new(self, plan, request);
        execution.introspect(api_schema).await;
        if let Some(root) = &plan.root {
            execution.node(root).await;
        }
        execution.answer(api_schema).0
    }
}

pub(crate) struct Execution<'a> {
    executor: &'a Executor,
    pub(crate) plan: &'a ExecutablePlan,
    pub(crate) request: ExecutionRequest,
    /// Sent with every fetch.
    headers: HeaderMap,
    started: Instant,
    budget: Arc<ByteBudget>,
    in_flight: Semaphore,
    state: Mutex<State<'a>>,
    /// Of an answer in parts: what has ended.
    pub(crate) progress: Option<Progress>,
}

impl<'a> Execution<'a> {
    pub(crate) fn new(executor: &'a Executor, plan: &'a ExecutablePlan, request: ExecutionRequest) -> Self {
        Self {
            executor,
            plan,
            headers: upstream_headers(&request.headers),
            request,
            started: Instant::now(),
            budget: Arc::new(ByteBudget::new(executor.options.fetched_bytes_max)),
            in_flight: Semaphore::new(FETCHES_IN_FLIGHT_MAX),
            state: Mutex::new(State::new(plan)),
            progress: None,
        }
    }

    /// A panic while the lock was held ends the request it belongs to, and nobody else has this lock.
    pub(crate) fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the client gives up.
    pub(crate) fn deadline(&self) -> Instant {
        self.request.deadline
    }

    /// A permit for each introspection that may run.
    pub(crate) fn introspecting(&self) -> &Arc<Semaphore> {
        &self.executor.introspecting
    }

    pub(crate) fn node<'n>(&'n self, node: &'n PlanNode) -> BoxFuture<'n, ()> {
        Box::pin(async move {
            match node {
                PlanNode::Sequence(nodes) => {
                    for node in nodes {
                        self.node(node).await;
                    }
                }
                PlanNode::Parallel(nodes) => {
                    join_all(nodes.iter().map(|node| self.node(node))).await;
                }
                PlanNode::Fetch(fetch) => {
                    self.fetch(fetch).await;
                    if let Some(progress) = &self.progress {
                        progress.fetched(fetch.id);
                    }
                }
                PlanNode::Condition {
                    variable,
                    if_true,
                    if_false,
                } => {
                    let chosen = if is_true(variable, &self.request.variables) {
                        if_true
                    } else {
                        if_false
                    };
                    if let Some(node) = chosen {
                        self.node(node).await;
                    }
                }
                // The parts after it are run by `in_parts`.
                PlanNode::Defer { primary, .. } => {
                    if let Some(node) = primary {
                        self.node(node).await;
                    }
                }
                PlanNode::Subscription { .. } => {
                    let message = "a subscription has no single answer; it must be subscribed to";
                    let mut state = self.state();
                    let error = GraphqlError::new(ErrorCode::BadRequest, message);
                    let failure = state.report(0, Vec::new(), error);
                    state.store.set_failed(Store::ROOT, failure);
                }
            }
        })
    }

    async fn fetch(&self, fetch: &Fetch) {
        let limits = &self.executor.options.entities;
        let variables = &self.request.variables;
        let prepared = self.state().prepare(fetch, variables, limits);
        let mut next = match prepared {
            Ok(prepared) => Some(prepared),
            Err(known) => return self.record(|| skipped(fetch, known)),
        };
        while let Some(prepared) = next {
            let deprived = self.exchange(fetch, prepared).await;
            next = self.state().prepare_again(fetch, deprived, variables, limits);
        }
    }

    /// Sends a request and takes its answer.
    async fn exchange(&self, fetch: &Fetch, Prepared { body, scope }: Prepared) -> Deprived {
        let begun = Instant::now();
        let request_bytes = body.as_ref().map_or(0, Bytes::len);
        let answer = match body {
            Ok(body) => self.send(fetch, body).await,
            Err(error) => Err(error),
        };
        let duration = begun.elapsed();
        let duration_us = micros(duration);
        let received = answer.as_ref().ok().map(|answer| (answer.status, answer.body.len()));
        if let Ok(answer) = &answer {
            self.keep_headers(&answer.headers);
        }
        let absorbed = self.state().absorb(fetch, &scope, answer);
        let (deprived, failure) = match absorbed {
            Ok(deprived) => (deprived, None),
            Err(error) => (Deprived::default(), Some(error)),
        };
        if let Some(error) = &failure {
            let cause = causes(error);
            tracing::warn!(subgraph.name = %fetch.subgraph, fetch.duration_us = duration_us, error.cause = cause,
                "Subgraph `{}` {error}", fetch.subgraph);
        } else {
            tracing::debug!(subgraph.name = %fetch.subgraph, fetch.duration_us = duration_us, "Fetched from `{}`", fetch.subgraph);
        }
        let code = failure.as_ref().map(FetchError::code);
        (self.executor.options.on_fetched)(&fetch.subgraph, duration, code);
        self.record(|| FetchRecord {
            started_us: micros(begun.duration_since(self.started)),
            duration_us,
            request_bytes,
            response_bytes: received.map_or(0, |(_, length)| length),
            http_status: received.map(|(status, _)| status.as_u16()),
            transport: self
                .executor
                .subgraphs
                .get(&fetch.subgraph)
                .filter(|_| request_bytes > 0)
                .map(|subgraph| subgraph.client.transport()),
            entities_wanted: scope.entities_wanted(),
            entities_sent: scope.entities_sent(),
            skipped: false,
            error: code.map(|code| code.to_string()),
            ..skipped(fetch, 0)
        });
        deprived
    }

    fn record(&self, record: impl FnOnce() -> FetchRecord) {
        if self.request.explain {
            let record = record();
            self.state().fetches.push(record);
        }
    }

    fn keep_headers(&self, headers: &HeaderMap) {
        let mut state = self.state();
        for name in &self.executor.options.passed_back {
            for value in headers.get_all(name) {
                // More than a header map holds: nobody sends this many, and the rest is lost rather than the answer.
                let _ = state.response_headers.try_append(name.clone(), value.clone());
            }
        }
    }

    /// One request, within the subgraph's timeout and the client's deadline.
    async fn send(&self, fetch: &Fetch, body: Bytes) -> Result<SubgraphAnswer, FetchError> {
        let subgraph = self.executor.subgraphs.get(&fetch.subgraph);
        let subgraph = subgraph.ok_or(FetchError::UnknownSubgraph)?;
        let timeout = match fetch.operation_kind {
            OperationKind::Mutation => subgraph.policy.mutation_timeout,
            OperationKind::Query | OperationKind::Subscription => subgraph.policy.query_timeout,
        };
        let timeout = timeout.min(self.request.deadline.saturating_duration_since(Instant::now()));
        if timeout.is_zero() {
            return Err(FetchError::OutOfTime);
        }
        let (deadline, timeout_ms) = (Instant::now() + timeout, timeout.as_millis());
        let wait = async {
            // Neither semaphore is ever closed.
            let own = self.in_flight.acquire().await.ok();
            (own, subgraph.in_flight.acquire().await.ok())
        };
        let _permits = match tokio::time::timeout_at(deadline.into(), wait).await {
            Ok(permits) => permits,
            Err(_) => {
                let requests_max = subgraph.policy.requests_in_flight_max;
                return Err(FetchError::Busy { requests_max });
            }
        };
        let left_ms = deadline.saturating_duration_since(Instant::now()).as_millis();
        let left_ms = u64::try_from(left_ms).unwrap_or(u64::MAX);
        let mut headers = self.headers.clone();
        headers.insert(DEADLINE_HEADER, HeaderValue::from(left_ms));
        let request = SubgraphRequest {
            headers,
            body,
            repeatable: fetch.operation_kind == OperationKind::Query,
            bounds: ResponseBounds {
                bytes_max: subgraph.policy.response_bytes_max,
                budget: Arc::clone(&self.budget),
            },
        };
        let answer = tokio::time::timeout_at(deadline.into(), subgraph.client.post(request)).await;
        answer.unwrap_or(Err(FetchError::Timeout { timeout_ms }))
    }

    /// How long the whole answer may be.
    pub(crate) fn answer_bytes(&self) -> AnswerBytes {
        AnswerBytes::new(self.executor.options.response_bytes_max)
    }

    /// What is fetched so far as an answer, and the objects in it with more to come.
    pub(crate) fn answer(&self, api_schema: &'a ApiSchema) -> (ExecutionResponse, Vec<DeferredObject<'a>>) {
        let plan = self.plan;
        let mut state = self.state();
        let root_type = api_schema.root_type(plan.operation_kind);
        let bytes = self.answer_bytes();
        let completed = complete(&state.store, &plan.response, &self.request.variables, root_type, bytes);
        let errors = self.errors_of(&mut state, None, &completed.nulls);
        let answer = ExecutionResponse {
            data: Some(completed.data),
            plain: completed.response,
            errors: errors.into_iter().chain(completed.errors).collect(),
            extensions: Map::new(),
            response_headers: std::mem::take(&mut state.response_headers),
            fetches: take_fetches(&mut state),
        };
        (answer, completed.deferred)
    }

    /// Takes the errors that belong to one part of the answer; `None`: to the first, or to the only one.
    ///
    /// * `nulls`: where the part has a null because of an error.
    pub(crate) fn errors_of(&self, state: &mut State<'_>, part: Option<u32>, nulls: &ErrorNulls) -> Vec<GraphqlError> {
        let mut errors = std::mem::take(&mut state.errors);
        errors.sort_by_key(|pending| pending.fetch);
        let mut taken = Vec::new();
        for pending in errors {
            let answer = (&state.store, &self.plan.response);
            let path = match response_path(answer, &pending.path, &self.request.variables) {
                // What is around a field is in an earlier part than the field, and the fetch in one that is no later.
                Some((path, field_part)) => {
                    let is_here = self.plan.parts.get(&pending.fetch).copied().max(field_part) == part;
                    // A subgraph may have made more null than the field: there may be no such later part then.
                    (is_here || nulls.contains_key(&pending.failure)).then_some(path)
                }
                // Nothing of the answer is at its place, but the entity may be at others.
                None => nulls.get(&pending.failure).cloned(),
            };
            match path {
                Some(path) => taken.push(GraphqlError { path, ..pending.error }),
                None => state.errors.push(pending),
            }
        }
        taken
    }
}

/// What was recorded since it was taken last, by number of the fetch.
pub(crate) fn take_fetches(state: &mut State<'_>) -> Vec<FetchRecord> {
    let mut fetches = std::mem::take(&mut state.fetches);
    fetches.sort_by_key(|record| record.fetch);
    fetches
}

/// What the client's headers become for subgraphs: all but those about its own connection, and what is sent and accepted.
fn upstream_headers(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    NOT_FORWARDED.iter().for_each(|name| drop(headers.remove(name)));
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = HeaderValue::from_static("application/graphql-response+json, application/json");
    headers.insert(http::header::ACCEPT, accept);
    headers
}

/// What lies behind `error`, for the log: `connect error: Connection refused (os error 111)`.
fn causes(error: &FetchError) -> Option<String> {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    (!causes.is_empty()).then(|| causes.join(": "))
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// * `known`: objects whose entities were known already.
fn skipped(fetch: &Fetch, known: usize) -> FetchRecord {
    FetchRecord {
        fetch: fetch.id,
        subgraph: Arc::clone(&fetch.subgraph),
        transport: None,
        started_us: 0,
        duration_us: 0,
        request_bytes: 0,
        response_bytes: 0,
        http_status: None,
        entities_wanted: known,
        entities_sent: 0,
        skipped: true,
        error: None,
    }
}
