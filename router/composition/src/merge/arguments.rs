//! Arguments of fields: those that every subgraph has which resolves the field.

use std::fmt;

use apollo_compiler::ast::{self, InputValueDefinition, Value};
use apollo_compiler::{Name, Node};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::fields::FieldSources;
use super::implementations::unplaced;
use super::references::{Agreement, Variance};
use super::{Merger, Sources};
use crate::error::{ErrorCode, HintCode};
use crate::federation_spec::FederationDirective;
use crate::field_set::Coordinate;

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

impl<'a> Merger<'a> {
    pub(super) fn merge_arguments(
        &mut self,
        coordinate: &Coordinate,
        fields: &FieldSources<'a>,
    ) -> Vec<InputValueDefinition> {
        let mut by_name: IndexMap<&Name, Sources<'a, Node<InputValueDefinition>>, FxBuildHasher> = IndexMap::default();
        for (index, field) in fields {
            for argument in &field.arguments {
                // Arguments filled from a context are no business of clients.
                if !self.subgraphs[*index].has(&argument.directives, FederationDirective::FromContext) {
                    by_name.entry(&argument.name).or_default().push((*index, argument));
                }
            }
        }
        let mut merged = Vec::with_capacity(by_name.len());
        for (name, sources) in by_name {
            let place = format_args!("{}.{}({name}:)", coordinate.0, coordinate.1);
            let has_argument = |index: usize| sources.iter().any(|(own, _)| *own == index);
            let missing: Vec<_> = fields
                .iter()
                .filter(|(index, field)| !has_argument(*index) && field.argument_by_name(name).is_none())
                .map(|(index, _)| *index)
                .collect();
            let argument = self.merge_input_value(&place, &sources, &ARGUMENT_CODES);
            if missing.is_empty() {
                merged.extend(argument);
            } else {
                self.report_missing_argument(&place, &sources, &missing);
            }
        }
        for argument in &merged {
            self.note_input_use(argument.ty.inner_named_type());
        }
        merged
    }

    fn report_missing_argument(
        &mut self,
        place: &dyn fmt::Display,
        sources: &Sources<'a, Node<InputValueDefinition>>,
        missing: &[usize],
    ) {
        let requiring: Vec<_> = sources
            .iter()
            .filter(|(_, source)| source.is_required())
            .map(|(index, _)| *index)
            .collect();
        let without = self.name_subgraphs(missing.iter().copied());
        let spans: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.location()))
            .collect();
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
        if given.any(|other| *other != first) {
            let described = sources
                .iter()
                .filter_map(|(index, source)| Some((*index, source.default_value.as_ref()?.to_string())));
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
