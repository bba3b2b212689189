//! Types that behave alike at a position are solved once: an interface may have a hundred implementations.
//!
//! Two types are alike for a selection set when they select the same items of it, every subgraph resolves these items
//! and the keys alike, and their ways into subgraphs are the same. Types for which something is required are never
//! alike: what is required is per type. Nor are types where a context may be set that fields below them use.

use std::fmt::Write as _;
use std::rc::Rc;

use apollo_compiler::Name;
use federation::field_set::{FieldSet, FieldSetSelection};
use federation::query_graph::{FieldId, KeyEdgeKind};
use federation::supergraph::TypeId;
use rustc_hash::FxHashMap;

use crate::planner::PlanError;
use crate::search::Search;
use crate::selection::SetId;

impl Search<'_> {
    /// A number for each type of the set; equal for types that behave alike.
    pub(crate) fn classes(&mut self, set: SetId) -> Result<Rc<[u32]>, PlanError> {
        if let Some(classes) = self.classes.get(&set) {
            return Ok(Rc::clone(classes));
        }
        let types = Rc::clone(&self.sets.set(set).types);
        let uses_contexts = self.uses_contexts(set)?;
        let mut known: FxHashMap<Vec<u32>, u32> = FxHashMap::default();
        let mut classes = Vec::with_capacity(types.len());
        for type_id in types.iter() {
            let next = classes.len() as u32;
            let signature = if uses_contexts {
                None
            } else {
                self.signature(set, *type_id)
            };
            let class = match signature {
                Some(signature) => *known.entry(signature).or_insert(next),
                None => next,
            };
            classes.push(class);
        }
        let classes: Rc<[u32]> = classes.into();
        self.classes.insert(set, Rc::clone(&classes));
        Ok(classes)
    }

    fn uses_contexts(&mut self, set: SetId) -> Result<bool, PlanError> {
        if !self.supergraph.has_context_arguments() {
            return Ok(false);
        }
        let children: Vec<SetId> = self.sets.set(set).items.iter().filter_map(|item| item.child).collect();
        for set in children.into_iter().chain([set]) {
            if self.wants_from_above(set)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `None`: like no other.
    fn signature(&mut self, set: SetId, type_id: TypeId) -> Option<Vec<u32>> {
        let mut signature = vec![self.key_class(type_id)?];
        let items = &self.sets.set(set).items;
        let selected = items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.types.binary_search(&type_id).is_ok());
        let selected: Vec<(usize, FieldId)> = selected.map(|(index, item)| (index, item.field_id)).collect();
        signature.extend(selected.iter().map(|(index, _)| *index as u32));
        for join in &self.supergraph.type_definition(type_id).joins {
            signature.extend([u32::MAX, join.subgraph.0]);
            let Some(node) = self.graph.node_of(join.subgraph, type_id) else {
                continue;
            };
            for (index, field) in &selected {
                let Some(edge) = self.edge(node, *field) else {
                    continue;
                };
                if edge.needs_inputs() {
                    return None;
                }
                signature.extend([*index as u32, edge.target.map_or(u32::MAX, |target| target.0)]);
            }
        }
        Some(signature)
    }

    /// Types of one class have the same keys, resolved alike.
    fn key_class(&mut self, type_id: TypeId) -> Option<u32> {
        if let Some(class) = self.key_classes.get(&type_id) {
            return *class;
        }
        let class = self.key_signature(type_id).map(|signature| {
            let next = self.key_signatures.len() as u32;
            *self.key_signatures.entry(signature).or_insert(next)
        });
        self.key_classes.insert(type_id, class);
        class
    }

    fn key_signature(&self, type_id: TypeId) -> Option<String> {
        let mut signature = String::new();
        let mut fields: Vec<&Name> = Vec::new();
        for edge in self.graph.key_edges(type_id) {
            let target = self.graph.node(edge.target);
            let _ = write!(signature, "{} {:?} {};", target.subgraph.0, edge.kind, edge.fields);
            if edge.kind != KeyEdgeKind::Object {
                let _ = write!(signature, "{};", edge.target.0);
            }
            top_fields(&edge.fields, &mut fields);
        }
        fields.sort_unstable();
        fields.dedup();
        for join in &self.supergraph.type_definition(type_id).joins {
            let Some(node) = self.graph.node_of(join.subgraph, type_id) else {
                continue;
            };
            for field in &fields {
                if let Some(edge) = self.edge(node, self.graph.field_id(field)) {
                    if edge.needs_inputs() {
                        return None;
                    }
                    let _ = write!(signature, "{} {field} {:?};", join.subgraph.0, edge.target);
                }
            }
        }
        Some(signature)
    }
}

fn top_fields<'f>(field_set: &'f FieldSet, fields: &mut Vec<&'f Name>) {
    for selection in &field_set.selections {
        match selection {
            FieldSetSelection::Field(field) => fields.push(&field.name),
            FieldSetSelection::InlineFragment { selections, .. } => top_fields(selections, fields),
        }
    }
}
