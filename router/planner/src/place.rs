//! One place: a selection set on objects of one runtime type, and the subgraphs that these objects are seen from.
//!
//! [`Search::place`] finds for each field the earliest stage in which it is complete, over every order of key jumps; the
//! easy cases here, the others in `solve`. Which stages of which subgraphs may be used is `search`'s decision.

use std::rc::Rc;

use federation::query_graph::{KeyEdgeKind, NodeId};
use federation::supergraph::TypeId;
use smallvec::{SmallVec, smallvec};

use crate::planner::PlanError;
use crate::search::Search;
use crate::selection::SetId;
use crate::slots::Slot;
use crate::universe::Universe;

/// Objects seen from a node of the query graph, from a stage on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Arrival {
    pub(crate) node: NodeId,
    pub(crate) stage: u16,
    /// Stage from which on everything is known that fields here and below take from objects above. 0 if they take nothing.
    pub(crate) context: u16,
}

impl Arrival {
    /// At the root.
    pub(crate) fn first(node: NodeId) -> Self {
        Self {
            node,
            stage: 0,
            context: 0,
        }
    }

    /// The same, so many stages earlier.
    pub(crate) fn earlier_by(self, stages: u16) -> Self {
        Self {
            stage: self.stage - stages,
            context: self.context.saturating_sub(stages),
            ..self
        }
    }
}

/// When something is known, with all below it.
///
/// The earlier stage is better; of equal ones, the one with more fields in earlier stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The last stage that is waited for.
    pub(crate) stage: u16,
    /// Sum of the stages of all fields.
    weight: u32,
    /// How many stages are summed.
    count: u32,
}

impl Completion {
    /// What cannot be completed.
    pub(crate) const NEVER: Self = Self {
        stage: u16::MAX,
        weight: 0,
        count: 0,
    };

    pub(crate) fn at(stage: u16) -> Self {
        Self {
            stage,
            weight: u32::from(stage),
            count: 1,
        }
    }

    pub(crate) fn is_better_than(self, other: Self) -> bool {
        (self.stage, self.weight) < (other.stage, other.weight)
    }

    /// The same, begun so many stages later.
    pub(crate) fn later_by(self, stages: u16) -> Self {
        let weight = u32::from(stages).saturating_mul(self.count);
        Self {
            stage: self.stage.saturating_add(stages),
            weight: self.weight.saturating_add(weight),
            count: self.count,
        }
    }

    /// Of both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            stage: self.stage.max(other.stage),
            weight: self.weight.saturating_add(other.weight),
            count: self.count.saturating_add(other.count),
        }
    }
}

/// Mostly one. Several where subgraphs share a field and each resolves another part of what is below it.
pub(crate) type Arrivals = SmallVec<[Arrival; 1]>;

/// A subgraph in a stage, seeing the objects of the place.
pub(crate) struct Visit {
    /// As seen by fields: an object or an interface object.
    pub(crate) node: NodeId,
    pub(crate) stage: u16,
    pub(crate) origin: Origin,
}

impl Visit {
    /// Whether it is made by this jump.
    pub(crate) fn is_by(&self, jump: usize) -> bool {
        matches!(self.origin, Origin::Jump(made) if made == jump)
    }
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
    pub(crate) fn known(&self) -> Option<Completion> {
        (self.completion != Completion::NEVER).then_some(self.completion)
    }
}

/// The answer for one place.
#[derive(Clone)]
pub(crate) struct Solved {
    pub(crate) universe: Rc<Universe>,
    /// How many stages later than their own numbers say the visits and provisions are.
    pub(crate) later: u16,
    pub(crate) visits: Rc<[Visit]>,
    /// Per item of the universe.
    pub(crate) provisions: Rc<[Option<Provision>]>,
    /// Visit that tells the runtime type, when the arrivals do not and the set asks for it.
    pub(crate) typename_visit: Option<usize>,
    /// Visit that tells the runtime type, when the arrivals do not: jumps by the key of an object wait for it.
    pub(crate) typed_by: Option<usize>,
    /// Stage in which all own items are complete; `None`: some cannot be resolved.
    pub(crate) completion: Option<Completion>,
    /// [`Arrival::context`] of the arrivals.
    pub(crate) context: u16,
    /// How many types the set is for.
    pub(crate) types_count: usize,
}

impl Solved {
    /// The same for `arrivals`, which are so many stages later.
    fn later_by(&self, stages: u16, arrivals: &Arrivals) -> Self {
        Self {
            later: self.later + stages,
            completion: self.completion.map(|completion| completion.later_by(stages)),
            context: greatest_context(arrivals),
            ..self.clone()
        }
    }

    /// The stage of a visit.
    pub(crate) fn stage(&self, visit: usize) -> u16 {
        self.visits[visit].stage + self.later
    }

    /// The visit that a jump waits for besides its key.
    pub(crate) fn typed_by(&self, jump: usize) -> Option<usize> {
        let is_by_object = self.universe.jumps[jump].kind == Some(KeyEdgeKind::Object);
        self.typed_by.filter(|_| is_by_object)
    }

    /// The visit that tells which objects have what is below an item, which is of some of the set's types only.
    pub(crate) fn found_by(&self, item: usize) -> Option<usize> {
        let is_of_some = is_of_some(&self.universe, item, self.types_count);
        self.typename_visit.filter(|_| is_of_some)
    }

    /// From which stage on what is below an item can be found, which a visit resolves.
    pub(crate) fn found_from(&self, item: usize, visit: usize) -> u16 {
        let typed_from = self.found_by(item).map_or(0, |typed| self.stage(typed));
        self.stage(visit).max(typed_from)
    }

    /// [`Arrival::context`] for what is below an item; `None`: it is never known.
    pub(crate) fn context_stage(&self, item: usize) -> Option<u16> {
        context_stage(&self.universe, (&self.provisions, self.later), self.context, item)
    }

    /// Items that must be known for an item: what is sent along, and what is wanted below it.
    pub(crate) fn inputs(&self, item: usize) -> impl Iterator<Item = usize> {
        let provision = self.provisions[item].as_ref();
        let requires = provision.and_then(|provision| provision.requires.as_deref());
        let context_needs = self.universe.context_needs.get(item);
        let wanted = context_needs.into_iter().flat_map(|needs| &needs.items);
        requires.into_iter().flatten().chain(wanted).copied()
    }
}

/// The stage from which on everything is known that is taken from above any of the arrivals.
pub(crate) fn greatest_context(arrivals: &Arrivals) -> u16 {
    arrivals.iter().map(|arrival| arrival.context).max().unwrap_or_default()
}

/// Whether only some of a set's types select an item, so that a path to what is below it speaks of types.
pub(crate) fn is_of_some(universe: &Universe, item: usize, types_count: usize) -> bool {
    item < universe.own_count && universe.items[item].types.len() < types_count
}

/// * `provisions`: so many stages later than their own numbers say.
pub(crate) fn context_stage(
    universe: &Universe,
    (provisions, later): (&[Option<Provision>], u16),
    above: u16,
    item: usize,
) -> Option<u16> {
    let Some(needs) = universe.context_needs.get(item) else {
        return Some(0);
    };
    let mut stage = if needs.is_open { above } else { 0 };
    for needed in &needs.items {
        stage = stage.max(provisions[*needed].as_ref()?.known()?.stage + later);
    }
    Some(stage)
}

impl<'a> Search<'a> {
    /// Solves the set for objects of `type_id`.
    ///
    /// * `arrivals`: as seen by fields: nodes of the object type, or interface objects.
    pub(crate) fn place(&mut self, set: SetId, type_id: TypeId, arrivals: &Arrivals) -> Result<Rc<Solved>, PlanError> {
        let identity = (set, type_id, arrivals.clone());
        if let Some(solved) = self.solved.get(&identity, &self.slots) {
            return Ok(solved);
        }
        self.work()?;
        let first = arrivals.iter().map(|arrival| arrival.stage).min().unwrap_or_default();
        let cuts_before = self.cuts;
        let asked_before = self.slots.enter();
        let solved = if first > 0 && self.slots.are_all_open() {
            // As in `complete`: it does not matter when something begins.
            let earlier = arrivals.iter().map(|arrival| arrival.earlier_by(first)).collect();
            self.place(set, type_id, &earlier)?.later_by(first, arrivals)
        } else if let Some(solved) = self.local(set, type_id, arrivals)? {
            solved
        } else {
            self.solve(set, type_id, arrivals)?
        };
        let solved = Rc::new(solved);
        let asked = self.slots.leave(asked_before);
        // What was cut short because it asked for itself may be found from another side.
        if self.cuts == cuts_before || solved.completion.is_some() {
            self.solved.insert(identity, asked, Rc::clone(&solved));
        }
        Ok(solved)
    }

    /// The common case: the only arrival resolves everything at once, so that no key has to be looked at.
    fn local(&mut self, set: SetId, type_id: TypeId, arrivals: &Arrivals) -> Result<Option<Solved>, PlanError> {
        let [arrival] = arrivals.as_slice() else {
            return Ok(None);
        };
        if !self.is_complete_at_once(set, arrival.node)? {
            return Ok(None);
        }
        let universe = self.own_universe(set, type_id);
        let mut whole = Completion::at(arrival.stage);
        let mut provisions = Vec::with_capacity(universe.items.len());
        for item in &universe.items {
            let edge = self.edge(arrival.node, item.field_id);
            let Some(edge) = edge.filter(|edge| !edge.needs_inputs()) else {
                return Ok(None);
            };
            let completion = match (item.child, edge.target) {
                (Some(child), Some(target)) => self.complete(
                    child,
                    &smallvec![Arrival {
                        node: target,
                        stage: arrival.stage,
                        context: 0
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
            later: 0,
            visits: Rc::from([Visit {
                node: arrival.node,
                stage: arrival.stage,
                origin: Origin::Arrival(0),
            }]),
            provisions: provisions.into(),
            typename_visit: None,
            typed_by: None,
            completion: Some(whole),
            context: arrival.context,
            types_count: self.sets.set(set).types.len(),
        }))
    }

    /// Whether some field can be resolved nowhere, whatever is known: cheap, and asked before anything is solved.
    pub(crate) fn is_hopeless(&mut self, set: SetId, type_id: TypeId, arrivals: &Arrivals) -> bool {
        let first = arrivals.iter().map(|arrival| arrival.stage).min().unwrap_or_default();
        let universe = self.own_universe(set, type_id);
        universe.items.iter().any(|item| {
            let field = (&item.field, item.field_id);
            let is_here = |arrival: &Arrival| self.edge(arrival.node, item.field_id).is_some();
            if arrivals.iter().any(is_here) {
                return false;
            }
            let resolvers = self.resolvers(type_id, field);
            let is_open = |(node, is_root): &(NodeId, bool)| {
                let subgraph = self.graph.node(*node).subgraph;
                self.slots.next(subgraph, *is_root, first).is_some()
            };
            !resolvers.nodes.iter().any(is_open)
        })
    }

    /// The slot that a visit takes, when it is not part of the fetch that arrives.
    pub(crate) fn slot(&self, solved: &Solved, visit: usize) -> Option<Slot> {
        let Visit { node, origin, .. } = solved.visits[visit];
        match origin {
            Origin::Arrival(_) => None,
            Origin::Jump(index) => Some(Slot {
                stage: solved.stage(visit),
                subgraph: self.graph.node(node).subgraph,
                is_root: solved.universe.jumps[index].kind.is_none(),
            }),
        }
    }
}
