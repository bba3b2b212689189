//! One loaded supergraph with everything derived from it: API schema, planner, executor, remembered operations.
//!
//! A request holds on to the [`Graph`] it began with, so that a reload never splits it. Does not know where the
//! supergraph came from; that is `source`.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use executor::{ExecutablePlan, ExecutionRequest, ExecutionResponse, Executor, ResponsePart};
use federation::api_schema::ApiSchema;
use federation::deferral::{ActiveDefers, DeferConditions};
use federation::error::ErrorCode;
use federation::limits::Limits;
use federation::operation::{self, Document, Operation};
use federation::supergraph::{ActiveLabels, LabelId, Supergraph, SupergraphError};
use planner::{PlanError, Planner};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, OptionsBuilder, Weighter};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tracing::error;

use crate::config::RouterConfig;
use crate::failure::Failure;
use crate::features::{self, FeatureError};
use crate::override_labels::OverrideLabels;
use crate::request::GraphqlRequest;
use crate::source::ContentHash;
use crate::telemetry;
use crate::upstream::{Upstream, UpstreamError};

/// Why a supergraph cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The SDL is not a supergraph.
    #[error(transparent)]
    Supergraph(#[from] SupergraphError),
    /// It asks for what this router does not do.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// A subgraph's address, or a setting about a subgraph, is wrong.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// A supergraph that can answer.
pub(crate) struct Graph {
    pub(crate) hash: ContentHash,
    executor: Executor,
    api_schema: Arc<ApiSchema>,
    planner: Planner,
    override_labels: OverrideLabels,
    limits: Limits,
    introspection_enabled: bool,
    operations: Cache<OperationKey, Arc<PreparedOperation>, MemoryBytes>,
    /// As many operations are planned at once as there are cores. More would only wait for each other on the threads
    /// that also serve operations planned long ago.
    planning: Arc<Semaphore>,
}

/// An operation that is parsed, validated and planned: all that does not depend on the variables.
pub(crate) struct PreparedOperation {
    pub(crate) operation: Operation,
    pub(crate) plan: ExecutablePlan,
    /// Whether and when fragments of the operation are deferred.
    pub(crate) defer_conditions: DeferConditions,
    /// The override labels that the plan was made for.
    pub(crate) labels_on: Vec<Arc<str>>,
    active_labels: ActiveLabels,
    /// The override labels that the plan depends on.
    labels: Vec<LabelId>,
    /// How long parsing, validating and planning took.
    pub(crate) prepared_in: Duration,
    /// What it takes while it is remembered, about.
    memory_bytes: usize,
}

impl Graph {
    /// Loads a supergraph. Takes a core for milliseconds, or seconds for a huge one: not for an async thread.
    pub(crate) fn load(sdl: &str, upstream: &Upstream, config: &RouterConfig) -> Result<Self, GraphError> {
        let supergraph = Arc::new(Supergraph::parse(sdl)?);
        features::check(supergraph.features(), config.authorization.by_subgraphs)?;
        Ok(Self {
            hash: ContentHash::of([sdl]),
            executor: upstream.executor(supergraph.subgraphs())?,
            api_schema: Arc::clone(supergraph.api_schema()),
            override_labels: OverrideLabels::new(supergraph.override_labels(), &config.override_labels),
            planner: Planner::new(supergraph),
            limits: config.limits.document(),
            introspection_enabled: config.introspection.enabled,
            operations: operation_cache(config.limits.operation_cache_bytes_max),
            planning: Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))),
        })
    }

    /// Tells how many operations are remembered.
    pub(crate) fn measure(&self) {
        telemetry::operations_held(self.operations.len(), self.operations.weight());
    }

    /// Parses, validates and plans the operation of `request`, or remembers it from the last time.
    ///
    /// What is remembered without override labels says which of them matter to the operation. If any of these is on for
    /// this request, there is a plan for just this choice; labels of other fields make no more plans.
    pub(crate) async fn prepare(self: &Arc<Self>, request: &GraphqlRequest) -> Result<Arc<PreparedOperation>, Failure> {
        let mut key = OperationKeyRef {
            text: &request.query,
            name: request.operation_name.as_deref(),
            labels: &ActiveLabels::NONE,
            defers: &ActiveDefers::NONE,
        };
        let (mut prepared, mut is_known) = self.remembered(&key).await?;
        let labels = self.override_labels.decide(&prepared.labels, rand::random);
        if labels != ActiveLabels::NONE {
            key.labels = &labels;
            (prepared, is_known) = self.remembered(&key).await?;
        }
        telemetry::operation_remembered(is_known);
        Ok(prepared)
    }

    /// The same operation, planned for an answer in parts.
    ///
    /// * `defers`: what is deferred; if that is nothing, the operation is as it was.
    pub(crate) async fn prepare_in_parts(
        self: &Arc<Self>,
        request: (&str, Option<&str>),
        prepared: Arc<PreparedOperation>,
        defers: &ActiveDefers,
    ) -> Result<Arc<PreparedOperation>, Failure> {
        if *defers == ActiveDefers::NONE {
            return Ok(prepared);
        }
        let (text, name) = request;
        let labels = &prepared.active_labels;
        let key = OperationKeyRef {
            text,
            name,
            labels,
            defers,
        };
        self.remembered(&key).await.map(|(prepared, _)| prepared)
    }

    /// The operation, and whether it was known. Operations are compared by their whole text: a hash alone could be made to
    /// collide.
    async fn remembered(
        self: &Arc<Self>,
        key: &OperationKeyRef<'_>,
    ) -> Result<(Arc<PreparedOperation>, bool), Failure> {
        if let Some(prepared) = self.operations.get(key) {
            return Ok((prepared, true));
        }
        let key = key.to_key();
        // Of several requests with one new operation, the first plans it and the others wait for the plan.
        match self.operations.get_value_or_guard_async(&key).await {
            Ok(prepared) => Ok((prepared, false)),
            Err(guard) => {
                let prepared = self.prepare_anew(key.clone()).await?;
                // An error means that the entry was removed meanwhile, which costs a later request its time at most.
                let _ = guard.insert(Arc::clone(&prepared));
                Ok((prepared, false))
            }
        }
    }

    /// Off the async threads: an operation near the limits takes tens of milliseconds, in which a thread would answer
    /// nobody. The hop costs some 10 us, paid once for each distinct operation.
    async fn prepare_anew(self: &Arc<Self>, key: OperationKey) -> Result<Arc<PreparedOperation>, Failure> {
        let permits = Arc::clone(&self.planning);
        let permit = permits.acquire_owned().await.expect("the semaphore is never closed");
        let graph = Arc::clone(self);
        let prepared = spawn_blocking(move || {
            // Held until the work is done, also when the client has gone away meanwhile.
            let _permit = permit;
            graph.plan_from_text(&key)
        });
        let prepared = prepared.await;
        // A panic while planning is one request's misfortune; it was logged where it happened.
        prepared.unwrap_or_else(|_| Err(Failure::internal())).map(Arc::new)
    }

    fn plan_from_text(&self, key: &OperationKey) -> Result<PreparedOperation, Failure> {
        let begin = Instant::now();
        let document = operation::parse(&key.text, &self.limits)?;
        let operation = operation::validate(&document, &self.api_schema, key.name.as_deref())?;
        if operation.selects_introspection() && !self.introspection_enabled {
            let message =
                "`__schema` and `__type` are switched off here: ask the operator of this graph for its schema";
            return Err(Failure::new(ErrorCode::IntrospectionDisabled, message));
        }
        let labels = self.planner.labels(&operation);
        let planned = labels.and_then(|labels| {
            Ok((
                labels,
                self.planner.plan_in_parts(&operation, &key.labels, &key.defers)?,
            ))
        });
        let (labels, plan) = planned.map_err(|plan_error| match plan_error {
            PlanError::TooLarge { .. } | PlanError::TooMuchWork { .. } => {
                Failure::new(ErrorCode::MaxHeightLimit, plan_error.to_string())
            }
            _ => {
                error!(error = %plan_error, "A valid operation could not be planned");
                Failure::internal()
            }
        })?;
        let plan = ExecutablePlan::from(plan);
        let memory_bytes = memory_bytes(&key.text, &document, &plan);
        let prepared_in = begin.elapsed();
        telemetry::operation_planned(prepared_in);
        Ok(PreparedOperation {
            defer_conditions: DeferConditions::of(&operation),
            operation,
            plan,
            active_labels: key.labels.clone(),
            labels_on: self.override_labels.names(&key.labels),
            labels,
            prepared_in,
            memory_bytes,
        })
    }

    /// Texts of the operations in use, for planning them anew in the next graph. Without override labels: the next graph
    /// has its own; and for answers in one piece.
    pub(crate) fn operations_in_use(&self) -> Vec<OperationKey> {
        let keys = self.operations.iter().map(|(key, _)| key);
        keys.filter(|key| key.labels == ActiveLabels::NONE && key.defers == ActiveDefers::NONE)
            .collect()
    }

    /// Plans operations that another graph knew, so that a reload does not make the next requests slow. Operations that
    /// are not valid any more are passed over; so is the rest after `until`.
    pub(crate) fn prepare_ahead(&self, keys: Vec<OperationKey>, until: Instant) {
        for key in keys {
            if Instant::now() > until {
                return;
            }
            if let Ok(prepared) = self.plan_from_text(&key) {
                self.operations.insert(key, Arc::new(prepared));
            }
        }
    }

    /// Runs an operation that was prepared by this graph.
    pub(crate) async fn execute(&self, prepared: &PreparedOperation, request: ExecutionRequest) -> ExecutionResponse {
        self.executor.execute(&prepared.plan, &self.api_schema, request).await
    }

    /// The same, for an answer in parts.
    pub(crate) async fn execute_in_parts(
        &self,
        prepared: &PreparedOperation,
        request: ExecutionRequest,
        parts: mpsc::UnboundedSender<ResponsePart>,
    ) {
        let executor = &self.executor;
        executor
            .execute_in_parts(&prepared.plan, &self.api_schema, request, parts)
            .await;
    }
}

/// For the first size of the cache's tables only.
const OPERATIONS_EXPECTED: usize = 1_000;

/// Each has its part of the memory for itself, and remembers nothing larger than that: few, so that the parts are large.
const CACHE_SHARDS: usize = 4;

fn operation_cache(bytes_max: u64) -> Cache<OperationKey, Arc<PreparedOperation>, MemoryBytes> {
    let options = OptionsBuilder::new()
        .estimated_items_capacity(OPERATIONS_EXPECTED)
        .weight_capacity(bytes_max)
        .shards(CACHE_SHARDS)
        .build();
    let options = options.expect("both capacities are set");
    Cache::with_options(options, MemoryBytes, Default::default(), Default::default())
}

/// Bytes of an operation's syntax tree for each token of its text, spaces and commas included. As measured it is 118 in
/// `{a{id,id,…}}`, 149 in `{a{b{id}b{id}…}}`, where each selection set is a list of its own, and less in all else.
const TOKEN_BYTES: usize = 160;

/// What a remembered operation takes, about: its text, as the key and for messages; its syntax tree; its plan. Without plans it
/// would be far less where fragments are spread often: 12 MB of plan came of a text of 7 KB.
fn memory_bytes(text: &str, document: &Document, plan: &ExecutablePlan) -> usize {
    2 * text.len() + TOKEN_BYTES * document.tokens() + plan.memory_bytes()
}

/// What an operation is remembered by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OperationKey {
    text: Box<str>,
    name: Option<Box<str>>,
    labels: ActiveLabels,
    defers: ActiveDefers,
}

/// The same, borrowed from a request. Hashes like [`OperationKey`]: same fields, same order.
#[derive(Hash)]
struct OperationKeyRef<'a> {
    text: &'a str,
    name: Option<&'a str>,
    labels: &'a ActiveLabels,
    defers: &'a ActiveDefers,
}

impl OperationKeyRef<'_> {
    fn to_key(&self) -> OperationKey {
        OperationKey {
            text: self.text.into(),
            name: self.name.map(Into::into),
            labels: self.labels.clone(),
            defers: self.defers.clone(),
        }
    }
}

impl Equivalent<OperationKey> for OperationKeyRef<'_> {
    fn equivalent(&self, key: &OperationKey) -> bool {
        *self.text == *key.text
            && self.name == key.name.as_deref()
            && *self.labels == key.labels
            && *self.defers == key.defers
    }
}

/// An operation weighs what it takes in memory, which is up to a hundred times its text.
#[derive(Clone)]
struct MemoryBytes;

impl Weighter<OperationKey, Arc<PreparedOperation>> for MemoryBytes {
    fn weight(&self, _: &OperationKey, prepared: &Arc<PreparedOperation>) -> u64 {
        prepared.memory_bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const SUPERGRAPH: &str = include_str!("../../fixtures/join-versions/v0.5/supergraph.graphql");

    fn graph(config: &RouterConfig) -> Graph {
        let upstream = Upstream::new(config, HashMap::new());
        Graph::load(SUPERGRAPH, &upstream, config).expect("it can be served")
    }

    fn key(text: String) -> OperationKey {
        OperationKey {
            text: text.into(),
            name: None,
            labels: ActiveLabels::NONE,
            defers: ActiveDefers::NONE,
        }
    }

    /// Short texts with large syntax trees, which differ in a comment only.
    #[tokio::test]
    async fn remembered_operations_are_bounded_by_what_they_take() {
        const FIELDS: usize = 2_000;
        const BYTES_MAX: u64 = 4 << 20;
        let mut config = RouterConfig::default();
        config.limits.operation_cache_bytes_max = BYTES_MAX;
        let graph = graph(&config);
        let fields = "id,".repeat(FIELDS);
        let keys = (0..50).map(|number| key(format!("{{ shop {{ {fields} }} }} # {number}")));
        graph.prepare_ahead(keys.collect(), Instant::now() + Duration::from_secs(60));
        let (held, bytes) = (graph.operations.len() as u64, graph.operations.weight());
        assert!(held > 0 && bytes <= BYTES_MAX, "{held} operations, {bytes} bytes");
        // A field takes 200 bytes at the very least, with its name and its place in the selection set.
        assert!(
            held * FIELDS as u64 * 200 <= BYTES_MAX,
            "{held} operations are more than fit"
        );
    }

    /// A fragment that is planned anew wherever it is spread, because it stands beside something else.
    #[tokio::test]
    async fn an_operation_weighs_its_plan_as_well() {
        const PLACES: usize = 15;
        const FIELDS: usize = 100;
        let places = (0..PLACES).map(|number| format!("p{number}: products {{ ...F x{number}: id }} "));
        let fields = (0..FIELDS).map(|number| format!("f{number}: id "));
        let (places, fields): (String, String) = (places.collect(), fields.collect());
        let text = format!("{{ shop {{ {places} }} }} fragment F on Product {{ {fields} }}");
        let prepared = graph(&RouterConfig::default()).plan_from_text(&key(text));
        let bytes = prepared.expect("it can be planned").memory_bytes;
        // A field of a plan takes 100 bytes at the very least; the text has 1.5 KB.
        assert!(bytes >= PLACES * FIELDS * 100, "{bytes} bytes");
    }
}
