//! `@interfaceObject`: fields that a subgraph adds to all implementations of an interface it does not look into.

use apollo_compiler::ast::{DirectiveList, FieldDefinition};
use apollo_compiler::schema::{Component, ExtendedType};
use apollo_compiler::{Name, Node};

use super::Merger;
use super::fields::FieldMerge;
use super::overrides::Overrides;
use crate::field_set::Coordinate;
use crate::field_usage::fields_of;

impl<'a> Merger<'a> {
    /// Fields of subgraph `index` that stand for `coordinate`: the same field of an `@interfaceObject`, for an
    /// interface of the coordinate's type. None if the subgraph knows the type itself.
    pub(super) fn interface_objects_with_field(&self, coordinate: &Coordinate, index: usize) -> Vec<Coordinate> {
        let subgraph = &self.subgraphs[index];
        if subgraph.schema.types.contains_key(&coordinate.0) {
            return Vec::new();
        }
        let Some(interfaces) = self.interfaces.get(&coordinate.0) else {
            return Vec::new();
        };
        let with_field = interfaces.iter().filter(|interface| {
            subgraph.schema.types.get(*interface).is_some_and(|definition| {
                subgraph.is_interface_object(definition)
                    && fields_of(definition).is_some_and(|fields| fields.contains_key(&coordinate.1))
            })
        });
        with_field
            .map(|interface| (interface.clone(), coordinate.1.clone()))
            .collect()
    }

    /// Whether some `@interfaceObject` resolves a field that is external elsewhere.
    pub(super) fn is_resolved_abstractly(&self, field: &FieldMerge<'_, 'a>) -> bool {
        (0..self.subgraphs.len()).any(|index| {
            let abstracted = self.interface_objects_with_field(&field.coordinate, index);
            abstracted
                .iter()
                .any(|coordinate| !self.subgraphs[index].usage.is_external(coordinate))
        })
    }

    /// Adds to each object the fields of its interfaces that only an `@interfaceObject` resolves.
    pub(super) fn add_interface_object_fields(&mut self) {
        let objects: Vec<Name> = self
            .schema
            .types
            .values()
            .filter_map(|definition| definition.as_object().map(|object| object.name.clone()))
            .collect();
        for object in objects {
            for interface in self.interfaces_of_merged(&object) {
                self.add_fields_of_interface(&object, &interface);
            }
        }
    }

    fn add_fields_of_interface(&mut self, object: &Name, interface: &Name) {
        let Some(ExtendedType::Interface(definition)) = self.schema.types.get(interface) else {
            return;
        };
        let definition = definition.clone();
        for (name, field) in &definition.fields {
            let has_field = self
                .schema
                .get_object(object)
                .is_some_and(|object| object.fields.contains_key(name));
            if has_field || !self.is_resolved_by_interface_object(interface, name) {
                continue;
            }
            let copied = copied_field(field);
            if let Some(ExtendedType::Object(merged)) = self.schema.types.get_mut(object) {
                merged.make_mut().fields.insert(name.clone(), copied);
            }
            let field = FieldMerge {
                coordinate: (object.clone(), name.clone()),
                is_interface: false,
                types: &Vec::new(),
                sources: Vec::new(),
                overrides: Overrides::default(),
            };
            self.check_sharing(&field);
        }
    }

    fn is_resolved_by_interface_object(&self, interface: &Name, field: &Name) -> bool {
        self.subgraphs.iter().any(|subgraph| {
            subgraph.schema.types.get(interface).is_some_and(|definition| {
                subgraph.is_interface_object(definition)
                    && fields_of(definition).is_some_and(|fields| fields.contains_key(field))
                    && !subgraph.usage.is_external(&(interface.clone(), field.clone()))
            })
        })
    }
}

/// The interface's merged field, marked as coming from no subgraph's definition of the object.
fn copied_field(field: &Component<FieldDefinition>) -> Component<FieldDefinition> {
    let mut copy = FieldDefinition::clone(field);
    copy.directives = without_joins(&copy.directives);
    copy.directives.push(Merger::join_field_of_no_subgraph());
    for argument in &mut copy.arguments {
        let directives = without_joins(&argument.directives);
        argument.make_mut().directives = directives;
    }
    Component::from(Node::new(copy))
}

fn without_joins(directives: &DirectiveList) -> DirectiveList {
    DirectiveList(
        directives
            .iter()
            .filter(|directive| !directive.name.starts_with("join__"))
            .cloned()
            .collect(),
    )
}
