//! Solves one place that no arrival completes alone: which subgraphs are visited, in which stage and in which order.
//!
//! Visits are made by rising stage, as Dijkstra's algorithm does; each may make keys and required fields of later ones known.
//!
//! Deferred sets are solved *apart*: what tells the objects gives keys and required fields, and the set's own fields come from
//! visits after it. Only what no visit resolves is asked for along with the objects after all.

use std::rc::Rc;

use federation::query_graph::{KeyEdgeKind, Node, NodeId};
use federation::supergraph::TypeId;
use smallvec::{SmallVec, smallvec};

use crate::place::{
    Arrival, Arrivals, Completion, Origin, Provision, Solved, Visit, context_stage, greatest_context, is_of_some,
};
use crate::planner::PlanError;
use crate::search::Search;
use crate::selection::SetId;
use crate::universe::{Jump, Required, Universe, Way};

/// A solution in the making.
struct Run {
    universe: Rc<Universe>,
    visits: Vec<Visit>,
    /// By the number of a jump's site.
    is_visited: Vec<bool>,
    provisions: Vec<Option<Provision>>,
    /// Per way of the universe, how many of the items that it needs are not known yet.
    missing: SmallVec<[u32; 8]>,
    /// Ways that may be taken, in no order: nothing is missing, and they may still lead to something.
    open_ways: SmallVec<[u32; 8]>,
    /// From which stage on the runtime type is known.
    typed_from: Option<u16>,
    typename_visit: Option<usize>,
    needs_typename: bool,
    /// How many types the set is for.
    types_count: usize,
    /// [`Arrival::context`] of the arrivals.
    context: u16,
    /// Whether arrivals resolve nothing but what others need.
    is_apart: bool,
}

impl Run {
    fn new(universe: Rc<Universe>, arrivals: &Arrivals) -> Self {
        let mut run = Self {
            visits: Vec::with_capacity(4),
            provisions: vec![None; universe.items.len()],
            missing: universe.ways.iter().map(|way| way.needs).collect(),
            open_ways: SmallVec::new(),
            typed_from: None,
            typename_visit: None,
            needs_typename: false,
            types_count: 0,
            context: greatest_context(arrivals),
            is_visited: vec![false; universe.sites_count],
            is_apart: false,
            universe,
        };
        run.open_all_ways();
        run
    }

    /// Opens every way of which nothing is missing.
    fn open_all_ways(&mut self) {
        let ways = self.missing.iter().zip(0..);
        self.open_ways = ways.filter(|(missing, _)| **missing == 0).map(|(_, way)| way).collect();
    }

    /// Resolves an item, and opens the ways that waited for it alone.
    fn provide(&mut self, item: usize, provision: Provision) {
        let was_known = self.provisions[item].as_ref().and_then(Provision::known).is_some();
        let is_known = provision.known().is_some();
        self.provisions[item] = Some(provision);
        if was_known || !is_known {
            return;
        }
        for way in &self.universe.unlocks[item] {
            let missing = &mut self.missing[*way as usize];
            *missing -= 1;
            if *missing == 0 {
                self.open_ways.push(*way);
            }
        }
    }

    /// The stage of the first arrival.
    fn first_stage(&self) -> u16 {
        self.visits.first().map_or(0, |visit| visit.stage)
    }

    /// The stage of the last jump, or of the first arrival.
    fn last_stage(&self) -> u16 {
        let is_jump = |visit: &&Visit| matches!(visit.origin, Origin::Jump(_));
        let last = self.visits.last().filter(is_jump);
        last.map_or(self.first_stage(), |visit| visit.stage)
    }

    fn context_stage(&self, item: usize) -> Option<u16> {
        context_stage(&self.universe, (&self.provisions, 0), self.context, item)
    }

    /// From which stage on what is below an item can be found, which is resolved in `stage`: what only some types select,
    /// not before the runtime type is known. `None`: not yet.
    fn found_from(&self, item: usize, stage: u16) -> Option<u16> {
        match self.is_found_by_type(item) {
            true => self.typed_from.map(|typed| typed.max(stage)),
            false => Some(stage),
        }
    }

    fn is_found_by_type(&self, item: usize) -> bool {
        self.needs_typename && is_of_some(&self.universe, item, self.types_count)
    }

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

    /// The stage in which everything is known that a required item waits for.
    fn inputs_ready(&self, required: &Required) -> Option<u16> {
        let from_above = if required.takes_context { self.context } else { 0 };
        let ready = self.ready(&required.inputs)?.max(from_above);
        Some(ready.max(self.context_stage(required.item)?))
    }

    /// Whether a jump that arrives in `stage` leads to anything that is not known by then.
    fn is_useful(&self, jump: &Jump, node: &Node, stage: u16) -> bool {
        let is_wanted = |(item, _): &(usize, Option<NodeId>)| {
            let known = self.provisions[*item].as_ref().and_then(Provision::known);
            known.is_none_or(|known| known.stage > stage)
        };
        jump.provides.iter().any(is_wanted) || self.typed_from.is_none() && !node.is_interface_object
    }

    /// Whether an item is more than one of the set's own: part of a key, or required.
    fn is_needed_by_others(&self, item: usize) -> bool {
        let is_key = |jump: &Jump| jump.key.contains(&item);
        item >= self.universe.own_count || self.universe.jumps.iter().any(is_key)
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
    /// Index of the way.
    way: u32,
    jump: usize,
    /// Index of the item that is resolved with what it requires, if that is what the visit is for.
    required_by: Option<(usize, Rc<[usize]>)>,
}

impl Search<'_> {
    pub(crate) fn solve(&mut self, set: SetId, type_id: TypeId, arrivals: &Arrivals) -> Result<Solved, PlanError> {
        let universe = self.universe(set, type_id)?;
        let selection_set = self.sets.set(set);
        let depends_on_type = selection_set.wants_typename
            || selection_set
                .items
                .iter()
                .any(|item| item.types.len() < selection_set.types.len());
        // Of several arrivals, the one that tells the type may have nothing else to tell.
        let is_typed = arrivals
            .iter()
            .all(|arrival| !self.graph.node(arrival.node).is_interface_object);
        let mut run = Run::new(universe, arrivals);
        run.types_count = selection_set.types.len();
        run.needs_typename = !is_typed && run.types_count > 1 && depends_on_type;
        run.is_apart = selection_set.is_apart;
        let mut order: SmallVec<[usize; 8]> = (0..arrivals.len()).collect();
        order.sort_by_key(|index| arrivals[*index].stage);
        for index in order {
            let Arrival { node, stage, .. } = arrivals[index];
            let origin = Origin::Arrival(index);
            self.add_visit(&mut run, Visit { node, stage, origin });
        }
        self.offer_at_once(&mut run)?;
        for visit in 0..run.visits.len() {
            self.offer_all(&mut run, visit)?;
        }
        if !is_typed && self.sets.set(set).types.len() == 1 {
            run.typed_from = run.visits.first().map(|visit| visit.stage);
        }
        loop {
            loop {
                let complete = run.own_completion().map(|completion| completion.stage);
                // No jump is made before the stage after the first.
                if complete.is_some_and(|stage| stage <= run.first_stage() + 1) {
                    break;
                }
                let candidate = self.candidate(&mut run);
                let Some(candidate) = candidate.filter(|found| complete.is_none_or(|stage| found.stage < stage)) else {
                    break;
                };
                self.work()?;
                self.take(&mut run, candidate)?;
            }
            let is_complete = run.own_completion().is_some();
            let is_changed = !is_complete && (self.come_together(&mut run, (set, type_id))? || self.share(&mut run)?);
            if !is_changed {
                break;
            }
            // What is known now may be known earlier than the last visit.
            run.open_all_ways();
        }
        let completion = run.own_completion();
        let is_waited_for = !is_typed && self.sets.set(set).types.len() > 1;
        Ok(Solved {
            typed_by: run.typename_visit.filter(|_| is_waited_for),
            universe: run.universe,
            later: 0,
            visits: run.visits.into(),
            provisions: run.provisions.into(),
            typename_visit: if run.needs_typename { run.typename_visit } else { None },
            completion,
            context: run.context,
            types_count: run.types_count,
        })
    }

    /// Asks arrivals for everything from now on, if nobody else resolves it even when every slot is open: the first part of
    /// an answer must not wait for what is deferred so that there be fewer requests. Whether they were not asked before.
    fn come_together(&mut self, run: &mut Run, place: (SetId, TypeId)) -> Result<bool, PlanError> {
        if !run.is_apart || !(self.slots.are_all_open() || self.together.contains(&place)) {
            return Ok(false);
        }
        self.together.insert(place);
        run.is_apart = false;
        for visit in 0..run.visits.len() {
            if matches!(run.visits[visit].origin, Origin::Arrival(_)) {
                self.offer_all(run, visit)?;
            }
        }
        Ok(true)
    }

    fn add_visit(&self, run: &mut Run, visit: Visit) {
        let graph = self.graph;
        let node = graph.node(visit.node);
        let index = run.visits.len();
        if !node.is_interface_object && run.typed_from.is_none() {
            run.typed_from = Some(visit.stage);
            run.typename_visit = Some(index);
        }
        if let Origin::Jump(jump) = visit.origin {
            run.is_visited[run.universe.jumps[jump].site] = true;
        } else if !run.is_apart {
            for jump in &run.universe.jumps {
                let seen = graph.node(jump.node);
                run.is_visited[jump.site] |= (seen.subgraph, seen.type_id) == (node.subgraph, node.type_id);
            }
        }
        run.visits.push(visit);
    }

    /// Resolves what some of several arrivals complete without any jump: no other way is better.
    fn offer_at_once(&mut self, run: &mut Run) -> Result<(), PlanError> {
        let Some(first) = run.visits.first().filter(|_| run.visits.len() > 1) else {
            return Ok(());
        };
        let first = first.stage;
        let universe = Rc::clone(&run.universe);
        for (index, item) in universe.items.iter().enumerate() {
            let Some(child) = item.child else { continue };
            for visit in 0..run.visits.len() {
                let target = self
                    .edge(run.visits[visit].node, item.field_id)
                    .and_then(|edge| edge.target);
                if run.visits[visit].stage == first
                    && let Some(target) = target
                    && self.is_complete_at_once(child, target)?
                {
                    self.offer_edge(run, (index, visit))?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Resolves everything that a visit can resolve, and what waits for it.
    fn offer_all(&mut self, run: &mut Run, visit: usize) -> Result<(), PlanError> {
        let universe = Rc::clone(&run.universe);
        let waits = |item: usize| {
            let needs = universe.context_needs.get(item);
            needs.is_some_and(|needs| !needs.items.is_empty())
        };
        let is_typing = run.typename_visit == Some(visit);
        let by_type = |item: &usize| is_typing && visit > 0 && run.is_found_by_type(*item);
        let waits_for_type: Vec<usize> = (0..universe.items.len()).filter(by_type).collect();
        match run.visits[visit].origin {
            Origin::Jump(jump) => {
                for (item, target) in &universe.jumps[jump].provides {
                    if !waits(*item) {
                        self.offer(run, (*item, visit), *target)?;
                    }
                }
            }
            Origin::Arrival(_) => {
                for item in (0..universe.items.len()).filter(|item| !waits(*item)) {
                    self.offer_edge(run, (item, visit))?;
                }
            }
        }
        // What these wait for may be known only now.
        let by_context = (0..universe.context_needs.len()).filter(|item| waits(*item));
        for item in by_context.chain(waits_for_type) {
            for visit in 0..=visit {
                self.offer_edge(run, (item, visit))?;
            }
        }
        Ok(())
    }

    /// Resolves an item from a visit, if its subgraph can.
    fn offer_edge(&mut self, run: &mut Run, (item, visit): (usize, usize)) -> Result<(), PlanError> {
        let is_arrival = matches!(run.visits[visit].origin, Origin::Arrival(_));
        if run.is_apart && is_arrival && !run.is_needed_by_others(item) {
            return Ok(());
        }
        let edge = self.edge(run.visits[visit].node, run.universe.items[item].field_id);
        match edge.filter(|edge| !edge.needs_inputs()) {
            Some(edge) => self.offer(run, (item, visit), edge.target),
            None => Ok(()),
        }
    }

    /// Resolves an item from a visit, where it leads to `target`, unless it is resolved as early without.
    fn offer(&mut self, run: &mut Run, (item, visit): (usize, usize), target: Option<NodeId>) -> Result<(), PlanError> {
        let stage = run.visits[visit].stage;
        let known = run.provisions[item].as_ref().map(|known| known.completion);
        // Of equal stages the earlier visit stays: it costs nothing.
        if known.is_some_and(|known| known.stage <= stage) {
            return Ok(());
        }
        let completion = self.below(run, item, (target, stage))?;
        if let Some(completion) =
            completion.filter(|completion| known.is_none_or(|known| completion.is_better_than(known)))
        {
            let provision = Provision {
                completion,
                visits: smallvec![visit],
                requires: None,
            };
            run.provide(item, provision);
        }
        Ok(())
    }

    /// When an item is complete that is resolved in `stage` and leads to `target`.
    fn below(
        &mut self,
        run: &Run,
        item: usize,
        (target, stage): (Option<NodeId>, u16),
    ) -> Result<Option<Completion>, PlanError> {
        match (run.universe.items[item].child, target) {
            // What its subgraph resolves alone has no path of its own.
            (Some(child), Some(node)) if run.is_found_by_type(item) && self.is_complete_at_once(child, node)? => self
                .complete(
                    child,
                    &smallvec![Arrival {
                        node,
                        stage,
                        context: 0
                    }],
                ),
            (Some(child), Some(node)) => match (run.context_stage(item), run.found_from(item, stage)) {
                (Some(context), Some(stage)) => self.complete(child, &smallvec![Arrival { node, stage, context }]),
                _ => Ok(None),
            },
            (Some(_), None) => Ok(None),
            (None, _) => Ok(Some(Completion::at(stage))),
        }
    }

    /// The earliest visit not made yet; of equal ones the first subgraph's. Closes the ways that lead to nothing any more.
    fn candidate(&self, run: &mut Run) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        let mut open_ways = std::mem::take(&mut run.open_ways);
        open_ways.retain(|index| {
            let way = run.universe.ways[*index as usize];
            if self.is_spent(run, way) {
                return false;
            }
            if let Some(stage) = self.way_stage(run, way)
                && best
                    .as_ref()
                    .is_none_or(|best| (stage, *index) < (best.stage, best.way))
            {
                let jump = &run.universe.jumps[way.jump];
                let required = way.required.map(|required| &jump.required[required]);
                best = Some(Candidate {
                    stage,
                    way: *index,
                    jump: way.jump,
                    required_by: required.map(|required| (required.item, Rc::clone(&required.inputs))),
                });
            }
            true
        });
        run.open_ways = open_ways;
        best
    }

    /// Whether a way leads to nothing that is not known by then, and never will.
    fn is_spent(&self, run: &Run, way: Way) -> bool {
        let jump = &run.universe.jumps[way.jump];
        match way.required {
            None => {
                let node = self.graph.node(jump.node);
                run.is_visited[jump.site] || !run.is_useful(jump, node, run.first_stage() + 1)
            }
            // Visits are made by rising stage.
            Some(required) => {
                let known = run.provisions[jump.required[required].item].as_ref();
                known.is_some_and(|known| known.completion.stage <= run.last_stage())
            }
        }
    }

    /// The stage in which a way could be taken now.
    fn way_stage(&self, run: &Run, way: Way) -> Option<u16> {
        let jump = &run.universe.jumps[way.jump];
        let ready = self.jump_ready(run, jump)?;
        let next = |ready| self.slots.next(jump.subgraph, jump.kind.is_none(), ready);
        let Some(required) = way.required.map(|required| &jump.required[required]) else {
            return next(ready);
        };
        let stage = next(ready.max(run.inputs_ready(required)?))?;
        let Some(known) = &run.provisions[required.item] else {
            return Some(stage);
        };
        // A stage can be tried once: what is below the field may take longer than an earlier provision.
        let is_tried = |visit: &Visit| visit.stage == stage && visit.is_by(way.jump);
        (stage < known.completion.stage && !run.visits.iter().any(is_tried)).then_some(stage)
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
        let node = jump.node;
        let is_same = |visit: &Visit| visit.stage == candidate.stage && visit.is_by(candidate.jump);
        let known = run.visits.iter().position(is_same);
        let index = match known {
            Some(index) => index,
            None => {
                let origin = Origin::Jump(candidate.jump);
                let stage = candidate.stage;
                self.add_visit(run, Visit { node, stage, origin });
                let visit = run.visits.len() - 1;
                self.offer_all(run, visit)?;
                visit
            }
        };
        let Some((item_index, inputs)) = candidate.required_by else {
            return Ok(());
        };
        let item = &universe.items[item_index];
        let target = self.edge(node, item.field_id).and_then(|edge| edge.target);
        let completion = self.below(run, item_index, (target, candidate.stage))?;
        let known = run.provisions[item_index].as_ref().map(|known| known.completion);
        // What cannot be completed from here never can from here: later stages know no more.
        let completion = completion.unwrap_or(Completion::NEVER);
        if known.is_none_or(|known| completion.is_better_than(known)) {
            let provision = Provision {
                completion,
                visits: smallvec![index],
                requires: Some(inputs),
            };
            run.provide(item_index, provision);
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
            let (Some(child), Some(context)) = (item.child.filter(|_| !is_known), run.context_stage(item_index)) else {
                continue;
            };
            let mut visits: SmallVec<[usize; 1]> = SmallVec::new();
            let mut arrivals = Arrivals::new();
            for (index, visit) in run.visits.iter().enumerate() {
                let edge = self.edge(visit.node, item.field_id);
                let target = edge.filter(|edge| !edge.needs_inputs()).and_then(|edge| edge.target);
                if let (Some(node), Some(stage)) = (target, run.found_from(item_index, visit.stage)) {
                    visits.push(index);
                    arrivals.push(Arrival { node, stage, context });
                }
            }
            if visits.len() < 2 {
                continue;
            }
            if let Some(completion) = self.complete(child, &arrivals)? {
                is_changed = true;
                let provision = Provision {
                    completion,
                    visits,
                    requires: None,
                };
                run.provide(item_index, provision);
            }
        }
        Ok(is_changed)
    }
}
