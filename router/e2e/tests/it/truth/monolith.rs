//! The answer of a server that has the whole graph.

use std::collections::BTreeSet;

use anyhow::Result;
use apollo_compiler::Schema;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use e2e::interpreter::{self, Data, Resolved};
use serde_json::{Map, Value, json};

use super::world::{Object, World};

/// What a server says that has the whole graph.
pub(super) struct Answer {
    /// `data`, and `errors` when there are any.
    pub(super) response: Value,
    /// Messages of what fails in fields that nobody selects, and that others require.
    pub(super) hidden_failures: BTreeSet<String>,
}

/// The response to `document`.
///
/// * `schema`: what clients see.
///
/// # Errors
/// When the document is not valid.
pub(super) fn answer(
    world: &World,
    schema: &Valid<Schema>,
    document: &str,
    variables: &Map<String, Value>,
) -> Result<Answer> {
    Monolith::new(world, schema).asked(|monolith| interpreter::execute(schema, document, variables, monolith))
}

/// As [`answer`], with nulls that make no parent null.
///
/// # Errors
/// When the document is not valid.
pub(super) fn everything(
    world: &World,
    schema: &Valid<Schema>,
    document: &str,
    variables: &Map<String, Value>,
) -> Result<Answer> {
    Monolith::new(world, schema)
        .asked(|monolith| interpreter::execute_without_propagation(schema, document, variables, monolith))
}

struct Monolith<'w> {
    world: &'w World,
    schema: &'w Valid<Schema>,
    /// Mutations so far.
    calls: Vec<String>,
    hidden_failures: BTreeSet<String>,
}

enum Subject<'w> {
    Object(Object<'w>),
    /// `__Schema`
    Schema,
    /// `__Type` of this name.
    Type(String),
}

impl<'w> Data for Monolith<'w> {
    type Object = Subject<'w>;

    fn root(&mut self, root_type: &str) -> Subject<'w> {
        let root_type = self.world.graph.types.get_key_value(root_type);
        let (type_name, _) = root_type.expect("the schema has no other roots than the graph");
        Subject::Object(Object { type_name, number: 0 })
    }

    fn typename<'o>(&'o self, subject: &'o Subject<'w>) -> &'o str {
        match subject {
            Subject::Object(object) => object.type_name,
            Subject::Schema => "__Schema",
            Subject::Type(_) => "__Type",
        }
    }

    fn field(&mut self, subject: &Subject<'w>, name: &str, arguments: &Map<String, Value>) -> Resolved<Subject<'w>> {
        match (subject, name) {
            (_, "__schema") => Resolved::Object(Subject::Schema),
            (_, "__type") => self.introspected(arguments["name"].as_str().unwrap_or_default()),
            (Subject::Schema, "queryType") => self.introspected("Query"),
            (Subject::Schema, _) => self.introspected("Mutation"),
            (Subject::Type(type_name), "name") => Resolved::Leaf(json!(type_name)),
            (Subject::Type(type_name), _) => Resolved::Leaf(json!(kind(&self.schema.types[type_name.as_str()]))),
            (Subject::Object(object), _) => self.resolve(*object, name, arguments),
        }
    }

    fn entity(&mut self, _representation: &Value) -> Resolved<Subject<'w>> {
        Resolved::Failed("a monolith has no entities".to_owned())
    }
}

impl<'w> Monolith<'w> {
    fn new(world: &'w World, schema: &'w Valid<Schema>) -> Self {
        Self {
            world,
            schema,
            calls: Vec::new(),
            hidden_failures: BTreeSet::new(),
        }
    }

    fn asked(mut self, execute: impl FnOnce(&mut Self) -> Result<Value>) -> Result<Answer> {
        let response = execute(&mut self)?;
        Ok(Answer {
            response,
            hidden_failures: self.hidden_failures,
        })
    }

    fn resolve(&mut self, object: Object<'w>, name: &str, arguments: &Map<String, Value>) -> Resolved<Subject<'w>> {
        let is_mutation = object.type_name == "Mutation";
        if is_mutation {
            self.calls.push(name.to_owned());
        }
        let calls: &[String] = if is_mutation { &self.calls } else { &[] };
        let value = self.world.value_of(object, name, (arguments, calls));
        let inputs = self.world.inputs(object, name);
        self.hidden_failures
            .extend(inputs.into_iter().flat_map(|inputs| inputs.failures));
        value.map(&mut |object| Subject::Object(object))
    }

    fn introspected(&self, name: &str) -> Resolved<Subject<'w>> {
        match self.schema.types.contains_key(name) {
            true => Resolved::Object(Subject::Type(name.to_owned())),
            false => Resolved::Null,
        }
    }
}

/// `__Type.kind`
fn kind(definition: &ExtendedType) -> &'static str {
    match definition {
        ExtendedType::Scalar(_) => "SCALAR",
        ExtendedType::Object(_) => "OBJECT",
        ExtendedType::Interface(_) => "INTERFACE",
        ExtendedType::Union(_) => "UNION",
        ExtendedType::Enum(_) => "ENUM",
        ExtendedType::InputObject(_) => "INPUT_OBJECT",
    }
}
