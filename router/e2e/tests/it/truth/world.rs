//! The data of a graph: every field of every object, as a function of what it depends on.
//!
//! A value depends on the object, the field, its arguments, for `@requires` on what is required, and for mutations on the
//! ones before. So whoever asks for the wrong thing, or with the wrong inputs, gets another value.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use super::dice::{hash, mix};
use super::graph::{FieldDef, FieldSet, Graph, Kind, Selected, SubgraphId, Subgraphs, Ty};
use super::layout::{Declared, SubgraphLayout, is_member};
use e2e::interpreter::{NULL_OF_NON_NULL, Resolved};

/// How many objects of each type there are.
pub(super) const OBJECTS: u64 = 4;

/// One object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Object<'g> {
    pub(super) type_name: &'g str,
    pub(super) number: u64,
}

pub(super) struct World {
    pub(super) graph: Graph,
    pub(super) layouts: Vec<SubgraphLayout>,
    /// By type and field: which objects may be its value, and which enum values; not all subgraphs know all.
    ranges: HashMap<(String, String), Range>,
    /// Fields that are part of a key: other objects have other values.
    identities: HashMap<String, Vec<String>>,
    /// Worlds of other salts have other values.
    salt: AtomicU64,
}

#[derive(Debug, Default)]
struct Range {
    objects: Vec<(String, u64)>,
    enum_values: Vec<String>,
}

impl World {
    pub(super) fn new(graph: Graph, layouts: Vec<SubgraphLayout>) -> Self {
        let mut world = Self {
            graph,
            layouts,
            ranges: HashMap::new(),
            identities: HashMap::new(),
            salt: AtomicU64::new(0),
        };
        for (name, definition) in &world.graph.types {
            if let Kind::Entity(entity) = &definition.kind {
                let fields = entity
                    .keys
                    .iter()
                    .flat_map(|key| &key.fields)
                    .filter_map(|selected| match selected {
                        Selected::Field { name, .. } => Some(name.clone()),
                        Selected::On(..) => None,
                    });
                world.identities.insert(name.clone(), fields.collect());
            }
        }
        let mut ranges = HashMap::new();
        for (name, definition) in &world.graph.types {
            for (field, definition) in &definition.fields {
                ranges.insert((name.clone(), field.clone()), world.range(name, field, definition));
            }
            if let Kind::Interface(interface) = &definition.kind {
                for (field, definition) in &interface.object_fields {
                    ranges.insert((name.clone(), field.clone()), world.range(name, field, definition));
                }
            }
        }
        world.ranges = ranges;
        world
    }

    pub(super) fn set_salt(&self, salt: u64) {
        self.salt.store(salt, Ordering::Relaxed);
    }

    /// Whether there is any value for a field, whose type may be one of objects, that all who resolve it know.
    pub(super) fn has_values(&self, type_name: &str, name: &str) -> bool {
        let Some((owner, field)) = self.graph.field(type_name, name) else {
            return false;
        };
        let range = &self.ranges[&(owner.to_owned(), name.to_owned())];
        !self.graph.is_composite(field.ty.base()) || !range.objects.is_empty()
    }

    /// What every subgraph that resolves the field may answer.
    fn range(&self, type_name: &str, name: &str, field: &FieldDef) -> Range {
        let base = field.ty.base();
        let resolvers: Vec<SubgraphId> = (0..self.graph.subgraphs)
            .filter(|subgraph| {
                let declared = self.layouts[*subgraph].declared(type_name, name);
                matches!(declared, Some(Declared::Resolved | Declared::Provided))
            })
            .collect();
        let is_possible = |object: &str, number: u64| {
            resolvers.iter().all(|subgraph| {
                let is_object = self
                    .graph
                    .interface(base)
                    .is_some_and(|known| known.object_in.has(*subgraph));
                let is_unknown = self
                    .graph
                    .entity(object)
                    .is_some_and(|known| known.unknown == Some((*subgraph, number)));
                !is_unknown && (is_object || object == base || is_member(&self.graph, base, object, *subgraph))
            })
        };
        let objects = self.graph.objects(base).into_iter();
        let objects = objects.flat_map(|object| (0..OBJECTS).map(move |number| (object.to_owned(), number)));
        let knows = |known: &Subgraphs| resolvers.iter().all(|subgraph| known.has(*subgraph));
        let enum_values = match self.graph.types.get(base).map(|definition| &definition.kind) {
            Some(Kind::Enum { values, .. }) => values
                .iter()
                .filter(|(_, known)| knows(known))
                .map(|(value, _)| value.clone())
                .collect(),
            _ => Vec::new(),
        };
        Range {
            objects: objects
                .filter(|(object, number)| is_possible(object, *number))
                .collect(),
            enum_values,
        }
    }

    /// The value of a field.
    ///
    /// * `inputs`: what is required, as JSON.
    /// * `calls`: mutations so far.
    pub(super) fn resolve<'g>(
        &'g self,
        object: Object<'_>,
        name: &str,
        arguments: &Map<String, Value>,
        (inputs, calls): (Option<&Value>, &[String]),
    ) -> Resolved<Object<'g>> {
        let Some((owner, field)) = self.graph.field(object.type_name, name) else {
            return Resolved::Failed(format!("{}.{name} does not exist", object.type_name));
        };
        if let Some(value) = self.identity(object, name, field) {
            return value;
        }
        if self.is_unknown(object, field) {
            return Resolved::Null;
        }
        let mut text = format!(
            "{}.{name}@{}{}",
            object.type_name,
            object.number,
            Value::Object(sorted(arguments))
        );
        if let Some(inputs) = inputs {
            text.push_str(&inputs.to_string());
        }
        calls.iter().for_each(|call| text.push_str(call));
        let seed = mix(hash(&text) ^ self.salt.load(Ordering::Relaxed));
        if field.fails && seed % 7 == 3 {
            return Resolved::Failed(format!("{text} fails"));
        }
        let range = &self.ranges[&(owner.to_owned(), name.to_owned())];
        self.value(&field.ty, seed, range, &|| {
            let inputs = inputs.map(|inputs| format!(" of {inputs}")).unwrap_or_default();
            format!(
                "{}.{name}@{}#{:04x}{inputs}\"é",
                object.type_name,
                object.number,
                seed & 0xFFFF
            )
        })
    }

    /// Of fields that are part of a key.
    fn identity<'g>(&'g self, object: Object<'_>, name: &str, field: &'g FieldDef) -> Option<Resolved<Object<'g>>> {
        if !self.identities.get(object.type_name)?.iter().any(|key| key == name) {
            return None;
        }
        let is_unknown =
            |entity: &super::graph::Entity| entity.unknown.is_some_and(|(_, number)| number == object.number);
        if !field.ty.is_non_null() && self.graph.entity(object.type_name).is_some_and(is_unknown) {
            return Some(Resolved::Null);
        }
        Some(match field.ty.base() {
            "Int" => Resolved::Leaf(json!(
                hash(&format!("{}.{name}", object.type_name)) % 10_000 * 8 + object.number
            )),
            "ID" | "String" => Resolved::Leaf(json!(format!("{}.{name}:{}", object.type_name, object.number))),
            composite => {
                let (type_name, _) = self.graph.types.get_key_value(composite)?;
                let number = if self.graph.entity(composite).is_some() {
                    object.number
                } else {
                    100 + object.number
                };
                Resolved::Object(Object { type_name, number })
            }
        })
    }

    /// Whether nobody who resolves the field knows the object.
    fn is_unknown(&self, object: Object<'_>, field: &FieldDef) -> bool {
        let unknown = self.graph.entity(object.type_name).and_then(|entity| entity.unknown);
        unknown.is_some_and(|(subgraph, number)| {
            number == object.number
                && !field.places.is_empty()
                && field.places.iter().all(|place| place.subgraph == subgraph)
        })
    }

    fn value<'g>(&'g self, ty: &Ty, seed: u64, range: &'g Range, text: &dyn Fn() -> String) -> Resolved<Object<'g>> {
        match ty {
            Ty::NonNull(inner) => match &**inner {
                Ty::List(item) => self.list(item, seed, range, text),
                named => self.named(named.base(), seed, range, text),
            },
            _ if mix(seed).is_multiple_of(9) => Resolved::Null,
            Ty::List(item) => self.list(item, seed, range, text),
            Ty::Named(name) => self.named(name, seed, range, text),
        }
    }

    fn list<'g>(&'g self, item: &Ty, seed: u64, range: &'g Range, text: &dyn Fn() -> String) -> Resolved<Object<'g>> {
        let length = [2, 3, 1, 0, 2][(seed % 5) as usize];
        Resolved::List(
            (0..length)
                .map(|index| self.value(item, mix(seed ^ (index + 1)), range, text))
                .collect(),
        )
    }

    fn named<'g>(&'g self, name: &str, seed: u64, range: &'g Range, text: &dyn Fn() -> String) -> Resolved<Object<'g>> {
        let dice = seed >> 5;
        if self.graph.is_composite(name) {
            return match range.objects.as_slice() {
                [] => Resolved::Null,
                objects => {
                    let (type_name, number) = &objects[dice as usize % objects.len()];
                    Resolved::Object(Object {
                        type_name,
                        number: *number,
                    })
                }
            };
        }
        Resolved::Leaf(match name {
            "Int" => json!(dice as i32),
            "Float" => json!((dice % 4096) as f64 / 8.0 + 0.0625),
            "Boolean" => json!(dice.is_multiple_of(2)),
            "ID" | "String" => json!(text()),
            _ if !range.enum_values.is_empty() => json!(range.enum_values[dice as usize % range.enum_values.len()]),
            _ => match dice % 4 {
                0 => json!({ "id": [text(), null, 1], "__typename": { "a\"b": dice % 100 } }),
                1 => json!([dice % 100, 1.5, "x"]),
                2 => json!(dice % 100),
                _ => json!(text()),
            },
        })
    }

    /// What `field_set`, a key, selects of an object, as JSON.
    pub(super) fn project(&self, object: Object<'_>, field_set: &FieldSet) -> Value {
        let mut projection = Projection::new(self);
        projection.object(object, field_set).map_or(Value::Null, Value::Object)
    }

    /// What the field requires of the object, if it requires anything.
    pub(super) fn inputs(&self, object: Object<'_>, name: &str) -> Option<Inputs> {
        let (_, field) = self.graph.field(object.type_name, name)?;
        let place = field.places.iter().find(|place| !place.requires.is_empty())?;
        let mut projection = Projection::new(self);
        let value = projection.object(object, &place.requires);
        let failures = projection.failures;
        Some(Inputs {
            value: value.map(Value::Object).ok_or_else(|| NULL_OF_NON_NULL.to_owned()),
            failures,
        })
    }

    /// The value of a field, with what it requires looked up. `calls`: mutations so far.
    pub(super) fn value_of<'g>(
        &'g self,
        object: Object<'_>,
        name: &str,
        (arguments, calls): (&Map<String, Value>, &[String]),
    ) -> Resolved<Object<'g>> {
        match self.inputs(object, name).map(|inputs| inputs.value).transpose() {
            Ok(inputs) => self.resolve(object, name, arguments, (inputs.as_ref(), calls)),
            Err(failure) => Resolved::Failed(failure),
        }
    }

    fn with_defaults(&self, object: Object<'_>, name: &str, given: &Map<String, Value>) -> Map<String, Value> {
        let mut arguments = given.clone();
        if let Some((_, field)) = self.graph.field(object.type_name, name) {
            for (name, input) in &field.arguments {
                if let Some(default) = &input.default {
                    arguments.entry(name).or_insert_with(|| default.clone());
                }
            }
        }
        arguments
    }

    /// Whether objects of `type_name` may stand where `condition` does.
    pub(super) fn is_a(&self, type_name: &str, condition: &str) -> bool {
        type_name == condition || self.graph.objects(condition).contains(&type_name)
    }
}

/// What a field requires.
pub(super) struct Inputs {
    /// Or why the object is null for the subgraph which has these fields, so that there is nothing to send: of fields that fail,
    /// see `spare_required_fields`.
    pub(super) value: Result<Value, String>,
    /// Messages of everything in it that fails.
    pub(super) failures: Vec<String>,
}

/// The reading of a field set, as the subgraphs that have its fields complete them.
struct Projection<'w> {
    world: &'w World,
    failures: Vec<String>,
}

impl<'w> Projection<'w> {
    fn new(world: &'w World) -> Self {
        Self {
            world,
            failures: Vec::new(),
        }
    }

    /// `None`: a null that must not be makes the object null.
    fn object(&mut self, object: Object<'_>, field_set: &FieldSet) -> Option<Map<String, Value>> {
        let mut fields = Some(Map::new());
        self.fields(&mut fields, object, field_set);
        fields
    }

    fn fields(&mut self, fields: &mut Option<Map<String, Value>>, object: Object<'_>, field_set: &FieldSet) {
        let world = self.world;
        for selected in field_set {
            match selected {
                Selected::Field { name, arguments, below } => {
                    let arguments = world.with_defaults(object, name, arguments);
                    let value = world.value_of(object, name, (&arguments, &[]));
                    let inputs = world.inputs(object, name);
                    self.failures
                        .extend(inputs.into_iter().flat_map(|inputs| inputs.failures));
                    let Some((_, field)) = world.graph.field(object.type_name, name) else {
                        continue;
                    };
                    let value = self.value(&value, &field.ty, below);
                    *fields = fields.take().zip(value).map(|(mut fields, value)| {
                        fields.insert(name.clone(), value);
                        fields
                    });
                }
                Selected::On(name, below) => {
                    if world.is_a(object.type_name, name) {
                        self.fields(fields, object, below);
                    }
                }
            }
        }
    }

    /// Source: "CompleteValue".
    fn value(&mut self, value: &Resolved<Object<'_>>, ty: &Ty, below: &FieldSet) -> Option<Value> {
        let (nullable, is_non_null) = match ty {
            Ty::NonNull(inner) => (&**inner, true),
            nullable => (nullable, false),
        };
        let completed = match (value, nullable) {
            (Resolved::Failed(message), _) => {
                self.failures.push(message.clone());
                None
            }
            (Resolved::Null, _) => {
                if is_non_null {
                    self.failures.push(NULL_OF_NON_NULL.to_owned());
                }
                None
            }
            (Resolved::Leaf(leaf), _) => Some(leaf.clone()),
            (Resolved::List(items), Ty::List(item)) => {
                let items: Vec<Option<Value>> = items.iter().map(|value| self.value(value, item, below)).collect();
                items.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
            }
            (Resolved::List(_), _) => None,
            (Resolved::Object(object), _) => self.object(*object, below).map(Value::Object),
        };
        match completed {
            None if is_non_null => None,
            completed => Some(completed.unwrap_or_default()),
        }
    }
}

fn sorted(arguments: &Map<String, Value>) -> Map<String, Value> {
    let mut entries: Vec<(&String, &Value)> = arguments.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries
        .into_iter()
        .map(|(name, value)| (name.clone(), sorted_value(value)))
        .collect()
}

fn sorted_value(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(sorted(fields)),
        Value::Array(items) => items.iter().map(sorted_value).collect(),
        leaf => leaf.clone(),
    }
}
