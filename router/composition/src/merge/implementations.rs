//! Who implements which interface and who is a member of which union, over all subgraphs.
//!
//! Collected before fields are merged, since which type is wider depends on it.

use std::sync::Arc;

use apollo_compiler::Name;
use apollo_compiler::Node;
use apollo_compiler::ast::Directive;
use apollo_compiler::schema::{ComponentName, ExtendedType};
use indexmap::IndexSet;

use super::{Merger, Sources};

impl<'a> Merger<'a> {
    pub(super) fn collect_abstract_types(&mut self) {
        let (members_of, interfaces_by_name) = (Arc::make_mut(&mut self.members), Arc::make_mut(&mut self.interfaces));
        for (name, sources) in self.sources.iter() {
            for (_, definition) in sources {
                if let ExtendedType::Union(union) = definition {
                    let members = members_of.entry(name.clone()).or_default();
                    members.extend(union.members.iter().map(|member| member.name.clone()));
                }
                for interface in interfaces_of(definition) {
                    let interfaces = interfaces_by_name.entry(name.clone()).or_default();
                    interfaces.insert(interface.name.clone());
                }
            }
        }
    }

    /// Interfaces of a merged type and the `@join__implements` that say where from.
    pub(super) fn merge_implementations(
        &self,
        name: &Name,
        sources: &Sources<'a, ExtendedType>,
    ) -> (
        apollo_compiler::collections::IndexSet<ComponentName>,
        Vec<Node<Directive>>,
    ) {
        let interfaces = self.interfaces.get(name).into_iter().flatten();
        let interfaces = interfaces
            .map(|interface| ComponentName::from(unplaced(interface)))
            .collect();
        let joins = sources.iter().flat_map(|(index, definition)| {
            let own = interfaces_of(definition);
            own.map(|interface| self.join_implements(*index, interface))
                .collect::<Vec<_>>()
        });
        (interfaces, joins.collect())
    }

    /// Object types of the supergraph that implement an interface, sorted.
    pub(super) fn implementations(&self, interface: &Name) -> Vec<Name> {
        let objects = self.sources.iter().filter(|(name, sources)| {
            super::kind(self.subgraphs, sources[0]) == super::Kind::Object
                && self
                    .interfaces
                    .get(*name)
                    .is_some_and(|interfaces| interfaces.contains(interface))
        });
        objects.map(|(name, _)| name.clone()).collect()
    }

    /// Interfaces that a merged type implements.
    pub(super) fn interfaces_of_merged(&self, name: &Name) -> IndexSet<Name> {
        self.interfaces.get(name).cloned().unwrap_or_default()
    }
}

fn interfaces_of(definition: &ExtendedType) -> impl Iterator<Item = &ComponentName> {
    let interfaces = match definition {
        ExtendedType::Object(object) => Some(&object.implements_interfaces),
        ExtendedType::Interface(interface) => Some(&interface.implements_interfaces),
        _ => None,
    };
    interfaces.into_iter().flatten()
}

/// A name without its place: the supergraph has no one source.
pub(super) fn unplaced(name: &Name) -> Name {
    name.to_cloned_arc()
        .map_or_else(|| Name::new_unchecked(name), Name::from_arc_unchecked)
}
