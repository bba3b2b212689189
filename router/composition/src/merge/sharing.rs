//! Field sharing: a field that several subgraphs resolve must be `@shareable` in all of them.

use apollo_compiler::parser::SourceSpan;

use super::Merger;
use super::fields::FieldMerge;
use crate::error::ErrorCode;
use crate::federation_spec::FederationDirective;
use crate::field_set::Coordinate;
use crate::field_usage::fields_of;

/// One subgraph that resolves the field, by itself or by an `@interfaceObject`.
struct Resolving {
    index: usize,
    is_shareable: bool,
    span: Option<SourceSpan>,
}

impl<'a> Merger<'a> {
    pub(super) fn check_sharing(&mut self, field: &FieldMerge<'_, 'a>) {
        let mut resolving: Vec<Resolving> = Vec::new();
        for (index, _) in &field.sources {
            if !field.overrides.is_overridden(*index) {
                resolving.extend(self.categorise(*index, &field.coordinate));
            }
        }
        if self.interfaces.contains_key(&field.coordinate.0) {
            let others = (0..self.subgraphs.len()).filter(|index| {
                let is_source = field.sources.iter().any(|(own, _)| own == index);
                !is_source && !field.overrides.is_overridden(*index)
            });
            for index in others {
                let coordinates = self.interface_objects_with_field(&field.coordinate, index);
                let abstracted = coordinates
                    .iter()
                    .filter_map(|coordinate| self.categorise(index, coordinate));
                resolving.extend(abstracted);
            }
            resolving.sort_by_key(|resolving| resolving.index);
        }
        let not_shareable: Vec<usize> = resolving
            .iter()
            .filter(|resolving| !resolving.is_shareable)
            .map(|resolving| resolving.index)
            .collect();
        if resolving.len() < 2 || not_shareable.is_empty() {
            return;
        }
        let all = self.name_subgraphs(resolving.iter().map(|resolving| resolving.index));
        let missing = self.name_subgraphs(not_shareable.iter().copied());
        let message = format!(
            "`{}` is resolved by {all}, but is not `@shareable` in {missing}; mark it there, or resolve it in one subgraph only{}",
            field.place(),
            self.advice_on_override(field, &not_shareable)
        );
        let spans = resolving.iter().map(|resolving| (resolving.index, resolving.span));
        self.error(ErrorCode::InvalidFieldSharing, message, spans.collect::<Vec<_>>());
    }

    /// A misspelt `@override(from:)` is only worth a hint, but then the field is resolved twice.
    fn advice_on_override(&self, field: &FieldMerge<'_, 'a>, not_shareable: &[usize]) -> String {
        let own = field.sources.iter().filter(|(index, _)| not_shareable.contains(index));
        let misspelt = own.filter_map(|(index, source)| {
            let subgraph = &self.subgraphs[*index];
            let from = subgraph.string_argument(&source.directives, FederationDirective::Override, "from")?;
            let is_known = self.subgraphs.iter().any(|other| other.name == from);
            (!is_known).then(|| {
                format!(
                    "; `{}` overrides subgraph `{from}`, which does not exist: is the name misspelt?",
                    subgraph.name
                )
            })
        });
        misspelt.collect()
    }

    /// `None` if the subgraph does not resolve the field after all.
    fn categorise(&self, index: usize, coordinate: &Coordinate) -> Option<Resolving> {
        let subgraph = &self.subgraphs[index];
        if subgraph.usage.is_fully_external(coordinate) {
            return None;
        }
        let fields = subgraph.schema.types.get(&coordinate.0).and_then(fields_of);
        let field = fields.and_then(|fields| fields.get(&coordinate.1));
        Some(Resolving {
            index,
            is_shareable: subgraph.usage.is_shareable(coordinate),
            span: field.and_then(|field| field.location()),
        })
    }
}
