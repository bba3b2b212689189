//! How much memory a plan takes, for whoever remembers many of them.
//!
//! Adds up the sizes of its parts, each shared one once. Leaves out what allocations cost beyond that, and what belongs to
//! the supergraph.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{
    BooleanCondition, DeferredPart, EntityFetch, Fetch, FetchTarget, PathElement, PlanNode, QueryPlan,
    RepresentationInput, ResponseShape,
};

impl QueryPlan {
    /// Bytes of memory that the plan takes, about.
    pub fn memory_bytes(&self) -> usize {
        let mut size = Size::default();
        size.shape(&self.response);
        self.root.iter().for_each(|root| size.node(root));
        size.bytes + self.introspection.as_ref().map_or(0, String::len)
    }
}

#[derive(Default)]
struct Size {
    bytes: usize,
    /// Addresses of what is shared and has been added.
    added: FxHashSet<usize>,
}

impl Size {
    /// Adds the items themselves, without what they point at.
    fn items<T>(&mut self, items: &[T]) {
        self.bytes += size_of_val(items);
    }

    /// Adds what is shared, without what it points at. Whether it was not added before.
    fn shared<T>(&mut self, shared: &Arc<T>) -> bool {
        let is_new = self.added.insert(Arc::as_ptr(shared).addr());
        self.bytes += if is_new { size_of::<T>() } else { 0 };
        is_new
    }

    fn shape(&mut self, shape: &ResponseShape) {
        self.items(&shape.fields);
        self.items(&shape.deferred);
        for field in &shape.fields {
            self.items(&field.conditions);
            self.items(field.runtime_types.as_deref().unwrap_or_default());
            self.shared_shape(&field.selection);
        }
        for fragment in &shape.deferred {
            self.conditions(&fragment.conditions);
            self.items(fragment.runtime_types.as_deref().unwrap_or_default());
            self.shared_shape(&fragment.shape);
        }
    }

    fn shared_shape(&mut self, shape: &Arc<ResponseShape>) {
        if self.shared(shape) {
            self.shape(shape);
        }
    }

    fn conditions(&mut self, conditions: &[Vec<BooleanCondition>]) {
        self.items(conditions);
        conditions.iter().for_each(|all| self.items(all));
    }

    fn node(&mut self, node: &PlanNode) {
        self.bytes += size_of::<PlanNode>();
        match node {
            PlanNode::Sequence(nodes) | PlanNode::Parallel(nodes) => nodes.iter().for_each(|node| self.node(node)),
            PlanNode::Fetch(fetch) => self.fetch(fetch),
            PlanNode::Condition { if_true, if_false, .. } => {
                [if_true, if_false]
                    .into_iter()
                    .flatten()
                    .for_each(|node| self.node(node));
            }
            PlanNode::Defer { primary, deferred } => {
                primary.iter().for_each(|node| self.node(node));
                deferred.iter().for_each(|part| self.part(part));
            }
            PlanNode::Subscription { primary, rest } => {
                self.fetch(primary);
                rest.iter().for_each(|node| self.node(node));
            }
        }
    }

    fn part(&mut self, part: &DeferredPart) {
        self.bytes += size_of::<DeferredPart>() + part.label.as_ref().map_or(0, String::len);
        self.items(&part.after);
        self.items(part.depends.as_deref().unwrap_or_default());
        part.node.iter().for_each(|node| self.node(node));
    }

    fn fetch(&mut self, fetch: &Arc<Fetch>) {
        if !self.shared(fetch) {
            return;
        }
        self.bytes += fetch.document.len() + fetch.reason.len();
        self.items(&fetch.variables);
        match &fetch.target {
            FetchTarget::Root { path } => self.path(path),
            FetchTarget::Entities(entries) => {
                self.items(entries);
                entries.iter().for_each(|entry| self.entry(entry));
            }
        }
    }

    fn entry(&mut self, entry: &EntityFetch) {
        self.path(&entry.path);
        self.conditions(&entry.conditions);
        self.items(&entry.context_variables);
        for source in entry.context_variables.iter().flat_map(|variable| &variable.sources) {
            self.bytes += size_of_val(source);
            self.items(&source.runtime_types);
            self.items(&source.value);
        }
        if self.shared(&entry.representations) {
            self.items(&entry.representations);
            for representation in &*entry.representations {
                self.items(&representation.runtime_types);
                self.inputs(&representation.inputs);
            }
        }
    }

    fn path(&mut self, path: &[PathElement]) {
        self.items(path);
        for element in path {
            if let PathElement::TypeCondition(names) = element {
                self.items(names);
            }
        }
    }

    fn inputs(&mut self, inputs: &[RepresentationInput]) {
        self.items(inputs);
        for input in inputs {
            self.items(&input.runtime_types);
            self.inputs(&input.inputs);
        }
    }
}
