//! Arguments of fields and of directives: those that every subgraph has which has the field or directive.

use std::fmt;

use apollo_compiler::ast::{self, InputValueDefinition, Value};
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::{Name, Node};

use super::implementations::unplaced;
use super::references::{Agreement, Variance};
use super::values::same_value;
use super::{Merger, Sources};
use crate::error::{ErrorCode, HintCode, on_one_line};
use crate::federation_spec::FederationDirective;

/// Codes for an input value: an argument or an input field.
pub(super) struct InputValueCodes {
    pub(super) type_mismatch: ErrorCode,
    pub(super) default_mismatch: ErrorCode,
    pub(super) compatible_type: HintCode,
}

pub(super) const ARGUMENT_CODES: InputValueCodes = InputValueCodes {
    type_mismatch: ErrorCode::FieldArgumentTypeMismatch,
    default_mismatch: ErrorCode::FieldArgumentDefaultMismatch,
    compatible_type: HintCode::InconsistentButCompatibleArgumentType,
};

/// One subgraph's field or directive, and its arguments.
pub(super) struct ArgumentOwner<'a> {
    pub(super) index: usize,
    pub(super) arguments: &'a [Node<InputValueDefinition>],
    pub(super) span: Option<SourceSpan>,
}

impl<'a> ArgumentOwner<'a> {
    fn argument(&self, name: &Name) -> Option<&'a Node<InputValueDefinition>> {
        self.arguments.iter().find(|argument| argument.name == *name)
    }
}

impl<'a> Merger<'a> {
    /// Merges the arguments of all definitions of what `place` names, such as `Product.price`.
    pub(super) fn merge_arguments(
        &mut self,
        place: &dyn fmt::Display,
        owners: &[ArgumentOwner<'a>],
    ) -> Vec<InputValueDefinition> {
        let mut names: Vec<&'a Name> = Vec::new();
        for argument in owners.iter().flat_map(|owner| owner.arguments) {
            if !names.contains(&&argument.name) {
                names.push(&argument.name);
            }
        }
        let mut merged = Vec::with_capacity(names.len());
        for name in names {
            let place = format!("{place}({name}:)");
            if owners.iter().any(|owner| self.is_from_context(owner, name)) {
                // Arguments filled from a context are no business of clients.
                self.report_not_from_context(&place, owners, name);
            } else if owners.iter().any(|owner| owner.argument(name).is_none()) {
                self.report_missing_argument(&place, owners, name);
            } else {
                let sources: Vec<_> = owners
                    .iter()
                    .filter_map(|owner| Some((owner.index, owner.argument(name)?)))
                    .collect();
                merged.extend(self.merge_input_value(&place, &sources, &ARGUMENT_CODES));
            }
        }
        for argument in &merged {
            self.note_input_use(argument.ty.inner_named_type());
        }
        merged
    }

    fn is_from_context(&self, owner: &ArgumentOwner<'a>, name: &Name) -> bool {
        let directive = FederationDirective::FromContext;
        owner
            .argument(name)
            .is_some_and(|argument| self.subgraphs[owner.index].has(&argument.directives, directive))
    }

    /// The router fills the argument in some subgraphs; in the others nobody can, so that it must be optional there.
    fn report_not_from_context(&mut self, place: &str, owners: &[ArgumentOwner<'a>], name: &Name) {
        let filling = owners.iter().filter(|owner| self.is_from_context(owner, name));
        let filling: Vec<_> = filling.map(|owner| (owner.index, owner.span)).collect();
        let filled = self.name_subgraphs(filling.iter().map(|(index, _)| *index));
        for owner in owners {
            let Some(argument) = owner.argument(name) else { continue };
            if self.is_from_context(owner, name) {
                continue;
            }
            let subgraph = &self.subgraphs[owner.index].name;
            let spans = [(owner.index, argument.location())]
                .into_iter()
                .chain(filling.iter().copied());
            if argument.is_required() {
                let message = format!(
                    "[{subgraph}] argument `{place}` is required here, but {filled} fills it by `@fromContext`, so that clients \
                     cannot give it; add `@fromContext` here too, or make it optional"
                );
                self.error(ErrorCode::ContextualArgumentNotContextualInAllSubgraphs, message, spans);
            } else {
                let message = format!(
                    "[{subgraph}] argument `{place}` is never given here, because {filled} fills it by `@fromContext`, which \
                     takes it out of the supergraph"
                );
                self.hint(HintCode::ContextualArgumentNotContextualInAllSubgraphs, message, spans);
            }
        }
    }

    fn report_missing_argument(&mut self, place: &str, owners: &[ArgumentOwner<'a>], name: &Name) {
        let requires = |owner: &&ArgumentOwner<'a>| owner.argument(name).is_some_and(|argument| argument.is_required());
        let requiring: Vec<_> = owners.iter().filter(requires).map(|owner| owner.index).collect();
        let missing = owners.iter().filter(|owner| owner.argument(name).is_none());
        let without = self.name_subgraphs(missing.map(|owner| owner.index));
        let span = |owner: &ArgumentOwner<'a>| owner.argument(name).map_or(owner.span, |argument| argument.location());
        let spans: Vec<_> = owners.iter().map(|owner| (owner.index, span(owner))).collect();
        if requiring.is_empty() {
            let message = format!("argument `{place}` is not in the supergraph, because {without} does not have it");
            self.hint(HintCode::InconsistentArgumentPresence, message, spans);
        } else {
            let requiring = self.name_subgraphs(requiring);
            let message = format!(
                "argument `{place}` is required in {requiring} but missing in {without}; add it there, or make it optional"
            );
            self.error(ErrorCode::RequiredArgumentMissingInSomeSubgraph, message, spans);
        }
    }

    /// Merges an argument or input field that stands in all of `sources`.
    pub(super) fn merge_input_value(
        &mut self,
        place: &dyn fmt::Display,
        sources: &Sources<'a, Node<InputValueDefinition>>,
        codes: &InputValueCodes,
    ) -> Option<InputValueDefinition> {
        let merged = self.merge_reference(sources.iter().map(|(_, source)| &*source.ty), Variance::Input)?;
        if merged.agreement != Agreement::Same {
            let spans: Vec<_> = sources
                .iter()
                .map(|(index, source)| (*index, source.location()))
                .collect();
            let described = self.describe_types(sources.iter().map(|(index, source)| (*index, &source.ty)));
            if merged.agreement == Agreement::Compatible {
                let message = format!("`{place}` has type {described}; the supergraph has `{}`", merged.ty);
                self.hint(codes.compatible_type, message, spans);
            } else {
                let message = format!("`{place}` has incompatible types: {described}; give it one type everywhere");
                self.error(codes.type_mismatch, message, spans);
            }
        }
        let default_value = self.merge_default(place, sources, codes);
        let descriptions: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.description.as_ref()))
            .collect();
        let description = self.merge_description(&format_args!("`{place}`"), &descriptions);
        let directives: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, &source.directives))
            .collect();
        let directives = self.merge_directives(place, &directives);
        Some(InputValueDefinition {
            description,
            name: unplaced(&sources[0].1.name),
            ty: Node::new(merged.ty),
            default_value,
            directives: ast::DirectiveList(directives),
        })
    }

    /// A default stands in the supergraph only when all subgraphs have it.
    fn merge_default(
        &mut self,
        place: &dyn fmt::Display,
        sources: &Sources<'a, Node<InputValueDefinition>>,
        codes: &InputValueCodes,
    ) -> Option<Node<Value>> {
        let defaults = || sources.iter().map(|(_, source)| source.default_value.as_ref());
        let mut given = defaults().flatten();
        let first = given.next()?.clone();
        let spans: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.location()))
            .collect();
        if given.any(|other| !same_value(other, &first)) {
            let described = sources
                .iter()
                .filter_map(|(index, source)| Some((*index, on_one_line(source.default_value.as_ref()?))));
            let described = self.describe(described);
            let message = format!("`{place}` has different defaults: {described}; give it one default everywhere");
            self.error(codes.default_mismatch, message, spans);
            return None;
        }
        if defaults().any(|default| default.is_none()) {
            let message = format!("`{place}` has a default in some subgraphs only, so the supergraph has none");
            self.hint(HintCode::InconsistentDefaultValuePresence, message, spans);
            return None;
        }
        Some(Node::new((*first).clone()))
    }
}
