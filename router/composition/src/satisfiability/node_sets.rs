//! Sets of nodes of the query graph, each kept once, so that sets are compared and hashed by a number.

use std::rc::Rc;

use federation::query_graph::NodeId;
use rustc_hash::FxHashMap;

/// Index of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SetId(u32);

#[derive(Debug, Default)]
pub(super) struct NodeSets {
    sets: Vec<Rc<[NodeId]>>,
    ids: FxHashMap<Rc<[NodeId]>, SetId>,
}

impl NodeSets {
    /// The set of `nodes`, which may be in any order and repeat.
    pub(super) fn intern(&mut self, mut nodes: Vec<NodeId>) -> SetId {
        nodes.sort_unstable();
        nodes.dedup();
        if let Some(id) = self.ids.get(nodes.as_slice()) {
            return *id;
        }
        let id = SetId(self.sets.len() as u32);
        let nodes: Rc<[NodeId]> = nodes.into();
        self.sets.push(Rc::clone(&nodes));
        self.ids.insert(nodes, id);
        id
    }

    /// Sorted, without repeats.
    pub(super) fn get(&self, id: SetId) -> &Rc<[NodeId]> {
        &self.sets[id.0 as usize]
    }

    pub(super) fn is_subset(&self, small: SetId, large: SetId) -> bool {
        if small == large {
            return true;
        }
        let (small, large) = (self.get(small), self.get(large));
        let mut rest = large.iter();
        small.len() < large.len() && small.iter().all(|node| rest.any(|other| other == node))
    }
}
