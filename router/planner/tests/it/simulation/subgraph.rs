//! A subgraph that sees the world through its part of the supergraph.

use apollo_compiler::Name;
use apollo_compiler::ast::{Definition, Document, Field, OperationDefinition, Selection};
use federation::field_set::{FieldSet, FieldSetSelection};
use federation::query_graph::NodeId;
use federation::query_plan::{Fetch, OperationKind};
use federation::supergraph::{ActiveLabels, SubgraphId, TypeId};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::world::{Object, Resolved, World, arguments, is_selected};

pub(super) struct Subgraph<'w, 'a> {
    world: &'w World<'a>,
    id: SubgraphId,
    variables: Value,
}

/// Where an object is seen from, and what was sent of it.
#[derive(Clone, Copy)]
struct Seen<'r> {
    object: Object,
    node: NodeId,
    representation: Option<&'r Value>,
}

impl<'w, 'a> Subgraph<'w, 'a> {
    /// Answers a fetch.
    ///
    /// * `variables`: the client's that the fetch names, and the representations.
    pub(super) fn answer(world: &'w World<'a>, fetch: &Fetch, variables: Value) -> Result<Value, String> {
        let index = world
            .supergraph
            .subgraphs()
            .iter()
            .position(|subgraph| subgraph.name == fetch.subgraph);
        let id = SubgraphId(index.ok_or("no such subgraph")? as u32);
        let subgraph = Self { world, id, variables };
        let document = Document::parse(fetch.document.as_ref(), "fetch.graphql").map_err(|error| error.to_string())?;
        let [Definition::OperationDefinition(operation)] = document.definitions.as_slice() else {
            return Err("not one operation".to_owned());
        };
        subgraph.check_variables(operation)?;
        let answer = subgraph.operation(operation, fetch.operation_kind);
        answer.map_err(|error| format!("{} answers `{}`: {error}", fetch.subgraph, fetch.document))
    }

    fn check_variables(&self, operation: &OperationDefinition) -> Result<(), String> {
        let text = operation
            .selection_set
            .iter()
            .map(ToString::to_string)
            .collect::<String>();
        for variable in &operation.variables {
            if !text.contains(&format!("${}", variable.name)) {
                return Err(format!("${} is not used", variable.name));
            }
        }
        Ok(())
    }

    fn operation(&self, operation: &OperationDefinition, kind: OperationKind) -> Result<Value, String> {
        let mut answer = Map::new();
        let root = self.world.supergraph.root_type(kind).ok_or("no root")?;
        for selection in &operation.selection_set {
            if let Selection::Field(field) = selection
                && field.name == "_entities"
            {
                answer.insert(field.response_name().to_string(), self.entities(field)?);
            }
        }
        if answer.is_empty() {
            let node = self
                .world
                .supergraph
                .query_graph()
                .node_of(self.id, root)
                .ok_or("no root node")?;
            let seen = Seen {
                object: Object {
                    type_id: root,
                    number: 0,
                },
                node,
                representation: None,
            };
            return self.object(seen, &[(root, &operation.selection_set)]);
        }
        Ok(Value::Object(answer))
    }

    fn entities(&self, field: &Field) -> Result<Value, String> {
        let variable = field.arguments[0]
            .value
            .as_variable()
            .ok_or("representations are no variable")?;
        let representations = self.variables[variable.as_str()]
            .as_array()
            .ok_or("no representations")?;
        let entities = representations
            .iter()
            .map(|representation| self.entity(field, representation));
        entities.collect()
    }

    fn entity(&self, field: &Field, representation: &Value) -> Result<Value, String> {
        let graph = self.world.supergraph.query_graph();
        let typename = representation["__typename"]
            .as_str()
            .ok_or("a representation without __typename")?;
        let type_id = self.world.supergraph.type_id(typename).ok_or("an unknown type")?;
        let node = graph
            .node_of(self.id, type_id)
            .ok_or_else(|| format!("{typename} is not known here"))?;
        let join = self
            .world
            .supergraph
            .type_definition(type_id)
            .join(self.id)
            .ok_or("no join")?;
        let keys = join.keys.iter().filter(|key| key.is_resolvable);
        let mut found: Vec<Object> = Vec::new();
        for key in keys {
            if !has_fields(representation, &key.fields) {
                continue;
            }
            let objects = self.world.objects(type_id).into_iter();
            let objects: Vec<Object> = objects
                .filter(|object| self.matches(*object, &key.fields, representation))
                .collect();
            if !objects.is_empty() {
                found = objects;
                break;
            }
        }
        let [object] = found.as_slice() else {
            return Err(format!("{representation} names {} objects", found.len()));
        };
        let seen = Seen {
            object: *object,
            node,
            representation: Some(representation),
        };
        // `_entities` declares the union of all entities, on which only fragments are allowed.
        let is_fragment = |selection: &Selection| selection.as_inline_fragment().is_some();
        if !field.selection_set.iter().all(is_fragment) {
            return Err("a field on _Entity".to_owned());
        }
        self.object(seen, &[(type_id, &field.selection_set)])
    }

    /// Whether `sent` holds the object's values for the field set.
    fn matches(&self, object: Object, field_set: &FieldSet, sent: &Value) -> bool {
        field_set.selections.iter().all(|selection| match selection {
            FieldSetSelection::Field(field) if field.name == "__typename" => true,
            FieldSetSelection::Field(field) => {
                let given = arguments(&field.arguments, &Value::Null);
                let resolved = self.world.resolve(object, &field.name, &given);
                let definition = &self.world.supergraph.type_definition(object.type_id).fields[&field.name];
                let mut joins = definition.joins.iter();
                // Another value for each object above, which nobody here knows.
                let takes_context = joins.any(|join| !join.context_arguments.is_empty());
                let sent = sent.get(field.name.as_str());
                sent.is_some_and(|sent| takes_context || self.value_matches(&resolved, &field.selections, sent))
            }
            FieldSetSelection::InlineFragment {
                type_condition,
                selections,
            } => {
                let applies = type_condition.as_ref().is_none_or(|name| {
                    let id = self.world.supergraph.type_id(name).unwrap();
                    self.world
                        .supergraph
                        .type_definition(id)
                        .possible_types
                        .contains(&object.type_id)
                });
                !applies || self.matches(object, selections, sent)
            }
        })
    }

    fn value_matches(&self, resolved: &Resolved, field_set: &FieldSet, sent: &Value) -> bool {
        match resolved {
            Resolved::Null => sent.is_null(),
            Resolved::Leaf(value) => value == sent,
            Resolved::Object(object) => sent.is_object() && self.matches(*object, field_set, sent),
            Resolved::List(items) => sent.as_array().is_some_and(|sent| {
                sent.len() == items.len()
                    && items
                        .iter()
                        .zip(sent)
                        .all(|(item, sent)| self.value_matches(item, field_set, sent))
            }),
        }
    }

    /// * `selections`: each with the type that the schema declares where it stands.
    fn object(&self, seen: Seen<'_>, selections: &[(TypeId, &[Selection])]) -> Result<Value, String> {
        let mut fields: IndexMap<&Name, Vec<(&Field, TypeId)>> = IndexMap::new();
        for (declared, selections) in selections {
            self.collect(seen, *declared, selections, &mut fields)?;
        }
        let mut answer = Map::new();
        for (response_name, fields) in fields {
            let (first, _) = fields[0];
            for (other, _) in &fields {
                if other.name != first.name || other.arguments != first.arguments {
                    return Err(format!("`{response_name}` clashes"));
                }
            }
            let value = if first.name == "__typename" {
                self.typename(seen)
            } else {
                let mut selections: Vec<(TypeId, &[Selection])> = Vec::new();
                for (field, parent) in &fields {
                    if let Some(declared) = self.declared(*parent, field)? {
                        selections.push((declared, &field.selection_set));
                    }
                }
                self.field(seen, first, &selections)?
            };
            answer.insert(response_name.to_string(), value);
        }
        if answer.is_empty() && selections.is_empty() {
            return Err("an empty selection".to_owned());
        }
        Ok(Value::Object(answer))
    }

    fn typename(&self, seen: Seen<'_>) -> Value {
        let node = self.world.supergraph.query_graph().node(seen.node);
        let id = if node.is_interface_object {
            node.type_id
        } else {
            seen.object.type_id
        };
        json!(self.world.name(id))
    }

    /// The composite type that a field has by the schema of this subgraph.
    fn declared(&self, parent: TypeId, field: &Field) -> Result<Option<TypeId>, String> {
        let parent = self.world.supergraph.type_definition(parent);
        let definition = parent.fields.get(&field.name);
        let join = definition.and_then(|field| field.join(self.id));
        let (Some(definition), Some(join)) = (definition, join) else {
            return Err(format!("{}.{} is not declared", parent.name, field.name));
        };
        let field_type = join.field_type.as_ref().unwrap_or(&definition.field_type);
        let id = self.world.supergraph.type_id(field_type.inner_named_type());
        Ok(id.filter(|id| self.world.supergraph.type_definition(*id).kind.is_composite()))
    }

    fn collect<'f>(
        &self,
        seen: Seen<'_>,
        declared: TypeId,
        selections: &'f [Selection],
        fields: &mut IndexMap<&'f Name, Vec<(&'f Field, TypeId)>>,
    ) -> Result<(), String> {
        for selection in selections {
            let directives = match selection {
                Selection::Field(field) => &field.directives,
                Selection::InlineFragment(fragment) => &fragment.directives,
                Selection::FragmentSpread(spread) => &spread.directives,
            };
            if !is_selected(directives, &self.variables) {
                continue;
            }
            match selection {
                Selection::Field(field) => fields.entry(field.response_name()).or_default().push((field, declared)),
                Selection::InlineFragment(fragment) => {
                    let condition = match &fragment.type_condition {
                        Some(name) => self
                            .world
                            .supergraph
                            .type_id(name)
                            .ok_or_else(|| format!("no type {name}"))?,
                        None => declared,
                    };
                    let definition = self.world.supergraph.type_definition(condition);
                    let join = definition
                        .join(self.id)
                        .ok_or_else(|| format!("{} is not known here", definition.name))?;
                    let node = self.world.supergraph.query_graph().node(seen.node);
                    let applies = if node.is_interface_object || join.is_interface_object {
                        node.type_id == condition
                    } else {
                        join.possible_types.contains(&seen.object.type_id)
                    };
                    if applies {
                        self.collect(seen, condition, &fragment.selection_set, fields)?;
                    }
                }
                Selection::FragmentSpread(_) => return Err("a spread".to_owned()),
            }
        }
        Ok(())
    }

    fn field(&self, seen: Seen<'_>, field: &Field, selections: &[(TypeId, &[Selection])]) -> Result<Value, String> {
        let graph = self.world.supergraph.query_graph();
        let coordinate = format!("{}.{}", self.world.name(seen.object.type_id), field.name);
        let node = graph
            .downcast(seen.node, seen.object.type_id)
            .ok_or("a type that is not possible here")?;
        let edge = graph
            .field(node, graph.field_id(&field.name), &ActiveLabels::NONE)
            .ok_or_else(|| format!("{coordinate} is not resolved here"))?;
        if let Some(requires) = &edge.requires {
            let representation = seen
                .representation
                .ok_or_else(|| format!("{coordinate} needs a representation"))?;
            if !self.matches(seen.object, requires, representation) {
                return Err(format!("{coordinate} requires `{requires}`, not {representation}"));
            }
        }
        let given = arguments(&field.arguments, &self.variables);
        let resolved = self.world.resolve(seen.object, &field.name, &given);
        self.value(&resolved, edge.target, selections)
            .map_err(|error| format!("{coordinate}: {error}"))
    }

    fn value(
        &self,
        resolved: &Resolved,
        target: Option<NodeId>,
        selections: &[(TypeId, &[Selection])],
    ) -> Result<Value, String> {
        match resolved {
            Resolved::Null => Ok(Value::Null),
            Resolved::Leaf(value) => Ok(value.clone()),
            Resolved::List(items) => items.iter().map(|item| self.value(item, target, selections)).collect(),
            Resolved::Object(object) => {
                let node = target.ok_or("leads nowhere")?;
                self.object(
                    Seen {
                        object: *object,
                        node,
                        representation: None,
                    },
                    selections,
                )
            }
        }
    }
}

/// Whether all fields on the first level are there and the first of them is not null.
fn has_fields(sent: &Value, field_set: &FieldSet) -> bool {
    field_set.selections.iter().all(|selection| match selection {
        FieldSetSelection::Field(field) => sent.get(field.name.as_str()).is_some(),
        FieldSetSelection::InlineFragment { .. } => true,
    })
}
