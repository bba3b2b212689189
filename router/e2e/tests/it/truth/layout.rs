//! What each subgraph has to declare, which follows from what it resolves, its keys, and what these require and provide.

use indexmap::IndexMap;

use super::graph::{FieldSet, Graph, Kind, Selected, SubgraphId};

/// How a subgraph declares a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Declared {
    /// Only for somebody's `@requires`.
    External,
    /// Resolved where a `@provides` says so.
    Provided,
    /// Resolved elsewhere by `@override`.
    Overridden,
    /// Resolved here.
    Resolved,
}

/// Types that one subgraph declares, with their fields.
#[derive(Debug, Default)]
pub(super) struct SubgraphLayout {
    pub(super) types: IndexMap<String, IndexMap<String, Declared>>,
}

impl SubgraphLayout {
    pub(super) fn declared(&self, type_name: &str, field: &str) -> Option<Declared> {
        self.types.get(type_name)?.get(field).copied()
    }
}

/// The layout of every subgraph, by number.
pub(super) fn layouts(graph: &Graph) -> Vec<SubgraphLayout> {
    (0..graph.subgraphs).map(|subgraph| layout(graph, subgraph)).collect()
}

fn layout(graph: &Graph, subgraph: SubgraphId) -> SubgraphLayout {
    let mut builder = Builder {
        graph,
        subgraph,
        layout: SubgraphLayout::default(),
    };
    for (name, definition) in &graph.types {
        let resolves = definition.fields.values().any(|field| {
            let mut places = field.places.iter();
            places.any(|place| place.subgraph == subgraph || place.overrides == Some(subgraph))
        });
        let is_root = match &definition.kind {
            Kind::Root => resolves,
            Kind::Entity(entity) => resolves || entity.keys.iter().any(|key| key.subgraph == subgraph),
            Kind::Interface(interface) => interface.object_in.has(subgraph) || interface.keyed.has(subgraph),
            _ => false,
        };
        if is_root || graph.forced.contains(&(subgraph, name.clone())) {
            builder.declare(name);
        }
    }
    builder.add_interface_fields();
    builder.layout
}

struct Builder<'g> {
    graph: &'g Graph,
    subgraph: SubgraphId,
    layout: SubgraphLayout,
}

impl<'g> Builder<'g> {
    fn declare(&mut self, name: &'g str) {
        let Some(definition) = self.graph.types.get(name) else {
            return;
        };
        if self.layout.types.contains_key(name) {
            return;
        }
        self.layout.types.insert(name.to_owned(), IndexMap::new());
        match &definition.kind {
            Kind::Root => self.declare_placed(name),
            Kind::Entity(entity) => {
                let subgraph = self.subgraph;
                for key in entity.keys.iter().filter(|key| key.subgraph == subgraph) {
                    self.declare_set(name, &key.fields, Declared::Resolved);
                }
                self.declare_placed(name);
            }
            Kind::Value { .. } => {
                for field in definition.fields.keys() {
                    self.declare_field(name, field, Declared::Resolved);
                }
            }
            Kind::Interface(interface) if interface.object_in.has(self.subgraph) => {
                self.declare_field(name, "id", Declared::Resolved);
                for (field, definition) in &interface.object_fields {
                    if definition.places.iter().any(|place| place.subgraph == self.subgraph) {
                        self.declare_field(name, field, Declared::Resolved);
                    }
                }
            }
            Kind::Interface(interface) => self.declare_members(&interface.members),
            Kind::Union(members) => self.declare_members(members),
            Kind::Input(fields) => {
                for field in fields.values() {
                    self.declare(field.ty.base());
                }
            }
            Kind::Enum { .. } | Kind::Scalar => {}
        }
    }

    fn declare_members(&mut self, members: &'g IndexMap<String, super::graph::Subgraphs>) {
        for (member, subgraphs) in members {
            if subgraphs.has(self.subgraph) {
                self.declare(member);
            }
        }
    }

    fn declare_placed(&mut self, name: &'g str) {
        for (field, definition) in &self.graph.types[name].fields {
            for place in &definition.places {
                if place.subgraph == self.subgraph {
                    self.declare_field(name, field, Declared::Resolved);
                } else if place.overrides == Some(self.subgraph) {
                    self.declare_field(name, field, Declared::Overridden);
                }
            }
        }
    }

    fn declare_field(&mut self, type_name: &'g str, name: &'g str, how: Declared) {
        let Some((_, field)) = self.graph.field(type_name, name) else {
            return;
        };
        self.declare(type_name);
        let known = self.layout.types[type_name].entry(name.to_owned()).or_insert(how);
        *known = how.max(*known);
        self.declare(field.ty.base());
        for argument in field.arguments.values() {
            self.declare(argument.ty.base());
        }
        if how == Declared::Resolved {
            let subgraph = self.subgraph;
            for place in field.places.iter().filter(|place| place.subgraph == subgraph) {
                self.declare_set(type_name, &place.requires, Declared::External);
                self.declare_set(field.ty.base(), &place.provides, Declared::Provided);
            }
        }
    }

    /// What a field set selects, as `how`, unless it is resolved anyway.
    fn declare_set(&mut self, type_name: &'g str, field_set: &'g FieldSet, how: Declared) {
        for selected in field_set {
            match selected {
                Selected::On(name, below) => self.declare_set(name, below, how),
                Selected::Field { name, below, .. } => {
                    let objects = self.graph.objects(type_name);
                    let here = objects
                        .into_iter()
                        .filter(|object| *object == type_name || self.is_member(type_name, object));
                    let here: Vec<&'g str> = here.collect();
                    for object in here {
                        self.declare_field(object, name, how);
                    }
                    if let Some((_, field)) = self.graph.field(type_name, name) {
                        self.declare_set(field.ty.base(), below, how);
                    }
                }
            }
        }
    }

    fn is_member(&self, abstract_type: &str, object: &str) -> bool {
        is_member(self.graph, abstract_type, object, self.subgraph)
    }

    /// An interface has the fields that all of its members have here.
    fn add_interface_fields(&mut self) {
        for (name, definition) in &self.graph.types {
            let Kind::Interface(interface) = &definition.kind else {
                continue;
            };
            if interface.object_in.has(self.subgraph) || !self.layout.types.contains_key(name) {
                continue;
            }
            let members = interface.members.keys().filter(|member| self.is_member(name, member));
            let members: Vec<&IndexMap<String, Declared>> =
                members.filter_map(|member| self.layout.types.get(member)).collect();
            let fields = definition
                .fields
                .keys()
                .filter(|field| !members.is_empty() && members.iter().all(|member| member.contains_key(*field)));
            let fields = fields.map(|field| (field.clone(), Declared::Resolved)).collect();
            self.layout.types.insert(name.clone(), fields);
        }
    }
}

/// Whether `object` implements or belongs to `abstract_type` in a subgraph (which need not declare them).
pub(super) fn is_member(graph: &Graph, abstract_type: &str, object: &str, subgraph: SubgraphId) -> bool {
    let members = match graph.types.get(abstract_type).map(|definition| &definition.kind) {
        Some(Kind::Interface(interface)) => &interface.members,
        Some(Kind::Union(members)) => members,
        _ => return false,
    };
    members.get(object).is_some_and(|subgraphs| subgraphs.has(subgraph))
}
