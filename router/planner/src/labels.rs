//! Which labels of progressive overrides an operation's plan may depend on.
//!
//! Looks at every field that planning may look at: what the operation selects, the keys of the entities on the way, and
//! what is required for any of these. Does not know which labels are on, so the answer holds for all of them.

use std::collections::BTreeSet;
use std::rc::Rc;

use federation::supergraph::{LabelId, TypeId};
use rustc_hash::FxHashSet;

use crate::planner::PlanError;
use crate::search::Search;
use crate::selection::SetId;

impl Search<'_> {
    /// The labels below `root`, sorted.
    pub(crate) fn labels_of(&mut self, root: SetId) -> Result<Vec<LabelId>, PlanError> {
        let mut labels = BTreeSet::new();
        let mut seen: FxHashSet<SetId> = FxHashSet::from_iter([root]);
        let mut types_seen: FxHashSet<TypeId> = FxHashSet::default();
        let mut pending = vec![root];
        while let Some(set) = pending.pop() {
            let below = self.labels_at(set, &mut types_seen, &mut labels)?;
            pending.extend(below.into_iter().filter(|set| seen.insert(*set)));
        }
        Ok(labels.into_iter().collect())
    }

    /// Notes the labels of one set, and returns the sets that it leads to.
    fn labels_at(
        &mut self,
        set: SetId,
        types_seen: &mut FxHashSet<TypeId>,
        labels: &mut BTreeSet<LabelId>,
    ) -> Result<Vec<SetId>, PlanError> {
        let supergraph = self.supergraph;
        let mut below = Vec::new();
        let types = Rc::clone(&self.sets.set(set).types);
        for type_id in types.iter().filter(|type_id| types_seen.insert(**type_id)) {
            for edge in self.graph.key_edges(*type_id) {
                below.push(self.sets.hidden_items(&edge.fields, *type_id)?);
            }
        }
        let selection_set = Rc::clone(self.sets.set(set));
        for item in &selection_set.items {
            below.extend(item.child);
            for type_id in item.types.iter() {
                // A field of an interface object stands with the interface.
                let interfaces = &supergraph.type_definition(*type_id).interfaces;
                let owners = std::iter::once(type_id).chain(interfaces);
                let fields = owners.filter_map(|owner| supergraph.type_definition(*owner).fields.get(&item.field));
                for join in fields.flat_map(|field| &field.joins) {
                    labels.extend(join.override_label.map(|label| label.label));
                    if let Some(requires) = &join.requires {
                        below.push(self.sets.hidden_items(requires, *type_id)?);
                    }
                }
            }
        }
        Ok(below)
    }
}
