//! Directives that clients may write in operations: those that all subgraphs define, where all allow them.

use apollo_compiler::ast::{DirectiveDefinition, DirectiveLocation};
use apollo_compiler::{Name, Node};
use std::collections::BTreeSet;

use super::arguments::ArgumentOwner;
use super::implementations::unplaced;
use super::{Merger, Sources};
use crate::error::HintCode;

impl<'a> Merger<'a> {
    pub(super) fn merge_executable_directives(&mut self) {
        let mut names: BTreeSet<&'a Name> = BTreeSet::new();
        let subgraphs = self.subgraphs;
        for subgraph in subgraphs {
            let own = subgraph.schema.directive_definitions.values().filter(|definition| {
                !definition.is_built_in()
                    && subgraph.directives.find(&definition.name).is_none()
                    && definition.locations.iter().any(|location| is_executable(*location))
            });
            names.extend(own.map(|definition| &definition.name));
        }
        for name in names {
            // A composed directive is defined as the newest of its specifications says, here and in operations.
            if !self.composed.iter().any(|composed| composed.name == *name) {
                self.merge_executable_directive(name);
            }
        }
    }

    fn merge_executable_directive(&mut self, name: &Name) {
        let subgraphs = self.subgraphs;
        let sources: Sources<'a, Node<DirectiveDefinition>> = subgraphs
            .iter()
            .enumerate()
            .filter_map(|(index, subgraph)| Some((index, subgraph.schema.directive_definitions.get(name)?)))
            .collect();
        let spans: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.name.location()))
            .collect();
        if sources.len() < subgraphs.len() {
            let is_missing = |index: &usize| !sources.iter().any(|(own, _)| own == index);
            let missing = self.name_subgraphs((0..subgraphs.len()).filter(is_missing));
            let message = format!("`@{name}` is not in the supergraph, because it is not defined in {missing}");
            return self.hint(HintCode::InconsistentExecutableDirectivePresence, message, spans);
        }
        let Some(locations) = self.merge_locations(name, &sources) else {
            return;
        };
        let repeatable = sources.iter().all(|(_, source)| source.repeatable);
        if !repeatable && sources.iter().any(|(_, source)| source.repeatable) {
            let once = sources.iter().filter(|(_, source)| !source.repeatable);
            let once = self.name_subgraphs(once.map(|(index, _)| *index));
            let message = format!("`@{name}` is not repeatable in the supergraph, because it is not in {once}");
            self.hint(HintCode::InconsistentExecutableDirectiveRepeatable, message, spans);
        }
        let owners: Vec<_> = sources
            .iter()
            .map(|(index, source)| ArgumentOwner {
                index: *index,
                arguments: &source.arguments,
                span: source.name.location(),
            })
            .collect();
        let arguments = self.merge_arguments(&format!("@{name}"), &owners);
        let descriptions: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.description.as_ref()))
            .collect();
        let description = self.merge_description(&format!("`@{name}`"), &descriptions);
        let definition = DirectiveDefinition {
            description,
            name: unplaced(name),
            arguments: arguments.into_iter().map(Node::new).collect(),
            repeatable,
            locations,
        };
        self.schema
            .directive_definitions
            .insert(name.clone(), Node::new(definition));
    }

    /// Places where all subgraphs allow the directive; `None` if there is none.
    fn merge_locations(
        &mut self,
        name: &Name,
        sources: &Sources<'a, Node<DirectiveDefinition>>,
    ) -> Option<Vec<DirectiveLocation>> {
        let first = sources[0].1;
        let locations: Vec<_> = first
            .locations
            .iter()
            .copied()
            .filter(|location| is_executable(*location))
            .filter(|location| sources.iter().all(|(_, source)| source.locations.contains(location)))
            .collect();
        let all_same = sources
            .iter()
            .all(|(_, source)| executable(source) == executable(first));
        if all_same {
            return Some(locations);
        }
        let spans: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.name.location()))
            .collect();
        let described = self.describe(sources.iter().map(|(index, source)| {
            let locations: Vec<_> = executable(source).into_iter().collect();
            let shown = if locations.is_empty() {
                "nothing".to_owned()
            } else {
                locations.join(" | ")
            };
            (*index, shown)
        }));
        if locations.is_empty() {
            let message = format!(
                "`@{name}` is not in the supergraph, because no place in operations is common to its definitions: {described}"
            );
            self.hint(HintCode::NoExecutableDirectiveIntersection, message, spans);
            return None;
        }
        let message = format!("`@{name}` is allowed at different places ({described}); the common ones are taken");
        self.hint(HintCode::InconsistentExecutableDirectiveLocations, message, spans);
        Some(locations)
    }
}

fn executable(definition: &DirectiveDefinition) -> BTreeSet<&'static str> {
    definition
        .locations
        .iter()
        .filter(|location| is_executable(**location))
        .map(|location| location.name())
        .collect()
}

/// Whether a directive may stand there in an operation, rather than in a schema.
pub(crate) fn is_executable(location: DirectiveLocation) -> bool {
    matches!(
        location,
        DirectiveLocation::Query
            | DirectiveLocation::Mutation
            | DirectiveLocation::Subscription
            | DirectiveLocation::Field
            | DirectiveLocation::FragmentDefinition
            | DirectiveLocation::FragmentSpread
            | DirectiveLocation::InlineFragment
            | DirectiveLocation::VariableDefinition
    )
}
