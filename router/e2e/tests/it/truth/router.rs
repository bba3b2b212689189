//! The router as a whole over the subgraphs of one graph: composed, planned and executed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;
use composition::compose;
use executor::{
    ExecutablePlan, ExecutionRequest, ExecutionResponse, Executor, ExecutorOptions, SubgraphPolicy, coerce_variables,
};
use federation::deferral::DeferConditions;
use federation::limits::Limits;
use federation::operation::{self, parse, validate};
use federation::query_plan::{Fetch, PlanNode, QueryPlan};
use federation::subgraph::Subgraph;
use federation::supergraph::{ActiveLabels, Supergraph};
use http::HeaderMap;
use planner::Planner;
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use super::api;
use super::comparison::difference;
use super::deferring;
use super::graph::{Graph, NAMES};
use super::layout::layouts;
use super::monolith;
use super::operations::Operation;
use super::parts::difference_in_parts;
use super::sdl;
use super::server::{Observed, Subgraphs};
use super::world::World;

pub(super) struct Router {
    pub(super) sdls: Vec<String>,
    world: Arc<World>,
    subgraphs: Subgraphs,
    supergraph: Arc<Supergraph>,
    planner: Planner,
    executor: Executor,
    runtime: Runtime,
}

/// Why there is no router.
pub(super) enum Refused {
    /// Codes and messages of composition.
    Composition(Vec<(String, String)>),
    /// What composition wrote cannot be read, or is not what it should be.
    Unreadable(anyhow::Error),
}

/// What became of an operation.
pub(super) struct Outcome {
    pub(super) plan: Option<QueryPlan>,
    /// How many requests the plan may send.
    pub(super) fetches: usize,
    /// How many were sent.
    pub(super) requests: usize,
    /// For how many entities they asked.
    pub(super) entities: usize,
    /// `Ok` if the answer is the monolith's.
    pub(super) verdict: Result<()>,
}

impl Outcome {
    fn none() -> Self {
        Self {
            plan: None,
            fetches: 0,
            requests: 0,
            entities: 0,
            verdict: Ok(()),
        }
    }
}

/// An operation that is ready to be executed.
struct Ready {
    text: String,
    raw_variables: Map<String, Value>,
    variables: Map<String, Value>,
    plan: QueryPlan,
}

impl Router {
    /// # Errors
    /// When the graph does not compose.
    pub(super) fn new(graph: Graph) -> Result<Self, Refused> {
        let layouts = layouts(&graph);
        let sdls = sdl::subgraphs(&graph, &layouts);
        let subgraphs = sdls.iter().zip(NAMES).map(|(sdl, name)| Subgraph {
            name: name.to_owned(),
            routing_url: format!("http://{name}"),
            sdl: sdl.clone(),
        });
        let composed = compose(&subgraphs.collect::<Vec<_>>()).map_err(|errors| {
            let errors = errors.iter().map(|error| (error.code.to_string(), error.to_string()));
            Refused::Composition(errors.collect())
        })?;
        Self::serve(World::new(graph, layouts), sdls, &composed.supergraph_sdl).map_err(Refused::Unreadable)
    }

    fn serve(world: World, sdls: Vec<String>, supergraph_sdl: &str) -> Result<Self> {
        let world = Arc::new(world);
        let supergraph = Arc::new(Supergraph::parse(supergraph_sdl).context("reading the supergraph")?);
        if let Some(difference) = api::difference(&world.graph, &world.layouts, supergraph.api_schema().schema()) {
            bail!("clients see something else: {difference}\n{}", sdls.join("-----\n"));
        }
        let subgraphs = Subgraphs::new(Arc::clone(&world), &sdls)?;
        let clients: HashMap<_, _> = (0..sdls.len())
            .map(|number| {
                (
                    Arc::from(NAMES[number]),
                    (subgraphs.client(number), SubgraphPolicy::default()),
                )
            })
            .collect();
        Ok(Self {
            sdls,
            world,
            subgraphs,
            planner: Planner::new(Arc::clone(&supergraph)),
            supergraph,
            executor: Executor::new(clients, ExecutorOptions::default()),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        })
    }

    /// The SDL of all subgraphs.
    pub(super) fn sdls(graph: &Graph) -> String {
        sdl::subgraphs(graph, &layouts(graph)).join("-----\n")
    }

    /// What clients see.
    pub(super) fn schema(&self) -> &Valid<Schema> {
        self.supergraph.api_schema().schema()
    }

    /// Answers an operation and compares.
    pub(super) fn check(&self, operation: &Operation) -> Outcome {
        let mut outcome = Outcome::none();
        outcome.verdict = self.ready(operation).and_then(|ready| {
            outcome.fetches = ready.plan.root.as_ref().map_or(0, |root| fetches(root).len());
            outcome.plan = Some(ready.plan.clone());
            let (response, observed) = self.execute(&ready, &ready.plan);
            outcome.requests = observed.requests.len();
            outcome.entities = response.fetches.iter().map(|fetch| fetch.entities_sent).sum();
            self.judge(&ready, &response, &observed)
        });
        outcome
    }

    fn ready(&self, operation: &Operation) -> Result<Ready> {
        let (text, raw_variables) = (operation.text(), operation.variables());
        let refused = |errors: Vec<federation::error::RequestError>| anyhow!("refused: {errors:?}");
        let document = parse(&text, &Limits::default()).map_err(refused)?;
        let operation: operation::Operation =
            validate(&document, self.supergraph.api_schema(), None).map_err(refused)?;
        let variables = coerce_variables(&operation, Some(raw_variables.clone())).map_err(refused)?;
        let plan = self.planner.plan(&operation, &ActiveLabels::NONE).context("planning")?;
        Ok(Ready {
            text,
            raw_variables,
            variables,
            plan,
        })
    }

    /// Answers an operation with deferred fragments in parts, which together must be what the monolith has. Gives how many
    /// there are.
    pub(super) fn check_in_parts(&self, operation: &Operation, seed: u64) -> Result<usize> {
        let (text, raw_variables) = (deferring::deferred(&operation.text(), seed)?, operation.variables());
        let (world, schema) = (&self.world, self.schema());
        let everything = monolith::everything(world, schema, &operation.text(), &raw_variables)?;
        let refused = |errors: Vec<federation::error::RequestError>| anyhow!("refused: {errors:?}\n{text}");
        let document = parse(&text, &Limits::default()).map_err(refused)?;
        let parsed = validate(&document, self.supergraph.api_schema(), None).map_err(refused)?;
        let variables = coerce_variables(&parsed, Some(raw_variables.clone())).map_err(refused)?;
        let defers = DeferConditions::of(&parsed).active(&variables);
        let plan = self.planner.plan_in_parts(&parsed, &ActiveLabels::NONE, &defers);
        let plan = plan.with_context(|| format!("planning {text}"))?;
        // Not every operation can be divided.
        let first = match &plan.root {
            Some(PlanNode::Defer { .. }) => deferring::first_part(&text)?,
            _ => operation.text(),
        };
        let mut first = monolith::answer(world, schema, &first, &raw_variables)?;
        deferring::drop_nothing(&mut first.response["data"]);
        let request = ExecutionRequest {
            variables,
            headers: Arc::new(HeaderMap::new()),
            deadline: Instant::now() + Duration::from_secs(60),
            explain: false,
        };
        self.subgraphs.take_observed();
        let executable = ExecutablePlan::from(plan.clone());
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let api_schema = self.supergraph.api_schema();
        let execution = self.executor.execute_in_parts(&executable, api_schema, request, sender);
        self.runtime.block_on(execution);
        let mut parts = Vec::new();
        while let Ok(part) = receiver.try_recv() {
            parts.push(part);
        }
        let count = parts.len();
        let observed = self.subgraphs.take_observed();
        let first = (plan.introspection.is_none()).then_some(&first);
        let difference = match deferring::together(parts) {
            Ok(together) => difference_in_parts(first, &everything, &together).map(|difference| {
                let (first, all) = (first.map(|first| &first.response), &everything.response);
                format!("{difference}\nright: {first:?} and all: {all}\nrouter: {together:#?}")
            }),
            Err(error) => Some(format!("{error:#}")),
        };
        let difference = difference.or_else(|| observed.violations.first().cloned());
        match difference {
            Some(difference) => bail!("parts: {difference}\n{text}\n{plan}\n{:#?}", observed.requests),
            None => Ok(count),
        }
    }

    fn execute(&self, ready: &Ready, plan: &QueryPlan) -> (ExecutionResponse, Observed) {
        let request = ExecutionRequest {
            variables: ready.variables.clone(),
            headers: Arc::new(HeaderMap::new()),
            deadline: Instant::now() + Duration::from_secs(60),
            explain: true,
        };
        self.subgraphs.take_observed();
        let plan = ExecutablePlan::from(plan.clone());
        let execution = self.executor.execute(&plan, self.supergraph.api_schema(), request);
        let response = self.runtime.block_on(execution);
        (response, self.subgraphs.take_observed())
    }

    fn judge(&self, ready: &Ready, response: &ExecutionResponse, observed: &Observed) -> Result<()> {
        let expected = monolith::answer(&self.world, self.schema(), &ready.text, &ready.raw_variables)?;
        let data = data_of(response);
        let errors: Vec<Value> = serde_json::from_value(serde_json::to_value(&response.errors)?)?;
        let difference = difference(&expected, &data, &errors);
        let expected = expected.response;
        if observed.violations.is_empty() && difference.is_none() {
            return Ok(());
        }
        let mut reasons = observed.violations.clone();
        reasons.extend(difference);
        let mut report = reasons.join("\n");
        report.push_str(&format!(
            "\nright:  {}\nerrors: {}",
            expected["data"], expected["errors"]
        ));
        report.push_str(&format!("\nrouter: {data}\nerrors: {}", Value::Array(errors)));
        for (subgraph, request, answer) in &observed.requests {
            report.push_str(&format!(
                "\n{} < {request}\n{} > {answer}",
                NAMES[*subgraph], NAMES[*subgraph]
            ));
        }
        bail!(report)
    }

    /// Whether every request of a query is needed: without any one of them, the answer is another one.
    ///
    /// A request may bring nothing by chance, so several worlds are asked; one in which it is needed is enough.
    pub(super) fn check_frugality(&self, operation: &Operation) -> Result<()> {
        let ready = self.ready(operation)?;
        let fetches = ready.plan.root.as_ref().map(fetches).unwrap_or_default();
        if operation.keyword == "mutation" || fetches.len() < 2 {
            return Ok(());
        }
        // By number of the fetch: in how many worlds it was not needed, and in how many it was, which need be one only.
        let mut found = vec![(0, 0); fetches.len()];
        for salt in 0..WORLDS {
            let open = |fetch: &&&Fetch| found[fetch.id as usize].1 == 0;
            let untried: Vec<&Fetch> = fetches.iter().filter(open).copied().collect();
            if untried.is_empty() {
                break;
            }
            self.world.set_salt(salt);
            let (whole, observed) = self.execute(&ready, &ready.plan);
            if !whole.errors.is_empty() {
                continue;
            }
            for fetch in untried
                .into_iter()
                .filter(|fetch| is_to_bring((&whole, &observed), fetch))
            {
                let mut plan = ready.plan.clone();
                plan.root = plan.root.and_then(|node| without(node, fetch.id));
                let (partial, observed) = self.execute(&ready, &plan);
                let is_same = observed.violations.is_empty() && data_of(&whole) == data_of(&partial);
                let (useless, needed) = &mut found[fetch.id as usize];
                *(if is_same { useless } else { needed }) += 1;
            }
        }
        self.world.set_salt(0);
        let useless = found
            .iter()
            .position(|(useless, needed)| *useless >= USELESS_MIN && *needed == 0);
        match useless {
            Some(fetch) => bail!("a fetch is not needed: the one with number {fetch}"),
            None => Ok(()),
        }
    }
}

/// In how many worlds a fetch must not have been needed for it to be useless.
const USELESS_MIN: u32 = 4;

/// Worlds in which a request may prove its worth.
const WORLDS: u64 = 12;

fn data_of(response: &ExecutionResponse) -> String {
    String::from_utf8_lossy(response.data.as_deref().unwrap_or_default()).into_owned()
}

/// Whether a fetch was sent and brought something.
fn is_to_bring((response, observed): (&ExecutionResponse, &Observed), fetch: &Fetch) -> bool {
    let is_sent = response
        .fetches
        .iter()
        .any(|record| record.fetch == fetch.id && !record.skipped);
    let query = Value::from(&*fetch.document).to_string();
    let mut requests = observed.requests.iter();
    is_sent
        && requests.any(|(_, body, answer)| {
            body.contains(&query) && serde_json::from_str(answer).is_ok_and(|answer: Value| has_leaf(&answer))
        })
}

/// Whether there is anything but nulls and names of types.
fn has_leaf(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => items.iter().any(has_leaf),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name != "__typename" && has_leaf(value)),
        _ => true,
    }
}

/// A plan without one of its fetches.
fn without(node: PlanNode, id: u32) -> Option<PlanNode> {
    let all = |nodes: Vec<PlanNode>| nodes.into_iter().filter_map(|node| without(node, id)).collect();
    let one = |node: Option<Box<PlanNode>>| node.and_then(|node| without(*node, id)).map(Box::new);
    match node {
        PlanNode::Sequence(nodes) => Some(PlanNode::Sequence(all(nodes))),
        PlanNode::Parallel(nodes) => Some(PlanNode::Parallel(all(nodes))),
        PlanNode::Fetch(fetch) if fetch.id == id => None,
        PlanNode::Condition {
            variable,
            if_true,
            if_false,
        } => Some(PlanNode::Condition {
            variable,
            if_true: one(if_true),
            if_false: one(if_false),
        }),
        node => Some(node),
    }
}

/// All fetches of a plan.
fn fetches(node: &PlanNode) -> Vec<&Fetch> {
    match node {
        PlanNode::Sequence(nodes) | PlanNode::Parallel(nodes) => nodes.iter().flat_map(fetches).collect(),
        PlanNode::Fetch(fetch) => vec![fetch],
        PlanNode::Condition { if_true, if_false, .. } => {
            let nodes = [if_true, if_false].into_iter().flatten();
            nodes.flat_map(|node| fetches(node)).collect()
        }
        PlanNode::Defer { primary, deferred } => {
            let later = deferred.iter().filter_map(|part| part.node.as_ref());
            primary.iter().chain(later).flat_map(|node| fetches(node)).collect()
        }
        PlanNode::Subscription { primary, rest } => {
            let rest = rest.iter().flat_map(|node| fetches(node));
            std::iter::once(&**primary).chain(rest).collect()
        }
    }
}
