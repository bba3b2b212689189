//! Directives that clients may write in operations: those that all subgraphs define, where all allow them.

use apollo_compiler::ast::{DirectiveDefinition, DirectiveLocation};
use apollo_compiler::{Name, Node};
use std::collections::BTreeSet;

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
            if !self.schema.directive_definitions.contains_key(name) {
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
            .filter(|(_, definition)| definition.locations.iter().any(|location| is_executable(*location)))
            .collect();
        let spans: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.location()))
            .collect();
        if sources.len() < subgraphs.len() {
            let message = format!("`@{name}` is not in the supergraph, because some subgraphs do not define it");
            return self.hint(HintCode::InconsistentExecutableDirectivePresence, message, spans);
        }
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
        if !all_same {
            let message =
                format!("`@{name}` is allowed at different places by different subgraphs; the common ones are taken");
            self.hint(HintCode::InconsistentExecutableDirectiveLocations, message, spans);
        }
        if locations.is_empty() {
            return;
        }
        let arguments = self.merge_directive_arguments(name, &sources);
        let descriptions: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.description.as_ref()))
            .collect();
        let description = self.merge_description(&format_args!("`@{name}`"), &descriptions);
        let definition = DirectiveDefinition {
            description,
            name: unplaced(name),
            arguments,
            repeatable: sources.iter().all(|(_, source)| source.repeatable),
            locations,
        };
        self.schema
            .directive_definitions
            .insert(name.clone(), Node::new(definition));
    }

    fn merge_directive_arguments(
        &mut self,
        name: &Name,
        sources: &Sources<'a, Node<DirectiveDefinition>>,
    ) -> Vec<Node<apollo_compiler::ast::InputValueDefinition>> {
        let mut merged = Vec::new();
        for argument in &sources[0].1.arguments {
            let own = sources.iter().filter_map(|(index, source)| {
                Some((*index, source.arguments.iter().find(|own| own.name == argument.name)?))
            });
            let own: Vec<_> = own.collect();
            if own.len() == sources.len() {
                let place = format!("@{name}({}:)", argument.name);
                merged.extend(
                    self.merge_input_value(&place, &own, &super::arguments::ARGUMENT_CODES)
                        .map(Node::new),
                );
            }
        }
        for argument in &merged {
            self.note_input_use(argument.ty.inner_named_type());
        }
        merged
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

fn is_executable(location: DirectiveLocation) -> bool {
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
