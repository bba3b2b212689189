//! Where the router may stand: the nodes of the query graph that an object can be asked of, starting from some of them.
//!
//! All nodes that keys lead to are the *closure* of the start. It is the least fixpoint: a node is in it when the key
//! that leads there can be had from nodes that are in it, and what can be had only if it can be had, cannot. Fields that
//! keys select below objects need closures of their own; where these ask for each other, all of them are computed in
//! rounds, each of which begins with what the last one found, until nothing is added.
//!
//! What is found for a start holds for the whole walk, so it is kept. A condition must hold whatever labels are on:
//! fields that move from one subgraph to another are not to be relied on.
//!
//! A key into a subgraph must be had without entering that subgraph for anything else, as Apollo's composition has it:
//! `@key(fields: "owner { email }")` of `c` does not lead there where only `c` knows the owner's email. When a subgraph has
//! been entered below, its keys are asked for again in a `Reach` that never enters it.

use std::rc::Rc;

use federation::field_set::{FieldSet, FieldSetField};
use federation::query_graph::{FieldEdge, KeyEdge, NodeId, QueryGraph};
use federation::supergraph::{ActiveLabels, JoinedTypes, SubgraphId, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::conditions::{OPERATION_KINDS, TypeConditions, for_each_field};
use super::exploration::{Exploration, Given, Question};
use super::node_sets::{NodeSets, SetId};

/// Most closures that wait for each other on the stack; what lies deeper is computed by itself and used in the next
/// round.
const DEPTH_MAX: usize = 8;

/// Most subgraphs that are left out at once; a key that could be told apart only by leaving out more counts as had.
const EXCLUDED_MAX: usize = 6;

/// An object type, and the nodes where its objects come from.
pub(super) type Start = (TypeId, SetId);

/// Closures of starts of one node.
pub(super) type ByNode = FxHashMap<(TypeId, NodeId), Rc<Closure>>;

/// What can be reached from a start.
#[derive(Debug)]
pub(super) struct Closure {
    pub(super) nodes: Rc<[NodeId]>,
    pub(super) set: SetId,
    /// Whether some node tells the runtime type; interface objects alone do not.
    pub(super) is_typed: bool,
    /// By condition of the type.
    is_met: Vec<bool>,
    /// Subgraphs that were entered for objects below, so that conditions of this one are met; sorted.
    pub(super) entered_below: Rc<[SubgraphId]>,
}

impl Closure {
    fn is_larger_than(&self, other: &Self) -> bool {
        let count = |closure: &Self| closure.is_met.iter().filter(|is_met| **is_met).count();
        self.nodes.len() > other.nodes.len() || count(self) > count(other)
    }
}

/// What is known of a start so far.
struct Tentative {
    closure: Rc<Closure>,
    /// The round in which it was computed last.
    round: u32,
}

/// Computes closures, and remembers them.
pub(super) struct Reach<'a> {
    pub(super) joined_types: &'a JoinedTypes,
    pub(super) graph: &'a QueryGraph,
    pub(super) sets: NodeSets,
    root_types: [Option<TypeId>; 3],
    conditions: FxHashMap<TypeId, Rc<TypeConditions<'a>>>,
    /// Subgraphs that no key leads into.
    excluded: Rc<[SubgraphId]>,
    /// The same with one more subgraph excluded.
    without: FxHashMap<SubgraphId, Box<Reach<'a>>>,
    /// Subgraphs that were entered by the closures that the present question looked into.
    entered: Vec<SubgraphId>,
    known: FxHashMap<Start, Rc<Closure>>,
    /// What is known of starts of one node.
    known_by_node: Rc<ByNode>,
    tentative: FxHashMap<Start, Tentative>,
    in_progress: FxHashSet<Start>,
    postponed: Vec<Start>,
    round: u32,
    /// Whether a result of this round was used before it was complete.
    is_cut_short: bool,
    /// Whether this round found more than the last.
    has_grown: bool,
}

impl<'a> Reach<'a> {
    pub(super) fn new(joined_types: &'a JoinedTypes) -> Self {
        Self::excluding(joined_types, Rc::default())
    }

    fn excluding(joined_types: &'a JoinedTypes, excluded: Rc<[SubgraphId]>) -> Self {
        Self {
            joined_types,
            graph: joined_types.query_graph(),
            sets: NodeSets::default(),
            root_types: OPERATION_KINDS.map(|kind| joined_types.root_type(kind)),
            conditions: FxHashMap::default(),
            excluded,
            without: FxHashMap::default(),
            entered: Vec::new(),
            known: FxHashMap::default(),
            known_by_node: Rc::default(),
            tentative: FxHashMap::default(),
            in_progress: FxHashSet::default(),
            postponed: Vec::new(),
            round: 0,
            is_cut_short: false,
            has_grown: false,
        }
    }

    /// Everything that can be reached from `start`.
    pub(super) fn closure(&mut self, start: Start) -> Rc<Closure> {
        if let Some(known) = self.known.get(&start) {
            return Rc::clone(known);
        }
        self.entered.clear();
        let closure = loop {
            self.round += 1;
            self.is_cut_short = false;
            self.has_grown = false;
            let closure = self.compute(start);
            while let Some(postponed) = self.postponed.pop() {
                if self.of_this_round(postponed).is_none() {
                    self.compute(postponed);
                }
            }
            if !(self.is_cut_short && self.has_grown) {
                break closure;
            }
        };
        let by_node = Rc::make_mut(&mut self.known_by_node);
        for (start, found) in self.tentative.drain() {
            if let [node] = **self.sets.get(start.1) {
                by_node.insert((start.0, node), Rc::clone(&found.closure));
            }
            self.known.insert(start, found.closure);
        }
        closure
    }

    fn of_this_round(&self, start: Start) -> Option<Rc<Closure>> {
        let found = self.tentative.get(&start).filter(|found| found.round == self.round);
        found.map(|found| Rc::clone(&found.closure))
    }

    /// A closure that another one depends on.
    fn nested(&mut self, start: Start) -> Rc<Closure> {
        if let Some(known) = self.known.get(&start) {
            return Rc::clone(known);
        }
        if let Some(found) = self.of_this_round(start) {
            return found;
        }
        let is_circle = self.in_progress.contains(&start);
        if !is_circle && self.in_progress.len() < DEPTH_MAX {
            return self.compute(start);
        }
        self.is_cut_short = true;
        if !is_circle {
            self.postponed.push(start);
        }
        match self.tentative.get(&start) {
            Some(found) => Rc::clone(&found.closure),
            None => Rc::new(Closure {
                nodes: Rc::clone(self.sets.get(start.1)),
                set: start.1,
                is_typed: false,
                is_met: Vec::new(),
                entered_below: Rc::default(),
            }),
        }
    }

    fn compute(&mut self, start: Start) -> Rc<Closure> {
        self.in_progress.insert(start);
        let closure = self.explore(start);
        self.in_progress.remove(&start);
        let before = self.tentative.get(&start);
        self.has_grown |= before.is_none_or(|before| closure.is_larger_than(&before.closure));
        let found = Tentative {
            closure: Rc::clone(&closure),
            round: self.round,
        };
        self.tentative.insert(start, found);
        closure
    }

    fn explore(&mut self, (type_id, start): Start) -> Rc<Closure> {
        if self.is_all_there_is(type_id, start) {
            return Rc::new(Closure {
                nodes: Rc::clone(self.sets.get(start)),
                set: start,
                is_typed: true,
                is_met: Vec::new(),
                entered_below: Rc::default(),
            });
        }
        let conditions = self.conditions_of(type_id);
        let known = Rc::clone(&self.known_by_node);
        let start = Rc::clone(self.sets.get(start));
        let excluded = Rc::clone(&self.excluded);
        let mut exploration = Exploration::new(Given {
            graph: self.graph,
            conditions: &conditions,
            type_id,
            start: &start,
            known: &known,
            excluded: &excluded,
        });
        while let Some(question) = exploration.next_question() {
            match question {
                Question::Below { atom, targets } => {
                    let outer = std::mem::take(&mut self.entered);
                    let holds = self.holds_below(&targets, conditions.atoms[atom].selections);
                    let entered = std::mem::replace(&mut self.entered, outer);
                    if holds {
                        exploration.meet_by(atom, &entered);
                    }
                }
                Question::Without { way, condition } => {
                    if self.is_met_without(self.graph.node(way.target).subgraph, (type_id, &start), condition) {
                        exploration.take(way);
                    }
                }
            }
        }
        if let Some(same) = exploration.same {
            return same;
        }
        let is_met = exploration.is_met();
        let set = self.sets.intern(exploration.nodes);
        Rc::new(Closure {
            nodes: Rc::clone(self.sets.get(set)),
            set,
            is_typed: exploration.is_typed,
            is_met,
            entered_below: exploration.entered_below.into_iter().collect(),
        })
    }

    /// Whether a condition is met if `subgraph` is not entered for anything.
    fn is_met_without(&mut self, subgraph: SubgraphId, start: (TypeId, &[NodeId]), condition: usize) -> bool {
        if self.excluded.len() >= EXCLUDED_MAX {
            return true;
        }
        let (joined_types, excluded) = (self.joined_types, &self.excluded);
        let without = self.without.entry(subgraph).or_insert_with(|| {
            let excluded = excluded.iter().copied().chain([subgraph]).collect();
            Box::new(Reach::excluding(joined_types, excluded))
        });
        let set = without.sets.intern(start.1.to_vec());
        let closure = without.closure((start.0, set));
        closure.is_met.get(condition) == Some(&true)
    }

    /// The common case of a type that one subgraph has: there is nowhere to go, and nothing is required.
    fn is_all_there_is(&self, type_id: TypeId, start: SetId) -> bool {
        let graph = self.graph;
        let [only] = **self.sets.get(start) else {
            return false;
        };
        let is_root = self.root_types.contains(&Some(type_id));
        let is_here = |edge: &KeyEdge| graph.downcast(edge.target, type_id) == Some(only);
        !is_root
            && !graph.node(only).is_interface_object
            && graph.key_edges(type_id).iter().all(is_here)
            && graph.fields(only).all(|(_, edge)| edge.requires.is_none())
    }

    pub(super) fn conditions_of(&mut self, type_id: TypeId) -> Rc<TypeConditions<'a>> {
        let joined_types = self.joined_types;
        let conditions = self.conditions.entry(type_id);
        Rc::clone(conditions.or_insert_with(|| Rc::new(TypeConditions::of(joined_types, type_id))))
    }

    /// Whether what an edge requires can be had.
    pub(super) fn has_required(&mut self, type_id: TypeId, closure: &Closure, edge: &FieldEdge) -> bool {
        let Some(requires) = &edge.requires else { return true };
        let condition = self.conditions_of(type_id).find(requires);
        condition.is_some_and(|condition| closure.is_met.get(condition) == Some(&true))
    }

    /// Whether a field set can be had of objects at a closure.
    pub(super) fn holds(&mut self, type_id: TypeId, closure: &Closure, field_set: &'a FieldSet) -> bool {
        let joined_types = self.joined_types;
        for_each_field(joined_types, type_id, field_set, &mut |field| {
            self.holds_field(type_id, closure, field)
        })
    }

    pub(super) fn holds_field(&mut self, type_id: TypeId, closure: &Closure, field: &'a FieldSetField) -> bool {
        let graph = self.graph;
        let mut is_resolved = false;
        let mut targets = Vec::new();
        for node in closure.nodes.iter() {
            let edge = graph.field(*node, graph.field_id(&field.name), &ActiveLabels::NONE);
            let Some(edge) = edge.filter(|edge| edge.override_label.is_none()) else {
                continue;
            };
            if self.has_required(type_id, closure, edge) {
                is_resolved = true;
                targets.extend(edge.target);
            }
        }
        is_resolved && (field.selections.is_empty() || self.holds_below(&targets, &field.selections))
    }

    /// Whether a field set can be had of every object that may be at `targets`.
    fn holds_below(&mut self, targets: &[NodeId], field_set: &'a FieldSet) -> bool {
        let objects = self.objects(targets);
        objects.into_iter().all(|start| {
            let closure = self.nested(start);
            self.note_entered(start.1, &closure);
            self.holds(start.0, &closure, field_set)
        })
    }

    fn note_entered(&mut self, start: SetId, closure: &Closure) {
        let start = self.sets.get(start);
        let entered = closure.nodes.iter().filter(|node| start.binary_search(node).is_err());
        self.entered.extend(entered.map(|node| self.graph.node(*node).subgraph));
        self.entered.extend(closure.entered_below.iter());
    }

    /// The runtime types of objects at `nodes`, and for each the nodes that know it; sorted by type.
    pub(super) fn objects(&mut self, nodes: &[NodeId]) -> Vec<Start> {
        let mut pairs: Vec<(TypeId, NodeId)> = Vec::new();
        for id in nodes {
            let node = self.graph.node(*id);
            let seen = node.possible_types.iter().enumerate();
            pairs.extend(seen.map(|(index, object)| (*object, node.downcasts.get(index).copied().unwrap_or(*id))));
        }
        pairs.sort_unstable();
        let by_type = pairs.chunk_by(|left, right| left.0 == right.0);
        by_type
            .map(|group| {
                let nodes = group.iter().map(|(_, node)| *node).collect();
                (group[0].0, self.sets.intern(nodes))
            })
            .collect()
    }
}
