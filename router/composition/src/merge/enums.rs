//! Enums: all values when clients only read them, the common ones when clients only send them, and no difference
//! allowed when both.

use std::sync::Arc;

use apollo_compiler::ast::{self, EnumValueDefinition};
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::schema::{Component, EnumType, ExtendedType};
use apollo_compiler::{Name, Node};
use indexmap::IndexMap;

use super::implementations::unplaced;
use super::{Merger, Sources, components};
use crate::error::{ErrorCode, HintCode};
use crate::supergraph_rules::place_of;

/// Where the fields and arguments of the supergraph use an enum.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EnumUsage {
    is_input: bool,
    is_output: bool,
}

impl EnumUsage {
    pub(super) fn add(&mut self, other: Self) {
        self.is_input |= other.is_input;
        self.is_output |= other.is_output;
    }
}

type ValueSources<'a> = Sources<'a, Component<EnumValueDefinition>>;

/// A value that not all subgraphs have which have the enum.
struct PartialValue<'m, 'a> {
    /// `Color.RED`
    place: &'m str,
    is_inaccessible: bool,
    types: &'m Sources<'a, ExtendedType>,
    sources: &'m ValueSources<'a>,
    missing: &'m [usize],
}

impl PartialValue<'_, '_> {
    /// The value where it is, the enum where it is not.
    fn spans(&self) -> Vec<(usize, Option<SourceSpan>)> {
        let span = |index: usize, definition: &ExtendedType| {
            let source = self.sources.iter().find(|(own, _)| *own == index);
            let value = source.and_then(|(_, value)| value.location());
            value.or_else(|| place_of(definition))
        };
        let spans = self
            .types
            .iter()
            .map(|(index, definition)| (*index, span(*index, definition)));
        spans.collect()
    }
}

impl<'a> Merger<'a> {
    pub(super) fn note_output_use(&mut self, type_name: &Name) {
        let usage = Arc::make_mut(&mut self.enum_usage);
        usage.entry(type_name.clone()).or_default().is_output = true;
    }

    pub(super) fn note_input_use(&mut self, type_name: &Name) {
        let usage = Arc::make_mut(&mut self.enum_usage);
        usage.entry(type_name.clone()).or_default().is_input = true;
    }

    pub(super) fn merge_enum(&mut self, name: &Name, sources: &Sources<'a, ExtendedType>) -> Option<ExtendedType> {
        let usage = self.enum_usage.get(name).copied();
        if usage.is_none() {
            let message = format!("enum `{name}` is not used in the supergraph; its values are those of all subgraphs");
            let spans: Vec<_> = sources
                .iter()
                .map(|(index, source)| (*index, source.location()))
                .collect();
            self.hint(HintCode::UnusedEnumType, message, spans);
        }
        let usage = usage.unwrap_or(EnumUsage {
            is_input: false,
            is_output: true,
        });
        let (description, directives) = self.merge_type_head(name, sources);
        let mut by_value: IndexMap<Name, ValueSources<'a>> = IndexMap::new();
        for (index, definition) in sources {
            for value in definition.as_enum().into_iter().flat_map(|own| own.values.values()) {
                by_value.entry(value.value.clone()).or_default().push((*index, value));
            }
        }
        let mut values = apollo_compiler::collections::IndexMap::default();
        for (value, value_sources) in &by_value {
            if let Some(merged) = self.merge_enum_value(name, usage, sources, (value, value_sources)) {
                values.insert(unplaced(value), merged);
            }
        }
        if values.is_empty() {
            let message = format!(
                "enum `{name}` has no value that all of its subgraphs have, so nothing could be sent for it; give it one common value"
            );
            let spans: Vec<_> = sources
                .iter()
                .map(|(index, source)| (*index, source.location()))
                .collect();
            self.error(ErrorCode::EmptyMergedEnumType, message, spans);
        }
        Some(ExtendedType::Enum(Node::new(EnumType {
            description,
            name: unplaced(name),
            directives: components(directives),
            values,
        })))
    }

    fn merge_enum_value(
        &mut self,
        name: &Name,
        usage: EnumUsage,
        types: &Sources<'a, ExtendedType>,
        (value, sources): (&Name, &ValueSources<'a>),
    ) -> Option<Component<EnumValueDefinition>> {
        let place = format!("{name}.{value}");
        let descriptions: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.description.as_ref()))
            .collect();
        let description = self.merge_description(&format_args!("`{place}`"), &descriptions);
        let own: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, &source.directives))
            .collect();
        let mut directives = self.merge_directives(&place, &own);
        let is_inaccessible = directives
            .iter()
            .any(|directive| self.composed.is_inaccessible(directive));
        let missing: Vec<_> = types
            .iter()
            .map(|(index, _)| *index)
            .filter(|index| !sources.iter().any(|(own, _)| own == index))
            .collect();
        let partial = PartialValue {
            place: &place,
            is_inaccessible,
            types,
            sources,
            missing: &missing,
        };
        if !missing.is_empty() && !self.keep_partial_value(usage, &partial) {
            return None;
        }
        directives.extend(sources.iter().map(|(index, _)| self.join_enum_value(*index)));
        Some(Component::new(EnumValueDefinition {
            description,
            value: unplaced(value),
            directives: ast::DirectiveList(directives),
        }))
    }

    /// Whether a value that some subgraphs lack is in the supergraph.
    fn keep_partial_value(&mut self, usage: EnumUsage, partial: &PartialValue<'_, 'a>) -> bool {
        let place = partial.place;
        let without = self.name_subgraphs(partial.missing.iter().copied());
        let spans = partial.spans();
        match usage {
            // What clients never see may differ.
            EnumUsage { is_input: true, .. } if partial.is_inaccessible => true,
            EnumUsage {
                is_input: true,
                is_output: true,
            } => {
                let message = format!(
                    "`{place}` is missing in {without}; the enum is both sent and received by clients, so add the value there, \
                     or mark it `@inaccessible`"
                );
                self.error(ErrorCode::EnumValueMismatch, message, spans);
                true
            }
            EnumUsage { is_input: true, .. } => {
                let message = format!("`{place}` is not in the supergraph, because it is missing in {without}");
                self.hint(HintCode::InconsistentEnumValueForInputEnum, message, spans);
                false
            }
            _ => {
                let message = format!("`{place}` is missing in {without}");
                self.hint(HintCode::InconsistentEnumValueForOutputEnum, message, spans);
                true
            }
        }
    }
}
