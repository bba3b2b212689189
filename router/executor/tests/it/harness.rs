//! Plans in a few words, and subgraphs that answer with what the test says.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apollo_compiler::executable::{Selection, SelectionSet, Type};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Name, Schema};
use bytes::Bytes;
use executor::{
    EntityLimits, ExecutablePlan, ExecutionRequest, ExecutionResponse, Executor, ExecutorOptions, InProcessSubgraph,
    ResponsePart, SubgraphClient, SubgraphPolicy,
};
use federation::api_schema::ApiSchema;
use federation::limits::Limits;
use federation::operation::{Operation, parse, validate};
use federation::query_plan::{
    EntityFetch, Fetch, FetchTarget, FieldType, LeafType, OperationKind, PathElement, PlanNode, QueryPlan,
    Representation, RepresentationInput, ResponseField, ResponseShape, ResponseSource,
};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value};

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("tests use valid names")
}

pub(crate) fn operation(schema: &str, query: &str) -> Operation {
    let schema = Schema::parse(schema, "schema.graphql").expect("schema parses");
    let schema = Arc::new(ApiSchema::from_supergraph(&schema).expect("schema is valid"));
    let document = parse(query, &Limits::default()).expect("query parses");
    validate(&document, &schema, None).expect("query is valid")
}

/// The shape of an operation whose fields are all stored under their own names.
pub(crate) fn shape(operation: &Operation) -> ResponseShape {
    let mut fields = Vec::new();
    shape_into(operation, &operation.definition().selection_set, None, &mut fields);
    ResponseShape {
        fields,
        ..ResponseShape::default()
    }
}

fn shape_into(
    operation: &Operation,
    selection_set: &SelectionSet,
    runtime_types: Option<&Arc<[Name]>>,
    fields: &mut Vec<ResponseField>,
) {
    for selection in &selection_set.selections {
        let (condition, below) = match selection {
            Selection::Field(field) => {
                let mut selection = Vec::new();
                shape_into(operation, &field.selection_set, None, &mut selection);
                let source = match field.name.as_str() {
                    "__typename" => ResponseSource::Typename,
                    _ => ResponseSource::Stored(field.name.clone()),
                };
                fields.push(ResponseField {
                    response_name: field.response_key().clone(),
                    source,
                    runtime_types: runtime_types.cloned(),
                    conditions: Vec::new(),
                    field_type: field_type(operation.schema(), field.ty()),
                    selection: Arc::new(ResponseShape {
                        fields: selection,
                        ..ResponseShape::default()
                    }),
                });
                continue;
            }
            Selection::InlineFragment(inline) => (inline.type_condition.as_ref(), &inline.selection_set),
            Selection::FragmentSpread(spread) => {
                let fragment = spread
                    .fragment_def(operation.document())
                    .expect("the operation is valid");
                (Some(fragment.type_condition()), &fragment.selection_set)
            }
        };
        let narrowed = condition.map(|name| operation.schema().possible_types(name).into());
        shape_into(operation, below, narrowed.as_ref().or(runtime_types), fields);
    }
}

fn field_type(schema: &ApiSchema, expected: &Type) -> FieldType {
    let nullable = match expected {
        Type::Named(name) | Type::NonNullNamed(name) => named_type(schema, name),
        Type::List(item_type) | Type::NonNullList(item_type) => {
            FieldType::List(Arc::new(field_type(schema, item_type)))
        }
    };
    if expected.is_non_null() {
        FieldType::NonNull(Arc::new(nullable))
    } else {
        nullable
    }
}

fn named_type(schema: &ApiSchema, name: &Name) -> FieldType {
    let leaf_type = match (name.as_str(), schema.schema().types.get(name)) {
        ("Int", _) => LeafType::Int,
        ("Float", _) => LeafType::Float,
        ("String", _) => LeafType::String,
        ("Boolean", _) => LeafType::Boolean,
        ("ID", _) => LeafType::Id,
        (_, Some(ExtendedType::Enum(definition))) => {
            let mut values: Vec<Name> = definition.values.keys().cloned().collect();
            values.sort_unstable();
            LeafType::Enum {
                name: name.clone(),
                values: values.into(),
            }
        }
        (_, Some(ExtendedType::Scalar(_))) => LeafType::CustomScalar(name.clone()),
        _ => {
            let possible_types = schema.possible_types(name).into();
            return FieldType::Composite {
                name: name.clone(),
                possible_types,
            };
        }
    };
    FieldType::Leaf(leaf_type)
}

pub(crate) fn fetch(id: u32, subgraph: &str, document: &str, target: FetchTarget) -> Fetch {
    let operation_kind = if document.starts_with("mutation") {
        OperationKind::Mutation
    } else {
        OperationKind::Query
    };
    let (subgraph, document) = (subgraph.into(), document.into());
    Fetch {
        id,
        subgraph,
        operation_kind,
        document,
        variables: Vec::new(),
        target,
        reason: String::new(),
    }
}

/// Root fields of one subgraph.
pub(crate) fn root(id: u32, subgraph: &str, document: &str) -> PlanNode {
    PlanNode::Fetch(Arc::new(fetch(
        id,
        subgraph,
        document,
        FetchTarget::Root { path: Vec::new() },
    )))
}

/// Entities at `path` (`products.@.seller`), for each `(type, inputs)`; an input with `?` is required rather than a key.
pub(crate) fn entities(id: u32, subgraph: &str, path: &str, representations: &[(&str, &[&str])]) -> PlanNode {
    let entry = entity_fetch("_entities", path, representations);
    let document = format!("query($r:[_Any!]!){{_entities(representations:$r){{...{subgraph}}}}}");
    PlanNode::Fetch(Arc::new(fetch(
        id,
        subgraph,
        &document,
        FetchTarget::Entities(vec![entry]),
    )))
}

pub(crate) fn entity_fetch(response_name: &str, path: &str, representations: &[(&str, &[&str])]) -> EntityFetch {
    let representations = representations.iter().map(|(typename, inputs)| Representation {
        runtime_types: vec![name(typename)],
        typename: None,
        inputs: inputs.iter().map(|input| representation_input(input)).collect(),
    });
    EntityFetch {
        response_name: name(response_name),
        variable: if response_name == "_entities" {
            name("r")
        } else {
            name(&format!("r{response_name}"))
        },
        path: path_elements(path),
        representations: Arc::new(representations.collect()),
        conditions: Vec::new(),
        context_variables: Vec::new(),
    }
}

fn representation_input(text: &str) -> RepresentationInput {
    let (field, nested) = text
        .split_once('.')
        .map_or((text, None), |(field, nested)| (field, Some(nested)));
    let is_key = !text.ends_with('?');
    let field = name(field.trim_end_matches('?'));
    RepresentationInput {
        name: field.clone(),
        storage_name: field,
        runtime_types: Vec::new(),
        is_key,
        inputs: nested.map(representation_input).into_iter().collect(),
    }
}

pub(crate) fn path_elements(path: &str) -> Vec<PathElement> {
    let elements =
        path.split('.')
            .filter(|element| !element.is_empty())
            .map(|element| match element.strip_prefix('|') {
                Some(typename) => PathElement::TypeCondition(vec![name(typename)]),
                None if element == "@" => PathElement::Items,
                None => PathElement::Field(name(element)),
            });
    elements.collect()
}

pub(crate) fn plan(operation: &Operation, node: PlanNode) -> QueryPlan {
    QueryPlan {
        operation_kind: operation.kind(),
        root: Some(node),
        introspection: None,
        response: shape(operation),
    }
}

/// What a subgraph does with one request.
#[derive(Clone)]
pub(crate) enum Canned {
    Json(&'static str),
    /// Answers when others that are under way have had so many turns.
    Late(usize, &'static str),
    Text(String),
    /// No GraphQL response.
    Broken(u16, String),
    Answer(u16, &'static str, &'static str),
    Never,
    Panic,
}

/// Runs a plan; gives the requests, in order of arrival, and the answer.
pub(crate) struct Run {
    pub(crate) requests: Vec<String>,
    pub(crate) response: ExecutionResponse,
}

impl std::fmt::Display for Run {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.requests
            .iter()
            .try_for_each(|request| writeln!(formatter, "{request}"))?;
        for error in &self.response.errors {
            writeln!(
                formatter,
                "error {}",
                serde_json::to_string(error).expect("errors are JSON")
            )?;
        }
        let data = self.response.data.as_deref().unwrap_or(b"absent");
        writeln!(formatter, "{}", String::from_utf8_lossy(data))
    }
}

pub(crate) fn run(operation: &Operation, plan: &QueryPlan, canned: &[(&str, Canned)]) -> Run {
    run_with(operation, plan, canned, Map::new())
}

pub(crate) fn run_with(
    operation: &Operation,
    plan: &QueryPlan,
    canned: &[(&str, Canned)],
    variables: Map<String, Value>,
) -> Run {
    run_until(
        operation,
        plan,
        canned,
        (variables, Instant::now() + Duration::from_secs(10)),
    )
}

/// * `client`: its variables, and when it gives up.
pub(crate) fn run_until(
    operation: &Operation,
    plan: &QueryPlan,
    canned: &[(&str, Canned)],
    client: (Map<String, Value>, Instant),
) -> Run {
    run_as(operation, plan, canned, client, EntityLimits::default())
}

pub(crate) fn run_bounded(
    operation: &Operation,
    plan: &QueryPlan,
    canned: &[(&str, Canned)],
    entities: EntityLimits,
) -> Run {
    let client = (Map::new(), Instant::now() + Duration::from_secs(10));
    run_as(operation, plan, canned, client, entities)
}

fn run_as(
    operation: &Operation,
    plan: &QueryPlan,
    canned: &[(&str, Canned)],
    (variables, deadline): (Map<String, Value>, Instant),
    entities: EntityLimits,
) -> Run {
    let (executor, requests) = executor(canned, entities);
    let request = ExecutionRequest {
        variables,
        headers: Arc::new(HeaderMap::new()),
        deadline,
        explain: true,
    };
    let plan = ExecutablePlan::from(plan.clone());
    let response = runtime().block_on(executor.execute(&plan, operation.schema(), request));
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    Run { requests, response }
}

/// Runs a plan in parts; gives the requests, in order of arrival, and the parts. It ends with the last part, whatever is under
/// way.
pub(crate) fn run_in_parts(
    operation: &Operation,
    plan: &QueryPlan,
    canned: &[(&str, Canned)],
    variables: Map<String, Value>,
) -> (Vec<String>, Vec<ResponsePart>) {
    let (executor, requests) = executor(canned, EntityLimits::default());
    let request = ExecutionRequest {
        variables,
        headers: Arc::new(HeaderMap::new()),
        deadline: Instant::now() + Duration::from_secs(10),
        explain: false,
    };
    let plan = ExecutablePlan::from(plan.clone());
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    runtime().block_on(executor.execute_in_parts(&plan, operation.schema(), request, sender));
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    (requests, std::iter::from_fn(|| receiver.try_recv().ok()).collect())
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

/// An executor over subgraphs that give these answers, and the requests that they get.
fn executor(canned: &[(&str, Canned)], entities: EntityLimits) -> (Executor, Arc<Mutex<Vec<String>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let mut answers: HashMap<&str, VecDeque<Canned>> = HashMap::new();
    for (subgraph, answer) in canned {
        answers.entry(subgraph).or_default().push_back(answer.clone());
    }
    let policy = SubgraphPolicy {
        query_timeout: Duration::from_millis(200),
        ..SubgraphPolicy::default()
    };
    let subgraphs = answers.into_iter().map(|(name, answers)| {
        let client = SubgraphClient::InProcess(canned_subgraph(name, answers, Arc::clone(&requests)));
        (Arc::from(name), (client, policy.clone()))
    });
    let options = ExecutorOptions {
        entities,
        ..ExecutorOptions::default()
    };
    (Executor::new(subgraphs.collect(), options), requests)
}

fn canned_subgraph(subgraph: &str, answers: VecDeque<Canned>, requests: Arc<Mutex<Vec<String>>>) -> InProcessSubgraph {
    let (subgraph, answers) = (subgraph.to_owned(), Arc::new(Mutex::new(answers)));
    let service = tower::service_fn(move |request: Request<Full<Bytes>>| {
        let answer = answers
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| panic!("{subgraph} is asked too often"));
        let (subgraph, requests) = (subgraph.clone(), Arc::clone(&requests));
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let mut line = format!("{subgraph} < {}", body["query"].as_str().unwrap());
            for (variable, value) in body["variables"].as_object().into_iter().flatten() {
                write!(line, " {variable}={value}").unwrap();
            }
            requests.lock().unwrap().push(line);
            let (status, content_type, body) = match answer {
                Canned::Json(body) => (200, "application/json", Bytes::from_static(body.as_bytes())),
                Canned::Late(turns, body) => {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                    (200, "application/json", Bytes::from_static(body.as_bytes()))
                }
                Canned::Text(body) => (200, "application/json", Bytes::from(body)),
                Canned::Answer(status, content_type, body) => {
                    (status, content_type, Bytes::from_static(body.as_bytes()))
                }
                Canned::Broken(status, body) => (status, "text/plain", Bytes::from(body)),
                Canned::Never => std::future::pending().await,
                Canned::Panic => panic!("a subgraph of this test panics on purpose"),
            };
            let response = Response::builder().status(status).header("content-type", content_type);
            Ok::<_, Infallible>(response.body(Full::new(body)).unwrap())
        }
    });
    InProcessSubgraph::new(service, "/graphql".parse().unwrap())
}
