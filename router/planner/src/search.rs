//! Chooses in which subgraph and stage each field is resolved.
//!
//! A *slot* is one request: a subgraph in a stage. All positions of the operation that need a subgraph in a stage share
//! its slot, as batched `_entities`. The search first solves with every slot open, as early as possible, finds those that are
//! [`needed`] in any case, and then closes others, several at once while there are many, for as long as the operation can still
//! be answered. What remains is a smallest set: no request can be left out.
//!
//! Bounded: solving asks each (selection set, arrival) once, there are as many solutions to try as there are slots, each of
//! which solves anew only what its slot has a part in, and past a number of units of work the search ends with what it has.

mod many_slots;
mod needed;

use std::borrow::Cow;
use std::rc::Rc;

use apollo_compiler::executable::ExecutableDocument;
use federation::query_graph::{FieldEdge, FieldId, NodeId, QueryGraph};
use federation::query_plan::OperationKind;
use federation::supergraph::{ActiveLabels, SubgraphId, Supergraph, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use crate::contexts::{Wanted, WantedId};
use crate::normalize::{Normalizer, Parts};
use crate::place::{Arrival, Arrivals, Completion, Origin, Solved};
use crate::planner::PlanError;
use crate::selection::SetId;
use crate::slots::{Memo, Slot, Slots};
use crate::universe::{Resolvers, Universe};

/// Most sets that keys and `@requires` may nest, so that keys which need each other end.
const HIDDEN_DEPTH_MAX: u32 = 200;

/// How much longer than the first plan took the search for a cheaper one may take; past it the slots found so far are kept:
/// the plan is right, but may make a request too many. With a factor, the time grows as that of the first plan does; 8 finds
/// the fewest requests that are known for every operation of the conformance suites.
const SEARCH_WORK_FACTOR: u64 = 8;

/// Units of work that the search may always take: a millisecond.
const SEARCH_WORK_MIN: u64 = 500;

/// Most units of work for a plan at all: seconds.
const WORK_MAX: u64 = 5_000_000;

/// The state of one search.
pub(crate) struct Search<'a> {
    pub(crate) supergraph: &'a Supergraph,
    pub(crate) graph: &'a QueryGraph,
    labels: &'a ActiveLabels,
    pub(crate) sets: Normalizer<'a>,
    pub(crate) slots: Slots,
    pub(crate) query_type: Option<TypeId>,
    pub(crate) query_roots: Vec<NodeId>,
    /// The set at the root: its subgraphs are arrivals, not jumps.
    pub(crate) root: Option<SetId>,
    pub(crate) own_universes: FxHashMap<(SetId, TypeId), Rc<Universe>>,
    pub(crate) universes: FxHashMap<(SetId, TypeId), Rc<Universe>>,
    pub(crate) resolvers: FxHashMap<(TypeId, FieldId), Rc<Resolvers>>,
    pub(crate) solved: Memo<(SetId, TypeId, Arrivals), Rc<Solved>>,
    completions: Memo<(SetId, Arrivals), Option<Completion>>,
    in_progress: FxHashSet<(SetId, Arrivals)>,
    /// How often a set was found to ask for itself.
    pub(crate) cuts: u64,
    /// Units of work so far: places solved, and visits made for them.
    pub(crate) work: u64,
    depth: u32,
    pub(crate) at_once: FxHashMap<(SetId, NodeId), bool>,
    /// Deferred sets that cannot be resolved apart from their objects.
    pub(crate) together: FxHashSet<(SetId, TypeId)>,
    pub(crate) wanted: Vec<Wanted<'a>>,
    pub(crate) wanted_above: FxHashMap<SetId, Rc<[WantedId]>>,
    pub(crate) classes: FxHashMap<SetId, Rc<[u32]>>,
    pub(crate) key_classes: FxHashMap<TypeId, Option<u32>>,
    pub(crate) key_signatures: FxHashMap<String, u32>,
}

/// Where a plan begins.
#[derive(Clone, Copy)]
pub(crate) enum Start<'r> {
    /// In any of these subgraphs.
    Roots(&'r [NodeId]),
    /// With objects that earlier fetches bring.
    Objects(&'r Arrivals),
}

/// Types of a set, each with where its objects are seen from. Mostly one.
type Places = SmallVec<[(TypeId, Arrivals); 1]>;

/// How a slot is used.
type Uses = FxHashMap<Slot, u32>;

impl<'a> Search<'a> {
    pub(crate) fn new(
        supergraph: &'a Supergraph,
        document: &'a ExecutableDocument,
        field_names: &'a FxHashSet<apollo_compiler::Name>,
        (labels, parts): (&'a ActiveLabels, Parts<'a>),
    ) -> Self {
        Self {
            supergraph,
            graph: supergraph.query_graph(),
            labels,
            sets: Normalizer::new(supergraph, document, field_names, parts),
            slots: Slots::default(),
            query_type: supergraph.root_type(OperationKind::Query),
            query_roots: supergraph.query_graph().roots(supergraph, OperationKind::Query),
            root: None,
            own_universes: FxHashMap::default(),
            universes: FxHashMap::default(),
            resolvers: FxHashMap::default(),
            solved: Memo::default(),
            completions: Memo::default(),
            in_progress: FxHashSet::default(),
            cuts: 0,
            work: 0,
            depth: 0,
            at_once: FxHashMap::default(),
            together: FxHashSet::default(),
            wanted: Vec::new(),
            wanted_above: FxHashMap::default(),
            classes: FxHashMap::default(),
            key_classes: FxHashMap::default(),
            key_signatures: FxHashMap::default(),
        }
    }

    /// The edge of a field with the labels of this operation.
    pub(crate) fn edge(&self, node: NodeId, field: FieldId) -> Option<&'a FieldEdge> {
        self.graph.field(node, field, self.labels)
    }

    /// Chooses slots for the set at the root, and leaves them open.
    ///
    /// Returns the arrivals at the root and the number of slots.
    pub(crate) fn choose(&mut self, root: SetId, roots: &[NodeId]) -> Result<Option<(Arrivals, usize)>, PlanError> {
        self.root = Some(root);
        self.choose_from(root, Start::Roots(roots))
    }

    /// As [`Search::choose`], for a set of objects that are known already.
    pub(crate) fn choose_from(
        &mut self,
        root: SetId,
        start: Start<'_>,
    ) -> Result<Option<(Arrivals, usize)>, PlanError> {
        let begin = self.work;
        self.slots = Slots::default();
        self.solved.clear();
        self.completions.clear();
        let Some((mut arrivals, uses)) = self.attempt(root, start)? else {
            return Ok(None);
        };
        let work_max = self.work + SEARCH_WORK_MIN.max((self.work - begin) * SEARCH_WORK_FACTOR);
        // With room for one more solution, so that the search itself never makes the operation fail.
        let work_max = work_max.min(WORK_MAX / 2);
        let best = Self::by_use(&uses);
        if best.len() <= 1 {
            return Ok(Some((arrivals, best.len())));
        }
        let mut needed = self.needed(root, start, &best)?;
        if best.iter().all(|slot| needed.contains(slot)) {
            return Ok(Some((arrivals, best.len())));
        }
        // The same again, now knowing what depends on which slot.
        let (again, closed) = self.solve_again(root, start, &uses)?;
        self.keep();
        arrivals = again.0;
        // Open, and of no use to the best solution.
        let mut unused = best;
        unused.retain(|slot| !again.1.contains_key(slot) && !closed.contains(slot));
        let mut best = Self::by_use(&again.1);
        // Many at once at first: of many slots most can be closed.
        let mut at_once = (best.len() / 4).max(1);
        let mut subgraphs = Self::subgraphs_of_many(&best).into_iter();
        while self.work <= work_max {
            let subgraph = subgraphs.next();
            let untried = best.iter().copied().filter(|slot| !needed.contains(slot));
            let tried: Vec<Slot> = match subgraph {
                Some(subgraph) => untried.filter(|slot| slot.subgraph == subgraph).collect(),
                None => untried.take(at_once.min(best.len().saturating_sub(1))).collect(),
            };
            if tried.is_empty() || tried.len() == best.len() {
                if subgraph.is_some() {
                    continue;
                }
                break;
            }
            let closed = [unused.as_slice(), tried.as_slice()].concat();
            self.slots.close(&closed);
            if let Some((fewer_arrivals, uses)) = self.attempt(root, start)? {
                self.keep();
                arrivals = fewer_arrivals;
                let open = std::mem::replace(&mut best, Self::by_use(&uses));
                unused = open
                    .into_iter()
                    .filter(|slot| !uses.contains_key(slot) && !tried.contains(slot))
                    .collect();
                continue;
            }
            self.restore(&closed);
            if tried.len() == 1 {
                needed.extend(tried);
            }
            if subgraph.is_none() {
                at_once = (at_once / 2).max(1);
            }
        }
        Ok(Some((arrivals, best.len())))
    }

    /// Forgets solutions, which are not needed once fetches are written.
    pub(crate) fn forget_solutions(&mut self) {
        self.solved = Memo::default();
        self.completions = Memo::default();
    }

    /// Goes back to what was kept last.
    fn restore(&mut self, closed: &[Slot]) {
        self.slots.reopen(closed);
        self.solved.restore();
        self.completions.restore();
    }

    fn keep(&mut self) {
        self.solved.keep(&self.slots);
        self.completions.keep(&self.slots);
        self.slots.keep();
    }

    /// Counts a unit of work.
    pub(crate) fn work(&mut self) -> Result<(), PlanError> {
        self.work += 1;
        if self.work > WORK_MAX {
            return Err(PlanError::TooMuchWork { work_max: WORK_MAX });
        }
        Ok(())
    }

    /// Least used first: those are closed most easily.
    fn by_use(uses: &Uses) -> Vec<Slot> {
        let mut slots: Vec<(u32, Slot)> = uses.iter().map(|(slot, count)| (*count, *slot)).collect();
        slots.sort_unstable();
        slots.into_iter().map(|(_, slot)| slot).collect()
    }

    fn root_arrivals(&self, roots: &[NodeId]) -> Arrivals {
        let open = roots.iter().filter(|root| {
            self.slots.is_open(Slot {
                stage: 0,
                subgraph: self.graph.node(**root).subgraph,
                is_root: true,
            })
        });
        open.map(|node| Arrival::first(*node)).collect()
    }

    /// Solves with the slots that are open, and says which of them it used.
    fn attempt(&mut self, root: SetId, start: Start<'_>) -> Result<Option<(Arrivals, Uses)>, PlanError> {
        let arrivals = match start {
            Start::Roots(roots) => self.root_arrivals(roots),
            Start::Objects(arrivals) => arrivals.clone(),
        };
        if self.complete(root, &arrivals)?.is_none() {
            return Ok(None);
        }
        let arrivals = self.used_arrivals(root, &arrivals)?;
        let mut uses = Uses::default();
        // Objects are there at no cost.
        let at_root = arrivals.iter().filter(|_| matches!(start, Start::Roots(_)));
        for arrival in at_root {
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
        let first = arrivals.iter().map(|arrival| arrival.stage).min().unwrap_or_default();
        if first > 0 && self.slots.are_all_open() {
            // With every slot open it does not matter when something begins.
            let arrivals = arrivals.iter().map(|arrival| arrival.earlier_by(first)).collect();
            let completion = self.complete(set, &arrivals)?;
            return Ok(completion.map(|completion| completion.later_by(first)));
        }
        let identity = (set, arrivals.clone());
        if let Some(completion) = self.completions.get(&identity, &self.slots) {
            return Ok(completion);
        }
        if self.depth >= HIDDEN_DEPTH_MAX || !self.in_progress.insert(identity.clone()) {
            self.cuts += 1;
            return Ok(None);
        }
        self.depth += 1;
        let cuts_before = self.cuts;
        let asked_before = self.slots.enter();
        let completion = self.complete_uncached(set, arrivals);
        let asked = self.slots.leave(asked_before);
        self.depth -= 1;
        self.in_progress.remove(&identity);
        let completion = completion?;
        if self.cuts == cuts_before || completion.is_some() {
            self.completions.insert(identity, asked, completion);
        }
        Ok(completion)
    }

    fn complete_uncached(&mut self, set: SetId, arrivals: &Arrivals) -> Result<Option<Completion>, PlanError> {
        let first = arrivals.iter().map(|arrival| arrival.stage).min().unwrap_or_default();
        let mut completion = Completion::at(first);
        if arrivals.is_empty() {
            return Ok(None);
        }
        let places = self.places(set, arrivals)?;
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
    fn places(&mut self, set: SetId, arrivals: &Arrivals) -> Result<Places, PlanError> {
        let types = Rc::clone(&self.sets.set(set).types);
        let mut places = Places::new();
        if types.len() == 1 {
            let seen = self.seen(arrivals, types[0]);
            if !seen.is_empty() {
                places.push((types[0], seen));
            }
            return Ok(places);
        }
        let classes = self.classes(set)?;
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
        Ok(places)
    }

    /// The arrivals at which objects of a type may be, as nodes of that type.
    pub(crate) fn seen(&self, arrivals: &Arrivals, type_id: TypeId) -> Arrivals {
        let seen = arrivals.iter().filter_map(|arrival| {
            let node = self.graph.downcast(arrival.node, type_id)?;
            Some(Arrival { node, ..*arrival })
        });
        seen.collect()
    }

    /// Where `visits` of a place lead for a field.
    pub(crate) fn targets(&self, solved: &Solved, item: usize) -> Arrivals {
        let Some(provision) = &solved.provisions[item] else {
            return Arrivals::new();
        };
        let field = solved.universe.items[item].field_id;
        let context = solved.context_stage(item).unwrap_or_default();
        let targets = provision.visits.iter().filter_map(|index| {
            let node = self.edge(solved.visits[*index].node, field)?.target?;
            Some(Arrival {
                node,
                stage: solved.found_from(item, *index),
                context,
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
    fn used_visits(&mut self, solved: &Solved) -> Result<SmallVec<[usize; 4]>, PlanError> {
        if solved.visits.len() < 2 {
            return Ok((0..solved.visits.len()).collect());
        }
        let mut used: SmallVec<[bool; 8]> = smallvec![false; solved.visits.len()];
        let mut items: SmallVec<[usize; 16]> = (0..solved.universe.own_count).collect();
        let mut items_seen: SmallVec<[bool; 16]> = smallvec![false; solved.universe.items.len()];
        let mut pending: SmallVec<[usize; 4]> = solved.typename_visit.into_iter().collect();
        loop {
            if let Some(visit) = pending.pop() {
                if !std::mem::replace(&mut used[visit], true)
                    && let Origin::Jump(jump) = solved.visits[visit].origin
                {
                    items.extend(solved.universe.jumps[jump].key.iter().copied());
                    pending.extend(solved.typed_by(jump));
                }
            } else if let Some(item) = items.pop() {
                if std::mem::replace(&mut items_seen[item], true) {
                    continue;
                }
                pending.extend_from_slice(&self.provision_visits(solved, item)?);
                items.extend(solved.inputs(item));
            } else {
                break;
            }
        }
        // An object of which nothing is asked is still seen from where it is first.
        if !used.contains(&true) {
            used[0] = true;
        }
        Ok((0..used.len()).filter(|index| used[*index]).collect())
    }

    /// Of visits that share a field, those that resolve something below it.
    pub(crate) fn provision_visits<'s>(
        &mut self,
        solved: &'s Solved,
        item: usize,
    ) -> Result<Cow<'s, [usize]>, PlanError> {
        let Some(provision) = &solved.provisions[item] else {
            return Ok(Cow::Borrowed(&[]));
        };
        let child = solved.universe.items[item].child.filter(|_| provision.visits.len() > 1);
        let Some(child) = child else {
            return Ok(Cow::Borrowed(&provision.visits));
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
        for (type_id, seen) in self.places(set, arrivals)? {
            let solved = self.place(set, type_id, &seen)?;
            let visits = self.used_visits(&solved)?;
            for visit in &visits {
                if let Some(slot) = self.slot(&solved, *visit) {
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
    fn needed_items(&self, solved: &Solved, visits: &[usize]) -> SmallVec<[usize; 16]> {
        let mut needed: SmallVec<[usize; 16]> = (0..solved.universe.own_count).collect();
        for visit in visits {
            if let Origin::Jump(jump) = solved.visits[*visit].origin {
                needed.extend(solved.universe.jumps[jump].key.iter().copied());
            }
        }
        let mut index = 0;
        while index < needed.len() {
            for item in solved.inputs(needed[index]) {
                if !needed.contains(&item) {
                    needed.push(item);
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
        smallvec![Arrival::first(node)]
    }
}
