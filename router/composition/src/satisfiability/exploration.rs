//! One closure in the making: nodes bring fields, fields meet conditions, conditions bring nodes.
//!
//! Follows what can be seen at the object itself, and asks `reach` about everything else.

use std::collections::BTreeSet;
use std::rc::Rc;

use federation::query_graph::{KeyEdgeKind, NodeId, QueryGraph};
use federation::supergraph::{SubgraphId, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::conditions::{TypeConditions, Way};
use super::reach::{ByNode, Closure};

/// What an exploration is about.
#[derive(Clone, Copy)]
pub(super) struct Given<'e, 'a> {
    pub(super) graph: &'a QueryGraph,
    pub(super) conditions: &'e TypeConditions<'a>,
    pub(super) type_id: TypeId,
    /// Where the objects come from.
    pub(super) start: &'e [NodeId],
    /// What is known of starts of one node.
    pub(super) known: &'e ByNode,
    /// Subgraphs that no key leads into.
    pub(super) excluded: &'e [SubgraphId],
}

/// What an exploration cannot answer by itself.
pub(super) enum Question {
    /// Whether what an atom selects can be had of the objects at `targets`; [`Exploration::meet_by`] if so.
    Below { atom: usize, targets: Vec<NodeId> },
    /// Whether a condition is met if the subgraph that the way leads into is not entered for anything else;
    /// [`Exploration::take`] if so.
    Without { way: Way, condition: usize },
}

/// Atoms that a field provides, and where it leads.
type Provision<'e> = (&'e [usize], Option<NodeId>);

/// State of one exploration.
pub(super) struct Exploration<'e, 'a> {
    given: Given<'e, 'a>,
    /// A closure known before that must be the same: each of the two starts is reached from the other.
    pub(super) same: Option<Rc<Closure>>,
    pub(super) nodes: Vec<NodeId>,
    /// Subgraphs that were entered for objects below.
    pub(super) entered_below: BTreeSet<SubgraphId>,
    /// Where the router stands already; a second way into the same type of a subgraph brings nothing.
    entered: FxHashSet<(SubgraphId, TypeId)>,
    /// Nodes whose fields have not been looked at.
    queue: Vec<NodeId>,
    /// Atoms that are met, but whose conditions have not been told.
    met: Vec<usize>,
    pub(super) is_typed: bool,
    /// Ways that are open as soon as the runtime type is known, with the conditions that opened them.
    waiting_for_type: Vec<(usize, Way)>,
    /// Ways that are open, but perhaps only by entering for another object the subgraph that they lead into.
    doubtful: Vec<(usize, Way)>,
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
    pub(super) fn new(given: Given<'e, 'a>) -> Self {
        let atom_count = given.conditions.atoms.len();
        let mut exploration = Self {
            given,
            same: None,
            nodes: Vec::new(),
            entered_below: BTreeSet::new(),
            entered: FxHashSet::default(),
            queue: Vec::new(),
            met: Vec::new(),
            is_typed: false,
            waiting_for_type: Vec::new(),
            doubtful: Vec::new(),
            is_atom_met: vec![false; atom_count],
            unmet_counts: given.conditions.atom_counts.clone(),
            waiting_for_condition: FxHashMap::default(),
            targets: vec![Vec::new(); atom_count],
            undecided: Vec::new(),
        };
        exploration.begin();
        exploration
    }

    /// By condition.
    pub(super) fn is_met(&self) -> Vec<bool> {
        self.unmet_counts.iter().map(|count| *count == 0).collect()
    }

    /// The next thing that somebody else must find out; `None` when all is known.
    pub(super) fn next_question(&mut self) -> Option<Question> {
        loop {
            self.settle();
            if self.same.is_some() {
                return None;
            }
            if let Some(atom) = self.undecided.pop() {
                if !self.is_atom_met[atom] {
                    let targets = self.targets[atom].clone();
                    return Some(Question::Below { atom, targets });
                }
            } else {
                let (condition, way) = self.doubtful.pop()?;
                if !self.stands_at(way.target) {
                    return Some(Question::Without { way, condition });
                }
            }
        }
    }

    /// Notes that an atom is met by entering these subgraphs.
    pub(super) fn meet_by(&mut self, atom: usize, entered: &[SubgraphId]) {
        self.entered_below.extend(entered);
        self.meet(atom);
    }

    pub(super) fn take(&mut self, way: Way) {
        self.enter(way.target, false);
    }

    fn begin(&mut self) {
        for node in self.given.start {
            self.enter(*node, true);
        }
        let conditions = self.given.conditions;
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
        let node = self.given.graph.node(id);
        if !is_start && self.given.excluded.contains(&node.subgraph) {
            return;
        }
        if self.entered.insert((node.subgraph, node.type_id)) || is_start {
            self.nodes.push(id);
            self.queue.push(id);
            if !is_start && self.entered_below.is_empty() {
                self.same = self.same.take().or_else(|| self.known_as_same(id));
            }
        }
    }

    /// The closure of a node that was entered, if the start is in it. Not when subgraphs were entered below: the way here
    /// may then have gone where the way on from here must not.
    fn known_as_same(&self, id: NodeId) -> Option<Rc<Closure>> {
        let known = self.given.known.get(&(self.given.type_id, id))?;
        let is_in = |node: &NodeId| known.nodes.binary_search(node).is_ok();
        let is_same = known.entered_below.is_empty() && self.given.start.iter().all(is_in);
        is_same.then(|| Rc::clone(known))
    }

    /// Whether the type that `id` stands for has been entered in its subgraph.
    fn stands_at(&self, id: NodeId) -> bool {
        let node = self.given.graph.node(id);
        self.entered.contains(&(node.subgraph, node.type_id))
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
        if !self.is_typed && !self.given.graph.node(node).is_interface_object {
            self.is_typed = true;
            for (condition, way) in std::mem::take(&mut self.waiting_for_type) {
                self.follow(condition, way);
            }
        }
        self.add_fields(node);
    }

    fn add_fields(&mut self, node: NodeId) {
        let conditions = self.given.conditions;
        if conditions.atoms.is_empty() {
            return;
        }
        for (name, edge) in self.given.graph.fields(node) {
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
            if self.given.conditions.atoms[*atom].selections.is_empty() {
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
        let conditions = self.given.conditions;
        for condition in &conditions.atoms[atom].conditions {
            self.unmet_counts[*condition] -= 1;
            if self.unmet_counts[*condition] == 0 {
                self.open(*condition);
            }
        }
    }

    fn open(&mut self, condition: usize) {
        let conditions = self.given.conditions;
        for way in &conditions.ways[condition] {
            match way.kind {
                KeyEdgeKind::InterfaceObject => self.follow(condition, *way),
                KeyEdgeKind::Object if self.is_typed => self.follow(condition, *way),
                KeyEdgeKind::Object => self.waiting_for_type.push((condition, *way)),
                // Once the type is known, the keys of the type itself serve.
                KeyEdgeKind::Interface if self.is_typed => {}
                KeyEdgeKind::Interface => self.follow(condition, *way),
            }
        }
        for (atoms, target) in self.waiting_for_condition.remove(&condition).unwrap_or_default() {
            self.provide(atoms, target);
        }
    }
    fn follow(&mut self, condition: usize, way: Way) {
        let subgraph = self.given.graph.node(way.target).subgraph;
        if self.entered_below.contains(&subgraph) {
            self.doubtful.push((condition, way));
        } else {
            self.enter(way.target, false);
        }
    }
}
