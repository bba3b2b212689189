//! Where the router may stand: the nodes of the query graph that an object can be asked of, starting from some of them.
//!
//! All nodes that keys lead to are the *closure* of the start. It is the least fixpoint: a node is in it when the key
//! that leads there can be had from nodes that are in it, and what can be had only if it can be had, cannot. Fields that
//! keys select below objects need closures of their own; where these ask for each other, all of them are computed in
//! rounds, each of which begins with what the last one found, until nothing is added.
//!
//! What is found for a start holds for the whole walk, so it is kept. A condition must hold whatever labels are on:
//! fields that move from one subgraph to another are not to be relied on.

use std::rc::Rc;

use federation::field_set::{FieldSet, FieldSetField};
use federation::query_graph::{FieldEdge, KeyEdge, KeyEdgeKind, NodeId, QueryGraph};
use federation::supergraph::{ActiveLabels, SubgraphId, Supergraph, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::conditions::{OPERATION_KINDS, TypeConditions, Way, for_each_field};
use super::node_sets::{NodeSets, SetId};

/// Most closures that wait for each other on the stack; what lies deeper is computed by itself and used in the next
/// round.
const DEPTH_MAX: usize = 8;

/// An object type, and the nodes where its objects come from.
pub(super) type Start = (TypeId, SetId);

/// Closures of starts of one node.
type ByNode = FxHashMap<(TypeId, NodeId), Rc<Closure>>;

/// What can be reached from a start.
#[derive(Debug)]
pub(super) struct Closure {
    pub(super) nodes: Rc<[NodeId]>,
    pub(super) set: SetId,
    /// Whether some node tells the runtime type; interface objects alone do not.
    pub(super) is_typed: bool,
    /// By condition of the type.
    is_met: Vec<bool>,
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
    pub(super) supergraph: &'a Supergraph,
    pub(super) graph: &'a QueryGraph,
    pub(super) sets: NodeSets,
    root_types: [Option<TypeId>; 3],
    conditions: FxHashMap<TypeId, Rc<TypeConditions<'a>>>,
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
    pub(super) fn new(supergraph: &'a Supergraph) -> Self {
        Self {
            supergraph,
            graph: supergraph.query_graph(),
            sets: NodeSets::default(),
            root_types: OPERATION_KINDS.map(|kind| supergraph.root_type(kind)),
            conditions: FxHashMap::default(),
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
            });
        }
        let conditions = self.conditions_of(type_id);
        let known = Rc::clone(&self.known_by_node);
        let start = Rc::clone(self.sets.get(start));
        let mut exploration = Exploration::new(self.graph, &conditions, (type_id, &known), &start);
        exploration.begin();
        loop {
            exploration.settle();
            if let Some(same) = exploration.same {
                return same;
            }
            let Some(atom) = exploration.undecided.pop() else { break };
            let targets = exploration.targets[atom].clone();
            if !exploration.is_atom_met[atom] && self.holds_below(&targets, conditions.atoms[atom].selections) {
                exploration.meet(atom);
            }
        }
        let set = self.sets.intern(exploration.nodes);
        Rc::new(Closure {
            nodes: Rc::clone(self.sets.get(set)),
            set,
            is_typed: exploration.is_typed,
            is_met: exploration.unmet_counts.iter().map(|count| *count == 0).collect(),
        })
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
        let supergraph = self.supergraph;
        let conditions = self.conditions.entry(type_id);
        Rc::clone(conditions.or_insert_with(|| Rc::new(TypeConditions::of(supergraph, type_id))))
    }

    /// Whether what an edge requires can be had.
    pub(super) fn has_required(&mut self, type_id: TypeId, closure: &Closure, edge: &FieldEdge) -> bool {
        let Some(requires) = &edge.requires else { return true };
        let condition = self.conditions_of(type_id).find(requires);
        condition.is_some_and(|condition| closure.is_met.get(condition) == Some(&true))
    }

    /// Whether a field set can be had of objects at a closure.
    pub(super) fn holds(&mut self, type_id: TypeId, closure: &Closure, field_set: &'a FieldSet) -> bool {
        let supergraph = self.supergraph;
        for_each_field(supergraph, type_id, field_set, &mut |field| {
            self.holds_field(type_id, closure, field)
        })
    }

    pub(super) fn holds_field(&mut self, type_id: TypeId, closure: &Closure, field: &'a FieldSetField) -> bool {
        let graph = self.graph;
        let mut is_resolved = false;
        let mut targets = Vec::new();
        for node in closure.nodes.iter() {
            let edge = graph.field(*node, &field.name, &ActiveLabels::NONE);
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
            self.holds(start.0, &closure, field_set)
        })
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

/// Atoms that a field provides, and where it leads.
type Provision<'e> = (&'e [usize], Option<NodeId>);

/// One closure in the making: nodes bring fields, fields meet conditions, conditions bring nodes.
struct Exploration<'e, 'a> {
    graph: &'a QueryGraph,
    conditions: &'e TypeConditions<'a>,
    /// The type, and what is known of it and others.
    known: (TypeId, &'e ByNode),
    start: &'e [NodeId],
    /// A closure known before that must be the same: each of the two starts is reached from the other.
    same: Option<Rc<Closure>>,
    nodes: Vec<NodeId>,
    /// Where the router stands already; a second way into the same type of a subgraph brings nothing.
    entered: FxHashSet<(SubgraphId, TypeId)>,
    /// Nodes whose fields have not been looked at.
    queue: Vec<NodeId>,
    /// Atoms that are met, but whose conditions have not been told.
    met: Vec<usize>,
    is_typed: bool,
    /// Ways that are open as soon as the runtime type is known.
    waiting_for_type: Vec<NodeId>,
    is_atom_met: Vec<bool>,
    /// By condition: how many of its atoms are not met.
    unmet_counts: Vec<usize>,
    /// By condition: fields that need it, and where they lead.
    waiting_for_condition: FxHashMap<usize, Vec<Provision<'e>>>,
    /// By atom with a selection: the nodes below.
    targets: Vec<Vec<NodeId>>,
    /// Atoms with a selection that has to be looked at.
    undecided: Vec<usize>,
}

impl<'e, 'a> Exploration<'e, 'a> {
    fn new(
        graph: &'a QueryGraph,
        conditions: &'e TypeConditions<'a>,
        known: (TypeId, &'e ByNode),
        start: &'e [NodeId],
    ) -> Self {
        Self {
            graph,
            conditions,
            known,
            start,
            same: None,
            nodes: Vec::new(),
            entered: FxHashSet::default(),
            queue: Vec::new(),
            met: Vec::new(),
            is_typed: false,
            waiting_for_type: Vec::new(),
            is_atom_met: vec![false; conditions.atoms.len()],
            unmet_counts: conditions.atom_counts.clone(),
            waiting_for_condition: FxHashMap::default(),
            targets: vec![Vec::new(); conditions.atoms.len()],
            undecided: Vec::new(),
        }
    }

    fn begin(&mut self) {
        for node in self.start {
            self.enter(*node, true);
        }
        let conditions = self.conditions;
        for root in &conditions.roots {
            self.enter(*root, false);
        }
        self.settle();
        // Conditions that ask for nothing but `__typename`.
        for (condition, count) in conditions.atom_counts.iter().enumerate() {
            if *count == 0 {
                self.open(condition);
            }
        }
    }

    /// * `is_start`: whether objects come from here; then other views of the same type may, too.
    fn enter(&mut self, id: NodeId, is_start: bool) {
        let node = self.graph.node(id);
        if self.entered.insert((node.subgraph, node.type_id)) || is_start {
            self.nodes.push(id);
            self.queue.push(id);
            let (type_id, known) = self.known;
            let known = known.get(&(type_id, id)).filter(|_| !is_start);
            let is_same = |known: &&Rc<Closure>| self.start.iter().all(|node| known.nodes.binary_search(node).is_ok());
            self.same = self.same.take().or_else(|| known.filter(is_same).cloned());
        }
    }

    /// Follows what is known; two stacks rather than recursion, since one field may require another, and so on.
    fn settle(&mut self) {
        while self.same.is_none() {
            if let Some(atom) = self.met.pop() {
                self.tell_conditions(atom);
            } else if let Some(node) = self.queue.pop() {
                self.look_at(node);
            } else {
                return;
            }
        }
    }

    fn look_at(&mut self, node: NodeId) {
        if !self.is_typed && !self.graph.node(node).is_interface_object {
            self.is_typed = true;
            for target in std::mem::take(&mut self.waiting_for_type) {
                self.enter(target, false);
            }
        }
        self.add_fields(node);
    }

    fn add_fields(&mut self, node: NodeId) {
        let conditions = self.conditions;
        if conditions.atoms.is_empty() {
            return;
        }
        for (name, edge) in self.graph.fields(node) {
            let Some(atoms) = conditions.atoms_by_field.get(name) else {
                continue;
            };
            if edge.override_label.is_some() {
                continue;
            }
            let required = edge.requires.as_deref().and_then(|requires| conditions.find(requires));
            match required.filter(|condition| self.unmet_counts[*condition] > 0) {
                Some(condition) => {
                    let waiting = self.waiting_for_condition.entry(condition).or_default();
                    waiting.push((atoms, edge.target));
                }
                None => self.provide(atoms, edge.target),
            }
        }
    }

    fn provide(&mut self, atoms: &[usize], target: Option<NodeId>) {
        for atom in atoms {
            if self.is_atom_met[*atom] {
                continue;
            }
            if self.conditions.atoms[*atom].selections.is_empty() {
                self.meet(*atom);
            } else if let Some(target) = target {
                self.targets[*atom].push(target);
                self.undecided.push(*atom);
            }
        }
    }

    fn meet(&mut self, atom: usize) {
        self.is_atom_met[atom] = true;
        self.met.push(atom);
    }

    fn tell_conditions(&mut self, atom: usize) {
        let conditions = self.conditions;
        for condition in &conditions.atoms[atom].conditions {
            self.unmet_counts[*condition] -= 1;
            if self.unmet_counts[*condition] == 0 {
                self.open(*condition);
            }
        }
    }

    fn open(&mut self, condition: usize) {
        let conditions = self.conditions;
        for Way { target, kind } in &conditions.ways[condition] {
            match kind {
                KeyEdgeKind::InterfaceObject => self.enter(*target, false),
                KeyEdgeKind::Object if self.is_typed => self.enter(*target, false),
                KeyEdgeKind::Object => self.waiting_for_type.push(*target),
                // Once the type is known, the keys of the type itself serve.
                KeyEdgeKind::Interface if self.is_typed => {}
                KeyEdgeKind::Interface => self.enter(*target, false),
            }
        }
        for (atoms, target) in self.waiting_for_condition.remove(&condition).unwrap_or_default() {
            self.provide(atoms, target);
        }
    }
}
