//! The world: objects, and the value of each of their fields.

use std::hash::{Hash, Hasher};

use apollo_compiler::ast::{Argument, Type, Value as Literal};
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::{Name, Node};
use federation::field_set::{FieldSet, FieldSetSelection};
use federation::operation::Operation;
use federation::supergraph::{Supergraph, TypeId, TypeKind};
use indexmap::IndexMap;
use rustc_hash::FxHasher;
use serde_json::{Map, Value, json};

/// How many objects of each type there are.
pub(super) const OBJECTS: u64 = 4;

/// One object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) type_id: TypeId,
    pub(super) number: u64,
}

/// The value of a field.
pub(super) enum Resolved {
    Leaf(Value),
    Object(Object),
    List(Vec<Resolved>),
    Null,
}

pub(super) struct World<'a> {
    pub(super) supergraph: &'a Supergraph,
}

impl<'a> World<'a> {
    pub(super) fn new(supergraph: &'a Supergraph) -> Self {
        Self { supergraph }
    }

    pub(super) fn name(&self, id: TypeId) -> &'a str {
        &self.supergraph.type_definition(id).name
    }

    /// * `arguments`: as JSON, variables replaced.
    pub(super) fn resolve(&self, object: Object, field: &str, arguments: &Value) -> Resolved {
        let definition = &self.supergraph.type_definition(object.type_id).fields[field];
        let mut hasher = FxHasher::default();
        (self.name(object.type_id), object.number, field, arguments.to_string()).hash(&mut hasher);
        let dice = hasher.finish() >> 7;
        let resolvers: Vec<TypeId> = self.types_of(object.type_id, field);
        self.value(&definition.field_type, dice, &resolvers, &|| {
            format!("{}.{field}{arguments}@{}", self.name(object.type_id), object.number)
        })
    }

    /// Types that every subgraph which resolves the field may return.
    fn types_of(&self, type_id: TypeId, field: &str) -> Vec<TypeId> {
        let definition = &self.supergraph.type_definition(type_id).fields[field];
        let Some(declared) = self.supergraph.type_id(definition.field_type.inner_named_type()) else {
            return Vec::new();
        };
        let mut types = self.supergraph.type_definition(declared).possible_types.clone();
        let visible = |id: &TypeId| !self.supergraph.type_definition(*id).is_inaccessible;
        types.retain(visible);
        for join in &definition.joins {
            let inner = join
                .field_type
                .as_ref()
                .unwrap_or(&definition.field_type)
                .inner_named_type();
            let inner = self
                .supergraph
                .type_id(inner)
                .map(|id| self.supergraph.type_definition(id));
            if let Some(known) = inner
                .and_then(|inner| inner.join(join.subgraph))
                .filter(|known| !known.is_interface_object)
            {
                types.retain(|id| known.possible_types.contains(id));
            }
        }
        types
    }

    fn value(&self, field_type: &Type, dice: u64, types: &[TypeId], text: &dyn Fn() -> String) -> Resolved {
        if !field_type.is_non_null() && dice % 11 == 3 {
            return Resolved::Null;
        }
        if field_type.is_list() {
            let items = (0..2).map(|index| self.value(field_type.item_type(), dice / 11 + index, types, text));
            return Resolved::List(items.collect());
        }
        let name = field_type.inner_named_type();
        let definition = self
            .supergraph
            .type_id(name)
            .map(|id| self.supergraph.type_definition(id));
        match (name.as_str(), definition) {
            ("Int", _) => Resolved::Leaf(json!(dice % 1000)),
            ("Float", _) => Resolved::Leaf(json!((dice % 1000) as f64 + 0.5)),
            ("Boolean", _) => Resolved::Leaf(json!(dice.is_multiple_of(2))),
            (_, Some(definition)) if definition.kind == TypeKind::Enum => {
                let values = &definition.enum_values;
                Resolved::Leaf(json!(values[(dice as usize / 3) % values.len()].as_str()))
            }
            (_, Some(definition)) if definition.kind.is_composite() => match types {
                [] => Resolved::Null,
                types => Resolved::Object(Object {
                    type_id: types[(dice as usize / 5) % types.len()],
                    number: if self.is_root(types[0]) {
                        0
                    } else {
                        (dice / 17) % OBJECTS
                    },
                }),
            },
            _ => Resolved::Leaf(json!(text())),
        }
    }

    fn is_root(&self, id: TypeId) -> bool {
        ["Query", "Mutation"].contains(&self.name(id))
    }

    /// The objects that may be meant by `type_id`, which may be an interface.
    pub(super) fn objects(&self, type_id: TypeId) -> Vec<Object> {
        let types = &self.supergraph.type_definition(type_id).possible_types;
        let objects = types.iter().flat_map(|type_id| {
            (0..OBJECTS).map(|number| Object {
                type_id: *type_id,
                number,
            })
        });
        objects.collect()
    }

    /// Adds the arguments of a field that come from contexts, which the nearest of `above` gives that sets them.
    fn fill(&self, object: Object, field: &str, above: &[Object], given: Value) -> Value {
        let definition = &self.supergraph.type_definition(object.type_id).fields[field];
        let Value::Object(given) = given else { return given };
        let mut given: Vec<(String, Value)> = given.into_iter().collect();
        for argument in definition.joins.iter().flat_map(|join| join.context_arguments.iter()) {
            let sets = |object: &&Object| {
                let contexts = &self.supergraph.type_definition(object.type_id).contexts;
                contexts.contains(&argument.context)
            };
            let value = above.iter().rev().find(sets);
            let value = value.map_or(Value::Null, |object| self.select(*object, &argument.selection));
            given.push((argument.name.to_string(), value));
        }
        given.sort_by(|left, right| left.0.cmp(&right.0));
        Value::Object(given.into_iter().collect())
    }

    /// The one leaf that a context selects of an object.
    fn select(&self, object: Object, selection: &FieldSet) -> Value {
        for selection in &selection.selections {
            match selection {
                FieldSetSelection::Field(field) => {
                    let resolved = self.resolve(object, &field.name, &json!({}));
                    return self.select_in(resolved, &field.selections);
                }
                FieldSetSelection::InlineFragment {
                    type_condition,
                    selections,
                } => {
                    if type_condition.as_ref().is_none_or(|name| self.is_a(object, name)) {
                        return self.select(object, selections);
                    }
                }
            }
        }
        Value::Null
    }

    fn select_in(&self, resolved: Resolved, selection: &FieldSet) -> Value {
        match resolved {
            Resolved::Leaf(value) => value,
            Resolved::Null => Value::Null,
            Resolved::Object(object) => self.select(object, selection),
            Resolved::List(items) => items.into_iter().map(|item| self.select_in(item, selection)).collect(),
        }
    }

    fn is_a(&self, object: Object, name: &Name) -> bool {
        let id = self.supergraph.type_id(name).unwrap();
        let possible_types = &self.supergraph.type_definition(id).possible_types;
        possible_types.contains(&object.type_id)
    }

    /// What a router that knows everything would answer.
    pub(super) fn answer(&self, operation: &Operation, variables: &Value) -> Value {
        let root = self.supergraph.root_type(operation.kind()).unwrap();
        let root = Object {
            type_id: root,
            number: 0,
        };
        let answer = Answer {
            world: self,
            operation,
            variables,
        };
        answer.object(root, &[&operation.definition().selection_set], &[])
    }
}

/// Arguments as JSON.
pub(super) fn arguments(arguments: &[Node<Argument>], variables: &Value) -> Value {
    let mut object: Vec<(&Name, Value)> = arguments
        .iter()
        .map(|argument| (&argument.name, literal(&argument.value, variables)))
        .collect();
    object.sort_by(|left, right| left.0.cmp(right.0));
    Value::Object(
        object
            .into_iter()
            .map(|(name, value)| (name.to_string(), value))
            .collect(),
    )
}

fn literal(value: &Literal, variables: &Value) -> Value {
    match value {
        Literal::Null => Value::Null,
        Literal::Enum(name) => json!(name.as_str()),
        Literal::Variable(name) => variables[name.as_str()].clone(),
        Literal::String(text) => json!(text),
        Literal::Float(number) => json!(number.as_str()),
        Literal::Int(number) => json!(number.as_str()),
        Literal::Boolean(value) => json!(value),
        Literal::List(items) => items.iter().map(|item| literal(item, variables)).collect(),
        Literal::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| (name.to_string(), literal(field, variables)))
                .collect(),
        ),
    }
}

struct Answer<'w, 'a> {
    world: &'w World<'a>,
    operation: &'w Operation,
    variables: &'w Value,
}

impl<'w> Answer<'w, '_> {
    fn object(&self, object: Object, selections: &[&'w SelectionSet], above: &[Object]) -> Value {
        let mut fields: IndexMap<&Name, Vec<&Field>> = IndexMap::new();
        for selection_set in selections {
            self.collect(object, selection_set, &mut fields);
        }
        let mut answer = Map::new();
        for (response_name, fields) in fields {
            let value = if fields[0].name == "__typename" {
                json!(self.world.name(object.type_id))
            } else {
                let arguments = arguments(&fields[0].arguments, self.variables);
                let arguments = self.world.fill(object, &fields[0].name, above, arguments);
                let selections: Vec<&SelectionSet> = fields.iter().map(|field| &field.selection_set).collect();
                let resolved = self.world.resolve(object, &fields[0].name, &arguments);
                let above: Vec<Object> = above.iter().copied().chain([object]).collect();
                self.value(resolved, &selections, &above)
            };
            answer.insert(response_name.to_string(), value);
        }
        Value::Object(answer)
    }

    fn collect(
        &self,
        object: Object,
        selection_set: &'w SelectionSet,
        fields: &mut IndexMap<&'w Name, Vec<&'w Field>>,
    ) {
        for selection in &selection_set.selections {
            if !is_selected(selection.directives(), self.variables) {
                continue;
            }
            match selection {
                Selection::Field(field) => fields.entry(field.response_key()).or_default().push(field),
                Selection::InlineFragment(fragment) => {
                    let applies = fragment
                        .type_condition
                        .as_ref()
                        .is_none_or(|name| self.world.is_a(object, name));
                    if applies {
                        self.collect(object, &fragment.selection_set, fields);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = &self.operation.document().fragments[&spread.fragment_name];
                    if self.world.is_a(object, fragment.type_condition()) {
                        self.collect(object, &fragment.selection_set, fields);
                    }
                }
            }
        }
    }

    fn value(&self, resolved: Resolved, selections: &[&'w SelectionSet], above: &[Object]) -> Value {
        match resolved {
            Resolved::Leaf(value) => value,
            Resolved::Null => Value::Null,
            Resolved::Object(object) => self.object(object, selections, above),
            Resolved::List(items) => items
                .into_iter()
                .map(|item| self.value(item, selections, above))
                .collect(),
        }
    }
}

/// `@skip` and `@include`.
pub(super) fn is_selected(directives: &apollo_compiler::ast::DirectiveList, variables: &Value) -> bool {
    let given = |name: &str| {
        let directive = directives.get(name)?;
        Some(literal(directive.specified_argument_by_name("if")?, variables) == json!(true))
    };
    given("skip") != Some(true) && given("include") != Some(false)
}
