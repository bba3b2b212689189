//! All that may be selected at a place: what the operation asks for, and what keys, `@requires` and contexts may need.
//!
//! Only what may be needed; `place` finds out what is, and where it is resolved.

use std::rc::Rc;

use apollo_compiler::Name;
use federation::query_graph::{FieldId, KeyEdgeKind, NodeId};
use federation::supergraph::{SubgraphId, TypeId};
use smallvec::SmallVec;

use crate::contexts::{ContextNeeds, WantedId};
use crate::planner::PlanError;
use crate::search::Search;
use crate::selection::{Item, SetId};

/// All that may be selected at a place: what is asked for, and what keys and `@requires` may need.
pub(crate) struct Universe {
    /// The set's own items first.
    pub(crate) items: Vec<Rc<Item>>,
    /// How many of `items` are the set's own.
    pub(crate) own_count: usize,
    /// What clients have of the objects in all parts of the answer; empty where nothing is deferred.
    all_parts: Vec<Rc<Item>>,
    /// Those by keys first, in the order of their subgraphs; then those to roots.
    pub(crate) jumps: Vec<Jump>,
    /// How many jumps are by keys.
    keyed_count: usize,
    /// How many sites the jumps lead to.
    pub(crate) sites_count: usize,
    /// By jump: first for what it resolves without inputs, then for each item that takes some.
    pub(crate) ways: Vec<Way>,
    /// Per item, the ways that cannot be taken before it is known.
    pub(crate) unlocks: Vec<SmallVec<[u32; 2]>>,
    /// Per item, what it waits for because of what is wanted below it.
    pub(crate) context_needs: Vec<ContextNeeds>,
    /// What objects here make known to fields below them, and the items that it is read from.
    pub(crate) values: Vec<(WantedId, Rc<[usize]>)>,
}

/// Where a field is resolved after a jump, whatever is known.
pub(crate) struct Resolvers {
    /// Subgraphs that know it, without repeats: few, where there may be many keys.
    subgraphs: SmallVec<[SubgraphId; 4]>,
    /// Nodes that jumps lead to, without repeats; each with whether it is a root rather than an entity.
    pub(crate) nodes: SmallVec<[(NodeId, bool); 2]>,
}

/// A way into another subgraph.
pub(crate) struct Jump {
    /// The node as the key names it: an object, or an interface.
    pub(crate) target: NodeId,
    /// Items of the universe that make the key; none: a root type, which needs no key.
    pub(crate) key: Rc<[usize]>,
    /// `None`: a root type.
    pub(crate) kind: Option<KeyEdgeKind>,
    /// The node as fields see it: an object, or an interface object.
    pub(crate) node: NodeId,
    pub(crate) subgraph: SubgraphId,
    /// Jumps of one number lead to the same type of the same subgraph.
    pub(crate) site: usize,
    /// Items that are resolved there without inputs, and where they lead.
    pub(crate) provides: SmallVec<[(usize, Option<NodeId>); 2]>,
    /// Items that are resolved there with inputs only.
    pub(crate) required: Vec<Required>,
}

/// An item that a subgraph resolves for entities only that are sent with something.
pub(crate) struct Required {
    pub(crate) item: usize,
    /// Perhaps none, but values of contexts.
    pub(crate) inputs: Rc<[usize]>,
    /// Whether objects above give some of its arguments.
    pub(crate) takes_context: bool,
}

/// A jump, and what it is made for.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) jump: usize,
    /// Index in [`Jump::required`]; `None`: for what is resolved without inputs.
    pub(crate) required: Option<usize>,
    /// How many items must be known first.
    pub(crate) needs: u32,
}

impl Universe {
    fn of(items: Vec<Rc<Item>>) -> Self {
        Self {
            own_count: items.len(),
            items,
            all_parts: Vec::new(),
            jumps: Vec::new(),
            keyed_count: 0,
            sites_count: 0,
            ways: Vec::new(),
            unlocks: Vec::new(),
            context_needs: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Notes what each way waits for, so that nobody looks at it before.
    fn add_ways(&mut self) {
        self.unlocks.resize_with(self.items.len(), SmallVec::new);
        self.ways.reserve(self.jumps.len());
        for (index, jump) in self.jumps.iter().enumerate() {
            for required in std::iter::once(None).chain((0..jump.required.len()).map(Some)) {
                let way = self.ways.len() as u32;
                let inputs = required.map_or(&[][..], |required| &jump.required[required].inputs);
                let mut needs = 0;
                for item in jump.key.iter().chain(inputs) {
                    // In both the key and the inputs, perhaps.
                    if self.unlocks[*item].last() != Some(&way) {
                        self.unlocks[*item].push(way);
                        needs += 1;
                    }
                }
                let jump = index;
                self.ways.push(Way { jump, required, needs });
            }
        }
    }
}

impl<'a> Search<'a> {
    /// The set's own items for a type.
    pub(crate) fn own_universe(&mut self, set: SetId, type_id: TypeId) -> Rc<Universe> {
        if let Some(universe) = self.own_universes.get(&(set, type_id)) {
            return Rc::clone(universe);
        }
        let selection_set = self.sets.set(set);
        let own = selection_set
            .items
            .iter()
            .filter(|item| item.types.binary_search(&type_id).is_ok());
        let items: Vec<Rc<Item>> = own.cloned().collect();
        let universe = Rc::new(Universe::of(items));
        self.own_universes.insert((set, type_id), Rc::clone(&universe));
        universe
    }

    /// Where a field of objects of `type_id` is resolved; found once.
    pub(crate) fn resolvers(&mut self, type_id: TypeId, (field, field_id): (&Name, FieldId)) -> Rc<Resolvers> {
        if let Some(resolvers) = self.resolvers.get(&(type_id, field_id)) {
            return Rc::clone(resolvers);
        }
        let subgraphs = self.subgraphs_of(type_id, field);
        let edges = subgraphs
            .iter()
            .flat_map(|subgraph| self.graph.key_edges_into(type_id, *subgraph));
        let by_key = edges.map(|edge| (edge.target, false));
        let is_query = Some(type_id) == self.query_type;
        let roots = self.query_roots.iter().filter(|_| is_query);
        let mut nodes = SmallVec::new();
        for (target, is_root) in by_key.chain(roots.map(|root| (*root, true))) {
            let node = self.graph.downcast(target, type_id);
            let Some(node) = node.filter(|node| self.edge(*node, field_id).is_some()) else {
                continue;
            };
            if !nodes.contains(&(node, is_root)) {
                nodes.push((node, is_root));
            }
        }
        let resolvers = Rc::new(Resolvers { subgraphs, nodes });
        self.resolvers.insert((type_id, field_id), Rc::clone(&resolvers));
        resolvers
    }

    fn subgraphs_of(&self, type_id: TypeId, field: &Name) -> SmallVec<[SubgraphId; 4]> {
        // A field of an interface object stands with the interface.
        let interfaces = &self.supergraph.type_definition(type_id).interfaces;
        let mut subgraphs = SmallVec::new();
        for owner in std::iter::once(&type_id).chain(interfaces) {
            let joins = self
                .sets
                .field(*owner, field)
                .into_iter()
                .flat_map(|field| &field.joins);
            joins.for_each(|join| subgraphs.push(join.subgraph));
        }
        if !interfaces.is_empty() {
            subgraphs.sort_unstable();
            subgraphs.dedup();
        }
        subgraphs
    }

    /// All that may be selected for a type.
    pub(crate) fn universe(&mut self, set: SetId, type_id: TypeId) -> Result<Rc<Universe>, PlanError> {
        if let Some(universe) = self.universes.get(&(set, type_id)) {
            return Ok(Rc::clone(universe));
        }
        let own = self.own_universe(set, type_id);
        let mut universe = Universe::of(own.items.clone());
        let parts = self.sets.set(set).all_parts.iter();
        let parts = parts.filter(|item| item.types.binary_search(&type_id).is_ok());
        universe.all_parts = parts.cloned().collect();
        self.add_jumps(&mut universe, set, type_id)?;
        // Grows while it is walked: what is required may require something itself.
        let mut index = 0;
        while index < universe.items.len() {
            self.add_resolvers(&mut universe, index, type_id)?;
            self.add_context_needs(&mut universe, index, type_id)?;
            index += 1;
        }
        universe.add_ways();
        let universe = Rc::new(universe);
        self.universes.insert((set, type_id), Rc::clone(&universe));
        Ok(universe)
    }

    fn add_jumps(&mut self, universe: &mut Universe, set: SetId, type_id: TypeId) -> Result<(), PlanError> {
        let graph = self.graph;
        let mut ways: Vec<(NodeId, Option<KeyEdgeKind>, Rc<[usize]>)> = Vec::new();
        for edge in graph.key_edges(type_id) {
            let key = self.add_hidden(universe, &edge.fields, type_id)?;
            ways.push((edge.target, Some(edge.kind), key));
        }
        if Some(type_id) == self.query_type && Some(set) != self.root {
            ways.extend(self.query_roots.iter().map(|target| (*target, None, Rc::from([]))));
        }
        let mut sites: Vec<(SubgraphId, TypeId)> = Vec::new();
        for (target, kind, key) in ways {
            let Some(node) = graph.downcast(target, type_id) else {
                continue;
            };
            let site = (graph.node(node).subgraph, graph.node(node).type_id);
            let known = sites.iter().position(|known| *known == site);
            universe.keyed_count += usize::from(kind.is_some());
            universe.jumps.push(Jump {
                target,
                key,
                kind,
                node,
                subgraph: site.0,
                site: known.unwrap_or_else(|| {
                    sites.push(site);
                    sites.len() - 1
                }),
                provides: SmallVec::new(),
                required: Vec::new(),
            });
        }
        universe.sites_count = sites.len();
        Ok(())
    }

    /// Notes where jumps lead to an item.
    fn add_resolvers(&mut self, universe: &mut Universe, item: usize, type_id: TypeId) -> Result<(), PlanError> {
        let own = Rc::clone(&universe.items[item]);
        let resolvers = self.resolvers(type_id, (&own.field, own.field_id));
        for jump in jumps_to(universe, &resolvers) {
            let Some(edge) = self.edge(universe.jumps[jump].node, own.field_id) else {
                continue;
            };
            if !edge.needs_inputs() {
                universe.jumps[jump].provides.push((item, edge.target));
                continue;
            }
            let inputs = match edge.requires.as_deref() {
                Some(field_set) => self.add_hidden(universe, field_set, type_id)?,
                None => Rc::from([]),
            };
            universe.jumps[jump].required.push(Required {
                item,
                inputs,
                takes_context: !edge.context_arguments.is_empty(),
            });
        }
        Ok(())
    }

    /// Adds the fields of a field set to the universe, unless they are there.
    pub(crate) fn add_hidden(
        &mut self,
        universe: &mut Universe,
        field_set: &'a federation::field_set::FieldSet,
        type_id: TypeId,
    ) -> Result<Rc<[usize]>, PlanError> {
        let set = self.sets.hidden_items(field_set, type_id)?;
        let hidden = Rc::clone(self.sets.set(set));
        let indices = hidden.items.iter().map(|item| self.add_hidden_item(universe, item));
        Ok(indices.collect())
    }

    /// The item, or one like it. Where a null below it and one below another selection of the same field would take each
    /// other along, it is stored apart.
    fn add_hidden_item(&mut self, universe: &mut Universe, hidden: &Item) -> usize {
        let mut number = 0;
        loop {
            let storage_name = self.sets.twin_name(&hidden.field, &hidden.storage_name, number);
            let alike = universe
                .items
                .iter()
                .enumerate()
                .filter(|(_, item)| item.storage_name == storage_name);
            if let Some((known, _)) = alike.clone().find(|(_, item)| item.child == hidden.child) {
                return known;
            }
            let stored = universe
                .all_parts
                .iter()
                .filter(|item| item.storage_name == storage_name);
            let mut alike = alike.map(|(_, item)| item).chain(stored);
            if alike.all(|item| self.sets.may_share(hidden, item)) {
                universe.items.push(Rc::new(Item {
                    storage_name,
                    ..hidden.clone()
                }));
                return universe.items.len() - 1;
            }
            number += 1;
        }
    }
}

/// Jumps that may lead to a field: those into subgraphs that know it, and those to a root.
fn jumps_to(universe: &Universe, resolvers: &Resolvers) -> SmallVec<[usize; 4]> {
    let (keyed, roots) = universe.jumps.split_at(universe.keyed_count);
    let mut jumps = SmallVec::new();
    for subgraph in &resolvers.subgraphs {
        let first = keyed.partition_point(|jump| jump.subgraph < *subgraph);
        let count = keyed[first..]
            .iter()
            .take_while(|jump| jump.subgraph == *subgraph)
            .count();
        jumps.extend(first..first + count);
    }
    jumps.extend((0..roots.len()).map(|root| keyed.len() + root));
    jumps
}
