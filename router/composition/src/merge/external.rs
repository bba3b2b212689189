//! `@external` across subgraphs: somebody must resolve the field, and the external definitions must agree with it.

use apollo_compiler::ast::{InputValueDefinition, Type};

use super::Merger;
use super::fields::FieldMerge;
use crate::error::ErrorCode;

impl<'a> Merger<'a> {
    pub(super) fn report_external_everywhere(&mut self, field: &FieldMerge<'_, 'a>) {
        let subgraphs = self.name_subgraphs(field.sources.iter().map(|(index, _)| *index));
        let message = format!(
            "`{}` is `@external` in every subgraph that has it ({subgraphs}); remove `@external` in the one that resolves it",
            field.place()
        );
        let spans: Vec<_> = field
            .sources
            .iter()
            .map(|(index, source)| (*index, source.location()))
            .collect();
        self.error(ErrorCode::ExternalMissingOnBase, message, spans);
    }

    /// Directives of the supergraph must stand where the field is resolved, or they would be lost in silence.
    pub(super) fn check_directives_on_external(&mut self, field: &FieldMerge<'_, 'a>) {
        let mut found = Vec::new();
        for (index, source) in &field.sources {
            if !self.subgraphs[*index].usage.is_external(&field.coordinate) {
                continue;
            }
            let composed = source
                .directives
                .iter()
                .filter(|directive| self.composed.is_federation(*index, &directive.name));
            found.extend(composed.map(|directive| (*index, directive.clone())));
        }
        for (index, directive) in found {
            let message = format!(
                "[{}] `{}` is `@external` and has `{directive}`; put the directive where the field is resolved",
                self.subgraphs[index].name,
                field.place()
            );
            self.error(
                ErrorCode::MergedDirectiveApplicationOnExternal,
                message,
                [(index, directive.location())],
            );
        }
    }

    pub(super) fn check_external_sources(
        &mut self,
        field: &FieldMerge<'_, 'a>,
        merged: &Type,
        arguments: &[InputValueDefinition],
        all_same: bool,
    ) {
        for (index, source) in &field.sources {
            if !self.subgraphs[*index].usage.is_external(&field.coordinate) {
                continue;
            }
            // An external field may promise more than the supergraph, when the field's types differ anyway.
            let is_allowed = source.ty == *merged || (!all_same && self.is_subtype(merged, &source.ty));
            if !is_allowed {
                let message = format!(
                    "[{}] `{}` is `@external` with type `{}`, but the subgraphs that resolve it say `{merged}`",
                    self.subgraphs[*index].name,
                    field.place(),
                    source.ty
                );
                self.error(ErrorCode::ExternalTypeMismatch, message, [(*index, source.location())]);
            }
            for argument in arguments {
                let own = source.arguments.iter().find(|own| own.name == argument.name);
                self.check_external_argument(field, *index, argument, own.map(|own| &**own));
            }
        }
    }

    fn check_external_argument(
        &mut self,
        field: &FieldMerge<'_, 'a>,
        index: usize,
        merged: &InputValueDefinition,
        own: Option<&InputValueDefinition>,
    ) {
        let place = format!("argument `{}` of `{}`", merged.name, field.place());
        let subgraph = &self.subgraphs[index].name;
        let (code, message) = match own {
            None => (
                ErrorCode::ExternalArgumentMissing,
                format!("[{subgraph}] {place} is missing on the `@external` field"),
            ),
            Some(own) if own.ty != merged.ty && !self.is_subtype(&own.ty, &merged.ty) => (
                ErrorCode::ExternalArgumentTypeMismatch,
                format!(
                    "[{subgraph}] {place} has type `{}` on the `@external` field, but `{}` where it is resolved",
                    own.ty, merged.ty
                ),
            ),
            Some(own) if own.default_value != merged.default_value => (
                ErrorCode::ExternalArgumentDefaultMismatch,
                format!("[{subgraph}] {place} has another default on the `@external` field than where it is resolved"),
            ),
            Some(_) => return,
        };
        let span = own.and_then(|own| own.name.location());
        let source = field.sources.iter().find(|(own, _)| *own == index);
        let span = span.or_else(|| source.and_then(|(_, source)| source.location()));
        self.error(code, message, [(index, span)]);
    }
}
