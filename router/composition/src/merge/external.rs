//! `@external` across subgraphs: somebody must resolve the field, and the external definitions must agree with it.

use apollo_compiler::ast::{InputValueDefinition, Type};

use super::Merger;
use super::fields::FieldMerge;
use super::values::same_value;
use crate::error::{ErrorCode, on_one_line};

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
                .filter(|directive| self.composed.is_always_composed(*index, &directive.name));
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
        let is_external = |merger: &Self, index: usize| merger.subgraphs[index].usage.is_external(&field.coordinate);
        let resolving = field.sources.iter().filter(|(index, _)| !is_external(self, *index));
        let resolving: Vec<_> = resolving.map(|(index, source)| (*index, source.location())).collect();
        for (index, source) in &field.sources {
            if !is_external(self, *index) {
                continue;
            }
            let spans = |span| [(*index, span)].into_iter().chain(resolving.iter().copied());
            // An external field may promise more than the supergraph, when the field's types differ anyway.
            let is_allowed = source.ty == *merged || (!all_same && self.is_subtype(merged, &source.ty));
            if !is_allowed {
                let message = format!(
                    "[{}] `{}` is `@external` with type `{}`, but the subgraphs that resolve it say `{merged}`; declare it with \
                     that type",
                    self.subgraphs[*index].name,
                    field.place(),
                    source.ty
                );
                self.error(ErrorCode::ExternalTypeMismatch, message, spans(source.location()));
            }
            for argument in arguments {
                let own = source.arguments.iter().find(|own| own.name == argument.name);
                let span = own.map_or(source.location(), |own| own.location());
                for (code, message) in self.external_argument_faults(argument, own.map(|own| &**own)) {
                    let subgraph = &self.subgraphs[*index].name;
                    let message = format!(
                        "[{subgraph}] argument `{}.{}({}:)` {message}",
                        field.coordinate.0, field.coordinate.1, argument.name
                    );
                    self.error(code, message, spans(span));
                }
            }
        }
    }

    fn external_argument_faults(
        &self,
        merged: &InputValueDefinition,
        own: Option<&InputValueDefinition>,
    ) -> Vec<(ErrorCode, String)> {
        let Some(own) = own else {
            let message = "is missing on the `@external` field; declare it as where the field is resolved";
            return vec![(ErrorCode::ExternalArgumentMissing, message.to_owned())];
        };
        let mut faults = Vec::new();
        if own.ty != merged.ty && !self.is_subtype(&own.ty, &merged.ty) {
            let message = format!(
                "has type `{}` on the `@external` field, but `{}` where the field is resolved; give it that type",
                own.ty, merged.ty
            );
            faults.push((ErrorCode::ExternalArgumentTypeMismatch, message));
        }
        let is_same = match (&own.default_value, &merged.default_value) {
            (Some(own), Some(merged)) => same_value(own, merged),
            (own, merged) => own.is_none() && merged.is_none(),
        };
        if !is_same {
            let show = |value: &InputValueDefinition| {
                let default = value.default_value.as_ref();
                default.map_or("no default".to_owned(), |default| {
                    format!("default `{}`", on_one_line(default))
                })
            };
            let message = format!(
                "has {} on the `@external` field, but {} where the field is resolved; give it the same",
                show(own),
                show(merged)
            );
            faults.push((ErrorCode::ExternalArgumentDefaultMismatch, message));
        }
        faults
    }
}
