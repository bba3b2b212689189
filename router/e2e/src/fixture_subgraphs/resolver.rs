//! Fixture data as the resolvers of one subgraph: what the conformance README says.

use serde_json::{Map, Value, json};

use super::fixtures::{Lookup, find_field};
use crate::interpreter::{Data, Resolved};

/// One subgraph while it answers one request.
pub(super) struct Resolver<'a> {
    pub(super) lookup: Lookup<'a>,
    pub(super) sdl: &'a str,
    /// What the data has no answer for.
    pub(super) violations: Vec<String>,
}

/// What fields are found with.
pub(super) enum Object<'a> {
    Root(String),
    Service,
    Tree(&'a Map<String, Value>),
}

impl<'a> Resolver<'a> {
    fn violation(&mut self, violation: String) -> Resolved<Object<'a>> {
        self.violations.push(violation.clone());
        Resolved::Failed(violation)
    }
}

impl<'a> Data for Resolver<'a> {
    type Object = Object<'a>;

    fn root(&mut self, root_type: &str) -> Object<'a> {
        Object::Root(root_type.to_owned())
    }

    fn typename<'o>(&'o self, object: &'o Object<'a>) -> &'o str {
        match object {
            Object::Root(name) => name,
            Object::Service => "_Service",
            Object::Tree(tree) => tree.get("__typename").and_then(Value::as_str).unwrap_or_default(),
        }
    }

    fn field(&mut self, object: &Object<'a>, name: &str, arguments: &Map<String, Value>) -> Resolved<Object<'a>> {
        match object {
            Object::Root(_) if name == "_service" => Resolved::Object(Object::Service),
            Object::Root(root_type) => match self.lookup.root(root_type, name, arguments) {
                Ok(value) => resolved(value),
                Err(violation) => self.violation(violation),
            },
            Object::Service => Resolved::Leaf(json!(self.sdl)),
            Object::Tree(tree) => match find_field(tree, name, arguments) {
                Some((_, value)) => resolved(value),
                None => {
                    let typename = self.typename(object);
                    let arguments = Value::Object(arguments.clone());
                    self.violation(format!("no fixture for {typename}.{name} with {arguments}"))
                }
            },
        }
    }

    fn entity(&mut self, representation: &Value) -> Resolved<Object<'a>> {
        match self.lookup.entity(representation) {
            Ok(Some(tree)) => Resolved::Object(Object::Tree(tree)),
            Ok(None) => Resolved::Null,
            Err(violation) => self.violation(violation),
        }
    }
}

/// Objects of the data have a `__typename`; other JSON objects are values of custom scalars.
fn resolved(value: &Value) -> Resolved<Object<'_>> {
    match value {
        Value::Null => Resolved::Null,
        Value::Array(items) => Resolved::List(items.iter().map(resolved).collect()),
        Value::Object(tree) => match tree.get("__error") {
            Some(message) => Resolved::Failed(message.as_str().unwrap_or_default().to_owned()),
            None if tree.contains_key("__typename") => Resolved::Object(Object::Tree(tree)),
            None => Resolved::Leaf(value.clone()),
        },
        leaf => Resolved::Leaf(leaf.clone()),
    }
}
