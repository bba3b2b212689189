//! One place: a selection set on objects of one runtime type, and the subgraphs that these objects are seen from.
//!
//! [`Search::place`] finds for each field the earliest stage in which it is complete, over every order of key jumps:
//! it visits subgraphs by rising stage, as Dijkstra's algorithm does, and a visit may make keys and required fields of
//! later visits known. Which stages of which subgraphs may be used is `search`'s decision.

use std::rc::Rc;

use apollo_compiler::Name;
use federation::query_graph::{KeyEdgeKind, NodeId};
use federation::supergraph::{SubgraphId, TypeId};
use smallvec::{SmallVec, smallvec};

use crate::planner::PlanError;
use crate::search::{Search, Slot};
use crate::selection::{Item, SetId};

/// Objects seen from a node of the query graph, from a stage on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Arrival {
    pub(crate) node: NodeId,
    pub(crate) stage: u16,
}

/// When something is known, with all below it.
///
/// The earlier stage is better; of equal ones, the one with more fields in earlier stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Completion {
    /// The last stage that is waited for.
    pub(crate) stage: u16,
    /// Sum of the stages of all fields.
    pub(crate) weight: u32,
}

impl Completion {
    /// What cannot be completed.
    const NEVER: Self = Self {
        stage: u16::MAX,
        weight: 0,
    };

    pub(crate) fn at(stage: u16) -> Self {
        Self {
            stage,
            weight: u32::from(stage),
        }
    }

    /// Of both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            stage: self.stage.max(other.stage),
            weight: self.weight.saturating_add(other.weight),
        }
    }
}

/// Mostly one. Several where subgraphs share a field and each resolves another part of what is below it.
pub(crate) type Arrivals = SmallVec<[Arrival; 1]>;

/// All that may be selected at a place: what is asked for, and what keys and `@requires` may need.
pub(crate) struct Universe {
    /// The set's own items first.
    pub(crate) items: Vec<Item>,
    /// How many of `items` are the set's own.
    pub(crate) own_count: usize,
    pub(crate) jumps: Vec<Jump>,
    /// Per item, what the subgraphs that require something for it require.
    requires: Vec<Vec<(SubgraphId, Rc<[usize]>)>>,
}

/// A way into another subgraph.
pub(crate) struct Jump {
    /// The node as the key names it: an object, or an interface.
    pub(crate) target: NodeId,
    /// Items of the universe that make the key; none: a root type, which needs no key.
    pub(crate) key: Rc<[usize]>,
    /// `None`: a root type.
    pub(crate) kind: Option<KeyEdgeKind>,
}

/// A subgraph in a stage, seeing the objects of the place.
pub(crate) struct Visit {
    /// As seen by fields: an object or an interface object.
    pub(crate) node: NodeId,
    pub(crate) stage: u16,
    pub(crate) origin: Origin,
}

/// How a visit comes about.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// Index of the arrival.
    Arrival(usize),
    /// Index of the jump.
    Jump(usize),
}

/// Where an item is resolved.
#[derive(Clone)]
pub(crate) struct Provision {
    /// Stage in which it is complete, with all below it.
    pub(crate) completion: Completion,
    /// Indices of visits: one, or several that share the field.
    pub(crate) visits: SmallVec<[usize; 1]>,
    /// Items that are sent along.
    pub(crate) requires: Option<Rc<[usize]>>,
}

impl Provision {
    /// `None` when the item cannot be completed in this way.
    fn known(&self) -> Option<Completion> {
        (self.completion != Completion::NEVER).then_some(self.completion)
    }
}

/// The answer for one place.
pub(crate) struct Solved {
    pub(crate) universe: Rc<Universe>,
    pub(crate) visits: Vec<Visit>,
    /// Per item of the universe.
    pub(crate) provisions: Vec<Option<Provision>>,
    /// Visit that tells the runtime type, when the arrivals do not.
    pub(crate) typename_visit: Option<usize>,
    /// Stage in which all own items are complete; `None`: some cannot be resolved.
    pub(crate) completion: Option<Completion>,
}

/// A solution in the making.
struct Run {
    type_id: TypeId,
    universe: Rc<Universe>,
    visits: Vec<Visit>,
    provisions: Vec<Option<Provision>>,
    /// From which stage on the runtime type is known.
    typed_from: Option<u16>,
    typename_visit: Option<usize>,
    needs_typename: bool,
}

impl Run {
    fn own_completion(&self) -> Option<Completion> {
        let mut completion = Completion::at(self.visits.first().map_or(0, |visit| visit.stage));
        for provision in &self.provisions[..self.universe.own_count] {
            completion = completion.and(provision.as_ref()?.known()?);
        }
        if self.needs_typename {
            completion = completion.and(Completion::at(self.typed_from?));
        }
        Some(completion)
    }

    fn ready(&self, items: &[usize]) -> Option<u16> {
        let mut ready = self.visits.first().map_or(0, |visit| visit.stage);
        for index in items {
            ready = ready.max(self.provisions[*index].as_ref()?.known()?.stage);
        }
        Some(ready)
    }
}

/// The next visit that could be made.
struct Candidate {
    stage: u16,
    jump: usize,
    /// Index of the item that is resolved with what it requires, if that is what the visit is for.
    required_by: Option<(usize, Rc<[usize]>)>,
}

impl<'a> Search<'a> {
    /// Solves the set for objects of `type_id`.
    ///
    /// * `arrivals`: as seen by fields: nodes of the object type, or interface objects.
    pub(crate) fn place(&mut self, set: SetId, type_id: TypeId, arrivals: &Arrivals) -> Result<Rc<Solved>, PlanError> {
        let identity = (set, type_id, arrivals.clone());
        if let Some(solved) = self.solved.get(&identity) {
            return Ok(Rc::clone(solved));
        }
        self.places_solved += 1;
        let cuts_before = self.cuts;
        let local = self.local(set, type_id, arrivals)?;
        let solved = match local {
            Some(solved) => solved,
            None => self.solve(set, type_id, arrivals)?,
        };
        let solved = Rc::new(solved);
        // What was cut short because it asked for itself may be found from another side.
        if self.cuts == cuts_before || solved.completion.is_some() {
            self.solved.insert(identity, Rc::clone(&solved));
        }
        Ok(solved)
    }

    /// The common case: the only arrival resolves everything at once, so that no key has to be looked at.
    fn local(&mut self, set: SetId, type_id: TypeId, arrivals: &Arrivals) -> Result<Option<Solved>, PlanError> {
        let [arrival] = arrivals.as_slice() else {
            return Ok(None);
        };
        let graph = self.graph;
        let node = graph.node(arrival.node);
        if node.is_interface_object {
            return Ok(None);
        }
        let universe = self.own_universe(set, type_id);
        let mut whole = Completion::at(arrival.stage);
        let mut provisions = Vec::with_capacity(universe.items.len());
        for item in &universe.items {
            let edge = self.edge(arrival.node, &item.field);
            let Some(edge) = edge.filter(|edge| edge.requires.is_none()) else {
                return Ok(None);
            };
            let completion = match (item.child, edge.target) {
                (Some(child), Some(target)) => self.complete(
                    child,
                    &smallvec![Arrival {
                        node: target,
                        stage: arrival.stage
                    }],
                )?,
                (Some(_), None) => None,
                (None, _) => Some(Completion::at(arrival.stage)),
            };
            let Some(completion) = completion.filter(|completion| completion.stage == arrival.stage) else {
                return Ok(None);
            };
            whole = whole.and(completion);
            provisions.push(Some(Provision {
                completion,
                visits: smallvec![0],
                requires: None,
            }));
        }
        Ok(Some(Solved {
            universe,
            visits: vec![Visit {
                node: arrival.node,
                stage: arrival.stage,
                origin: Origin::Arrival(0),
            }],
            provisions,
            typename_visit: None,
            completion: Some(whole),
        }))
    }

    /// Whether some field can be resolved nowhere, whatever is known: cheap, and asked before anything is solved.
    pub(crate) fn is_hopeless(&mut self, set: SetId, type_id: TypeId, arrivals: &Arrivals) -> bool {
        let graph = self.graph;
        let first = arrivals.iter().map(|arrival| arrival.stage).min().unwrap_or_default();
        let universe = self.own_universe(set, type_id);
        universe.items.iter().any(|item| {
            let resolves = |node: NodeId| self.edge(node, &item.field).is_some();
            let may_jump = |target: NodeId, is_root: bool| {
                let subgraph = graph.node(target).subgraph;
                let node = graph.downcast(target, type_id);
                node.is_some_and(resolves) && self.slots.next(subgraph, is_root, first).is_some()
            };
            let is_here = arrivals.iter().any(|arrival| resolves(arrival.node));
            let by_key = || graph.key_edges(type_id).iter().any(|edge| may_jump(edge.target, false));
            let is_query = Some(type_id) == self.query_type;
            let by_root = || is_query && self.query_roots.iter().any(|root| may_jump(*root, true));
            !(is_here || by_key() || by_root())
        })
    }

    fn solve(&mut self, set: SetId, type_id: TypeId, arrivals: &Arrivals) -> Result<Solved, PlanError> {
        let universe = self.universe(set, type_id)?;
        let selection_set = self.sets.set(set);
        let depends_on_type = selection_set.wants_typename
            || selection_set
                .items
                .iter()
                .any(|item| item.types.len() < selection_set.types.len());
        let is_typed = arrivals
            .iter()
            .any(|arrival| !self.graph.node(arrival.node).is_interface_object);
        let mut run = Run {
            type_id,
            visits: Vec::new(),
            provisions: vec![None; universe.items.len()],
            typed_from: None,
            typename_visit: None,
            needs_typename: !is_typed && selection_set.types.len() > 1 && depends_on_type,
            universe,
        };
        let mut order: Vec<usize> = (0..arrivals.len()).collect();
        order.sort_by_key(|index| arrivals[*index].stage);
        for index in order {
            self.add_visit(
                &mut run,
                Visit {
                    node: arrivals[index].node,
                    stage: arrivals[index].stage,
                    origin: Origin::Arrival(index),
                },
            )?;
        }
        if !is_typed && self.sets.set(set).types.len() == 1 {
            run.typed_from = run.visits.first().map(|visit| visit.stage);
        }
        loop {
            while let Some(candidate) = self.candidate(&run) {
                if run
                    .own_completion()
                    .is_some_and(|completion| candidate.stage >= completion.stage)
                {
                    break;
                }
                self.take(&mut run, candidate)?;
            }
            if run.own_completion().is_some() || !self.share(&mut run)? {
                break;
            }
        }
        let completion = run.own_completion();
        Ok(Solved {
            universe: run.universe,
            visits: run.visits,
            provisions: run.provisions,
            typename_visit: if run.needs_typename { run.typename_visit } else { None },
            completion,
        })
    }

    /// Notes what can be resolved from a new visit.
    fn add_visit(&mut self, run: &mut Run, visit: Visit) -> Result<(), PlanError> {
        let graph = self.graph;
        let node_id = visit.node;
        let node = graph.node(node_id);
        let index = run.visits.len();
        if !node.is_interface_object && run.typed_from.is_none() {
            run.typed_from = Some(visit.stage);
            run.typename_visit = Some(index);
        }
        let stage = visit.stage;
        run.visits.push(visit);
        let universe = Rc::clone(&run.universe);
        for (item_index, item) in universe.items.iter().enumerate() {
            let edge = self.edge(node_id, &item.field);
            let Some(edge) = edge.filter(|edge| edge.requires.is_none()) else {
                continue;
            };
            let known = run.provisions[item_index].as_ref().map(|known| known.completion);
            // Of equal stages the earlier visit stays: it costs nothing.
            if known.is_some_and(|known| known.stage <= stage) {
                continue;
            }
            let completion = self.below(item, edge.target, stage)?;
            if let Some(completion) = completion.filter(|completion| known.is_none_or(|known| *completion < known)) {
                run.provisions[item_index] = Some(Provision {
                    completion,
                    visits: smallvec![index],
                    requires: None,
                });
            }
        }
        Ok(())
    }

    fn below(&mut self, item: &Item, target: Option<NodeId>, stage: u16) -> Result<Option<Completion>, PlanError> {
        match (item.child, target) {
            (Some(child), Some(node)) => self.complete(child, &smallvec![Arrival { node, stage }]),
            (Some(_), None) => Ok(None),
            (None, _) => Ok(Some(Completion::at(stage))),
        }
    }

    /// The earliest visit not made yet; of equal ones the first subgraph's.
    fn candidate(&self, run: &Run) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        let mut offer = |candidate: Candidate| {
            if best.as_ref().is_none_or(|best| candidate.stage < best.stage) {
                best = Some(candidate);
            }
        };
        for (index, jump) in run.universe.jumps.iter().enumerate() {
            let Some(ready) = self.jump_ready(run, jump) else {
                continue;
            };
            let target = self.graph.node(jump.target);
            let is_root = jump.kind.is_none();
            let Some(node) = self.graph.downcast(jump.target, run.type_id) else {
                continue;
            };
            let is_visited = run.visits.iter().any(|visit| {
                let seen = self.graph.node(visit.node);
                let seen_type = self.graph.node(node).type_id;
                seen.subgraph == target.subgraph && seen.type_id == seen_type
            });
            if !is_visited && let Some(stage) = self.slots.next(target.subgraph, is_root, ready) {
                offer(Candidate {
                    stage,
                    jump: index,
                    required_by: None,
                });
            }
            for (item, requires) in run.universe.requires.iter().enumerate() {
                if requires.is_empty() {
                    continue;
                }
                let edge = self.edge(node, &run.universe.items[item].field);
                if edge.is_none_or(|edge| edge.requires.is_none()) {
                    continue;
                }
                let inputs = requires.iter().find(|(subgraph, _)| *subgraph == target.subgraph);
                let Some((_, inputs)) = inputs else { continue };
                let Some(inputs_ready) = run.ready(inputs) else {
                    continue;
                };
                let Some(stage) = self.slots.next(target.subgraph, is_root, ready.max(inputs_ready)) else {
                    continue;
                };
                let known = run.provisions[item].as_ref().map(|known| known.completion.stage);
                // A stage can be tried once: what is below the field may take longer than an earlier provision.
                let is_tried = run.visits.iter().any(|visit| {
                    visit.stage == stage
                        && visit.node == node
                        && matches!(visit.origin, Origin::Jump(made) if made == index)
                });
                if known.is_none_or(|known| stage < known) && !(is_tried && known.is_some()) {
                    offer(Candidate {
                        stage,
                        jump: index,
                        required_by: Some((item, Rc::clone(inputs))),
                    });
                }
            }
        }
        best
    }

    fn jump_ready(&self, run: &Run, jump: &Jump) -> Option<u16> {
        let ready = run.ready(&jump.key)?;
        match jump.kind {
            Some(KeyEdgeKind::Object) => Some(ready.max(run.typed_from?)),
            // Only for objects whose runtime type the arrivals do not tell.
            Some(KeyEdgeKind::Interface) => {
                let first = run.visits.first()?;
                self.graph.node(first.node).is_interface_object.then_some(ready)
            }
            Some(KeyEdgeKind::InterfaceObject) | None => Some(ready),
        }
    }

    fn take(&mut self, run: &mut Run, candidate: Candidate) -> Result<(), PlanError> {
        let universe = Rc::clone(&run.universe);
        let jump = &universe.jumps[candidate.jump];
        let Some(node) = self.graph.downcast(jump.target, run.type_id) else {
            return Ok(());
        };
        let known = run.visits.iter().position(|visit| {
            let by_jump = matches!(visit.origin, Origin::Jump(index) if index == candidate.jump);
            visit.stage == candidate.stage && visit.node == node && by_jump
        });
        let index = match known {
            Some(index) => index,
            None => {
                self.add_visit(
                    run,
                    Visit {
                        node,
                        stage: candidate.stage,
                        origin: Origin::Jump(candidate.jump),
                    },
                )?;
                run.visits.len() - 1
            }
        };
        let Some((item_index, inputs)) = candidate.required_by else {
            return Ok(());
        };
        let item = &universe.items[item_index];
        let target = self.edge(node, &item.field).and_then(|edge| edge.target);
        let completion = self.below(item, target, candidate.stage)?;
        let known = run.provisions[item_index].as_ref().map(|known| known.completion);
        // What cannot be completed from here never can from here: later stages know no more.
        let completion = completion.unwrap_or(Completion::NEVER);
        if known.is_none_or(|known| completion < known) {
            run.provisions[item_index] = Some(Provision {
                completion,
                visits: smallvec![index],
                requires: Some(inputs),
            });
        }
        Ok(())
    }

    /// For fields that no subgraph completes alone: all that resolve the field do so together.
    ///
    /// Whether that made a field known.
    fn share(&mut self, run: &mut Run) -> Result<bool, PlanError> {
        let universe = Rc::clone(&run.universe);
        let mut is_changed = false;
        for (item_index, item) in universe.items.iter().enumerate() {
            let is_known = run.provisions[item_index]
                .as_ref()
                .is_some_and(|known| known.known().is_some());
            let Some(child) = item.child.filter(|_| !is_known) else {
                continue;
            };
            let mut visits: SmallVec<[usize; 1]> = SmallVec::new();
            let mut arrivals = Arrivals::new();
            for (index, visit) in run.visits.iter().enumerate() {
                let edge = self.edge(visit.node, &item.field);
                if let Some(target) = edge.filter(|edge| edge.requires.is_none()).and_then(|edge| edge.target) {
                    visits.push(index);
                    arrivals.push(Arrival {
                        node: target,
                        stage: visit.stage,
                    });
                }
            }
            if visits.len() < 2 {
                continue;
            }
            if let Some(completion) = self.complete(child, &arrivals)? {
                is_changed = true;
                run.provisions[item_index] = Some(Provision {
                    completion,
                    visits,
                    requires: None,
                });
            }
        }
        Ok(is_changed)
    }

    /// The set's own items for a type.
    fn own_universe(&mut self, set: SetId, type_id: TypeId) -> Rc<Universe> {
        if let Some(universe) = self.own_universes.get(&(set, type_id)) {
            return Rc::clone(universe);
        }
        let selection_set = self.sets.set(set);
        let own = selection_set
            .items
            .iter()
            .filter(|item| item.types.binary_search(&type_id).is_ok());
        let items: Vec<Item> = own.cloned().collect();
        let universe = Rc::new(Universe {
            own_count: items.len(),
            requires: vec![Vec::new(); items.len()],
            items,
            jumps: Vec::new(),
        });
        self.own_universes.insert((set, type_id), Rc::clone(&universe));
        universe
    }

    fn universe(&mut self, set: SetId, type_id: TypeId) -> Result<Rc<Universe>, PlanError> {
        if let Some(universe) = self.universes.get(&(set, type_id)) {
            return Ok(Rc::clone(universe));
        }
        let own = self.own_universe(set, type_id);
        let mut universe = Universe {
            items: own.items.clone(),
            own_count: own.own_count,
            jumps: Vec::new(),
            requires: Vec::new(),
        };
        let graph = self.graph;
        for edge in graph.key_edges(type_id) {
            let key = self.add_hidden(&mut universe, &edge.fields, type_id)?;
            universe.jumps.push(Jump {
                target: edge.target,
                key,
                kind: Some(edge.kind),
            });
        }
        if Some(type_id) == self.query_type && Some(set) != self.root {
            for target in self.query_roots.clone() {
                universe.jumps.push(Jump {
                    target,
                    key: Rc::from([]),
                    kind: None,
                });
            }
        }
        // Grows while it is walked: what is required may require something itself.
        let mut index = 0;
        while index < universe.items.len() {
            let field: Name = universe.items[index].field.clone();
            let mut requires: Vec<(SubgraphId, Rc<[usize]>)> = Vec::new();
            for jump in 0..universe.jumps.len() {
                let Some(node) = graph.downcast(universe.jumps[jump].target, type_id) else {
                    continue;
                };
                let subgraph = graph.node(node).subgraph;
                let field_set = self.edge(node, &field).and_then(|edge| edge.requires.as_deref());
                if let Some(field_set) = field_set.filter(|_| requires.iter().all(|(known, _)| *known != subgraph)) {
                    let inputs = self.add_hidden(&mut universe, field_set, type_id)?;
                    requires.push((subgraph, inputs));
                }
            }
            universe.requires.push(requires);
            index += 1;
        }
        let universe = Rc::new(universe);
        self.universes.insert((set, type_id), Rc::clone(&universe));
        Ok(universe)
    }

    /// Adds the fields of a field set to the universe, unless they are there.
    fn add_hidden(
        &mut self,
        universe: &mut Universe,
        field_set: &'a federation::field_set::FieldSet,
        type_id: TypeId,
    ) -> Result<Rc<[usize]>, PlanError> {
        let set = self.sets.hidden_items(field_set, type_id)?;
        let mut indices = Vec::new();
        for hidden in &self.sets.set(set).items {
            let known = universe
                .items
                .iter()
                .position(|item| item.storage_name == hidden.storage_name && item.child == hidden.child);
            indices.push(known.unwrap_or_else(|| {
                universe.items.push(hidden.clone());
                universe.items.len() - 1
            }));
        }
        Ok(indices.into())
    }

    /// The slot that a visit takes, when it is not part of the fetch that arrives.
    pub(crate) fn slot(&self, solved: &Solved, visit: &Visit) -> Option<Slot> {
        match visit.origin {
            Origin::Arrival(_) => None,
            Origin::Jump(index) => Some(Slot {
                stage: visit.stage,
                subgraph: self.graph.node(visit.node).subgraph,
                is_root: solved.universe.jumps[index].kind.is_none(),
            }),
        }
    }
}
