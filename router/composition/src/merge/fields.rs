//! Merges one field of an object or interface: type, arguments, description, directives, and its `@join__field`s.

use apollo_compiler::ast::{self, Directive, FieldDefinition};
use apollo_compiler::schema::{Component, ExtendedType};
use apollo_compiler::{Name, Node};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::arguments::ArgumentOwner;
use super::implementations::unplaced;
use super::join::JoinField;
use super::overrides::Overrides;
use super::references::{Agreement, Variance};
use super::{Merger, Sources};
use crate::error::{ErrorCode, HintCode};
use crate::federation_spec::FederationDirective;
use crate::field_set::Coordinate;

/// Definitions of one field.
pub(super) type FieldSources<'a> = Sources<'a, Component<FieldDefinition>>;

/// One field on its way through the merge.
pub(super) struct FieldMerge<'m, 'a> {
    /// `Product.price`
    pub(super) coordinate: Coordinate,
    pub(super) is_interface: bool,
    /// Definitions of the parent type.
    pub(super) types: &'m Sources<'a, ExtendedType>,
    /// Definitions of the field.
    pub(super) sources: FieldSources<'a>,
    pub(super) overrides: Overrides,
}

impl FieldMerge<'_, '_> {
    pub(super) fn place(&self) -> String {
        format!("{}.{}", self.coordinate.0, self.coordinate.1)
    }
}

impl<'a> Merger<'a> {
    pub(super) fn merge_field(&mut self, field: &FieldMerge<'_, 'a>) -> Option<Component<FieldDefinition>> {
        let is_external = |merger: &Self, index: usize| merger.subgraphs[index].usage.is_external(&field.coordinate);
        if field.sources.iter().all(|(index, _)| is_external(self, *index)) && !self.is_resolved_abstractly(field) {
            self.report_external_everywhere(field);
            return None;
        }
        let resolving: FieldSources<'a> = field
            .sources
            .iter()
            .filter(|(index, _)| !is_external(self, *index))
            .copied()
            .collect();
        self.check_directives_on_external(field);
        let place = format_args!("{}.{}", field.coordinate.0, field.coordinate.1);
        // An `@interfaceObject` may resolve a field that is external wherever the type itself is defined.
        let sources = if resolving.is_empty() {
            &field.sources
        } else {
            &resolving
        };
        let types = sources.iter().map(|(_, source)| &source.ty);
        let merged = self.merge_reference(types, Variance::Output)?;
        self.report_types(field, sources, &merged.ty, merged.agreement);
        let descriptions: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.description.as_ref()))
            .collect();
        let description = self.merge_description(&format_args!("`{place}`"), &descriptions);
        let directives: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, &source.directives))
            .collect();
        let mut directives = self.merge_directives(&place, &directives);
        let owner = |(index, source): &(usize, &'a Component<FieldDefinition>)| ArgumentOwner {
            index: *index,
            arguments: &source.arguments,
            span: source.location(),
        };
        let has_arguments = sources.iter().any(|(_, source)| !source.arguments.is_empty());
        let arguments = match has_arguments {
            true => self.merge_arguments(&place, &sources.iter().map(owner).collect::<Vec<_>>()),
            false => Vec::new(),
        };
        self.forget_slicing_arguments(&mut directives, &arguments);
        self.note_output_use(merged.ty.inner_named_type());
        let all_same = merged.agreement == Agreement::Same;
        self.check_external_sources(field, &merged.ty, &arguments, all_same);
        directives.extend(self.join_fields(field, all_same));
        let own = field.sources.iter().map(|(index, source)| (*index, &source.directives));
        directives.extend(self.join_directives(own));
        Some(Component::new(FieldDefinition {
            description,
            name: unplaced(&field.coordinate.1),
            arguments: arguments.into_iter().map(Node::new).collect(),
            ty: merged.ty,
            directives: ast::DirectiveList(directives),
        }))
    }

    fn report_types(
        &mut self,
        field: &FieldMerge<'_, 'a>,
        sources: &FieldSources<'a>,
        merged: &ast::Type,
        agreement: Agreement,
    ) {
        if agreement == Agreement::Same {
            return;
        }
        let place = field.place();
        let described = || self.describe(sources.iter().map(|(index, source)| (*index, source.ty.to_string())));
        let spans: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.location()))
            .collect();
        match agreement {
            Agreement::Same => {}
            Agreement::Compatible => {
                let message = format!("`{place}` has type {}; the supergraph has `{merged}`", described());
                self.hint(HintCode::InconsistentButCompatibleFieldType, message, spans);
            }
            Agreement::Incompatible => {
                let message = format!(
                    "`{place}` has incompatible types: {}; give it one type, or types of which one includes the others",
                    described()
                );
                self.error(ErrorCode::FieldTypeMismatch, message, spans);
            }
        }
    }

    /// Whether a `@join__field` is needed at all: without any, the field is in every subgraph that has the type.
    fn needs_join_field(&self, field: &FieldMerge<'_, 'a>, all_same: bool) -> bool {
        if !all_same || field.overrides.any_kept() {
            return true;
        }
        field.types.iter().any(|(index, _)| {
            let source = field.sources.iter().find(|(own, _)| own == index);
            let usage = &self.subgraphs[*index].usage;
            match source {
                Some(_) if !field.overrides.is_removed(*index) => {
                    usage.is_external(&field.coordinate)
                        || usage.requires(&field.coordinate).is_some()
                        || usage.provides(&field.coordinate).is_some()
                        || !self.context_arguments(*index, &field.coordinate).is_empty()
                }
                _ => true,
            }
        })
    }

    fn join_fields(&self, field: &FieldMerge<'_, 'a>, all_same: bool) -> Vec<Node<Directive>> {
        if !self.needs_join_field(field, all_same) {
            return Vec::new();
        }
        let kept = field
            .sources
            .iter()
            .filter(|(index, _)| !field.overrides.is_removed(*index));
        kept.map(|(index, source)| {
            let subgraph = &self.subgraphs[*index];
            let usage = &subgraph.usage;
            let join = JoinField {
                requires: usage
                    .requires(&field.coordinate)
                    .and_then(|applied| applied.text.as_deref()),
                provides: usage
                    .provides(&field.coordinate)
                    .and_then(|applied| applied.text.as_deref()),
                ty: (!all_same).then(|| source.ty.to_string()),
                is_external: usage.is_external(&field.coordinate),
                override_from: subgraph.string_argument(&source.directives, FederationDirective::Override, "from"),
                is_used_overridden: field.overrides.is_used(*index),
                override_label: field.overrides.label(*index),
                context_arguments: self.context_arguments(*index, &field.coordinate),
            };
            self.join_field(*index, join)
        })
        .collect()
    }

    pub(super) fn context_arguments(
        &self,
        index: usize,
        coordinate: &Coordinate,
    ) -> &[crate::validate::ContextArgument] {
        let all = &self.subgraphs[index].context_arguments;
        all.iter()
            .find(|(own, _)| own == coordinate)
            .map_or(&[], |(_, arguments)| arguments.as_slice())
    }

    /// Fields of all definitions of a type, by name in order of appearance.
    pub(super) fn fields_by_name(types: &Sources<'a, ExtendedType>) -> IndexMap<Name, FieldSources<'a>, FxBuildHasher> {
        let mut fields: IndexMap<Name, FieldSources<'a>, FxBuildHasher> = IndexMap::default();
        for (index, definition) in types {
            let Some(own) = crate::field_usage::fields_of(definition) else {
                continue;
            };
            for (name, field) in own {
                fields.entry(name.clone()).or_default().push((*index, field));
            }
        }
        fields
    }
}
