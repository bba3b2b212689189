//! Rules that only the merged schema can break: implementations that lack fields, and what `inaccessible` checks.

use apollo_compiler::ast::FieldDefinition;
use apollo_compiler::schema::{ComponentName, ExtendedType};
use apollo_compiler::{Name, Schema};

use crate::error::{CompositionError, ErrorCode, SourceLocation};
use crate::field_usage::{Fields, fields_of};
use crate::inaccessible;
use crate::merge::Merged;
use crate::validate::ValidSubgraph;

/// Checks the merged schema as a whole.
pub(crate) fn check(merged: &Merged, subgraphs: &[ValidSubgraph]) -> Result<(), Vec<CompositionError>> {
    let mut errors = Vec::new();
    for definition in merged.schema.types.values() {
        let (interfaces, fields) = match definition {
            ExtendedType::Object(object) => (&object.implements_interfaces, &object.fields),
            ExtendedType::Interface(interface) => (&interface.implements_interfaces, &interface.fields),
            _ => continue,
        };
        for interface in interfaces {
            let implementation = Implementation {
                name: definition.name(),
                fields,
                interface,
            };
            errors.extend(implementation.check(&merged.schema, subgraphs));
        }
    }
    errors.extend(inaccessible::check(merged, subgraphs));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Places where subgraphs define a type or one of its fields.
pub(crate) fn locate(subgraphs: &[ValidSubgraph], type_name: &str, field: Option<&str>) -> Vec<SourceLocation> {
    let places = subgraphs.iter().filter_map(|subgraph| {
        let definition = subgraph.schema.types.get(type_name)?;
        let span = match field {
            None => definition.name().location(),
            Some(field) => match definition {
                ExtendedType::InputObject(input) => input.fields.get(field)?.location(),
                ExtendedType::Enum(own) => own.values.get(field)?.location(),
                other => fields_of(other)?.get(field)?.location(),
            },
        };
        subgraph.locate(span)
    });
    places.collect()
}

struct Implementation<'a> {
    name: &'a Name,
    fields: &'a Fields,
    interface: &'a ComponentName,
}

impl Implementation<'_> {
    fn check(&self, schema: &Schema, subgraphs: &[ValidSubgraph]) -> Vec<CompositionError> {
        let Some(interface) = schema.get_interface(self.interface) else {
            return Vec::new();
        };
        let checked = interface
            .fields
            .values()
            .filter_map(|expected| match self.fields.get(&expected.name) {
                None => Some(self.missing(expected, subgraphs)),
                Some(found) => self.mismatch(schema, found, expected, subgraphs),
            });
        checked.collect()
    }

    /// The type implements the interface in a subgraph in which the interface does not have that field.
    fn missing(&self, expected: &FieldDefinition, subgraphs: &[ValidSubgraph]) -> CompositionError {
        let (name, interface, field) = (self.name, &self.interface.name, &expected.name);
        let message = format!(
            "interface `{interface}` has field `{field}` in the supergraph, but `{name}`, which implements it, has not; add \
             `{field}` to `{name}` in one of its subgraphs"
        );
        let places = locate(subgraphs, name, None)
            .into_iter()
            .chain(locate(subgraphs, interface, Some(field)));
        CompositionError::new(ErrorCode::InterfaceFieldNoImplem, message).at(places)
    }

    fn mismatch(
        &self,
        schema: &Schema,
        found: &FieldDefinition,
        expected: &FieldDefinition,
        subgraphs: &[ValidSubgraph],
    ) -> Option<CompositionError> {
        let (name, interface, field) = (self.name, &self.interface.name, &expected.name);
        let message = if !found.ty.is_assignable_to(&expected.ty) && !is_narrower(schema, &found.ty, &expected.ty) {
            format!(
                "`{name}.{field}` has type `{}` in the supergraph, but interface `{interface}` promises `{}`",
                found.ty, expected.ty
            )
        } else {
            let missing = expected
                .arguments
                .iter()
                .find(|argument| found.argument_by_name(&argument.name).is_none())?;
            format!(
                "`{interface}.{field}` has argument `{}` in the supergraph, but `{name}.{field}` has not",
                missing.name
            )
        };
        Some(CompositionError::new(ErrorCode::InvalidGraphql, message).at(locate(subgraphs, name, Some(field))))
    }
}

/// Covariance of field types (GraphQL, "IsValidImplementationFieldType").
fn is_narrower(schema: &Schema, found: &apollo_compiler::ast::Type, expected: &apollo_compiler::ast::Type) -> bool {
    use apollo_compiler::ast::Type;
    match (found, expected) {
        (Type::NonNullNamed(found), Type::NonNullNamed(expected) | Type::Named(expected))
        | (Type::Named(found), Type::Named(expected)) => found == expected || schema.is_subtype(expected, found),
        (Type::NonNullList(found), Type::NonNullList(expected) | Type::List(expected))
        | (Type::List(found), Type::List(expected)) => is_narrower(schema, found, expected),
        _ => false,
    }
}
