//! The subgraphs of a graph, served: each sees the world through what it declares.
//!
//! What no correct router asks is a violation: documents that the subgraph's schema does not know, fields that it does
//! not resolve on this path, representations that name no object, required inputs that are absent or wrong.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;
use bytes::Bytes;
use e2e::interpreter::{self, Data, Resolved};
use executor::{InProcessSubgraph, SubgraphClient};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value, json};

use super::graph::{FieldSet, Kind, Selected, SubgraphId};
use super::layout::Declared;
use super::world::{OBJECTS, Object, World};

/// The subgraphs of one graph. Cheap to clone; clones share what was observed.
#[derive(Clone)]
pub(super) struct Subgraphs {
    world: Arc<World>,
    schemas: Arc<Vec<Valid<Schema>>>,
    observed: Arc<Mutex<Observed>>,
}

/// What happened to the subgraphs.
#[derive(Debug, Default, Clone)]
pub(super) struct Observed {
    /// Subgraph, body and answer, in order of arrival.
    pub(super) requests: Vec<(SubgraphId, String, String)>,
    pub(super) violations: Vec<String>,
    /// Mutations.
    calls: Vec<String>,
}

impl Subgraphs {
    /// # Errors
    /// When an SDL is not GraphQL.
    pub(super) fn new(world: Arc<World>, sdls: &[String]) -> Result<Self> {
        let schemas = sdls.iter().map(|sdl| interpreter::subgraph_schema(sdl));
        Ok(Self {
            world,
            schemas: Arc::new(schemas.collect::<Result<_>>()?),
            observed: Arc::default(),
        })
    }

    pub(super) fn client(&self, subgraph: SubgraphId) -> SubgraphClient {
        let subgraphs = self.clone();
        let service = tower::service_fn(move |request: Request<Full<Bytes>>| {
            let subgraphs = subgraphs.clone();
            async move {
                let Ok(body) = request.into_body().collect().await;
                let answer = subgraphs.answer(subgraph, &body.to_bytes());
                let response = Response::builder().header("content-type", "application/json");
                Ok::<_, Infallible>(response.body(Full::new(Bytes::from(answer))).expect("a response"))
            }
        });
        SubgraphClient::InProcess(InProcessSubgraph::new(service, "/graphql".parse().expect("a path")))
    }

    /// What happened since the last time.
    pub(super) fn take_observed(&self) -> Observed {
        std::mem::take(&mut *self.observed())
    }

    fn observed(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, subgraph: SubgraphId, body: &[u8]) -> String {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let query = request["query"].as_str().unwrap_or_default();
        let none = Map::new();
        let variables = request["variables"].as_object().unwrap_or(&none);
        let mut observed = self.observed();
        let mut server = Server {
            world: &self.world,
            subgraph,
            violations: Vec::new(),
            calls: std::mem::take(&mut observed.calls),
        };
        let answer = interpreter::execute(&self.schemas[subgraph], query, variables, &mut server);
        let Server { violations, calls, .. } = server;
        observed.calls = calls;
        observed.violations.extend(violations);
        let answer = answer.unwrap_or_else(|error| {
            observed.violations.push(format!("{error:#}"));
            json!({ "errors": [{ "message": error.to_string() }] })
        });
        let answer = answer.to_string();
        let body = String::from_utf8_lossy(body).into_owned();
        observed.requests.push((subgraph, body, answer.clone()));
        answer
    }
}

struct Server<'w> {
    world: &'w World,
    subgraph: SubgraphId,
    violations: Vec<String>,
    calls: Vec<String>,
}

/// An object, as it is seen where it stands.
#[derive(Clone)]
struct Seen<'w> {
    object: Object<'w>,
    /// The interface that the subgraph knows it by, in place of its type.
    stands_for: Option<&'w str>,
    /// What `@provides` adds here.
    provided: Vec<&'w Selected>,
    /// What was sent of it.
    representation: Option<Rc<Value>>,
}

impl<'w> Data for Server<'w> {
    type Object = Seen<'w>;

    fn root(&mut self, root_type: &str) -> Seen<'w> {
        let type_name = self
            .world
            .graph
            .types
            .get_key_value(root_type)
            .map_or("Query", |(name, _)| name.as_str());
        let object = Object { type_name, number: 0 };
        Seen {
            object,
            stands_for: None,
            provided: Vec::new(),
            representation: None,
        }
    }

    fn typename<'o>(&'o self, seen: &'o Seen<'w>) -> &'o str {
        seen.stands_for.unwrap_or(seen.object.type_name)
    }

    fn field(&mut self, seen: &Seen<'w>, name: &str, arguments: &Map<String, Value>) -> Resolved<Seen<'w>> {
        let world = self.world;
        let type_name = seen.stands_for.unwrap_or(seen.object.type_name);
        let coordinate = format!("{type_name}.{name}");
        let Some((_, field)) = world.graph.field(type_name, name) else {
            return self.violation(format!("{coordinate} does not exist"));
        };
        let below = provided_below(world, seen, name);
        match world.layouts[self.subgraph].declared(type_name, name) {
            Some(Declared::Resolved) => {}
            Some(Declared::External | Declared::Provided) if below.is_some() => {}
            _ => return self.violation(format!("{coordinate} is not resolved here")),
        }
        let place = field.places.iter().find(|place| place.subgraph == self.subgraph);
        let mut inputs = None;
        if let Some(place) = place.filter(|place| !place.requires.is_empty()) {
            let Some(representation) = &seen.representation else {
                return self.violation(format!("{coordinate} needs a representation"));
            };
            match sent(world, representation, &place.requires, seen.object.type_name) {
                Ok(sent) => inputs = Some(sent),
                Err(reason) => return self.violation(format!("{coordinate}: {reason} in {representation}")),
            }
            let expected = world.inputs(seen.object, name).map(|inputs| inputs.value);
            if inputs.clone().map(Ok) != expected {
                self.violations
                    .push(format!("{coordinate} gets wrong inputs: {representation}"));
            }
        }
        if seen.object.type_name == "Mutation" {
            self.calls.push(name.to_owned());
        }
        let calls: &[String] = if seen.object.type_name == "Mutation" {
            &self.calls
        } else {
            &[]
        };
        let value = match place {
            Some(_) => world.resolve(seen.object, name, arguments, (inputs.as_ref(), calls)),
            // Who provides a field knows by itself what another subgraph requires for it.
            None => world.value_of(seen.object, name, (arguments, calls)),
        };
        let mut provided = below.unwrap_or_default();
        provided.extend(place.into_iter().flat_map(|place| &place.provides));
        self.seen(value, field.ty.base(), &provided)
    }

    fn entity(&mut self, representation: &Value) -> Resolved<Seen<'w>> {
        let world = self.world;
        let typename = representation["__typename"].as_str().unwrap_or_default();
        let Some((type_name, definition)) = world.graph.types.get_key_value(typename) else {
            return self.violation(format!("no such type: {representation}"));
        };
        let id: FieldSet = vec![Selected::field("id", Vec::new())];
        let (keys, stands_for): (Vec<&FieldSet>, Option<&str>) = match &definition.kind {
            Kind::Entity(entity) => {
                let keys = entity
                    .keys
                    .iter()
                    .filter(|key| key.subgraph == self.subgraph && key.is_resolvable);
                (keys.map(|key| &key.fields).collect(), None)
            }
            Kind::Interface(interface) if interface.object_in.has(self.subgraph) => (vec![&id], Some(type_name)),
            Kind::Interface(interface) if interface.keyed.has(self.subgraph) => (vec![&id], None),
            _ => (Vec::new(), None),
        };
        for object in world.graph.objects(type_name) {
            for number in 0..OBJECTS {
                let object = Object {
                    type_name: object,
                    number,
                };
                let mut keys = keys.iter();
                if !keys.any(|key| sent(world, representation, key, object.type_name) == Ok(world.project(object, key)))
                {
                    continue;
                }
                let unknown = world.graph.entity(object.type_name).and_then(|entity| entity.unknown);
                if unknown == Some((self.subgraph, number)) {
                    return Resolved::Null;
                }
                let representation = Some(Rc::new(representation.clone()));
                return Resolved::Object(Seen {
                    object,
                    stands_for,
                    provided: Vec::new(),
                    representation,
                });
            }
        }
        self.violation(format!("{representation} names no object"))
    }
}

impl<'w> Server<'w> {
    fn violation(&mut self, violation: String) -> Resolved<Seen<'w>> {
        self.violations.push(violation.clone());
        Resolved::Failed(violation)
    }

    /// * `declared`: the type that the field has.
    fn seen(&self, value: Resolved<Object<'w>>, declared: &'w str, provided: &[&'w Selected]) -> Resolved<Seen<'w>> {
        let interface = self.world.graph.interface(declared);
        let is_object = interface.is_some_and(|interface| interface.object_in.has(self.subgraph));
        value.map(&mut |object| Seen {
            object,
            stands_for: is_object.then_some(declared),
            provided: provided.to_vec(),
            representation: None,
        })
    }
}

/// What is provided below a field, if the field is provided here.
fn provided_below<'w>(world: &World, seen: &Seen<'w>, name: &str) -> Option<Vec<&'w Selected>> {
    let mut found = None;
    let mut provided: Vec<&'w Selected> = seen.provided.clone();
    while let Some(selected) = provided.pop() {
        match selected {
            Selected::On(condition, below) => {
                if world.is_a(seen.object.type_name, condition) {
                    provided.extend(below);
                }
            }
            Selected::Field { name: field, below, .. } => {
                if field == name {
                    found.get_or_insert_with(Vec::new).extend(below);
                }
            }
        }
    }
    found
}

/// What a representation has for a field set.
fn sent(world: &World, representation: &Value, field_set: &FieldSet, type_name: &str) -> Result<Value, String> {
    let mut fields = Map::new();
    sent_into(world, &mut fields, (representation, type_name), field_set)?;
    Ok(Value::Object(fields))
}

fn sent_into(
    world: &World,
    fields: &mut Map<String, Value>,
    (object, type_name): (&Value, &str),
    field_set: &FieldSet,
) -> Result<(), String> {
    for selected in field_set {
        match selected {
            Selected::Field { name, below, .. } => {
                let value = object.get(name).ok_or_else(|| format!("`{name}` is absent"))?;
                let base = world
                    .graph
                    .field(type_name, name)
                    .map_or("", |(_, field)| field.ty.base());
                fields.insert(name.clone(), sent_value(world, value, below, base)?);
            }
            Selected::On(condition, below) => {
                if world.is_a(type_name, condition) {
                    sent_into(world, fields, (object, type_name), below)?;
                }
            }
        }
    }
    Ok(())
}

fn sent_value(world: &World, value: &Value, below: &FieldSet, declared: &str) -> Result<Value, String> {
    match value {
        Value::Array(items) if !below.is_empty() => items
            .iter()
            .map(|item| sent_value(world, item, below, declared))
            .collect(),
        Value::Object(_) if !below.is_empty() => {
            // How a subgraph library tells the types apart.
            let typename = value.get("__typename").and_then(Value::as_str);
            let type_name = match (typename, world.graph.objects(declared).as_slice()) {
                (_, [only]) => *only,
                (Some(typename), _) => typename,
                (None, _) => return Err("a `__typename` is absent".to_owned()),
            };
            sent(world, value, below, type_name)
        }
        value => Ok(value.clone()),
    }
}
