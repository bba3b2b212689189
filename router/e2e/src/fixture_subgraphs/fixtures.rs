//! The resolvers of a suite as data (`fixtures.json`): root fields, entities, and the order in which mutations must come.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Map, Value};

/// `fixtures.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Fixtures {
    subgraphs: HashMap<String, SubgraphFixtures>,
    /// Calls of root fields that must come in this order: subgraph and call.
    #[serde(default)]
    ordered: Vec<(String, String)>,
    /// Of each group, one call in all.
    #[serde(default)]
    once: Vec<Vec<(String, String)>>,
    /// Subgraph and type: an entity resolves once, then is null until the next root field.
    #[serde(default)]
    entity_once: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
struct SubgraphFixtures {
    root: Map<String, Value>,
    entities: Vec<EntityFixture>,
}

#[derive(Debug, Deserialize)]
struct EntityFixture {
    representation: Value,
    result: Value,
}

/// How far a stateful suite has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    ordered: usize,
    once: HashSet<usize>,
    resolved: HashSet<(String, String)>,
}

/// The data of one subgraph.
pub(super) struct Lookup<'a> {
    fixtures: &'a Fixtures,
    progress: &'a mut Progress,
    subgraph: &'a str,
}

impl Fixtures {
    pub(super) fn subgraph<'a>(&'a self, subgraph: &'a str, progress: &'a mut Progress) -> Lookup<'a> {
        Lookup {
            fixtures: self,
            progress,
            subgraph,
        }
    }
}

impl<'a> Lookup<'a> {
    /// The value of a root field; an error says what is wrong with asking for it.
    pub(super) fn root(
        &mut self,
        type_name: &str,
        field: &str,
        arguments: &Map<String, Value>,
    ) -> Result<&'a Value, String> {
        let fixtures = self.fixtures;
        let name = format!("{type_name}.{field}");
        let hole = || format!("no fixture for {name} with {}", Value::Object(arguments.clone()));
        let root = &fixtures.subgraphs.get(self.subgraph).ok_or_else(hole)?.root;
        let (call, value) = find_field(root, &name, arguments).ok_or_else(hole)?;
        self.progress.resolved.clear();
        let is_call = |(subgraph, known): &(String, String)| subgraph == self.subgraph && known == call;
        if fixtures.ordered.iter().any(is_call) {
            if !fixtures.ordered.get(self.progress.ordered).is_some_and(is_call) {
                return Err(format!("{call} comes out of order"));
            }
            self.progress.ordered += 1;
        }
        for (number, group) in fixtures.once.iter().enumerate() {
            if group.iter().any(is_call) && !self.progress.once.insert(number) {
                return Err(format!("{call} comes a second time"));
            }
        }
        Ok(value)
    }

    /// The entity of a representation. `Ok(None)`: there is none. An error: the data does not know the representation.
    pub(super) fn entity(&mut self, representation: &Value) -> Result<Option<&'a Map<String, Value>>, String> {
        let fixtures = self.fixtures;
        let typename = representation
            .get("__typename")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let once = (self.subgraph.to_owned(), typename.to_owned());
        if fixtures.entity_once.contains(&once)
            && !self
                .progress
                .resolved
                .insert((self.subgraph.to_owned(), representation.to_string()))
        {
            return Ok(None);
        }
        let entities = fixtures
            .subgraphs
            .get(self.subgraph)
            .map(|subgraph| subgraph.entities.as_slice());
        let candidates = entities.unwrap_or_default().iter().filter(|entity| {
            entity.representation.get("__typename").and_then(Value::as_str) == Some(typename)
                && is_subset(&entity.representation, representation)
        });
        // The exact one has the most leaves of all subsets.
        let best = candidates.max_by_key(|entity| leaves(&entity.representation));
        let best = best.ok_or_else(|| format!("no fixture for the entity {representation}"))?;
        Ok(best.result.as_object())
    }
}

/// The entry of `tree` for a field: `name`, or `name({…})` with equal arguments.
pub(super) fn find_field<'a>(
    tree: &'a Map<String, Value>,
    name: &str,
    arguments: &Map<String, Value>,
) -> Option<(&'a str, &'a Value)> {
    if arguments.is_empty() {
        return tree.get_key_value(name).map(|(call, value)| (call.as_str(), value));
    }
    let calls = tree.iter().filter_map(|(call, value)| {
        let json = call.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?;
        Some((
            call.as_str(),
            value,
            serde_json::from_str::<Map<String, Value>>(json).ok()?,
        ))
    });
    let mut calls =
        calls.filter(|(_, _, known)| equal(&Value::Object(known.clone()), &Value::Object(arguments.clone())));
    calls.next().map(|(call, value, _)| (call, value))
}

/// Equal as JSON: numbers by value, objects in any order.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, left)| right.get(name).is_some_and(|right| equal(left, right)))
        }
        _ => left == right,
    }
}

fn is_subset(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|whole| is_subset(part, whole))),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_subset(part, whole))
        }
        _ => equal(part, whole),
    }
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.values().map(leaves).sum(),
        Value::Array(items) => items.iter().map(leaves).sum(),
        _ => 1,
    }
}
