//! The query graph: from where which field can be resolved, and how to get from one subgraph to another.
//!
//! Built once per supergraph. A node is a composite type as one subgraph defines it, in a *view*: what `@provides` adds
//! on the path that leads there. Field edges stay in the subgraph; key edges lead from any subgraph into theirs.
//! Does not search; `planner` does, and satisfiability checks.

use std::sync::Arc;

use apollo_compiler::Name;
use apollo_compiler::ast::Type;
use rustc_hash::FxHashMap;

use crate::field_set::{FieldSet, FieldSetSelection};
use crate::query_plan::OperationKind;
use crate::supergraph::{
    ActiveLabels, ContextArgument, FieldDefinition, FieldJoin, JoinedTypes, OverrideLabel, SubgraphId, TypeId, TypeKind,
};

/// Index of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// Number of a field's name: equal names are one, whatever their types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldId(u32);

impl FieldId {
    /// Of names that no subgraph resolves.
    const NONE: Self = Self(u32::MAX);
}

/// A composite type in one subgraph.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where.
    pub subgraph: SubgraphId,
    /// Which type.
    pub type_id: TypeId,
    /// Whether the subgraph has an object in place of this interface, and so does not know runtime types.
    pub is_interface_object: bool,
    /// Runtime types that the subgraph may return here, sorted by name. Of an interface object: all of the supergraph.
    pub possible_types: Vec<TypeId>,
    /// What can be selected here, with whatever labels; [`QueryGraph::field`] looks into it.
    fields: FxHashMap<FieldId, FieldEdge>,
    /// The node of each possible type, in the order of `possible_types`. Empty for objects and interface objects.
    pub downcasts: Vec<NodeId>,
}

/// A field that a subgraph resolves.
#[derive(Debug, Clone)]
pub struct FieldEdge {
    /// Where it leads; `None` for leaves.
    pub target: Option<NodeId>,
    /// What must be sent along.
    pub requires: Option<Arc<FieldSet>>,
    /// Type of the field in this subgraph.
    pub field_type: Type,
    /// On which label it depends that the field is resolved here, if on any.
    pub override_label: Option<OverrideLabel>,
    /// Arguments that the router fills from objects above.
    pub context_arguments: Arc<[ContextArgument]>,
}

impl FieldEdge {
    /// Whether the field is resolved only for entities that were sent there with something: what it requires, or a value
    /// from a context.
    pub fn needs_inputs(&self) -> bool {
        self.requires.is_some() || !self.context_arguments.is_empty()
    }
}

/// A way into a subgraph: `_entities` with this key.
#[derive(Debug, Clone)]
pub struct KeyEdge {
    /// Where it leads: never a view.
    pub target: NodeId,
    /// What must be known of the entity.
    pub fields: Arc<FieldSet>,
    /// How the target relates to the entity's runtime type.
    pub kind: KeyEdgeKind,
}

/// How the type at the end of a key edge relates to the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyEdgeKind {
    /// It is the runtime type.
    Object,
    /// It is an interface that the runtime type implements; the subgraph has an object in its place.
    InterfaceObject,
    /// It is an interface with a key: used when the runtime type is not known, and tells it.
    Interface,
}

/// All nodes and edges.
#[derive(Debug, Default)]
pub struct QueryGraph {
    nodes: Vec<Node>,
    /// By number.
    field_names: Vec<Name>,
    field_ids: FxHashMap<Name, FieldId>,
    /// Nodes without a view.
    by_type: FxHashMap<(SubgraphId, TypeId), NodeId>,
    /// By object type, in the order of subgraphs and of their keys.
    key_edges: FxHashMap<TypeId, Vec<KeyEdge>>,
}

impl QueryGraph {
    /// Builds the graph from `joined_types`.
    pub(crate) fn build(joined_types: &JoinedTypes) -> Self {
        let mut builder = Builder {
            joined_types,
            graph: Self::default(),
            views: FxHashMap::default(),
        };
        builder.add_types();
        builder.add_fields();
        builder.add_key_edges();
        builder.graph
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The edge of `field` at a node for operations for which `labels` are on; `None`: the subgraph does not resolve it.
    ///
    /// Of an interface: only where every possible type resolves the field without inputs, and by the same label.
    pub fn field(&self, id: NodeId, field: FieldId, labels: &ActiveLabels) -> Option<&FieldEdge> {
        let edge = self.node(id).fields.get(&field)?;
        labels.allow(edge.override_label).then_some(edge)
    }

    /// The number of a field's name; one that no node has, if no subgraph resolves such a field.
    pub fn field_id(&self, name: &str) -> FieldId {
        self.field_ids.get(name).copied().unwrap_or(FieldId::NONE)
    }

    /// The edges at a node whatever labels are on, in no order.
    pub fn fields(&self, id: NodeId) -> impl Iterator<Item = (&Name, &FieldEdge)> {
        let fields = self.node(id).fields.iter();
        fields.map(|(field, edge)| (&self.field_names[field.0 as usize], edge))
    }

    /// The number of a field's name, which it has from now on.
    fn number(&mut self, name: &Name) -> FieldId {
        if let Some(known) = self.field_ids.get(name) {
            return *known;
        }
        let id = FieldId(self.field_names.len() as u32);
        self.field_names.push(name.clone());
        self.field_ids.insert(name.clone(), id);
        id
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node of a type in a subgraph, without a view.
    pub fn node_of(&self, subgraph: SubgraphId, type_id: TypeId) -> Option<NodeId> {
        self.by_type.get(&(subgraph, type_id)).copied()
    }

    /// Ways into subgraphs for an entity of runtime type `type_id`, in the order of subgraphs.
    pub fn key_edges(&self, type_id: TypeId) -> &[KeyEdge] {
        self.key_edges.get(&type_id).map_or(&[], Vec::as_slice)
    }

    /// Those of [`QueryGraph::key_edges`] that lead into one subgraph.
    pub fn key_edges_into(&self, type_id: TypeId, subgraph: SubgraphId) -> &[KeyEdge] {
        let edges = self.key_edges(type_id);
        let of = |edge: &KeyEdge| self.node(edge.target).subgraph;
        let first = edges.partition_point(|edge| of(edge) < subgraph);
        let count = edges[first..].iter().take_while(|edge| of(edge) == subgraph).count();
        &edges[first..first + count]
    }

    /// The roots of operations of `kind`, in the order of subgraphs.
    pub fn roots(&self, joined_types: &JoinedTypes, kind: OperationKind) -> Vec<NodeId> {
        let Some(root_type) = joined_types.root_type(kind) else {
            return Vec::new();
        };
        let joins = joined_types.type_definition(root_type).joins.iter();
        joins
            .filter_map(|join| self.node_of(join.subgraph, root_type))
            .collect()
    }

    /// The node that stands for runtime type `type_id` at `id`: itself for objects and interface objects.
    pub fn downcast(&self, id: NodeId, type_id: TypeId) -> Option<NodeId> {
        let node = self.node(id);
        let index = node.possible_types.binary_search(&type_id).ok()?;
        Some(node.downcasts.get(index).copied().unwrap_or(id))
    }
}

struct Builder<'a> {
    joined_types: &'a JoinedTypes,
    graph: QueryGraph,
    /// Views made so far, by type and the text of what is provided.
    views: FxHashMap<(SubgraphId, TypeId, String), NodeId>,
}

impl<'a> Builder<'a> {
    fn add_types(&mut self) {
        let joins = self.joined_types.types().iter();
        let joins: usize = joins.map(|definition| definition.joins.len()).sum();
        self.graph.nodes.reserve(joins);
        self.graph.by_type.reserve(joins);
        for (index, definition) in self.joined_types.types().iter().enumerate() {
            if !definition.kind.is_composite() {
                continue;
            }
            let type_id = TypeId(index as u32);
            for join in &definition.joins {
                let possible_types = if join.is_interface_object {
                    definition.possible_types.clone()
                } else {
                    join.possible_types.clone()
                };
                let id = self.push(Node {
                    subgraph: join.subgraph,
                    type_id,
                    is_interface_object: join.is_interface_object,
                    possible_types,
                    fields: FxHashMap::default(),
                    downcasts: Vec::new(),
                });
                self.graph.by_type.insert((join.subgraph, type_id), id);
            }
        }
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.graph.nodes.push(node);
        NodeId(self.graph.nodes.len() as u32 - 1)
    }

    /// Objects first: what an interface can resolve depends on them.
    fn add_fields(&mut self) {
        let ids = (0..self.graph.nodes.len()).map(|index| NodeId(index as u32));
        for id in ids {
            let node = self.graph.node(id);
            if !self.has_own_fields(node.type_id, node.is_interface_object) {
                let downcasts = node.possible_types.iter();
                let downcasts = downcasts
                    .filter_map(|object| self.graph.node_of(node.subgraph, *object))
                    .collect();
                self.graph.nodes[id.0 as usize].downcasts = downcasts;
            }
        }
        for index in 0..self.joined_types.types().len() {
            self.add_own_fields(TypeId(index as u32));
        }
        for id in (0..self.graph.nodes.len() as u32).map(NodeId) {
            let node = self.graph.node(id);
            if !self.has_own_fields(node.type_id, node.is_interface_object) {
                self.add_interface_fields(id);
            }
        }
    }

    fn has_own_fields(&self, type_id: TypeId, is_interface_object: bool) -> bool {
        is_interface_object || self.joined_types.type_definition(type_id).kind == TypeKind::Object
    }

    /// Adds the fields of an object to its nodes, and of an interface to interface objects.
    ///
    /// By field rather than by node: a node has a few of the fields, and a field is on a few of the nodes.
    fn add_own_fields(&mut self, type_id: TypeId) {
        let definition = self.joined_types.type_definition(type_id);
        let resolved = |field: &'a FieldDefinition| field.joins.iter().filter(|join| !join.is_external);
        let position = |join: &FieldJoin| {
            let joins = &definition.joins;
            joins.binary_search_by_key(&join.subgraph, |own| own.subgraph).ok()
        };
        let mut counts = vec![0; definition.joins.len()];
        for join in definition.fields.values().flat_map(resolved) {
            position(join).into_iter().for_each(|position| counts[position] += 1);
        }
        let mut nodes = Vec::with_capacity(counts.len());
        for (join, count) in definition.joins.iter().zip(counts) {
            let node = self.graph.node_of(join.subgraph, type_id);
            let node = node.filter(|id| self.has_own_fields(type_id, self.graph.node(*id).is_interface_object));
            if let Some(NodeId(index)) = node {
                self.graph.nodes[index as usize].fields.reserve(count);
            }
            nodes.push(node);
        }
        for field in definition.fields.values() {
            let field_id = self.graph.number(&field.name);
            for join in resolved(field) {
                if let Some(id) = position(join).and_then(|position| nodes[position]) {
                    let edge = self.edge(join.subgraph, join, &field.field_type, join.provides.as_deref());
                    self.graph.nodes[id.0 as usize].fields.insert(field_id, edge);
                }
            }
        }
    }

    fn object_fields(&mut self, subgraph: SubgraphId, type_id: TypeId) -> FxHashMap<FieldId, FieldEdge> {
        let joined_types = self.joined_types;
        let mut fields = FxHashMap::default();
        for field in joined_types.type_definition(type_id).fields.values() {
            if let Some(join) = field.join(subgraph).filter(|join| !join.is_external) {
                let edge = self.edge(subgraph, join, &field.field_type, join.provides.as_deref());
                fields.insert(self.graph.number(&field.name), edge);
            }
        }
        fields
    }

    fn edge(
        &mut self,
        subgraph: SubgraphId,
        join: &FieldJoin,
        supergraph_type: &Type,
        provides: Option<&FieldSet>,
    ) -> FieldEdge {
        let field_type = join.field_type.as_ref().unwrap_or(supergraph_type).clone();
        let target = self.joined_types.type_id(field_type.inner_named_type());
        let target = target.and_then(|type_id| match provides {
            Some(provides) => self.view(subgraph, type_id, provides),
            None => self.graph.node_of(subgraph, type_id),
        });
        FieldEdge {
            target,
            requires: join.requires.clone(),
            field_type,
            override_label: join.override_label,
            context_arguments: Arc::clone(&join.context_arguments),
        }
    }

    /// The node of a type on a path where `provided` is resolvable as well.
    fn view(&mut self, subgraph: SubgraphId, type_id: TypeId, provided: &FieldSet) -> Option<NodeId> {
        let base = self.graph.node_of(subgraph, type_id)?;
        if provided.is_empty() {
            return Some(base);
        }
        let view_key = (subgraph, type_id, provided.to_string());
        if let Some(view) = self.views.get(&view_key) {
            return Some(*view);
        }
        let mut node = self.graph.node(base).clone();
        node.fields.clear();
        let (is_interface_object, possible_types) = (node.is_interface_object, node.possible_types.clone());
        let id = self.push(node);
        self.views.insert(view_key, id);
        if self.has_own_fields(type_id, is_interface_object) {
            let mut fields = self.object_fields(subgraph, type_id);
            for (name, selections) in self.provided_fields(type_id, provided) {
                let Some(field) = self.joined_types.type_definition(type_id).fields.get(&name) else {
                    continue;
                };
                let Some(join) = field.join(subgraph) else { continue };
                // With what it requires, if it does: only fields that lead to a provided one can.
                let edge = self.edge(subgraph, join, &field.field_type, Some(&selections));
                fields.insert(self.graph.number(&name), edge);
            }
            self.graph.nodes[id.0 as usize].fields = fields;
        } else {
            let views = possible_types
                .iter()
                .filter_map(|object| self.view(subgraph, *object, provided));
            let views: Vec<NodeId> = views.collect();
            self.graph.nodes[id.0 as usize].downcasts = views;
        }
        Some(id)
    }

    /// What `provided` selects on objects of type `type_id`, by field; equal fields are joined.
    fn provided_fields(&self, type_id: TypeId, provided: &FieldSet) -> Vec<(Name, FieldSet)> {
        let mut fields: Vec<(Name, FieldSet)> = Vec::new();
        for selection in &provided.selections {
            match selection {
                FieldSetSelection::Field(field) => match fields.iter_mut().find(|(name, _)| *name == field.name) {
                    Some((_, known)) => known.selections.extend(field.selections.selections.iter().cloned()),
                    None => fields.push((field.name.clone(), field.selections.clone())),
                },
                FieldSetSelection::InlineFragment {
                    type_condition,
                    selections,
                } => {
                    let applies = type_condition.as_ref().is_none_or(|condition| {
                        let condition = self.joined_types.type_id(condition);
                        condition.is_some_and(|condition| {
                            self.joined_types
                                .type_definition(condition)
                                .possible_types
                                .binary_search(&type_id)
                                .is_ok()
                        })
                    });
                    if applies {
                        fields.extend(self.provided_fields(type_id, selections));
                    }
                }
            }
        }
        fields
    }

    /// A field can be asked of the interface when every possible type resolves it at once.
    fn add_interface_fields(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let definition = self.joined_types.type_definition(node.type_id);
        let (subgraph, downcasts) = (node.subgraph, node.downcasts.clone());
        let mut fields = FxHashMap::default();
        for field in definition.fields.values() {
            let Some(join) = field.join(subgraph).filter(|join| !join.is_external) else {
                continue;
            };
            let field_id = self.graph.field_id(&field.name);
            let edges = downcasts
                .iter()
                .map(|object| self.graph.node(*object).fields.get(&field_id));
            let resolved: Option<Vec<&FieldEdge>> = edges.collect();
            let Some(resolved) = resolved.filter(|edges| edges.iter().all(|edge| !edge.needs_inputs())) else {
                continue;
            };
            let override_label = resolved.first().and_then(|edge| edge.override_label);
            if resolved.iter().any(|edge| edge.override_label != override_label) {
                continue;
            }
            // Where the objects lead, the interface does: to what is provided on this path, if anything is.
            let targets: Vec<Option<NodeId>> = resolved.iter().map(|edge| edge.target).collect();
            let mut edge = self.edge(subgraph, join, &field.field_type, join.provides.as_deref());
            edge.override_label = override_label;
            // Not if objects declare a narrower type: requests are typed by what the interface declares.
            let type_of = |target: Option<NodeId>| target.map(|target| self.graph.node(target).type_id);
            if let [first, others @ ..] = targets.as_slice()
                && others.iter().all(|other| other == first)
                && type_of(*first) == type_of(edge.target)
            {
                edge.target = *first;
            }
            fields.insert(self.graph.number(&field.name), edge);
        }
        self.graph.nodes[id.0 as usize].fields = fields;
    }

    fn add_key_edges(&mut self) {
        for (index, definition) in self.joined_types.types().iter().enumerate() {
            if definition.kind != TypeKind::Object {
                continue;
            }
            let type_id = TypeId(index as u32);
            let mut edges = self.keys_of(type_id, None);
            for interface in &definition.interfaces {
                edges.extend(self.keys_of(*interface, Some(type_id)));
            }
            edges.sort_by_key(|edge| self.graph.node(edge.target).subgraph);
            if !edges.is_empty() {
                self.graph.key_edges.insert(type_id, edges);
            }
        }
    }

    fn keys_of(&self, type_id: TypeId, implementer: Option<TypeId>) -> Vec<KeyEdge> {
        let mut edges = Vec::new();
        for join in &self.joined_types.type_definition(type_id).joins {
            let kind = match implementer {
                None => KeyEdgeKind::Object,
                Some(_) if join.is_interface_object => KeyEdgeKind::InterfaceObject,
                Some(object) if join.possible_types.binary_search(&object).is_ok() => KeyEdgeKind::Interface,
                Some(_) => continue,
            };
            let Some(target) = self.graph.node_of(join.subgraph, type_id) else {
                continue;
            };
            let keys = join.keys.iter().filter(|key| key.is_resolvable);
            let mut keys: Vec<_> = keys.map(|key| &key.fields).collect();
            // By a null, no entity is found.
            keys.sort_by_key(|fields| self.may_be_null(type_id, fields));
            edges.extend(keys.into_iter().map(|fields| KeyEdge {
                target,
                fields: Arc::clone(fields),
                kind,
            }));
        }
        edges
    }

    /// Whether all fields of a key may be null in some subgraph.
    fn may_be_null(&self, type_id: TypeId, key: &FieldSet) -> bool {
        let fields = &self.joined_types.type_definition(type_id).fields;
        key.selections.iter().all(|selection| match selection {
            FieldSetSelection::Field(field) => fields
                .get(&field.name)
                .is_none_or(|field| !field.field_type.is_non_null()),
            FieldSetSelection::InlineFragment { .. } => true,
        })
    }
}
