//! Plans of several stages over one subgraph of entities, against the slow and obvious way: asking for each entity of
//! each position by itself, and merging copies. And what the subgraph received: each field of each entity once.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apollo_compiler::ast::{Definition, Document, Field, Selection};
use executor::{
    ExecutablePlan, ExecutionRequest, Executor, ExecutorOptions, InProcessSubgraph, SubgraphClient, SubgraphPolicy,
};
use federation::query_plan::{
    FetchTarget, FieldType, LeafType, PlanNode, QueryPlan, ResponseField, ResponseShape, ResponseSource,
};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value, json};

use crate::harness::{entity_fetch, fetch, name, operation, root};
use crate::random::Random;
use crate::reference::Reference;

const IDS: &[&str] = &["0", "1", "2", "3", "4"];
const LEAVES: &[&str] = &[
    "name",
    "email",
    "tags",
    "price(currency:\"EUR\")",
    "price(currency:\"USD\")",
];
const ROOT_DOCUMENT: &str = "{me{__typename id}users{__typename id}}";

/// What there is: users by id; null for those that are gone.
struct World {
    users: HashMap<String, Value>,
    me: Value,
    all: Value,
}

impl World {
    fn new(random: &mut Random) -> Self {
        let reference = |random: &mut Random| match random.once_in(8) {
            true => Value::Null,
            false => json!({ "__typename": "User", "id": random.pick(IDS) }),
        };
        let references = |random: &mut Random| -> Value { (0..random.below(4)).map(|_| reference(random)).collect() };
        let users = IDS.iter().map(|id| {
            let user = match random.once_in(10) {
                true => Value::Null,
                false => json!({
                    "name": format!("user \"{id}\""), "email": if random.once_in(3) { Value::Null } else { json!(id) },
                    "tags": [id, "é"], "EUR": 1, "USD": 2,
                    "boss": reference(random), "friends": references(random),
                    "address": { "city": id, "landlord": reference(random) },
                }),
            };
            ((*id).to_owned(), user)
        });
        Self {
            users: users.collect(),
            me: reference(random),
            all: references(random),
        }
    }

    /// One entity, with the fields that are selected of it.
    fn entity(&self, representation: &Value, selections: &[Selection]) -> Value {
        let user = &self.users[representation["id"].as_str().unwrap()];
        if user.is_null() {
            Value::Null
        } else {
            select(user, selections)
        }
    }
}

fn select(value: &Value, selections: &[Selection]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| select(item, selections)).collect(),
        Value::Object(_) if !selections.is_empty() => {
            let fields = fields_of(selections).into_iter().map(|field| {
                let stored = field
                    .arguments
                    .first()
                    .map_or(field.name.as_str(), |it| it.value.as_str().unwrap());
                (
                    field.response_name().to_string(),
                    select(&value[stored], &field.selection_set),
                )
            });
            Value::Object(fields.collect())
        }
        leaf => leaf.clone(),
    }
}

/// Fields, also those in fragments: all objects here are users, or have no fragments.
fn fields_of(selections: &[Selection]) -> Vec<&Field> {
    let fields = selections.iter().flat_map(|selection| match selection {
        Selection::Field(field) => vec![&**field],
        Selection::InlineFragment(inline) => fields_of(&inline.selection_set),
        Selection::FragmentSpread(_) => unreachable!("no fetch of this test has one"),
    });
    fields.collect()
}

fn root_fields(document: &Document) -> Vec<&Field> {
    let operation = document.definitions.iter().find_map(|definition| match definition {
        Definition::OperationDefinition(operation) => Some(operation),
        _ => None,
    });
    fields_of(&operation.unwrap().selection_set)
}

/// A position in the answer, and what is selected there.
#[derive(Clone)]
struct Position {
    path: String,
    leaves: Vec<&'static str>,
    /// Names of the positions below, and whether they are lists.
    below: Vec<(&'static str, usize, bool)>,
}

struct Case {
    positions: Vec<Position>,
    /// The positions that are fetched together, and their selections.
    stages: Vec<Vec<(usize, String)>>,
}

impl Case {
    fn new(random: &mut Random) -> Self {
        let position = |path: &str| Position {
            path: path.to_owned(),
            leaves: Vec::new(),
            below: Vec::new(),
        };
        let mut case = Self {
            positions: vec![position("me"), position("users.@")],
            stages: Vec::new(),
        };
        let mut ready = vec![0, 1];
        for _ in 0..2 + random.below(4) {
            random.shuffle(&mut ready);
            let batch = ready.len().min(1 + random.below(2));
            let batch: Vec<usize> = ready.drain(..batch).collect();
            let stage = batch.into_iter().map(|at| (at, case.select(random, at, &mut ready)));
            let stage: Vec<_> = stage.collect();
            case.stages.extend((!stage.is_empty()).then_some(stage));
        }
        case
    }

    /// Chooses what to select at a position. The position of one currency has no other one.
    fn select(&mut self, random: &mut Random, at: usize, ready: &mut Vec<usize>) -> String {
        let mut leaves: Vec<&'static str> = random.part(LEAVES).into_iter().copied().collect();
        if leaves.len() > 1 && leaves[leaves.len() - 2].starts_with("price") {
            leaves.pop();
        }
        let mut texts: Vec<String> = leaves.iter().map(ToString::to_string).collect();
        self.positions[at].leaves = leaves;
        for (field, step, is_list) in [
            ("boss", "boss", false),
            ("friends", "friends.@", true),
            ("address", "address.landlord", false),
        ] {
            if !random.once_in(3) {
                continue;
            }
            let path = format!("{}.{step}", self.positions[at].path);
            let number = self.positions.len();
            self.positions[at].below.push((field, number, is_list));
            self.positions.push(Position {
                path,
                leaves: Vec::new(),
                below: Vec::new(),
            });
            ready.push(number);
            texts.push(match field {
                "address" => "address{city landlord{__typename id}}".to_owned(),
                field => format!("{field}{{__typename id}}"),
            });
        }
        if texts.is_empty() {
            texts.push("name".to_owned());
            self.positions[at].leaves.push("name");
        }
        texts.join(" ")
    }

    fn plan(&self) -> QueryPlan {
        let mut nodes = vec![root(0, "roots", ROOT_DOCUMENT)];
        for (stage, id) in self.stages.iter().zip(1..) {
            nodes.push(PlanNode::Fetch(Arc::new(self.fetch(stage, id))));
        }
        QueryPlan {
            operation_kind: federation::query_plan::OperationKind::Query,
            root: Some(PlanNode::Sequence(nodes)),
            introspection: None,
            response: ResponseShape {
                fields: vec![self.user_field("me", 0, false), self.user_field("users", 1, true)],
                ..ResponseShape::default()
            },
        }
    }

    fn fetch(&self, stage: &[(usize, String)], id: u32) -> federation::query_plan::Fetch {
        let entries = stage.iter().map(|(at, _)| {
            let key: &[(&str, &[&str])] = &[("User", &["id"])];
            entity_fetch(&format!("e{at}"), &self.positions[*at].path, key)
        });
        let variables = stage
            .iter()
            .map(|(at, _)| format!("$re{at}:[_Any!]!"))
            .collect::<Vec<_>>();
        let selections = stage
            .iter()
            .map(|(at, selection)| format!("e{at}:_entities(representations:$re{at}){{...on User{{{selection}}}}}"));
        let document = format!("query({}){{{}}}", variables.join(","), selections.collect::<String>());
        fetch(id, "users", &document, FetchTarget::Entities(entries.collect()))
    }

    fn user_field(&self, field: &str, at: usize, is_list: bool) -> ResponseField {
        let position = &self.positions[at];
        let mut fields = vec![leaf("id")];
        fields.extend(position.leaves.iter().map(|text| leaf(text.split('(').next().unwrap())));
        for (field, below, is_list) in &position.below {
            fields.push(match *field {
                "address" => {
                    let landlord = self.user_field("landlord", *below, *is_list);
                    composite("address", "Address", vec![leaf("city"), landlord], false)
                }
                field => self.user_field(field, *below, *is_list),
            });
        }
        composite(field, "User", fields, is_list)
    }

    /// The slow and obvious way.
    fn stored(&self, world: &World) -> Map<String, Value> {
        let mut stored = json!({ "me": world.me, "users": world.all });
        for (at, selection) in self.stages.iter().flatten() {
            let document = Document::parse(format!("{{{selection}}}"), "selection.graphql").unwrap();
            let fields = root_fields(&document);
            let selections = fields.into_iter().map(|field| Selection::Field(field.clone().into()));
            let selections: Vec<_> = selections.collect();
            let steps: Vec<&str> = self.positions[*at].path.split('.').collect();
            at_each(&mut stored, &steps, &mut |object| {
                if let Value::Object(entity) = world.entity(&Value::Object(object.clone()), &selections) {
                    object.extend(entity);
                }
            });
        }
        stored.as_object().unwrap().clone()
    }
}

fn at_each(value: &mut Value, steps: &[&str], change: &mut impl FnMut(&mut Map<String, Value>)) {
    match (value, steps) {
        (Value::Object(object), []) => change(object),
        (Value::Object(object), [field, rest @ ..]) => {
            if let Some(value) = object.get_mut(*field) {
                at_each(value, rest, change);
            }
        }
        (Value::Array(items), ["@", rest @ ..]) => items.iter_mut().for_each(|item| at_each(item, rest, change)),
        _ => {}
    }
}

fn leaf(field: &str) -> ResponseField {
    response_field(field, FieldType::Leaf(LeafType::CustomScalar(name("Any"))), Vec::new())
}

fn composite(field: &str, typename: &str, fields: Vec<ResponseField>, is_list: bool) -> ResponseField {
    let mut field_type = FieldType::Composite {
        name: name(typename),
        possible_types: [name(typename)].into(),
    };
    if is_list {
        field_type = FieldType::List(Arc::new(field_type));
    }
    response_field(field, field_type, fields)
}

fn response_field(field: &str, field_type: FieldType, fields: Vec<ResponseField>) -> ResponseField {
    ResponseField {
        response_name: name(field),
        source: ResponseSource::Stored(name(field)),
        runtime_types: None,
        conditions: Vec::new(),
        field_type,
        selection: Arc::new(ResponseShape {
            fields,
            ..ResponseShape::default()
        }),
    }
}

/// How often each field of each entity was asked for: `0 price(currency:"EUR")`.
type Received = Arc<Mutex<HashMap<String, usize>>>;

fn subgraph(world: &Arc<World>, received: &Received, print: &Arc<Mutex<Random>>) -> InProcessSubgraph {
    let (world, received, print) = (Arc::clone(world), Arc::clone(received), Arc::clone(print));
    let service = tower::service_fn(move |request: Request<Full<bytes::Bytes>>| {
        let (world, received, print) = (Arc::clone(&world), Arc::clone(&received), Arc::clone(&print));
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let data = answer(&world, &serde_json::from_slice(&body).unwrap(), &received);
            let body = print.lock().unwrap().print(&json!({ "data": data }));
            let response = Response::builder().header("content-type", "application/json");
            Ok::<_, Infallible>(response.body(Full::new(bytes::Bytes::from(body))).unwrap())
        }
    });
    InProcessSubgraph::new(service, "/graphql".parse().unwrap())
}

fn answer(world: &World, request: &Value, received: &Received) -> Value {
    let document =
        Document::parse(request["query"].as_str().unwrap(), "request.graphql").expect("requests are GraphQL");
    let fields = root_fields(&document).into_iter().map(|field| {
        let value = match field.name.as_str() {
            "me" => world.me.clone(),
            "users" => world.all.clone(),
            _ => {
                let variable = field.arguments[0].value.as_variable().unwrap();
                let representations = request["variables"][variable.as_str()].as_array().unwrap();
                let mut received = received.lock().unwrap();
                for representation in representations {
                    for asked in fields_of(&field.selection_set) {
                        let text = asked.serialize().no_indent().to_string();
                        *received.entry(format!("{} {text}", representation["id"])).or_default() += 1;
                    }
                }
                let entities = representations.iter();
                entities
                    .map(|representation| world.entity(representation, &field.selection_set))
                    .collect()
            }
        };
        (field.response_name().to_string(), value)
    });
    Value::Object(fields.collect())
}

#[test]
fn random_stages_give_what_the_reference_gives_and_ask_once() {
    let operation = operation("type Query { a: Int }", "{ a }");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut asked_in_all = 0;
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let world = Arc::new(World::new(&mut random));
        let case = Case::new(&mut random);
        let plan = ExecutablePlan::from(case.plan());
        let expected = Reference::default().object(&case.stored(&world), &[&plan.response], Some("Query"));
        let expected = expected.unwrap_or(Value::Null);

        let received = Received::default();
        let print = Arc::new(Mutex::new(random));
        let client = SubgraphClient::InProcess(subgraph(&world, &received, &print));
        let names = ["roots", "users"].map(|name| (Arc::from(name), (client.clone(), SubgraphPolicy::default())));
        let executor = Executor::new(HashMap::from(names), ExecutorOptions::default());
        let request = ExecutionRequest {
            variables: Map::new(),
            headers: Arc::new(HeaderMap::new()),
            deadline: Instant::now() + Duration::from_secs(10),
            explain: false,
        };
        let response = runtime.block_on(executor.execute(&plan, operation.schema(), request));
        let answer: Value = serde_json::from_slice(&response.to_bytes()).unwrap();
        assert_eq!(answer, json!({ "data": expected }), "seed {seed}: {}", *plan);
        let received = received.lock().unwrap();
        let twice: Vec<_> = received.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "seed {seed}: {twice:?}: {}", *plan);
        asked_in_all += received.len();
    }
    assert!(
        asked_in_all > 5_000,
        "too little was asked to tell anything: {asked_in_all}"
    );
}
