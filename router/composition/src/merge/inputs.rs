//! Input objects: the fields that all subgraphs have, since any of them may be sent any of them.

use apollo_compiler::ast::InputValueDefinition;
use apollo_compiler::schema::{Component, ExtendedType, InputObjectType};
use apollo_compiler::{Name, Node};
use indexmap::IndexMap;

use super::arguments::InputValueCodes;
use super::implementations::unplaced;
use super::join::JoinField;
use super::{Merger, Sources, components};
use crate::error::{ErrorCode, HintCode};
use crate::supergraph_rules::place_of;

const INPUT_FIELD_CODES: InputValueCodes = InputValueCodes {
    type_mismatch: ErrorCode::FieldTypeMismatch,
    default_mismatch: ErrorCode::InputFieldDefaultMismatch,
    compatible_type: HintCode::InconsistentButCompatibleFieldType,
};

type InputFieldSources<'a> = Sources<'a, Node<InputValueDefinition>>;

impl<'a> Merger<'a> {
    pub(super) fn merge_input_object(
        &mut self,
        name: &Name,
        sources: &Sources<'a, ExtendedType>,
    ) -> Option<ExtendedType> {
        let (description, directives) = self.merge_type_head(name, sources);
        let mut by_name: IndexMap<Name, InputFieldSources<'a>> = IndexMap::new();
        for (index, definition) in sources {
            for field in definition
                .as_input_object()
                .into_iter()
                .flat_map(|own| own.fields.values())
            {
                by_name
                    .entry(field.name.clone())
                    .or_default()
                    .push((*index, &field.node));
            }
        }
        let mut fields = apollo_compiler::collections::IndexMap::default();
        for (field_name, field_sources) in &by_name {
            let place = format!("{name}.{field_name}");
            let Some(mut merged) = self.merge_input_value(&place, field_sources, &INPUT_FIELD_CODES) else {
                continue;
            };
            self.note_input_use(merged.ty.inner_named_type());
            // What clients never see may differ.
            let is_partial = field_sources.len() < sources.len();
            let is_inaccessible = merged.directives.iter().any(|own| self.composed.is_inaccessible(own));
            if is_partial && !is_inaccessible {
                self.report_missing_input_field(&place, sources, field_sources);
                continue;
            }
            merged
                .directives
                .0
                .extend(self.join_input_field(field_sources, is_partial));
            fields.insert(merged.name.clone(), Component::new(merged));
        }
        if fields.is_empty() {
            let message = format!(
                "input `{name}` has no field that all of its subgraphs have, so nothing could be sent for it; give it one common field"
            );
            let spans: Vec<_> = sources
                .iter()
                .map(|(index, source)| (*index, source.location()))
                .collect();
            self.error(ErrorCode::EmptyMergedInputType, message, spans);
        }
        Some(ExtendedType::InputObject(Node::new(InputObjectType {
            description,
            name: unplaced(name),
            directives: components(directives),
            fields,
        })))
    }

    /// The types that subgraphs declare, where they differ, and who has the field, where not all have it.
    fn join_input_field(
        &self,
        sources: &InputFieldSources<'a>,
        is_partial: bool,
    ) -> Vec<Node<apollo_compiler::ast::Directive>> {
        let all_same = sources.iter().all(|(_, source)| source.ty == sources[0].1.ty);
        if all_same && !is_partial {
            return Vec::new();
        }
        let join = |(index, source): &(usize, &Node<InputValueDefinition>)| {
            self.join_field(
                *index,
                JoinField {
                    ty: (!all_same).then(|| source.ty.to_string()),
                    ..JoinField::default()
                },
            )
        };
        sources.iter().map(join).collect()
    }

    fn report_missing_input_field(
        &mut self,
        place: &str,
        types: &Sources<'a, ExtendedType>,
        sources: &InputFieldSources<'a>,
    ) {
        let source = |index: usize| sources.iter().find(|(own, _)| *own == index);
        let missing = types.iter().filter(|(index, _)| source(*index).is_none());
        let without = self.name_subgraphs(missing.map(|(index, _)| *index));
        let requiring: Vec<_> = sources
            .iter()
            .filter(|(_, source)| source.is_required())
            .map(|(index, _)| *index)
            .collect();
        let span = |index: usize, definition: &ExtendedType| {
            let field = source(index).and_then(|(_, field)| field.location());
            field.or_else(|| place_of(definition))
        };
        let spans: Vec<_> = types
            .iter()
            .map(|(index, definition)| (*index, span(*index, definition)))
            .collect();
        if requiring.is_empty() {
            let message = format!("input field `{place}` is not in the supergraph, because it is missing in {without}");
            self.hint(HintCode::InconsistentInputObjectField, message, spans);
        } else {
            let requiring = self.name_subgraphs(requiring);
            let message = format!(
                "input field `{place}` is required in {requiring} but missing in {without}; add it there, or make it optional"
            );
            self.error(ErrorCode::RequiredInputFieldMissingInSomeSubgraph, message, spans);
        }
    }
}
