//! Runs a plan in the simplest way that could be right.

use apollo_compiler::Name;
use federation::query_plan::{
    BooleanCondition, EntityFetch, Fetch, FetchTarget, FieldType, OperationKind, PathElement, PlanNode, QueryPlan,
    Representation, RepresentationInput, ResponseShape, ResponseSource,
};
use serde_json::{Map, Value, json};

use super::subgraph::Subgraph;
use super::world::World;

/// The client's answer.
pub(super) fn run(world: &World<'_>, query_plan: &QueryPlan, variables: &Value) -> Result<Value, String> {
    let mut runner = Runner {
        world,
        variables,
        store: json!({}),
    };
    if let Some(root) = &query_plan.root {
        runner.node(root)?;
    }
    let root_name = world
        .supergraph
        .root_type(query_plan.operation_kind)
        .map(|id| world.name(id));
    let root_name = Name::new(root_name.unwrap()).unwrap();
    let types = (&root_name, std::slice::from_ref(&root_name));
    runner.complete(&runner.store, &query_plan.response, types)
}

/// Variables, and per entry the pointers of the objects that are sent.
type Request = (Map<String, Value>, Vec<Vec<String>>);

struct Runner<'w, 'a> {
    world: &'w World<'a>,
    variables: &'w Value,
    store: Value,
}

impl Runner<'_, '_> {
    fn node(&mut self, node: &PlanNode) -> Result<(), String> {
        match node {
            PlanNode::Sequence(nodes) => nodes.iter().try_for_each(|node| self.node(node)),
            // Backwards, so that no step leans on one at its side.
            PlanNode::Parallel(nodes) => nodes.iter().rev().try_for_each(|node| self.node(node)),
            PlanNode::Fetch(fetch) => self.fetch(fetch),
            PlanNode::Condition {
                variable,
                if_true,
                if_false,
            } => {
                let taken = if self.is(variable) { if_true } else { if_false };
                taken.as_ref().map_or(Ok(()), |node| self.node(node))
            }
            PlanNode::Defer { .. } | PlanNode::Subscription { .. } => Err("several answers".to_owned()),
        }
    }

    fn is(&self, variable: &Name) -> bool {
        self.variables[variable.as_str()] == json!(true)
    }

    fn hold(&self, conditions: &[BooleanCondition]) -> bool {
        conditions
            .iter()
            .all(|condition| self.is(&condition.variable) == condition.value)
    }

    fn fetch(&mut self, fetch: &Fetch) -> Result<(), String> {
        let mut variables = Map::new();
        for name in &fetch.variables {
            variables.insert(name.to_string(), self.variables[name.as_str()].clone());
        }
        let entities = match &fetch.target {
            FetchTarget::Root { path } => {
                let pointers = pointers(&self.store, path);
                let answer = Subgraph::answer(self.world, fetch, Value::Object(variables))?;
                for pointer in pointers {
                    merge(self.store.pointer_mut(&pointer).unwrap(), &answer)?;
                }
                return Ok(());
            }
            FetchTarget::Entities(entities) => entities,
        };
        if fetch.operation_kind != OperationKind::Query {
            return Err("entities of a mutation".to_owned());
        }
        // A request for each combination of values from contexts: slow, and right.
        let mut requests: Vec<Request> = Vec::new();
        for (number, entity) in entities.iter().enumerate() {
            let pointers = if entity.is_sent(|condition| self.hold(std::slice::from_ref(condition))) {
                pointers(&self.store, &entity.path)
            } else {
                Vec::new()
            };
            for pointer in pointers {
                let stored = self.store.pointer(&pointer).unwrap();
                let values = self.context_values(entity, &pointer);
                let (Some(representation), Some(values)) = (represent(stored, &entity.representations)?, values) else {
                    continue;
                };
                let has_values = |(variables, _): &Request| {
                    let mut values = values.iter();
                    values.all(|(name, value)| variables.get(name).is_none_or(|known| known == value))
                };
                let known = requests.iter().position(has_values);
                let index = known.unwrap_or_else(|| {
                    let none = entities.iter().map(|entity| (entity.variable.to_string(), json!([])));
                    requests.push((
                        variables.clone().into_iter().chain(none).collect(),
                        vec![Vec::new(); entities.len()],
                    ));
                    requests.len() - 1
                });
                let (variables, places) = &mut requests[index];
                variables.extend(values);
                variables[entity.variable.as_str()]
                    .as_array_mut()
                    .unwrap()
                    .push(representation);
                places[number].push(pointer);
            }
        }
        for (variables, places) in requests {
            let answer = Subgraph::answer(self.world, fetch, Value::Object(variables))?;
            for (entity, places) in entities.iter().zip(places) {
                let answers = answer[entity.response_name.as_str()].as_array().ok_or("no entities")?;
                for (pointer, answer) in places.iter().zip(answers) {
                    merge(self.store.pointer_mut(pointer).unwrap(), answer)?;
                }
            }
        }
        Ok(())
    }

    /// Values of the context variables for the object at `pointer`; `None`: it must not be sent.
    fn context_values(&self, entity: &EntityFetch, pointer: &str) -> Option<Map<String, Value>> {
        let mut values = Map::new();
        for context in &entity.context_variables {
            let found = context.sources.iter().find_map(|source| {
                let steps = entity.path[..source.depth].iter();
                let steps = steps
                    .filter(|step| !matches!(step, PathElement::TypeCondition(_)))
                    .count();
                let above: String = pointer.split_inclusive('/').take(steps + 1).collect();
                let above = self.store.pointer(above.trim_end_matches('/')).unwrap();
                let is_one = |name: &Name| above.get("__typename") == Some(&json!(name.as_str()));
                let applies = source.runtime_types.is_empty() || source.runtime_types.iter().any(is_one);
                applies.then(|| value_at(above, &source.value))
            });
            let value = found.unwrap_or_default();
            if context.is_non_null && value.is_null() {
                return None;
            }
            values.insert(context.variable.to_string(), value);
        }
        Some(values)
    }

    /// * `types`: name of the static type, and the object types that it may be.
    fn complete(&self, stored: &Value, shape: &ResponseShape, types: (&Name, &[Name])) -> Result<Value, String> {
        let told = || stored.get("__typename").map(|name| name.as_str().unwrap().to_owned());
        let runtime_type = match types {
            (name, [only]) if name == only => Some(only.to_string()),
            (_, [only]) => told().or_else(|| Some(only.to_string())),
            _ => told(),
        };
        let mut answer = Map::new();
        for field in &shape.fields {
            let applies = match &field.runtime_types {
                Some(types) => {
                    let runtime_type = runtime_type.as_ref().ok_or("a runtime type is not known")?;
                    types.iter().any(|name| name.as_str() == runtime_type)
                }
                None => true,
            };
            if !applies || !self.hold(&field.conditions) {
                continue;
            }
            let value = match &field.source {
                ResponseSource::Typename => json!(runtime_type.clone().ok_or("__typename is not known")?),
                ResponseSource::Stored(name) => {
                    let stored = stored
                        .get(name.as_str())
                        .ok_or_else(|| format!("{name} was not fetched: {stored}"))?;
                    self.value(stored, &field.field_type, &field.selection)?
                }
            };
            match answer.get_mut(field.response_name.as_str()) {
                Some(known) => merge(known, &value)?,
                None => {
                    answer.insert(field.response_name.to_string(), value);
                }
            }
        }
        Ok(Value::Object(answer))
    }

    fn value(&self, stored: &Value, field_type: &FieldType, shape: &ResponseShape) -> Result<Value, String> {
        match (field_type, stored) {
            (FieldType::NonNull(_), Value::Null) => Err("null where it must not be".to_owned()),
            (_, Value::Null) => Ok(Value::Null),
            (FieldType::NonNull(inner), _) => self.value(stored, inner, shape),
            (FieldType::List(inner), Value::Array(items)) => {
                items.iter().map(|item| self.value(item, inner, shape)).collect()
            }
            (FieldType::Leaf(_), _) => Ok(stored.clone()),
            (FieldType::Composite { name, possible_types }, Value::Object(_)) => {
                self.complete(stored, shape, (name, possible_types))
            }
            _ => Err(format!("{stored} is of another type")),
        }
    }
}

fn value_at(stored: &Value, path: &[Name]) -> Value {
    match (stored, path.split_first()) {
        (Value::Array(items), _) => items.iter().map(|item| value_at(item, path)).collect(),
        (_, None) => stored.clone(),
        (_, Some((name, rest))) => stored
            .get(name.as_str())
            .map_or(Value::Null, |value| value_at(value, rest)),
    }
}

/// JSON pointers of all objects at a path.
fn pointers(store: &Value, path: &[PathElement]) -> Vec<String> {
    let mut pointers = vec![String::new()];
    for element in path {
        let mut next = Vec::new();
        for pointer in pointers {
            let value = store.pointer(&pointer).unwrap();
            match (element, value) {
                (PathElement::Field(name), Value::Object(object)) if object.contains_key(name.as_str()) => {
                    next.push(format!("{pointer}/{name}"));
                }
                (PathElement::Items, Value::Array(items)) => {
                    next.extend((0..items.len()).map(|index| format!("{pointer}/{index}")));
                }
                (PathElement::TypeCondition(types), Value::Object(object))
                    if types
                        .iter()
                        .any(|name| object.get("__typename") == Some(&json!(name.as_str()))) =>
                {
                    next.push(pointer);
                }
                _ => {}
            }
        }
        pointers = next;
    }
    pointers.retain(|pointer| store.pointer(pointer).is_some_and(Value::is_object));
    pointers
}

fn represent(stored: &Value, representations: &[Representation]) -> Result<Option<Value>, String> {
    let applies = |representation: &&Representation| {
        representation.runtime_types.is_empty()
            || representation
                .runtime_types
                .iter()
                .any(|name| stored.get("__typename") == Some(&json!(name.as_str())))
    };
    let Some(representation) = representations.iter().find(applies) else {
        return Ok(None);
    };
    let typename = match &representation.typename {
        Some(name) => json!(name.as_str()),
        None => stored.get("__typename").ok_or("no __typename is stored")?.clone(),
    };
    let mut sent = Map::new();
    sent.insert("__typename".to_owned(), typename);
    if !add_inputs(&mut sent, stored, &representation.inputs) {
        return Ok(None);
    }
    Ok(Some(Value::Object(sent)))
}

/// False when a key is absent.
fn add_inputs(sent: &mut Map<String, Value>, stored: &Value, inputs: &[RepresentationInput]) -> bool {
    for input in inputs {
        let applies = input.runtime_types.is_empty()
            || input
                .runtime_types
                .iter()
                .any(|name| stored.get("__typename") == Some(&json!(name.as_str())));
        if !applies {
            continue;
        }
        match stored.get(input.storage_name.as_str()) {
            Some(value) => match self_input(value, input) {
                Some(value) => {
                    sent.insert(input.name.to_string(), value);
                }
                None => return false,
            },
            None if input.is_key => return false,
            None => {
                sent.insert(input.name.to_string(), Value::Null);
            }
        }
    }
    true
}

fn self_input(value: &Value, input: &RepresentationInput) -> Option<Value> {
    match value {
        Value::Object(_) if !input.inputs.is_empty() => {
            let mut sent = Map::new();
            add_inputs(&mut sent, value, &input.inputs).then_some(Value::Object(sent))
        }
        Value::Array(items) => items.iter().map(|item| self_input(item, input)).collect(),
        _ => Some(value.clone()),
    }
}

fn merge(known: &mut Value, added: &Value) -> Result<(), String> {
    match (known, added) {
        (Value::Object(known), Value::Object(added)) => {
            for (name, value) in added {
                match known.get_mut(name) {
                    Some(known) => merge(known, value)?,
                    None => {
                        known.insert(name.clone(), value.clone());
                    }
                }
            }
            Ok(())
        }
        (Value::Array(known), Value::Array(added)) if known.len() == added.len() => known
            .iter_mut()
            .zip(added)
            .try_for_each(|(known, added)| merge(known, added)),
        (known, added) if known == added => Ok(()),
        (known, added) => Err(format!("{known} is stored already, not {added}")),
    }
}
