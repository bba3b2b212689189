//! Satisfiability: whether every query that the supergraph allows can be answered.
//!
//! Walks the query graph, the same that the planner walks, from its roots along what clients see. At each type it keeps
//! the set of nodes that the object can be asked of, found by following fields and keys (`reach`). A field that none of
//! these nodes resolves is an error; it names a shortest query, because the walk goes breadth first.
//!
//! A type is looked at again only for a set of nodes that no set seen before is part of: what can be answered from few
//! nodes can be answered from more. So the work is about the number of fields, however many queries lead to them.
//!
//! Does not plan: it asks whether there is a way, not which is the cheapest.

mod conditions;
mod exploration;
mod labels;
mod node_sets;
mod query;
mod reach;
mod reasons;
mod runtime_types;

use std::collections::VecDeque;

use apollo_compiler::Schema;
use apollo_compiler::ast::FieldDefinition;
use federation::query_graph::{FieldEdge, NodeId};
use federation::supergraph::{JoinedTypes, TypeId, TypeKind};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::{CompositionError, ErrorCode, Hint, HintCode};
use crate::validate::ValidSubgraph;

use conditions::OPERATION_KINDS;
use labels::LabelChoices;
use node_sets::SetId;
use query::{Part, StepId, Steps};
use reach::{Closure, Reach};
use reasons::{Failure, Reasons};
use runtime_types::RuntimeTypes;

/// Most errors that are reported: a missing key makes whole regions unreachable, and the first errors say why.
const ERRORS_MAX: usize = 100;

/// Finds the fields that some query can ask for and no plan can fetch, and shared fields of which it matters who is asked.
///
/// * `joined_types`: read from the merged schema, so that its subgraphs are `subgraphs`, in the same order.
pub(crate) fn check(
    joined_types: &JoinedTypes,
    schema: &Schema,
    subgraphs: &[ValidSubgraph],
) -> Result<Vec<Hint>, Vec<CompositionError>> {
    let mut walk = Walk {
        joined_types,
        schema,
        subgraphs,
        reach: Reach::new(joined_types),
        queue: VecDeque::new(),
        steps: Steps::default(),
        queued: FxHashSet::default(),
        visited: FxHashMap::default(),
        errors: Vec::new(),
        hints: Vec::new(),
        reported: FxHashSet::default(),
        compared: FxHashSet::default(),
    };
    walk.run();
    if walk.errors.is_empty() {
        Ok(walk.hints)
    } else {
        Err(walk.errors)
    }
}

struct Walk<'a> {
    joined_types: &'a JoinedTypes,
    /// The merged schema, machinery and what clients do not see included.
    schema: &'a Schema,
    subgraphs: &'a [ValidSubgraph],
    reach: Reach<'a>,
    queue: VecDeque<State>,
    steps: Steps<'a>,
    /// What has been in the queue.
    queued: FxHashSet<(TypeId, SetId, LabelChoices)>,
    /// By object type: the sets of nodes from which it has been looked at, and the labels decided on the way.
    visited: FxHashMap<TypeId, Vec<(SetId, LabelChoices)>>,
    errors: Vec<CompositionError>,
    hints: Vec<Hint>,
    /// Fields that no subgraph resolves somewhere, each reported once.
    reported: FxHashSet<(TypeId, String)>,
    /// Shared fields whose runtime types differ, each told once.
    compared: FxHashSet<(TypeId, String)>,
}

/// A type, the nodes where its objects come from, and how the walk got there.
struct State {
    type_id: TypeId,
    nodes: SetId,
    labels: LabelChoices,
    step: StepId,
}

impl<'a> Walk<'a> {
    fn run(&mut self) {
        for kind in OPERATION_KINDS {
            let root = self.joined_types.root_type(kind).filter(|root| self.is_visible(*root));
            let Some(type_id) = root else { continue };
            let roots = self.joined_types.query_graph().roots(self.joined_types, kind);
            let step = self.steps.push(Part::Root(kind), None);
            self.push(type_id, roots, &LabelChoices::default(), step);
        }
        while let Some(state) = self.queue.pop_front() {
            match self.joined_types.type_definition(state.type_id).kind {
                TypeKind::Object => self.object(&state),
                _ => self.runtime_types(&state),
            }
            if self.errors.len() >= ERRORS_MAX {
                return self.say_that_there_are_more();
            }
        }
    }

    fn is_visible(&self, type_id: TypeId) -> bool {
        !self.joined_types.type_definition(type_id).is_inaccessible
    }

    fn say_that_there_are_more(&mut self) {
        self.errors.truncate(ERRORS_MAX);
        if let Some(last) = self.errors.last_mut() {
            last.message
                .push_str("\n  No more than 100 such errors are shown; those that remain may have the same causes");
        }
    }

    fn push(&mut self, type_id: TypeId, nodes: Vec<NodeId>, labels: &LabelChoices, step: StepId) {
        let nodes = self.reach.sets.intern(nodes);
        if self.queued.insert((type_id, nodes, labels.clone())) {
            self.queue.push_back(State {
                type_id,
                nodes,
                labels: labels.clone(),
                step,
            });
        }
    }

    /// Each runtime type of an interface or union. A type that no node gives is no error: then no such object is ever
    /// returned.
    fn runtime_types(&mut self, state: &State) {
        let nodes = self.reach.sets.get(state.nodes).to_vec();
        for (object, set) in self.reach.objects(&nodes) {
            let definition = self.joined_types.type_definition(object);
            if self.is_visible(object) && self.queued.insert((object, set, state.labels.clone())) {
                let step = self.steps.push(Part::TypeCondition(&definition.name), Some(state.step));
                self.queue.push_back(State {
                    type_id: object,
                    nodes: set,
                    labels: state.labels.clone(),
                    step,
                });
            }
        }
    }

    fn object(&mut self, state: &State) {
        let closure = self.reach.closure((state.type_id, state.nodes));
        if self.is_covered(state, closure.set) {
            return;
        }
        if !closure.is_typed {
            return self.report_unknown_type(state, &closure);
        }
        let joined_types = self.joined_types;
        let definition = joined_types.type_definition(state.type_id);
        let Some(object) = self.schema.get_object(&definition.name) else {
            return;
        };
        let (positions, edges) = self.edges(state.type_id, &closure);
        let mut begin = 0;
        // The tables have the fields in the order of the schema.
        for (index, (field, joined)) in object.fields.values().zip(definition.fields.values()).enumerate() {
            let count = positions[begin..]
                .iter()
                .take_while(|position| **position == index)
                .count();
            let own = &edges[begin..begin + count];
            begin += count;
            if !joined.is_inaccessible {
                self.field(state, &closure, field, own);
            }
        }
    }

    /// Whether the type has been looked at from some of these nodes only, and with no other labels.
    fn is_covered(&mut self, state: &State, nodes: SetId) -> bool {
        let visited = self.visited.entry(state.type_id).or_default();
        let sets = &self.reach.sets;
        let is_covered = visited
            .iter()
            .any(|(seen, labels)| sets.is_subset(*seen, nodes) && labels.is_part_of(&state.labels));
        if !is_covered {
            visited.push((nodes, state.labels.clone()));
        }
        is_covered
    }

    /// The edges at these nodes that can be taken, in the order of the type's fields, and the positions of their fields.
    fn edges(&mut self, type_id: TypeId, closure: &Closure) -> (Vec<usize>, Vec<&'a FieldEdge>) {
        let joined_types = self.joined_types;
        let fields = &joined_types.type_definition(type_id).fields;
        let mut edges: Vec<(usize, &FieldEdge)> = Vec::with_capacity(fields.len());
        for node in closure.nodes.iter() {
            for (name, edge) in joined_types.query_graph().fields(*node) {
                let Some(index) = fields.get_index_of(name) else {
                    continue;
                };
                if self.reach.has_required(type_id, closure, edge) {
                    edges.push((index, edge));
                }
            }
        }
        // Stable: edges of one field stay in the order of nodes.
        edges.sort_by_key(|(index, _)| *index);
        edges.into_iter().unzip()
    }

    fn field(&mut self, state: &State, closure: &Closure, field: &'a FieldDefinition, edges: &[&'a FieldEdge]) {
        // A leaf that is resolved whatever labels are on: most fields are, so that their types are not even looked up.
        if edges.iter().all(|edge| edge.target.is_none()) && edges.iter().any(|edge| edge.override_label.is_none()) {
            return;
        }
        let target = self.joined_types.type_id(field.ty.inner_named_type());
        let target = target.filter(|target| self.joined_types.type_definition(*target).kind.is_composite());
        if target.is_some() && edges.len() > 1 {
            self.compare_runtime_types(state, field, edges);
        }
        let forks = state.labels.forks(edges);
        let mut reached: Vec<(LabelChoices, Vec<NodeId>)> = Vec::with_capacity(forks.len());
        for labels in forks {
            let allowed = edges.iter().filter(|edge| labels.allow(edge.override_label));
            let mut allowed = allowed.peekable();
            if allowed.peek().is_none() {
                self.report(state, closure, field, &labels);
            } else {
                let nodes = allowed.filter_map(|edge| edge.target).collect();
                reached.push((labels, nodes));
            }
        }
        let Some(target) = target.filter(|_| !reached.is_empty()) else {
            return;
        };
        if reached.len() > 1 && self.lead_to_the_same(target, &reached) {
            // What the labels are does not matter below, so it need not be remembered.
            reached.truncate(1);
            reached[0].0 = state.labels.clone();
        }
        let step = self.steps.push(Part::Field(field), Some(state.step));
        for (labels, nodes) in reached {
            self.push(target, nodes, &labels, step);
        }
    }

    fn compare_runtime_types(&mut self, state: &State, field: &'a FieldDefinition, edges: &[&'a FieldEdge]) {
        let joined_types = self.joined_types;
        let Some(types) = RuntimeTypes::that_differ(joined_types.query_graph(), edges) else {
            return;
        };
        if !self.compared.insert((state.type_id, field.name.to_string())) {
            return;
        }
        let type_name = &joined_types.type_definition(state.type_id).name;
        let places = crate::supergraph_rules::locate(self.subgraphs, type_name, Some(&field.name));
        let query = self.steps.query(state.step, &[Part::Field(field), Part::Typename]);
        let described = types.describe(joined_types);
        if types.have_one_in_common() {
            self.hints.push(Hint {
                code: HintCode::InconsistentRuntimeTypesForShareableReturn,
                message: format!(
                    "`{type_name}.{}` is shared, but in the query `{query}` its objects may be of different types: {described}. \
                     Any of these subgraphs may be asked, so they should resolve it to the same objects",
                    field.name
                ),
                locations: places,
            });
        } else {
            let message = format!(
                "`{type_name}.{}` is shared, but in the query `{query}` its objects have no type in common: {described}. Any of \
                 these subgraphs may be asked, so define a type that all of them return, or resolve the field in one of them",
                field.name
            );
            let error = CompositionError::new(ErrorCode::ShareableHasMismatchedRuntimeTypes, message);
            self.errors.push(error.at(places));
        }
    }

    /// Whether the router may stand in the same places, whichever way labels are decided.
    fn lead_to_the_same(&mut self, target: TypeId, reached: &[(LabelChoices, Vec<NodeId>)]) -> bool {
        if self.joined_types.type_definition(target).kind != TypeKind::Object {
            return false;
        }
        let mut sets = reached.iter().map(|(_, nodes)| {
            let start = self.reach.sets.intern(nodes.clone());
            self.reach.closure((target, start)).set
        });
        let first = sets.next();
        sets.all(|set| Some(set) == first)
    }

    fn report(&mut self, state: &State, closure: &Closure, field: &'a FieldDefinition, labels: &LabelChoices) {
        if !self.reported.insert((state.type_id, field.name.to_string())) {
            return;
        }
        let is_leaf = self
            .joined_types
            .type_id(field.ty.inner_named_type())
            .is_none_or(|target| {
                let definition = self.joined_types.type_definition(target);
                !definition.kind.is_composite()
            });
        let rest = [Part::Field(field), Part::Typename];
        let rest = if is_leaf { &rest[..1] } else { &rest[..] };
        let failure = Failure {
            query: self.steps.query(state.step, rest),
            type_id: state.type_id,
            field: &field.name,
            closure,
            labels,
        };
        let error = Reasons::new(&mut self.reach, self.subgraphs).explain(&failure);
        self.errors.push(error);
    }

    fn report_unknown_type(&mut self, state: &State, closure: &Closure) {
        let object = &self.joined_types.type_definition(state.type_id).name;
        let Some(node) = closure.nodes.first() else { return };
        let node = self.joined_types.query_graph().node(*node);
        if !self.reported.insert((node.type_id, object.to_string())) {
            return;
        }
        let interface = &self.joined_types.type_definition(node.type_id).name;
        let subgraph = &self.subgraphs[node.subgraph.0 as usize];
        let query = self.steps.query(state.step, &[Part::Typename]);
        let message = format!(
            "the query `{query}` cannot be answered: nobody can tell whether an object is a `{object}`, because \
             `{interface}` is an `@interfaceObject` in `{}`, and no subgraph that defines it as an interface can be reached \
             from there by a key. Give `interface {interface}` in one of them a `@key` that `{}` has too",
            subgraph.name, subgraph.name
        );
        let places = crate::supergraph_rules::locate(self.subgraphs, interface, None);
        self.errors
            .push(CompositionError::new(ErrorCode::SatisfiabilityError, message).at(places));
    }
}
