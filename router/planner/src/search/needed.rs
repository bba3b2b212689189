//! Slots that no plan can do without, so that the search need not try to.
//!
//! What one subgraph alone resolves needs a request of it: after the stage in which the objects, the key and what is required
//! are known, and early enough for what is below it. Where one slot alone lies between, it is needed.
//!
//! Nothing is said of fields that several subgraphs resolve, nor of what is below them: all that is found is right, but it is
//! not all there is.

use std::rc::Rc;

use apollo_compiler::Name;
use federation::field_set::{FieldSet, FieldSetSelection};
use federation::query_graph::{FieldEdge, FieldId, KeyEdge, NodeId};
use federation::supergraph::{SubgraphId, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use super::{HIDDEN_DEPTH_MAX, Search, Start};
use crate::place::Arrival;
use crate::planner::PlanError;
use crate::selection::SetId;
use crate::slots::Slot;

/// How a field is resolved for objects that are seen from one node.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// By the fetch that sees them, and by no other.
    Here(&'a FieldEdge),
    /// By one node after a jump, and by no other; whether that is a root.
    Jump(NodeId, bool, &'a FieldEdge),
    /// In several ways or in none; whether the fetch that sees the objects is one of them.
    Other(bool),
}

/// Objects of one type that every plan sees from a node, not before a stage.
struct Place<'a> {
    type_id: TypeId,
    node: NodeId,
    from: u16,
    /// Fields of keys and of what is required that were looked at.
    seen: SmallVec<[&'a Name; 4]>,
}

/// What a field is looked at for: subgraphs that are first asked after it is known, and fields that are first known then.
#[derive(Default)]
struct Before {
    subgraphs: SmallVec<[SubgraphId; 4]>,
    fields: SmallVec<[Name; 4]>,
}

/// The slots found so far, and what they are found from.
struct Needed<'s, 'a> {
    search: &'s mut Search<'a>,
    /// The slots there are, sorted by subgraph, kind and stage.
    open: Vec<Slot>,
    last_stage: u16,
    found: FxHashSet<Slot>,
    seen: FxHashSet<(SetId, NodeId, u16)>,
    least_stages: FxHashMap<(SetId, NodeId), u16>,
    /// Of the own items of a set, seen from a node of the type.
    ways: FxHashMap<(SetId, NodeId), Rc<[Way<'a>]>>,
}

impl<'a> Search<'a> {
    /// Those of the `open` slots that every solution with no others uses.
    pub(super) fn needed(
        &mut self,
        root: SetId,
        start: Start<'_>,
        open: &[Slot],
    ) -> Result<FxHashSet<Slot>, PlanError> {
        let mut open = open.to_vec();
        open.sort_unstable_by_key(order);
        let mut needed = Needed {
            search: self,
            last_stage: open.iter().map(|slot| slot.stage).max().unwrap_or_default(),
            open,
            found: FxHashSet::default(),
            seen: FxHashSet::default(),
            least_stages: FxHashMap::default(),
            ways: FxHashMap::default(),
        };
        match start {
            Start::Roots(roots) => needed.look_at_roots(root, roots)?,
            Start::Objects(arrivals) => {
                if let [arrival] = arrivals.as_slice() {
                    needed.look_at(root, arrival.node, arrival.stage)?;
                }
            }
        }
        Ok(needed.found)
    }
}

impl<'a> Needed<'_, 'a> {
    fn look_at_roots(&mut self, set: SetId, roots: &[NodeId]) -> Result<(), PlanError> {
        let root_type = self.search.sets.set(set).types[0];
        if !self.search.graph.key_edges(root_type).is_empty() {
            return Ok(());
        }
        let universe = self.search.own_universe(set, root_type);
        for item in &universe.items {
            let edges = roots
                .iter()
                .filter_map(|root| Some((*root, self.search.edge(*root, item.field_id)?)));
            let mut edges = edges.fuse();
            if let (Some((root, edge)), None) = (edges.next(), edges.next()) {
                let subgraph = self.search.graph.node(root).subgraph;
                self.found.insert(Slot {
                    stage: 0,
                    subgraph,
                    is_root: true,
                });
                if let (Some(child), Some(target)) = (item.child, edge.target) {
                    self.look_at(child, target, 0)?;
                }
            }
        }
        Ok(())
    }

    /// Finds what is needed for a set, which every plan resolves for objects that it sees from `node`.
    ///
    /// * `from`: the stage before which no plan sees them.
    fn look_at(&mut self, set: SetId, node: NodeId, from: u16) -> Result<(), PlanError> {
        if !self.seen.insert((set, node, from)) {
            return Ok(());
        }
        for (type_id, node) in self.places(set, node)? {
            let mut place = Place {
                type_id,
                node,
                from,
                seen: SmallVec::new(),
            };
            let universe = self.search.own_universe(set, type_id);
            let ways = self.ways(set, type_id, node);
            let mut before = Before::default();
            for (item, way) in universe.items.iter().zip(ways.iter()) {
                self.field(
                    &mut place,
                    (&item.field, *way, item.child),
                    self.last_stage,
                    &mut before,
                )?;
            }
        }
        Ok(())
    }

    /// The types of a set that something can be said of, each with its node.
    fn places(&mut self, set: SetId, node: NodeId) -> Result<SmallVec<[(TypeId, NodeId); 1]>, PlanError> {
        if self.search.sets.set(set).is_apart || self.search.is_complete_at_once(set, node)? {
            return Ok(SmallVec::new());
        }
        let places = self.search.places(set, &smallvec![Arrival::first(node)])?;
        let places = places.into_iter().map(|(type_id, seen)| (type_id, seen[0].node));
        let is_typed = |(_, node): &(TypeId, NodeId)| !self.search.graph.node(*node).is_interface_object;
        Ok(places.filter(is_typed).collect())
    }

    /// How the own items of a set are resolved for objects of a type that are seen from `node`.
    fn ways(&mut self, set: SetId, type_id: TypeId, node: NodeId) -> Rc<[Way<'a>]> {
        if let Some(ways) = self.ways.get(&(set, node)) {
            return Rc::clone(ways);
        }
        let universe = self.search.own_universe(set, type_id);
        let ways = universe.items.iter().map(|item| {
            let resolvers = self.search.resolvers(type_id, (&item.field, item.field_id));
            self.way(node, item.field_id, resolvers.nodes.iter().copied())
        });
        let ways: Rc<[Way<'a>]> = ways.collect();
        self.ways.insert((set, node), Rc::clone(&ways));
        ways
    }

    /// How a field is resolved for objects that are seen from `node`, or by any of `resolvers` after a jump.
    fn way(&self, node: NodeId, field: FieldId, resolvers: impl Iterator<Item = (NodeId, bool)>) -> Way<'a> {
        let here = self.search.edge(node, field).filter(|edge| !edge.needs_inputs());
        let mut others = resolvers.filter(|(other, _)| here.is_none() || *other != node);
        match (here, others.next(), others.next()) {
            (Some(edge), None, _) => Way::Here(edge),
            (None, Some((node, is_root)), None) => match self.search.edge(node, field) {
                Some(edge) => Way::Jump(node, is_root, edge),
                None => Way::Other(false),
            },
            _ => Way::Other(here.is_some()),
        }
    }

    /// How many stages a set takes at least that is seen from `node`.
    fn least_stages(&mut self, set: SetId, node: NodeId) -> Result<u16, PlanError> {
        if let Some(stages) = self.least_stages.get(&(set, node)) {
            return Ok(*stages);
        }
        let mut most = 0;
        for (type_id, node) in self.places(set, node)? {
            let universe = self.search.own_universe(set, type_id);
            let ways = self.ways(set, type_id, node);
            for (item, way) in universe.items.iter().zip(ways.iter()) {
                let (own, edge) = match way {
                    Way::Here(edge) => (0, Some(*edge)),
                    Way::Jump(_, _, edge) => (1, Some(*edge)),
                    Way::Other(is_here) => (u16::from(!is_here), None),
                };
                let below = self.least_stages_below(item.child, edge)?;
                most = most.max(below.saturating_add(own));
            }
        }
        self.least_stages.insert((set, node), most);
        Ok(most)
    }

    fn least_stages_below(&mut self, child: Option<SetId>, edge: Option<&FieldEdge>) -> Result<u16, PlanError> {
        match (child, edge.and_then(|edge| edge.target)) {
            (Some(child), Some(target)) => self.least_stages(child, target),
            _ => Ok(0),
        }
    }

    /// Finds what is needed for one field, with what is below it. Returns the stage before which no plan resolves it.
    ///
    /// * `until`: the stage in which it must be resolved at last.
    fn field(
        &mut self,
        place: &mut Place<'a>,
        (field, way, child): (&Name, Way<'a>, Option<SetId>),
        until: u16,
        before: &mut Before,
    ) -> Result<u16, PlanError> {
        let (node, is_root, edge) = match way {
            Way::Here(edge) => {
                if let (Some(child), Some(target)) = (child, edge.target) {
                    self.look_at(child, target, place.from)?;
                }
                return Ok(place.from);
            }
            Way::Jump(node, is_root, edge) => (node, is_root, edge),
            Way::Other(is_here) => return Ok(place.from.saturating_add(u16::from(!is_here))),
        };
        let until = until.saturating_sub(self.least_stages_below(child, Some(edge))?);
        before.fields.push(field.clone());
        let mut ready = place.from;
        for input in edge.requires.iter().flat_map(|inputs| fields_of(inputs)) {
            ready = ready.max(self.input(place, input, until.saturating_sub(1), before)?);
        }
        if !is_root {
            ready = ready.max(self.key(place, node, until.saturating_sub(1), before)?);
        }
        before.fields.pop();
        let earliest = self.request((node, is_root), (ready.saturating_add(1), until));
        if let (Some(child), Some(target)) = (child, edge.target) {
            self.look_at(child, target, earliest)?;
        }
        Ok(earliest)
    }

    /// The key with which a node is asked first: as [`Needed::field`], if there is one alone.
    fn key(&mut self, place: &mut Place<'a>, node: NodeId, until: u16, before: &mut Before) -> Result<u16, PlanError> {
        let graph = self.search.graph;
        let subgraph = graph.node(node).subgraph;
        let leads_there = |edge: &&KeyEdge| graph.downcast(edge.target, place.type_id) == Some(node);
        let edges = graph.key_edges_into(place.type_id, subgraph).iter().filter(leads_there);
        let mut keys = edges.filter(|edge| !fields_of(&edge.fields).any(|field| before.fields.contains(field)));
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Ok(place.from);
        };
        before.subgraphs.push(subgraph);
        let mut ready = place.from;
        for field in fields_of(&key.fields) {
            ready = ready.max(self.input(place, field, until, before)?);
        }
        before.subgraphs.pop();
        Ok(ready)
    }

    /// A field of a key, or of what is required: as [`Needed::field`], once for each place.
    fn input(
        &mut self,
        place: &mut Place<'a>,
        field: &'a Name,
        until: u16,
        before: &mut Before,
    ) -> Result<u16, PlanError> {
        if before.fields.len() >= HIDDEN_DEPTH_MAX as usize || place.seen.contains(&field) {
            return Ok(place.from);
        }
        place.seen.push(field);
        let field_id = self.search.graph.field_id(field);
        let resolvers = self.search.resolvers(place.type_id, (field, field_id));
        let first = |(node, _): &(NodeId, bool)| !before.subgraphs.contains(&self.search.graph.node(*node).subgraph);
        let way = self.way(place.node, field_id, resolvers.nodes.iter().copied().filter(first));
        self.field(place, (field, way, None), until, before)
    }

    /// Some request of a node in these stages. Returns the first stage in which there can be one.
    fn request(&mut self, (node, is_root): (NodeId, bool), (from, until): (u16, u16)) -> u16 {
        let subgraph = self.search.graph.node(node).subgraph;
        let slot = |stage| Slot {
            stage,
            subgraph,
            is_root,
        };
        let first = self.open.partition_point(|open| order(open) < order(&slot(from)));
        let mut fitting = self.open[first..]
            .iter()
            .take_while(|open| order(open) <= order(&slot(until)));
        let Some(earliest) = fitting.next() else {
            return from;
        };
        if fitting.next().is_none() {
            self.found.insert(*earliest);
        }
        earliest.stage
    }
}

fn order(slot: &Slot) -> (SubgraphId, bool, u16) {
    (slot.subgraph, slot.is_root, slot.stage)
}

/// The fields that a field set selects on the objects themselves, whatever their type.
fn fields_of(field_set: &FieldSet) -> impl Iterator<Item = &Name> {
    field_set.selections.iter().filter_map(|selection| match selection {
        FieldSetSelection::Field(field) => Some(&field.name),
        FieldSetSelection::InlineFragment { .. } => None,
    })
}
