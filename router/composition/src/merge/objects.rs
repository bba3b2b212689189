//! Object types: all fields of all subgraphs.

use apollo_compiler::schema::{ExtendedType, ObjectType};
use apollo_compiler::{Name, Node};

use super::fields::{FieldMerge, FieldSources};
use super::implementations::unplaced;
use super::overrides::Overrides;
use super::{Merger, Sources, components};
use crate::error::{ErrorCode, HintCode};
use crate::federation_spec::FederationDirective;

impl<'a> Merger<'a> {
    pub(super) fn merge_object(&mut self, name: &Name, sources: &Sources<'a, ExtendedType>) -> Option<ExtendedType> {
        let fields = Self::fields_by_name(sources);
        // Every subgraph has a `Query`, if only to be asked for its SDL; that does not make it part of the graph.
        if fields.is_empty() && name == "Query" {
            return None;
        }
        let (description, mut directives) = self.merge_type_head(name, sources);
        let (implements_interfaces, join_implements) = self.merge_implementations(name, sources);
        directives.extend(join_implements);
        let is_value_type = self.is_value_type(name, sources);
        let mut merged = apollo_compiler::collections::IndexMap::default();
        for (field_name, field_sources) in fields {
            if is_value_type {
                self.hint_inconsistent_field(name, &field_name, sources, &field_sources);
            }
            if name == "Subscription" {
                self.check_subscription_field(&field_name, &field_sources);
            }
            if let Some(field) = self.merge_object_field(name, &field_name, sources, field_sources) {
                merged.insert(field.name.clone(), field);
            }
        }
        Some(ExtendedType::Object(Node::new(ObjectType {
            description,
            name: unplaced(name),
            implements_interfaces,
            directives: components(directives),
            fields: merged,
        })))
    }

    fn merge_object_field(
        &mut self,
        type_name: &Name,
        name: &Name,
        types: &Sources<'a, ExtendedType>,
        sources: FieldSources<'a>,
    ) -> Option<apollo_compiler::schema::Component<apollo_compiler::ast::FieldDefinition>> {
        let coordinate = (type_name.clone(), name.clone());
        let mut field = FieldMerge {
            coordinate,
            is_interface: false,
            types,
            sources,
            overrides: Overrides::default(),
        };
        field.overrides = self.collect_overrides(&field);
        let merged = self.merge_field(&field);
        self.check_sharing(&field);
        merged
    }

    /// Description and directives that types of all kinds have; `@join__type` comes first.
    pub(super) fn merge_type_head(
        &mut self,
        name: &Name,
        sources: &Sources<'a, ExtendedType>,
    ) -> (Option<Node<str>>, Vec<Node<apollo_compiler::ast::Directive>>) {
        let descriptions: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.description()))
            .collect();
        let description = self.merge_description(&format_args!("`{name}`"), &descriptions);
        let mut directives: Vec<_> = sources
            .iter()
            .flat_map(|(index, source)| self.join_type(*index, source))
            .collect();
        let own: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.directives()))
            .collect();
        directives.extend(self.merge_directives(name, &own));
        directives.extend(self.join_directives(own.iter().copied()));
        (description, directives)
    }

    /// Whether a type is no entity and no root: then every subgraph is expected to have all its fields.
    fn is_value_type(&mut self, name: &Name, sources: &Sources<'a, ExtendedType>) -> bool {
        if matches!(name.as_str(), "Query" | "Mutation" | "Subscription") {
            return false;
        }
        let (with_key, without): (Vec<usize>, Vec<usize>) = sources
            .iter()
            .map(|(index, _)| *index)
            .partition(|index| self.subgraphs[*index].usage.has_key(name));
        if with_key.is_empty() {
            return true;
        }
        if !without.is_empty() {
            let (with_key, without) = (self.name_subgraphs(with_key), self.name_subgraphs(without));
            let message = format!("`{name}` is an entity in {with_key} but has no key in {without}");
            let spans: Vec<_> = sources
                .iter()
                .map(|(index, source)| (*index, source.location()))
                .collect();
            self.hint(HintCode::InconsistentEntity, message, spans);
        }
        false
    }

    pub(super) fn hint_inconsistent_field(
        &mut self,
        type_name: &Name,
        name: &Name,
        types: &Sources<'a, ExtendedType>,
        sources: &FieldSources<'a>,
    ) {
        // Who only refers to the type, by fields that are all external, is not expected to have more of it.
        let is_reference = |index: usize, definition: &ExtendedType| {
            let usage = &self.subgraphs[index].usage;
            let mut fields = crate::field_usage::fields_of(definition)
                .into_iter()
                .flat_map(|fields| fields.keys());
            fields.all(|field| usage.is_external(&(type_name.clone(), field.clone())))
        };
        let missing: Vec<_> = types
            .iter()
            .filter(|(index, definition)| {
                !sources.iter().any(|(own, _)| own == index) && !is_reference(*index, definition)
            })
            .map(|(index, _)| *index)
            .collect();
        if missing.is_empty() {
            return;
        }
        let is_interface = types.iter().any(|(_, definition)| definition.is_interface());
        let code = if is_interface {
            HintCode::InconsistentInterfaceValueTypeField
        } else {
            HintCode::InconsistentObjectValueTypeField
        };
        let message = format!("`{type_name}.{name}` is missing in {}", self.name_subgraphs(missing));
        let spans: Vec<_> = sources
            .iter()
            .map(|(index, source)| (*index, source.location()))
            .collect();
        self.hint(code, message, spans);
    }

    /// A subscription is opened at one subgraph, so two cannot share its field.
    fn check_subscription_field(&mut self, name: &Name, sources: &FieldSources<'a>) {
        for (index, source) in sources {
            if self.subgraphs[*index].has(&source.directives, FederationDirective::Shareable) {
                let message = format!(
                    "[{}] `Subscription.{name}` cannot be `@shareable`; resolve it in one subgraph only",
                    self.subgraphs[*index].name
                );
                self.error(ErrorCode::InvalidFieldSharing, message, [(*index, source.location())]);
            }
        }
    }
}
