//! Entities that an earlier fetch of the same query brought, so that they are asked for once over all of its stages.

use std::collections::HashMap;
use std::sync::Arc;

use federation::query_plan::{Fetch, OperationKind, PlanNode, QueryPlan};
use rustc_hash::{FxHashMap, FxHashSet};

use super::absorption::COPIED_VALUES_MAX;
use crate::representation::Representations;
use crate::store::{ObjectId, Store};

/// Entities by the request that brought them, for fetches that stand in a query more than once.
///
/// Only queries: a mutation may change an entity between two fetches.
#[derive(Debug, Default)]
pub(super) struct KnownEntities {
    /// Documents that stand in the plan more than once.
    documents: FxHashSet<Arc<str>>,
    /// By document, number of the `_entities` field, and representation; objects that nothing else changes.
    entities: FxHashMap<(Arc<str>, usize), EntitiesByRepresentation>,
}

/// `None`: there is no such entity.
type EntitiesByRepresentation = HashMap<Vec<u8>, Option<ObjectId>>;

impl KnownEntities {
    pub(super) fn of(plan: &QueryPlan) -> Self {
        let mut documents = FxHashSet::default();
        if let (OperationKind::Query, Some(root)) = (plan.operation_kind, &plan.root) {
            let mut once = FxHashSet::default();
            for_each_fetch(root, &mut |fetch| {
                if !once.insert(Arc::clone(&fetch.document)) {
                    documents.insert(Arc::clone(&fetch.document));
                }
            });
        }
        Self {
            documents,
            entities: FxHashMap::default(),
        }
    }

    /// Whether entities of this fetch may be asked for again.
    pub(super) fn covers(&self, fetch: &Fetch) -> bool {
        self.documents.contains(&fetch.document)
    }

    pub(super) fn remember(
        &mut self,
        (fetch, number): (&Fetch, usize),
        representation: &[u8],
        entity: Option<ObjectId>,
    ) {
        let known = self.entities.entry((Arc::clone(&fetch.document), number)).or_default();
        known.insert(representation.to_owned(), entity);
    }

    /// Resolves what an earlier fetch of the same document brought, and leaves the rest.
    pub(super) fn take_known(
        &self,
        store: &mut Store,
        copied_values: &mut usize,
        (fetch, number): (&Fetch, usize),
        mut representations: Representations,
    ) -> Representations {
        if let Some(known) = self.entities.get(&(Arc::clone(&fetch.document), number)) {
            representations.retain(|representation, objects| {
                let Some(entity) = known.get(representation) else {
                    return true;
                };
                if let Some(entity) = *entity {
                    *copied_values += store.weight(entity) * objects.len();
                    if *copied_values > COPIED_VALUES_MAX {
                        return true; // Fetched again, and refused then.
                    }
                    for object in objects {
                        store.merge_copy(*object, entity);
                    }
                }
                false
            });
        }
        representations
    }
}

fn for_each_fetch<'p>(node: &'p PlanNode, visit: &mut impl FnMut(&'p Fetch)) {
    match node {
        PlanNode::Sequence(nodes) | PlanNode::Parallel(nodes) => {
            nodes.iter().for_each(|node| for_each_fetch(node, visit));
        }
        PlanNode::Fetch(fetch) => visit(fetch),
        PlanNode::Condition { if_true, if_false, .. } => {
            [if_true, if_false]
                .into_iter()
                .flatten()
                .for_each(|node| for_each_fetch(node, visit));
        }
        PlanNode::Subscription { primary, rest } => {
            visit(primary);
            rest.iter().for_each(|node| for_each_fetch(node, visit));
        }
    }
}
