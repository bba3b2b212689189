//! Rules that only the merged schema can break: implementations that lack fields, `@requires` without arguments that
//! another subgraph needs, inputs that need themselves, and what `access` and `inaccessible` check.

mod input_cycles;
mod required_arguments;

use apollo_compiler::ast::{FieldDefinition, InputValueDefinition};
use apollo_compiler::collections::IndexSet;
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::schema::{ComponentName, ExtendedType, InterfaceType};
use apollo_compiler::{Name, Node, Schema};

use crate::access;
use crate::error::{CompositionError, ErrorCode, SourceLocation};
use crate::field_usage::{Fields, fields_of};
use crate::inaccessible;
use crate::merge::Merged;
use crate::validate::ValidSubgraph;

/// Checks the merged schema as a whole: what one stage finds would only be reported again by the next.
pub(crate) fn check(merged: &Merged, subgraphs: &[ValidSubgraph]) -> Result<(), Vec<CompositionError>> {
    let implementations: Vec<Implementation<'_>> = implementations(&merged.schema).collect();
    let mut errors: Vec<_> = implementations
        .iter()
        .flat_map(|implementation| implementation.missing_fields(subgraphs))
        .collect();
    errors.extend(required_arguments::check(merged, subgraphs));
    errors.extend(access::check(merged, subgraphs));
    if errors.is_empty() {
        let mismatches = |own: &Implementation<'_>| own.mismatches(&merged.schema, subgraphs);
        errors.extend(implementations.iter().flat_map(mismatches));
        let ancestors = |own: &Implementation<'_>| own.missing_interfaces(subgraphs);
        errors.extend(implementations.iter().flat_map(ancestors));
        errors.extend(input_cycles::check(&merged.schema, subgraphs));
    }
    if errors.is_empty() {
        errors.extend(inaccessible::check(merged, subgraphs));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn implementations(schema: &Schema) -> impl Iterator<Item = Implementation<'_>> {
    schema.types.values().flat_map(move |definition| {
        let (interfaces, fields) = match definition {
            ExtendedType::Object(object) => (Some(&object.implements_interfaces), Some(&object.fields)),
            ExtendedType::Interface(own) => (Some(&own.implements_interfaces), Some(&own.fields)),
            _ => (None, None),
        };
        interfaces.into_iter().flatten().filter_map(move |interface| {
            Some(Implementation {
                name: definition.name(),
                fields: fields?,
                implemented: interfaces?,
                interface: schema.get_interface(interface)?,
            })
        })
    })
}

/// Places where subgraphs define a type or one of its fields; the type, for a field that only an `@interfaceObject` has.
pub(crate) fn locate(subgraphs: &[ValidSubgraph], type_name: &str, field: Option<&str>) -> Vec<SourceLocation> {
    let places: Vec<_> = subgraphs
        .iter()
        .filter_map(|subgraph| {
            let definition = subgraph.schema.types.get(type_name)?;
            let span = match field {
                None => place_of(definition),
                Some(field) => match definition {
                    ExtendedType::InputObject(input) => input.fields.get(field)?.location(),
                    ExtendedType::Enum(own) => own.values.get(field)?.location(),
                    other => fields_of(other)?.get(field)?.location(),
                },
            };
            subgraph.locate(span)
        })
        .collect();
    match field {
        Some(_) if places.is_empty() => locate(subgraphs, type_name, None),
        _ => places,
    }
}

/// Where a subgraph defines a type; a renamed root type has lost the place of its name.
pub(crate) fn place_of(definition: &ExtendedType) -> Option<SourceSpan> {
    definition.name().location().or_else(|| definition.location())
}

/// A type and an interface that it implements.
struct Implementation<'a> {
    name: &'a Name,
    fields: &'a Fields,
    /// All interfaces of the type.
    implemented: &'a IndexSet<ComponentName>,
    interface: &'a InterfaceType,
}

impl Implementation<'_> {
    /// The type implements the interface in a subgraph in which the interface does not have that field.
    fn missing_fields(&self, subgraphs: &[ValidSubgraph]) -> Vec<CompositionError> {
        let missing = self
            .interface
            .fields
            .keys()
            .filter(|field| !self.fields.contains_key(*field));
        let errors = missing.map(|field| {
            let (name, interface) = (self.name, &self.interface.name);
            let message = format!(
                "interface `{interface}` has field `{field}` in the supergraph, but `{name}`, which implements it, has not; \
                 add `{field}` to `{name}` in one of its subgraphs"
            );
            let places = locate(subgraphs, name, None)
                .into_iter()
                .chain(locate(subgraphs, interface, Some(field)));
            CompositionError::new(ErrorCode::InterfaceFieldNoImplem, message).at(places)
        });
        errors.collect()
    }

    /// Who implements an interface implements its interfaces too (GraphQL, "IsValidImplementation"), whichever subgraph
    /// says that it has them.
    fn missing_interfaces(&self, subgraphs: &[ValidSubgraph]) -> Vec<CompositionError> {
        let (name, interface) = (self.name, &self.interface.name);
        let missing = self.interface.implements_interfaces.iter();
        let missing = missing.filter(|ancestor| !self.implemented.contains(ancestor.as_str()));
        let errors = missing.map(|ancestor| {
            let ancestor = &ancestor.name;
            let message = if ancestor == name {
                format!("`{name}` and `{interface}` implement each other in the supergraph; take `implements` from one of them")
            } else {
                format!(
                    "`{name}` implements `{interface}`, which implements `{ancestor}` in the supergraph, so that `{name}` must \
                     implement `{ancestor}` too; add it in one of its subgraphs"
                )
            };
            let places = locate(subgraphs, name, None)
                .into_iter()
                .chain(locate(subgraphs, interface, None));
            CompositionError::new(ErrorCode::InvalidGraphql, message).at(places)
        });
        errors.collect()
    }

    fn mismatches(&self, schema: &Schema, subgraphs: &[ValidSubgraph]) -> Vec<CompositionError> {
        let mut errors = Vec::new();
        for expected in self.interface.fields.values() {
            let Some(found) = self.fields.get(&expected.name) else {
                continue;
            };
            let field = &expected.name;
            errors.extend(self.mismatch(schema, found, expected).map(|message| {
                let places = locate(subgraphs, self.name, Some(field)).into_iter().chain(locate(
                    subgraphs,
                    &self.interface.name,
                    Some(field),
                ));
                CompositionError::new(ErrorCode::InvalidGraphql, message).at(places)
            }));
        }
        errors
    }

    /// Each subgraph is valid by itself, but what is left of all of them may not be.
    fn mismatch(&self, schema: &Schema, found: &FieldDefinition, expected: &FieldDefinition) -> Option<String> {
        let (name, interface, field) = (self.name, &self.interface.name, &expected.name);
        if !found.ty.is_assignable_to(&expected.ty) && !is_narrower(schema, &found.ty, &expected.ty) {
            return Some(format!(
                "`{name}.{field}` has type `{}` in the supergraph, but interface `{interface}` promises `{}`; give the field \
                 of the interface the wider type in all subgraphs",
                found.ty, expected.ty
            ));
        }
        for promised in &expected.arguments {
            let argument = &promised.name;
            match found.argument_by_name(argument) {
                None => {
                    return Some(format!(
                        "`{interface}.{field}` has argument `{argument}` in the supergraph, but `{name}.{field}` has not; add \
                         it in all subgraphs"
                    ));
                }
                Some(own) if own.ty != promised.ty => {
                    return Some(format!(
                        "argument `{name}.{field}({argument}:)` has type `{}` in the supergraph, but interface `{interface}` \
                         has `{}`; give both one type in all subgraphs",
                        own.ty, promised.ty
                    ));
                }
                Some(_) => {}
            }
        }
        let is_extra =
            |own: &&Node<InputValueDefinition>| own.is_required() && expected.argument_by_name(&own.name).is_none();
        let extra = found.arguments.iter().find(is_extra)?;
        Some(format!(
            "argument `{name}.{field}({}:)` is required in the supergraph, but interface `{interface}` does not have it; make \
             it optional, or add it to the interface in all subgraphs",
            extra.name
        ))
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
