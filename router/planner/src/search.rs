//! Chooses in which subgraph and stage each field is resolved.
//!
//! A *slot* is one request: a subgraph in a stage. All positions of the operation that need a subgraph in a stage share
//! its slot, as batched `_entities`. The search first solves with every slot open, as early as possible, and then closes
//! slots one by one for as long as the operation can still be answered. What remains is a smallest set: no request can
//! be left out.
//!
//! Bounded: solving asks each (selection set, arrival) once, there are as many solutions to try as there are slots, and
//! past a number of places the search ends with what it has.

use std::rc::Rc;

use apollo_compiler::executable::ExecutableDocument;
use federation::query_graph::{FieldEdge, NodeId, QueryGraph};
use federation::query_plan::OperationKind;
use federation::supergraph::{ActiveLabels, SubgraphId, Supergraph, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use crate::normalize::Normalizer;
use crate::place::{Arrival, Arrivals, Completion, Origin, Solved, Universe};
use crate::planner::PlanError;
use crate::selection::SetId;

/// Most stages of a plan: twice the deepest operation that limits let through. A plan needs one for each jump on a path.
const STAGES_MAX: u16 = 400;

/// Most sets that keys and `@requires` may nest, so that keys which need each other end.
const HIDDEN_DEPTH_MAX: u32 = 200;

/// Most places solved for one set of slots after another. Past it the slots found so far are kept: the plan is right, but
/// may make a request too many. A few seconds; operations that people write need a thousandth.
const PLACES_SOLVED_MAX: u64 = 1_000_000;

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub(crate) stage: u16,
    pub(crate) subgraph: SubgraphId,
    /// Root fields, not entities: the two cannot share a request.
    pub(crate) is_root: bool,
}

/// The slots that may be used.
pub(crate) enum Slots {
    /// Every one.
    All,
    /// Stages by subgraph, sorted.
    Some(FxHashMap<(SubgraphId, bool), Vec<u16>>),
}

impl Slots {
    fn new(slots: impl Iterator<Item = Slot>) -> Self {
        let mut stages: FxHashMap<(SubgraphId, bool), Vec<u16>> = FxHashMap::default();
        for slot in slots {
            stages
                .entry((slot.subgraph, slot.is_root))
                .or_default()
                .push(slot.stage);
        }
        for stages in stages.values_mut() {
            stages.sort_unstable();
        }
        Self::Some(stages)
    }

    /// The first open stage after `stage`.
    pub(crate) fn next(&self, subgraph: SubgraphId, is_root: bool, stage: u16) -> Option<u16> {
        match self {
            Self::All => (stage < STAGES_MAX).then_some(stage + 1),
            Self::Some(stages) => {
                let stages = stages.get(&(subgraph, is_root))?;
                stages.iter().copied().find(|open| *open > stage)
            }
        }
    }

    fn is_open(&self, slot: Slot) -> bool {
        match self {
            Self::All => true,
            Self::Some(stages) => {
                let stages = stages.get(&(slot.subgraph, slot.is_root));
                stages.is_some_and(|stages| stages.contains(&slot.stage))
            }
        }
    }
}

/// The state of one search.
pub(crate) struct Search<'a> {
    pub(crate) supergraph: &'a Supergraph,
    pub(crate) graph: &'a QueryGraph,
    labels: ActiveLabels,
    pub(crate) sets: Normalizer<'a>,
    pub(crate) slots: Slots,
    pub(crate) query_type: Option<TypeId>,
    pub(crate) query_roots: Vec<NodeId>,
    /// The set at the root: its subgraphs are arrivals, not jumps.
    pub(crate) root: Option<SetId>,
    pub(crate) own_universes: FxHashMap<(SetId, TypeId), Rc<Universe>>,
    pub(crate) universes: FxHashMap<(SetId, TypeId), Rc<Universe>>,
    pub(crate) solved: FxHashMap<(SetId, TypeId, Arrivals), Rc<Solved>>,
    completions: FxHashMap<(SetId, Arrivals), Option<Completion>>,
    in_progress: FxHashSet<(SetId, Arrivals)>,
    /// How often a set was found to ask for itself.
    pub(crate) cuts: u64,
    /// How many places were solved, over all sets of slots.
    pub(crate) places_solved: u64,
    depth: u32,
    pub(crate) classes: FxHashMap<SetId, Rc<[u32]>>,
    pub(crate) key_classes: FxHashMap<TypeId, Option<u32>>,
    pub(crate) key_signatures: FxHashMap<String, u32>,
}

/// How a slot is used.
type Uses = FxHashMap<Slot, u32>;

impl<'a> Search<'a> {
    pub(crate) fn new(
        supergraph: &'a Supergraph,
        document: &'a ExecutableDocument,
        field_names: &'a FxHashSet<apollo_compiler::Name>,
    ) -> Self {
        Self {
            supergraph,
            graph: supergraph.query_graph(),
            labels: ActiveLabels::NONE,
            sets: Normalizer::new(supergraph, document, field_names),
            slots: Slots::All,
            query_type: supergraph.root_type(OperationKind::Query),
            query_roots: supergraph.query_graph().roots(supergraph, OperationKind::Query),
            root: None,
            own_universes: FxHashMap::default(),
            universes: FxHashMap::default(),
            solved: FxHashMap::default(),
            completions: FxHashMap::default(),
            in_progress: FxHashSet::default(),
            cuts: 0,
            places_solved: 0,
            depth: 0,
            classes: FxHashMap::default(),
            key_classes: FxHashMap::default(),
            key_signatures: FxHashMap::default(),
        }
    }

    /// The edge of a field with the labels of this operation.
    pub(crate) fn edge(&self, node: NodeId, field: &str) -> Option<&'a FieldEdge> {
        self.graph.field(node, field, &self.labels)
    }

    /// Chooses slots for the set at the root, and leaves them open.
    ///
    /// Returns the arrivals at the root and the number of slots.
    pub(crate) fn choose(&mut self, root: SetId, roots: &[NodeId]) -> Result<Option<(Arrivals, usize)>, PlanError> {
        self.root = Some(root);
        self.open(Slots::All);
        let Some((mut arrivals, mut uses)) = self.attempt(root, roots)? else {
            return Ok(None);
        };
        let mut best: Vec<Slot> = Self::by_use(&uses);
        let mut tried: FxHashSet<Slot> = FxHashSet::default();
        while let Some(slot) = best.iter().copied().find(|slot| !tried.contains(slot)) {
            tried.insert(slot);
            if best.len() == 1 || self.places_solved > PLACES_SOLVED_MAX {
                break;
            }
            self.open(Slots::new(best.iter().copied().filter(|other| *other != slot)));
            if let Some((fewer_arrivals, fewer)) = self.attempt(root, roots)? {
                (arrivals, uses) = (fewer_arrivals, fewer);
                best = Self::by_use(&uses);
            }
        }
        let count = best.len();
        self.open(Slots::new(best.into_iter()));
        let all: Arrivals = self.root_arrivals(roots);
        debug_assert!(arrivals.iter().all(|arrival| all.contains(arrival)));
        self.complete(root, &arrivals)?;
        Ok(Some((arrivals, count)))
    }

    /// Least used first: those are closed most easily.
    fn by_use(uses: &Uses) -> Vec<Slot> {
        let mut slots: Vec<(u32, Slot)> = uses.iter().map(|(slot, count)| (*count, *slot)).collect();
        slots.sort_unstable();
        slots.into_iter().map(|(_, slot)| slot).collect()
    }

    fn open(&mut self, slots: Slots) {
        self.slots = slots;
        self.solved.clear();
        self.completions.clear();
    }

    fn root_arrivals(&self, roots: &[NodeId]) -> Arrivals {
        let open = roots.iter().filter(|root| {
            self.slots.is_open(Slot {
                stage: 0,
                subgraph: self.graph.node(**root).subgraph,
                is_root: true,
            })
        });
        open.map(|node| Arrival { node: *node, stage: 0 }).collect()
    }

    /// Solves with the slots that are open, and says which of them it used.
    fn attempt(&mut self, root: SetId, roots: &[NodeId]) -> Result<Option<(Arrivals, Uses)>, PlanError> {
        let arrivals = self.root_arrivals(roots);
        if self.complete(root, &arrivals)?.is_none() {
            return Ok(None);
        }
        let arrivals = self.used_arrivals(root, &arrivals)?;
        let mut uses = Uses::default();
        for arrival in &arrivals {
            let slot = Slot {
                stage: 0,
                subgraph: self.graph.node(arrival.node).subgraph,
                is_root: true,
            };
            // The root's own fields count as well, or the root would be closed first.
            *uses.entry(slot).or_default() += 1;
        }
        self.count_uses(root, &arrivals, &mut uses, &mut FxHashSet::default())?;
        Ok(Some((arrivals, uses)))
    }

    /// The stage in which a set is complete that is entered by `arrivals`; `None`: some field cannot be resolved.
    pub(crate) fn complete(&mut self, set: SetId, arrivals: &Arrivals) -> Result<Option<Completion>, PlanError> {
        let identity = (set, arrivals.clone());
        if let Some(completion) = self.completions.get(&identity) {
            return Ok(*completion);
        }
        if self.depth >= HIDDEN_DEPTH_MAX || !self.in_progress.insert(identity.clone()) {
            self.cuts += 1;
            return Ok(None);
        }
        self.depth += 1;
        let cuts_before = self.cuts;
        let completion = self.complete_uncached(set, arrivals);
        self.depth -= 1;
        self.in_progress.remove(&identity);
        let completion = completion?;
        if self.cuts == cuts_before || completion.is_some() {
            self.completions.insert(identity, completion);
        }
        Ok(completion)
    }

    fn complete_uncached(&mut self, set: SetId, arrivals: &Arrivals) -> Result<Option<Completion>, PlanError> {
        let first = arrivals.iter().map(|arrival| arrival.stage).min().unwrap_or_default();
        let mut completion = Completion::at(first);
        if arrivals.is_empty() {
            return Ok(None);
        }
        let places = self.places(set, arrivals);
        if places
            .iter()
            .any(|(type_id, seen)| self.is_hopeless(set, *type_id, seen))
        {
            return Ok(None);
        }
        for (type_id, seen) in &places {
            match self.place(set, *type_id, seen)?.completion {
                Some(below) => completion = completion.and(below),
                None => return Ok(None),
            }
        }
        Ok(Some(completion))
    }

    /// The places of a set that are worth solving: one for all types that behave alike.
    fn places(&mut self, set: SetId, arrivals: &Arrivals) -> Vec<(TypeId, Arrivals)> {
        let types = Rc::clone(&self.sets.set(set).types);
        let mut places = Vec::new();
        if types.len() == 1 {
            let seen = self.seen(arrivals, types[0]);
            if !seen.is_empty() {
                places.push((types[0], seen));
            }
            return places;
        }
        let classes = self.classes(set);
        let mut known: FxHashSet<(u32, SmallVec<[SubgraphId; 4]>)> = FxHashSet::default();
        for (type_id, class) in types.iter().zip(classes.iter()) {
            let seen = self.seen(arrivals, *type_id);
            // A view may resolve more for one type than for another.
            let is_view = |arrival: &Arrival| {
                let node = self.graph.node(arrival.node);
                self.graph.node_of(node.subgraph, node.type_id) != Some(arrival.node)
            };
            let is_plain = !seen.iter().any(is_view);
            let subgraphs = seen
                .iter()
                .map(|arrival| self.graph.node(arrival.node).subgraph)
                .collect();
            if !seen.is_empty() && (!is_plain || known.insert((*class, subgraphs))) {
                places.push((*type_id, seen));
            }
        }
        places
    }

    /// The arrivals at which objects of a type may be, as nodes of that type.
    pub(crate) fn seen(&self, arrivals: &Arrivals, type_id: TypeId) -> Arrivals {
        let seen = arrivals.iter().filter_map(|arrival| {
            let node = self.graph.downcast(arrival.node, type_id)?;
            Some(Arrival {
                node,
                stage: arrival.stage,
            })
        });
        seen.collect()
    }

    /// Where `visits` of a place lead for a field.
    pub(crate) fn targets(&self, solved: &Solved, item: usize) -> Arrivals {
        let Some(provision) = &solved.provisions[item] else {
            return Arrivals::new();
        };
        let field = &solved.universe.items[item].field;
        let targets = provision.visits.iter().filter_map(|index| {
            let visit = &solved.visits[*index];
            let node = self.edge(visit.node, field)?.target?;
            Some(Arrival {
                node,
                stage: visit.stage,
            })
        });
        targets.collect()
    }

    /// The arrivals that the solution makes use of, out of several.
    pub(crate) fn used_arrivals(&mut self, set: SetId, arrivals: &Arrivals) -> Result<Arrivals, PlanError> {
        if arrivals.len() < 2 {
            return Ok(arrivals.clone());
        }
        let mut used = vec![false; arrivals.len()];
        let types = Rc::clone(&self.sets.set(set).types);
        for type_id in types.iter() {
            let seen_by: Vec<usize> = (0..arrivals.len())
                .filter(|index| self.graph.downcast(arrivals[*index].node, *type_id).is_some())
                .collect();
            if seen_by.is_empty() {
                continue;
            }
            let seen = self.seen(arrivals, *type_id);
            let solved = self.place(set, *type_id, &seen)?;
            for visit in self.used_visits(&solved)? {
                if let Origin::Arrival(index) = solved.visits[visit].origin {
                    used[seen_by[index]] = true;
                }
            }
        }
        if !used.contains(&true) {
            used[0] = true;
        }
        let arrivals = arrivals.iter().zip(used).filter(|(_, used)| *used);
        Ok(arrivals.map(|(arrival, _)| *arrival).collect())
    }

    /// Visits that the own items need, and what these visits need in turn.
    fn used_visits(&mut self, solved: &Solved) -> Result<Vec<usize>, PlanError> {
        let mut used = vec![false; solved.visits.len()];
        let mut items: Vec<usize> = (0..solved.universe.own_count).collect();
        let mut items_seen = vec![false; solved.universe.items.len()];
        let mut pending: Vec<usize> = solved.typename_visit.into_iter().collect();
        loop {
            if let Some(visit) = pending.pop() {
                if !std::mem::replace(&mut used[visit], true)
                    && let Origin::Jump(jump) = solved.visits[visit].origin
                {
                    items.extend(solved.universe.jumps[jump].key.iter());
                }
            } else if let Some(item) = items.pop() {
                if std::mem::replace(&mut items_seen[item], true) {
                    continue;
                }
                pending.extend(self.provision_visits(solved, item)?);
                let provision = solved.provisions[item].as_ref();
                items.extend(
                    provision
                        .and_then(|provision| provision.requires.as_deref())
                        .into_iter()
                        .flatten(),
                );
            } else {
                break;
            }
        }
        // An object of which nothing is asked is still seen from where it is first.
        if !used.contains(&true) && !used.is_empty() {
            used[0] = true;
        }
        Ok((0..used.len()).filter(|index| used[*index]).collect())
    }

    /// Of visits that share a field, those that resolve something below it.
    pub(crate) fn provision_visits(&mut self, solved: &Solved, item: usize) -> Result<Vec<usize>, PlanError> {
        let Some(provision) = &solved.provisions[item] else {
            return Ok(Vec::new());
        };
        let child = solved.universe.items[item].child.filter(|_| provision.visits.len() > 1);
        let Some(child) = child else {
            return Ok(provision.visits.to_vec());
        };
        let targets = self.targets(solved, item);
        let used = self.used_arrivals(child, &targets)?;
        let pairs = provision.visits.iter().zip(targets);
        Ok(pairs
            .filter(|(_, target)| used.contains(target))
            .map(|(visit, _)| *visit)
            .collect())
    }

    fn count_uses(
        &mut self,
        set: SetId,
        arrivals: &Arrivals,
        uses: &mut Uses,
        counted: &mut FxHashSet<(SetId, Arrivals)>,
    ) -> Result<(), PlanError> {
        if !counted.insert((set, arrivals.clone())) {
            return Ok(());
        }
        for (type_id, seen) in self.places(set, arrivals) {
            let solved = self.place(set, type_id, &seen)?;
            let visits = self.used_visits(&solved)?;
            for visit in &visits {
                if let Some(slot) = self.slot(&solved, &solved.visits[*visit]) {
                    *uses.entry(slot).or_default() += 1;
                }
            }
            for item in self.needed_items(&solved, &visits) {
                let Some(child) = solved.universe.items[item].child else {
                    continue;
                };
                let targets = self.targets(&solved, item);
                let targets = if targets.len() > 1 {
                    self.used_arrivals(child, &targets)?
                } else {
                    targets
                };
                self.count_uses(child, &targets, uses, counted)?;
            }
        }
        Ok(())
    }

    /// Own items, and hidden ones that `visits` need.
    fn needed_items(&self, solved: &Solved, visits: &[usize]) -> Vec<usize> {
        let mut needed: Vec<usize> = (0..solved.universe.own_count).collect();
        for visit in visits {
            if let Origin::Jump(jump) = solved.visits[*visit].origin {
                needed.extend(solved.universe.jumps[jump].key.iter());
            }
        }
        let mut index = 0;
        while index < needed.len() {
            let provision = solved.provisions[needed[index]].as_ref();
            let requires = provision.and_then(|provision| provision.requires.clone());
            for item in requires.iter().flat_map(|requires| requires.iter()) {
                if !needed.contains(item) {
                    needed.push(*item);
                }
            }
            index += 1;
        }
        needed.sort_unstable();
        needed.dedup();
        needed
    }

    /// One arrival at a root, before anything else.
    pub(crate) fn root_arrival(node: NodeId) -> Arrivals {
        smallvec![Arrival { node, stage: 0 }]
    }
}
