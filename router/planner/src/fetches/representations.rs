//! What is sent of an object so that another subgraph knows which entity it is, and has what it requires.

use std::rc::Rc;
use std::sync::Arc;

use federation::query_graph::KeyEdgeKind;
use federation::query_plan::{Representation, RepresentationInput};
use rustc_hash::FxHashMap;

use super::{Fetches, Place};
use crate::selection::Item;

impl Fetches<'_, '_> {
    pub(super) fn representation(&mut self, place: &Place<'_>, jump: usize, requires: &[usize]) -> Representation {
        let supergraph = self.search.supergraph;
        let universe = Rc::clone(&place.solved.universe);
        let jump = &universe.jumps[jump];
        let target_name = &supergraph
            .type_definition(self.search.graph.node(jump.target).type_id)
            .name;
        let mut inputs = Vec::with_capacity(jump.key.len() + requires.len());
        for item in jump.key.iter() {
            add_input(&mut inputs, self.input(&universe.items[*item], true));
        }
        for item in requires {
            add_input(&mut inputs, self.input(&universe.items[*item], false));
        }
        let stored_only = place.is_abstract && jump.kind == Some(KeyEdgeKind::Object);
        // Objects from an interface object have no runtime type stored, or not yet; all are sent alike.
        let starts_untyped = place
            .solved
            .visits
            .first()
            .is_some_and(|visit| self.search.graph.node(visit.node).is_interface_object);
        let is_untyped = starts_untyped && jump.kind != Some(KeyEdgeKind::Object);
        let runtime_types = if place.is_abstract && !is_untyped {
            vec![supergraph.type_definition(place.type_id).name.clone()]
        } else {
            Vec::new()
        };
        Representation {
            runtime_types,
            typename: (!stored_only).then(|| target_name.clone()),
            inputs,
        }
    }

    /// How an item is sent.
    fn input(&self, item: &Item, is_key: bool) -> RepresentationInput {
        let mut inputs = Vec::new();
        if let Some(child) = item.child {
            let set = self.search.sets.set(child);
            if set.is_abstract || set.wants_typename {
                inputs.push(typename_input(is_key));
            }
            for item in &set.items {
                let mut input = self.input(item, is_key);
                if item.types.len() < set.types.len() {
                    input.runtime_types = self.names(&item.types);
                }
                inputs.push(input);
            }
        }
        RepresentationInput {
            name: item.field.clone(),
            storage_name: item.storage_name.name.clone(),
            runtime_types: Vec::new(),
            is_key,
            inputs,
        }
    }
}

fn typename_input(is_key: bool) -> RepresentationInput {
    let name = apollo_compiler::name!("__typename");
    RepresentationInput {
        name: name.clone(),
        storage_name: name,
        runtime_types: Vec::new(),
        is_key,
        inputs: Vec::new(),
    }
}

/// Joins inputs of one name; false when they are stored in different places, so that one object cannot hold both.
fn add_input(inputs: &mut Vec<RepresentationInput>, input: RepresentationInput) -> bool {
    let Some(known) = inputs
        .iter_mut()
        .find(|known| known.name == input.name && known.runtime_types == input.runtime_types)
    else {
        inputs.push(input);
        return true;
    };
    if known.storage_name != input.storage_name {
        return false;
    }
    known.is_key |= input.is_key;
    let mut fits = true;
    for inner in input.inputs {
        fits &= add_input(&mut known.inputs, inner);
    }
    fits
}

/// Representations that entries begin with, each kept once.
#[derive(Default)]
pub(super) struct KnownRepresentations(FxHashMap<Representation, Arc<Vec<Representation>>>);

impl KnownRepresentations {
    /// The list of this one alone.
    pub(super) fn alone(&mut self, representation: Representation) -> Arc<Vec<Representation>> {
        let alone = self.0.entry(representation);
        Arc::clone(alone.or_insert_with_key(|representation| Arc::new(vec![representation.clone()])))
    }
}

/// Adds a representation to those of an entry; false when an object would need two representations of one name.
pub(super) fn add_representation(representations: &mut Arc<Vec<Representation>>, added: &Representation) -> bool {
    let overlaps = |known: &Representation| {
        known.runtime_types.is_empty()
            || added.runtime_types.is_empty()
            || known
                .runtime_types
                .iter()
                .any(|name| added.runtime_types.contains(name))
    };
    let Some(index) = representations.iter().position(overlaps) else {
        Arc::make_mut(representations).push(added.clone());
        return true;
    };
    let known = &representations[index];
    if known == added {
        return true;
    }
    if known.runtime_types != added.runtime_types || known.typename != added.typename {
        return false;
    }
    let mut inputs = known.inputs.clone();
    for input in &added.inputs {
        if !add_input(&mut inputs, input.clone()) {
            return false;
        }
    }
    Arc::make_mut(representations)[index].inputs = inputs;
    true
}
