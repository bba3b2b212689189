//! What one subgraph resolves alone: known without any search, and the same whatever slots are open.

use std::rc::Rc;

use federation::query_graph::NodeId;
use smallvec::SmallVec;

use crate::planner::PlanError;
use crate::search::Search;
use crate::selection::SetId;

impl Search<'_> {
    /// Whether objects seen from `node` have everything of a set and below it in one subgraph, without inputs.
    pub(crate) fn is_complete_at_once(&mut self, set: SetId, node: NodeId) -> Result<bool, PlanError> {
        if let Some(known) = self.at_once.get(&(set, node)) {
            return Ok(*known);
        }
        let is_complete = self.is_complete_at_once_uncached(set, node)?;
        self.at_once.insert((set, node), is_complete);
        Ok(is_complete)
    }

    fn is_complete_at_once_uncached(&mut self, set: SetId, node: NodeId) -> Result<bool, PlanError> {
        if self.graph.node(node).is_interface_object || self.sets.set(set).is_apart || self.wants_from_above(set)? {
            return Ok(false);
        }
        let selection_set = Rc::clone(self.sets.set(set));
        for item in &selection_set.items {
            let mut targets: SmallVec<[NodeId; 1]> = SmallVec::new();
            for type_id in item.types.iter() {
                let Some(node) = self.graph.downcast(node, *type_id) else {
                    continue;
                };
                let edge = self.edge(node, item.field_id);
                match (edge.filter(|edge| !edge.needs_inputs()), item.child) {
                    (None, _) => return Ok(false),
                    (Some(_), None) => {}
                    (Some(edge), Some(_)) => match edge.target {
                        Some(target) if targets.contains(&target) => {}
                        Some(target) => targets.push(target),
                        None => return Ok(false),
                    },
                }
            }
            for target in targets {
                if let Some(child) = item.child
                    && !self.is_complete_at_once(child, target)?
                {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
