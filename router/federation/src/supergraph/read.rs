//! From supergraph SDL to tables.

use std::fmt;
use std::sync::Arc;

use apollo_compiler::ast::{self, Directive, Type, Value};
use apollo_compiler::collections::IndexMap;
use apollo_compiler::schema::{Component, ExtendedType, FieldDefinition as SchemaField};
use apollo_compiler::{Name, Node, Schema};
use rustc_hash::FxHashMap;

use super::context::Contexts;
use super::join_names::JoinNames;
use super::override_label::{Labels, OverrideLabel};
use super::shape::{ShapeId, number_shapes};
use super::{
    ContextId, FieldDefinition, FieldJoin, JoinedTypes, Key, SubgraphEndpoint, SubgraphId, Supergraph, SupergraphError,
    TypeDefinition, TypeId, TypeJoin, TypeKind,
};
use crate::api_schema::ApiSchema;
use crate::field_set::FieldSet;
use crate::link::Links;
use crate::parallel;
use crate::query_graph::QueryGraph;

/// Types of a supergraph from which on a second thread is worth starting.
const PARALLEL_TYPES_MIN: usize = 500;

pub(super) fn read(sdl: &str) -> Result<Supergraph, SupergraphError> {
    // Validity of the whole SDL is composition's business, and costs more than everything else here.
    let schema = Schema::parse(sdl, "supergraph.graphql").map_err(|failed| {
        let first = failed
            .errors
            .iter()
            .next()
            .map(|diagnostic| diagnostic.error.to_string());
        SupergraphError::Syntax(first.unwrap_or_default())
    })?;
    let is_large = schema.types.len() >= PARALLEL_TYPES_MIN;
    let api_schema = || ApiSchema::from_supergraph(&schema);
    let (api_schema, joined_types) = parallel::both(is_large, api_schema, || read_joined_types(&schema));
    Ok(Supergraph {
        joined_types: joined_types?,
        api_schema: Arc::new(api_schema?),
        features: Links::of(&schema).features(),
    })
}

pub(super) fn read_joined_types(schema: &Schema) -> Result<JoinedTypes, SupergraphError> {
    let (reader, types) = read_types(schema)?;
    let roots = &schema.schema_definition;
    let root = |name: &Option<apollo_compiler::schema::ComponentName>| {
        name.as_ref().and_then(|name| reader.type_ids.get(&name.name).copied())
    };
    let root_types = [root(&roots.query), root(&roots.mutation), root(&roots.subscription)];
    let mut joined_types = JoinedTypes {
        subgraphs: reader.subgraphs,
        types,
        type_ids: reader.type_ids,
        root_types,
        override_labels: reader.labels.into_names(),
        has_context_arguments: reader.contexts.are_used(),
        query_graph: QueryGraph::default(),
    };
    joined_types.query_graph = QueryGraph::build(&joined_types);
    Ok(joined_types)
}

/// The types, and what reading them has found besides.
fn read_types(schema: &Schema) -> Result<(Reader<'_>, Vec<TypeDefinition>), SupergraphError> {
    let mut reader = Reader::new(schema)?;
    // Join itself is linked as a rule, and its types are never the graph's.
    let links = Links::of(schema);
    let is_machinery = |name: &str| name.starts_with("join__") || links.owns_type(name);
    let names = schema.types.iter().filter(|(name, definition)| {
        let is_introspection = definition.is_built_in() && !definition.is_scalar();
        !is_machinery(name) && !is_introspection
    });
    let mut names: Vec<Name> = names.map(|(name, _)| name.clone()).collect();
    // Ids in the order of names, so that what is sorted by one is sorted by the other.
    names.sort_unstable();
    for (index, name) in names.iter().enumerate() {
        reader.type_ids.insert(name.clone(), TypeId(index as u32));
    }
    let mut types = Vec::with_capacity(names.len());
    for name in &names {
        types.push(reader.type_definition(name)?);
    }
    fill_possible_types(&mut types, schema, &reader)?;
    hand_contexts_down(&mut types);
    number_shapes(&mut types, &reader.type_ids);
    Ok((reader, types))
}

struct Reader<'a> {
    schema: &'a Schema,
    join: Arc<JoinNames>,
    subgraphs: Vec<SubgraphEndpoint>,
    /// By the value of `join__Graph`.
    subgraph_ids: FxHashMap<Name, SubgraphId>,
    type_ids: FxHashMap<Name, TypeId>,
    /// What `@inaccessible` is called here.
    inaccessible: Name,
    /// What `@context` is called here.
    context: Name,
    labels: Labels,
    /// By text: most keys of a supergraph are `id`.
    field_sets: FxHashMap<String, Arc<FieldSet>>,
    contexts: Contexts,
}

impl<'a> Reader<'a> {
    fn new(schema: &'a Schema) -> Result<Self, SupergraphError> {
        let links = Links::of(schema);
        let join = Arc::new(JoinNames::of(&links));
        let graphs = schema.get_enum(&join.graph_enum).ok_or(SupergraphError::NoSubgraphs)?;
        let mut subgraphs = Vec::with_capacity(graphs.values.len());
        let mut subgraph_ids = FxHashMap::default();
        for (value_name, value) in &graphs.values {
            let coordinate = format!("{}.{value_name}", join.graph_enum);
            let graph = value
                .directives
                .get(&join.graph_directive)
                .ok_or_else(|| SupergraphError::Join {
                    coordinate: coordinate.clone(),
                    reason: format!("has no @{}", join.graph_directive),
                })?;
            let name = text(graph, "name").unwrap_or(value_name.as_str());
            subgraph_ids.insert(value_name.clone(), SubgraphId(subgraphs.len() as u32));
            subgraphs.push(SubgraphEndpoint {
                name: Arc::from(name),
                routing_url: text(graph, "url").unwrap_or_default().to_owned(),
            });
        }
        if subgraphs.is_empty() {
            return Err(SupergraphError::NoSubgraphs);
        }
        Ok(Self {
            schema,
            join,
            subgraphs,
            subgraph_ids,
            type_ids: FxHashMap::default(),
            inaccessible: links.directive_name("inaccessible"),
            context: links.directive_name("context"),
            labels: Labels::default(),
            field_sets: FxHashMap::default(),
            contexts: Contexts::default(),
        })
    }

    fn type_definition(&mut self, name: &Name) -> Result<TypeDefinition, SupergraphError> {
        let schema = self.schema;
        let definition = &schema.types[name];
        let joins = self.type_joins(name, definition)?;
        let (kind, schema_fields) = match definition {
            ExtendedType::Scalar(_) => (TypeKind::Scalar, None),
            ExtendedType::Object(object) => (TypeKind::Object, Some(&object.fields)),
            ExtendedType::Interface(interface) => (TypeKind::Interface, Some(&interface.fields)),
            ExtendedType::Union(_) => (TypeKind::Union, None),
            ExtendedType::Enum(_) => (TypeKind::Enum, None),
            ExtendedType::InputObject(_) => (TypeKind::InputObject, None),
        };
        let owner = definition.directives().get(&self.join.owner_directive);
        let owner = owner.map(|owner| self.graph(name, owner)).transpose()?.flatten();
        let mut fields =
            IndexMap::with_capacity_and_hasher(schema_fields.map_or(0, |fields| fields.len()), Default::default());
        for (field_name, field) in schema_fields.into_iter().flatten() {
            let field = self.field(name, field, &joins, owner)?;
            fields.insert(field_name.clone(), field);
        }
        let mut enum_values: Vec<Name> = match definition {
            ExtendedType::Enum(values) => {
                let seen = values.values.values();
                let seen = seen.filter(|value| !value.directives.has(&self.inaccessible));
                seen.map(|value| value.value.clone()).collect()
            }
            _ => Vec::new(),
        };
        enum_values.sort_unstable();
        Ok(TypeDefinition {
            name: name.clone(),
            kind,
            is_inaccessible: definition.directives().has(&self.inaccessible),
            joins,
            fields,
            possible_types: Vec::new(),
            interfaces: Vec::new(),
            contexts: self.contexts_of(definition),
            enum_values: enum_values.into(),
        })
    }

    /// Contexts that the type itself sets.
    fn contexts_of(&mut self, definition: &ExtendedType) -> Vec<ContextId> {
        let contexts = definition.directives().get_all(&self.context);
        let names = contexts.filter_map(|context| text(context, "name"));
        names.map(|name| self.contexts.intern(name)).collect()
    }

    fn type_joins(&mut self, name: &Name, definition: &ExtendedType) -> Result<Vec<TypeJoin>, SupergraphError> {
        let join = Arc::clone(&self.join);
        let applied = || definition.directives().get_all(&join.type_directive);
        let mut joins: Vec<TypeJoin> = Vec::with_capacity(applied().count());
        for directive in applied() {
            let subgraph = self.graph(name, directive)?.ok_or_else(|| SupergraphError::Join {
                coordinate: name.to_string(),
                reason: format!("@{} without `graph`", directive.name),
            })?;
            let index = joins.iter().position(|join| join.subgraph == subgraph);
            let index = index.unwrap_or_else(|| {
                joins.push(TypeJoin::new(subgraph));
                joins.len() - 1
            });
            let join = &mut joins[index];
            join.is_interface_object |= flag(directive, "isInterfaceObject") == Some(true);
            if let Some(fields) = text(directive, "key") {
                join.keys.push(Key {
                    fields: self.field_set(name, fields)?,
                    is_resolvable: flag(directive, "resolvable") != Some(false),
                });
            }
        }
        // Join v0.1 does not say which subgraphs a value type is in: it may be in all.
        if joins.is_empty() && !definition.is_built_in() {
            joins.extend((0..self.subgraphs.len() as u32).map(|index| TypeJoin::new(SubgraphId(index))));
        }
        joins.sort_by_key(|join| join.subgraph);
        Ok(joins)
    }

    fn field(
        &mut self,
        type_name: &Name,
        field: &Component<SchemaField>,
        type_joins: &[TypeJoin],
        owner: Option<SubgraphId>,
    ) -> Result<FieldDefinition, SupergraphError> {
        let coordinate = format_args!("{type_name}.{}", field.name);
        let join = Arc::clone(&self.join);
        let applied: Vec<&Node<Directive>> = field.directives.get_all(&join.field_directive).collect();
        let takers = applied.iter().copied();
        let takers: Vec<_> = takers
            .filter(|directive| text(directive, "override").is_some())
            .collect();
        // Exactly as many as there are: a graph has a hundred thousand of these lists.
        let mut joins = Vec::with_capacity(if applied.is_empty() {
            type_joins.len()
        } else {
            applied.len()
        });
        for directive in &applied {
            if let Some(subgraph) = self.graph(type_name, directive)? {
                joins.push(self.field_join(&coordinate, subgraph, directive, &takers)?);
            }
        }
        if applied.is_empty() {
            let everywhere = type_joins.iter().map(|join| join.subgraph);
            match owner {
                Some(owner) => joins.push(FieldJoin::new(owner)),
                None => joins.extend(everywhere.map(FieldJoin::new)),
            }
        }
        // Join v0.1: a key is known wherever the entity is, though only its owner lists it.
        if owner.is_some() {
            let known = type_joins.iter().filter(|join| {
                join.keys.iter().any(|key| {
                    let mut selections = key.fields.selections.iter();
                    selections.any(|selection| {
                        matches!(selection, crate::field_set::FieldSetSelection::Field(key) if key.name == field.name)
                    })
                })
            });
            for join in known {
                if !joins.iter().any(|known: &FieldJoin| known.subgraph == join.subgraph) {
                    joins.push(FieldJoin::new(join.subgraph));
                }
            }
        }
        joins.sort_by_key(|join| join.subgraph);
        Ok(FieldDefinition {
            name: field.name.clone(),
            field_type: field.ty.clone(),
            shape: ShapeId::default(),
            is_inaccessible: field.directives.has(&self.inaccessible),
            joins,
        })
    }

    fn field_join(
        &mut self,
        coordinate: &dyn fmt::Display,
        subgraph: SubgraphId,
        directive: &Directive,
        takers: &[&Node<Directive>],
    ) -> Result<FieldJoin, SupergraphError> {
        let mut optional_set = |argument| {
            text(directive, argument)
                .map(|fields| self.field_set(coordinate, fields))
                .transpose()
        };
        let (requires, provides) = (optional_set("requires")?, optional_set("provides")?);
        let field_type = text(directive, "type")
            .map(|written| {
                parse_type(written).ok_or_else(|| SupergraphError::Join {
                    coordinate: coordinate.to_string(),
                    reason: format!("`{written}` is not a type"),
                })
            })
            .transpose()?;
        let name = Arc::clone(&self.subgraphs[subgraph.0 as usize].name);
        let taker = takers.iter().find(|other| text(other, "override") == Some(&*name));
        // A label is on for some requests only; the subgraph that is overridden resolves the field in the others.
        let taken_by_label = taker.and_then(|taker| text(taker, "overrideLabel"));
        let (label, resolves_if_on) = match text(directive, "override") {
            Some(_) => (text(directive, "overrideLabel"), true),
            None => (taken_by_label.or_else(|| text(directive, "overrideLabel")), false),
        };
        let is_taken = taken_by_label.is_none() && (taker.is_some() || flag(directive, "usedOverridden") == Some(true));
        let is_external = flag(directive, "external") == Some(true) || is_taken;
        let override_label = label.filter(|_| !is_external).map(|label| OverrideLabel {
            label: self.labels.intern(label),
            resolves_if_on,
        });
        Ok(FieldJoin {
            subgraph,
            field_type,
            requires,
            provides,
            is_external,
            override_label,
            context_arguments: self.contexts.arguments(coordinate, directive)?,
        })
    }

    fn field_set(&mut self, coordinate: &dyn fmt::Display, fields: &str) -> Result<Arc<FieldSet>, SupergraphError> {
        if let Some(known) = self.field_sets.get(fields) {
            return Ok(Arc::clone(known));
        }
        let field_set = FieldSet::parse(fields).map(Arc::new);
        let field_set = field_set.map_err(|source| SupergraphError::FieldSet {
            coordinate: coordinate.to_string(),
            source,
        })?;
        self.field_sets.insert(fields.to_owned(), Arc::clone(&field_set));
        Ok(field_set)
    }

    /// `None`: the directive has no `graph` (a field that `@interfaceObject`s resolve), or it is null.
    fn graph(&self, coordinate: &str, directive: &Directive) -> Result<Option<SubgraphId>, SupergraphError> {
        let Some(value) = directive
            .specified_argument_by_name("graph")
            .filter(|value| !value.is_null())
        else {
            return Ok(None);
        };
        let id = value.as_enum().and_then(|name| self.subgraph_ids.get(name).copied());
        id.map(Some).ok_or_else(|| SupergraphError::Join {
            coordinate: coordinate.to_owned(),
            reason: format!(
                "@{}: `{value}` is not a value of `{}`",
                directive.name, self.join.graph_enum
            ),
        })
    }

    /// By the type that `directive` (`implements` or `unionMember` of join) ties `definition` to: the subgraphs in
    /// which it does. `None`: the version of the join specification does not say.
    fn ties<'d>(
        &self,
        definition: &'d ExtendedType,
        (directive, argument): (&Name, &str),
    ) -> Result<Option<FxHashMap<&'d str, Vec<SubgraphId>>>, SupergraphError> {
        if !self.schema.directive_definitions.contains_key(directive) {
            return Ok(None);
        }
        let mut ties: FxHashMap<&str, Vec<SubgraphId>> = FxHashMap::default();
        for tie in definition.directives().get_all(directive) {
            if let Some(other) = text(tie, argument) {
                let subgraph = self.graph(definition.name(), tie)?;
                ties.entry(other).or_default().extend(subgraph);
            }
        }
        Ok(Some(ties))
    }
}

/// Which object types an interface or union has in which subgraph.
fn fill_possible_types(
    types: &mut [TypeDefinition],
    schema: &Schema,
    reader: &Reader<'_>,
) -> Result<(), SupergraphError> {
    for index in 0..types.len() {
        let name = types[index].name.clone();
        let id = TypeId(index as u32);
        let definition = &schema.types[&name];
        match definition {
            ExtendedType::Object(object) => {
                tie(types, id, id, None);
                let ties = reader.ties(definition, (&reader.join.implements_directive, "interface"))?;
                for interface in &object.implements_interfaces {
                    let interface_id = known_type(reader, &name, &interface.name)?;
                    tie(types, interface_id, id, subgraphs_of(ties.as_ref(), &interface.name));
                    types[index].interfaces.push(interface_id);
                }
            }
            ExtendedType::Union(union) => {
                let ties = reader.ties(definition, (&reader.join.union_member_directive, "member"))?;
                for member in &union.members {
                    let member_id = known_type(reader, &name, &member.name)?;
                    tie(types, id, member_id, subgraphs_of(ties.as_ref(), &member.name));
                }
            }
            _ => {}
        }
    }
    for definition in types.iter_mut() {
        definition.possible_types.sort_unstable();
        for join in &mut definition.joins {
            join.possible_types.sort_unstable();
        }
    }
    Ok(())
}

fn subgraphs_of<'t>(ties: Option<&'t FxHashMap<&str, Vec<SubgraphId>>>, name: &Name) -> Option<&'t [SubgraphId]> {
    ties.map(|ties| ties.get(name.as_str()).map_or(&[] as &[SubgraphId], Vec::as_slice))
}

/// Notes that an abstract type may be `member`: in `subgraphs` that have both, or without them wherever both are.
fn tie(types: &mut [TypeDefinition], abstract_type: TypeId, member: TypeId, subgraphs: Option<&[SubgraphId]>) {
    let known_in: Vec<SubgraphId> = types[member.0 as usize]
        .joins
        .iter()
        .map(|join| join.subgraph)
        .collect();
    let definition = &mut types[abstract_type.0 as usize];
    definition.possible_types.push(member);
    for join in &mut definition.joins {
        let is_tied = subgraphs.is_none_or(|tied| tied.contains(&join.subgraph));
        if is_tied && known_in.binary_search(&join.subgraph).is_ok() {
            join.possible_types.push(member);
        }
    }
}

/// A context of an interface or union is set by each of its objects.
fn hand_contexts_down(types: &mut [TypeDefinition]) {
    for index in 0..types.len() {
        let contexts = types[index].contexts.clone();
        if contexts.is_empty() {
            continue;
        }
        for object in types[index].possible_types.clone() {
            let known = &mut types[object.0 as usize].contexts;
            known.extend(&contexts);
            known.sort_unstable();
            known.dedup();
        }
    }
}

fn known_type(reader: &Reader<'_>, coordinate: &Name, name: &Name) -> Result<TypeId, SupergraphError> {
    reader.type_ids.get(name).copied().ok_or_else(|| SupergraphError::Join {
        coordinate: coordinate.to_string(),
        reason: format!("`{name}` is not a type of the supergraph"),
    })
}

/// `None`: not a type.
pub(super) fn parse_type(text: &str) -> Option<Type> {
    // The parser panics where its lexer fails on the first character.
    let may_be_type = text.starts_with(|first: char| first.is_ascii_alphabetic() || "_[ \n\r\t".contains(first));
    may_be_type.then(|| Type::parse(text, "type.graphql").ok())?
}

fn text<'a>(directive: &'a Directive, argument: &str) -> Option<&'a str> {
    directive
        .specified_argument_by_name(argument)
        .and_then(|value| match value.as_ref() {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
}

fn flag(directive: &Directive, argument: &str) -> Option<bool> {
    directive
        .specified_argument_by_name(argument)
        .and_then(|value: &Node<ast::Value>| value.to_bool())
}
