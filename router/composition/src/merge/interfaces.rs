//! Interfaces: all fields of all subgraphs, and the rules of keys that stand on interfaces.

use apollo_compiler::schema::{ExtendedType, InterfaceType};
use apollo_compiler::{Name, Node};
use rustc_hash::FxHashSet;

use super::fields::FieldMerge;
use super::implementations::unplaced;
use super::overrides::Overrides;
use super::{Merger, Sources, components};
use crate::error::ErrorCode;
use crate::field_set::implementations;

impl<'a> Merger<'a> {
    pub(super) fn merge_interface(&mut self, name: &Name, sources: &Sources<'a, ExtendedType>) -> Option<ExtendedType> {
        self.check_interface_keys(name, sources);
        self.check_interface_objects(name, sources);
        let has_key = sources
            .iter()
            .any(|(index, definition)| definition.is_interface() && self.subgraphs[*index].usage.has_key(name));
        let (description, mut directives) = self.merge_type_head(name, sources);
        let (implements_interfaces, join_implements) = self.merge_implementations(name, sources);
        directives.extend(join_implements);
        let mut fields = apollo_compiler::collections::IndexMap::default();
        for (field_name, field_sources) in Self::fields_by_name(sources) {
            if !has_key {
                self.hint_inconsistent_field(name, &field_name, sources, &field_sources);
            }
            let mut field = FieldMerge {
                coordinate: (name.clone(), field_name),
                is_interface: true,
                types: sources,
                sources: field_sources,
                overrides: Overrides::default(),
            };
            field.overrides = self.collect_overrides(&field);
            if let Some(merged) = self.merge_field(&field) {
                fields.insert(merged.name.clone(), merged);
            }
        }
        Some(ExtendedType::Interface(Node::new(InterfaceType {
            description,
            name: unplaced(name),
            implements_interfaces,
            directives: components(directives),
            fields,
        })))
    }

    /// Who can resolve an interface by key must know all that implements it.
    fn check_interface_keys(&mut self, name: &Name, sources: &Sources<'a, ExtendedType>) {
        let all = self.implementations(name);
        for (index, definition) in sources.iter().filter(|(_, definition)| definition.is_interface()) {
            let subgraph = &self.subgraphs[*index];
            let Some(key) = subgraph.usage.keys(name).find(|key| key.is_resolvable) else {
                continue;
            };
            let known: FxHashSet<_> = implementations(&subgraph.schema, definition.name()).collect();
            let unknown: Vec<_> = all.iter().filter(|object| !known.contains(*object)).collect();
            if unknown.is_empty() {
                continue;
            }
            let names: Vec<_> = unknown.iter().map(|name| format!("`{name}`")).collect();
            let text = key.text.as_deref().unwrap_or_default();
            let message = format!(
                "[{}] interface `{name}` has `@key(fields: {text:?})`, so this subgraph must define all its implementations; \
                 it lacks {}; add them, or make the key `resolvable: false`",
                subgraph.name,
                names.join(", ")
            );
            self.error(
                ErrorCode::InterfaceKeyMissingImplementationType,
                message,
                [(*index, key.span)],
            );
        }
    }

    /// An `@interfaceObject` stands for all implementations, so its subgraph must not define any of them besides.
    fn check_interface_objects(&mut self, name: &Name, sources: &Sources<'a, ExtendedType>) {
        let all = self.implementations(name);
        for (index, interface_object) in sources.iter().filter(|(_, definition)| definition.is_object()) {
            let subgraph = &self.subgraphs[*index];
            let defined = all.iter().filter_map(|object| subgraph.schema.types.get(object));
            // `Query` is in every subgraph, be it written there or not.
            let place = |definition: &ExtendedType| definition.location().or(interface_object.name().location());
            let defined: Vec<_> = defined
                .map(|definition| (definition.name().clone(), place(definition)))
                .collect();
            for (object, span) in defined {
                let message = format!(
                    "[{}] `{name}` is an `@interfaceObject`, so this subgraph cannot define `{object}`, which implements the \
                     interface; remove `{object}`",
                    self.subgraphs[*index].name
                );
                self.error(ErrorCode::InterfaceObjectUsageError, message, [(*index, span)]);
            }
        }
    }
}
