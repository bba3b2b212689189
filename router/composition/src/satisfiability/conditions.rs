//! What keys and `@requires` ask of objects of one type, taken apart so that each question is asked once.
//!
//! A *condition* is a field set, an *atom* one of its fields with what is selected below. Subgraphs that ask for the
//! same share both. Does not answer anything; `reach` does.

use apollo_compiler::Name;
use federation::field_set::{FieldSet, FieldSetField, FieldSetSelection};
use federation::query_graph::{KeyEdgeKind, NodeId, QueryGraph};
use federation::query_plan::OperationKind;
use federation::supergraph::{JoinedTypes, TypeId};
use rustc_hash::FxHashMap;

/// All kinds of operations, in the order in which they are looked at.
pub(super) const OPERATION_KINDS: [OperationKind; 3] = [
    OperationKind::Query,
    OperationKind::Mutation,
    OperationKind::Subscription,
];

/// A field that some condition needs.
pub(super) struct Atom<'a> {
    /// Empty for leaves.
    pub(super) selections: &'a FieldSet,
    /// Conditions with this atom.
    pub(super) conditions: Vec<usize>,
}

/// A way into a subgraph that is open when its condition is met.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// As fields see it: the object's node, or an interface object.
    pub(super) target: NodeId,
    pub(super) kind: KeyEdgeKind,
}

/// All conditions on objects of one type.
#[derive(Default)]
pub(super) struct TypeConditions<'a> {
    pub(super) atoms: Vec<Atom<'a>>,
    pub(super) atoms_by_field: FxHashMap<&'a Name, Vec<usize>>,
    /// By condition: how many atoms it has.
    pub(super) atom_counts: Vec<usize>,
    /// By condition: the keys that it opens.
    pub(super) ways: Vec<Vec<Way>>,
    by_field_set: FxHashMap<&'a FieldSet, usize>,
    /// Of a root type: its nodes, which need no key.
    pub(super) roots: Vec<NodeId>,
}

impl<'a> TypeConditions<'a> {
    pub(super) fn of(joined_types: &'a JoinedTypes, type_id: TypeId) -> Self {
        let graph = joined_types.query_graph();
        let mut conditions = Self::default();
        for edge in graph.key_edges(type_id) {
            let Some(target) = graph.downcast(edge.target, type_id) else {
                continue;
            };
            let condition = conditions.add(joined_types, type_id, &edge.fields);
            conditions.ways[condition].push(Way {
                target,
                kind: edge.kind,
            });
        }
        for node in nodes_of(joined_types, type_id) {
            for (_, edge) in graph.fields(node) {
                if let Some(requires) = &edge.requires {
                    conditions.add(joined_types, type_id, requires);
                }
            }
        }
        let kind = OPERATION_KINDS
            .into_iter()
            .find(|kind| joined_types.root_type(*kind) == Some(type_id));
        conditions.roots = kind.map_or_else(Vec::new, |kind| graph.roots(joined_types, kind));
        conditions
    }

    /// The condition that is this field set.
    pub(super) fn find(&self, field_set: &FieldSet) -> Option<usize> {
        self.by_field_set.get(field_set).copied()
    }

    fn add(&mut self, joined_types: &'a JoinedTypes, type_id: TypeId, field_set: &'a FieldSet) -> usize {
        if let Some(known) = self.by_field_set.get(field_set) {
            return *known;
        }
        let condition = self.ways.len();
        self.ways.push(Vec::new());
        self.by_field_set.insert(field_set, condition);
        let mut atoms = Vec::new();
        for_each_field(joined_types, type_id, field_set, &mut |field| {
            atoms.push(self.atom(field));
            true
        });
        atoms.sort_unstable();
        atoms.dedup();
        self.atom_counts.push(atoms.len());
        for atom in atoms {
            self.atoms[atom].conditions.push(condition);
        }
        condition
    }

    fn atom(&mut self, field: &'a FieldSetField) -> usize {
        let of_field = self.atoms_by_field.entry(&field.name).or_default();
        let known = of_field
            .iter()
            .find(|atom| *self.atoms[**atom].selections == field.selections);
        if let Some(known) = known {
            return *known;
        }
        self.atoms.push(Atom {
            selections: &field.selections,
            conditions: Vec::new(),
        });
        of_field.push(self.atoms.len() - 1);
        self.atoms.len() - 1
    }
}

/// Nodes without a view that fields of an object may be asked of: its own, and interface objects in its place.
pub(super) fn nodes_of(joined_types: &JoinedTypes, type_id: TypeId) -> Vec<NodeId> {
    let graph: &QueryGraph = joined_types.query_graph();
    let definition = joined_types.type_definition(type_id);
    let own = definition.joins.iter().map(|join| (type_id, join));
    let interfaces = definition.interfaces.iter().flat_map(|interface| {
        let joins = joined_types.type_definition(*interface).joins.iter();
        joins
            .filter(|join| join.is_interface_object)
            .map(move |join| (*interface, join))
    });
    own.chain(interfaces)
        .filter_map(|(type_id, join)| graph.node_of(join.subgraph, type_id))
        .collect()
}

/// Visits the fields that `field_set` selects on objects of type `type_id`, without those below them, as long as
/// `visit` says so. `__typename` can always be had.
///
/// Whether all visits said yes.
pub(super) fn for_each_field<'a>(
    joined_types: &JoinedTypes,
    type_id: TypeId,
    field_set: &'a FieldSet,
    visit: &mut dyn FnMut(&'a FieldSetField) -> bool,
) -> bool {
    field_set.selections.iter().all(|selection| match selection {
        FieldSetSelection::Field(field) => field.name == "__typename" || visit(field),
        FieldSetSelection::InlineFragment {
            type_condition,
            selections,
        } => {
            let applies = type_condition.as_ref().is_none_or(|condition| {
                let condition = joined_types.type_id(condition);
                condition.is_some_and(|condition| {
                    let possible_types = &joined_types.type_definition(condition).possible_types;
                    possible_types.binary_search(&type_id).is_ok()
                })
            });
            !applies || for_each_field(joined_types, type_id, selections, visit)
        }
    })
}
