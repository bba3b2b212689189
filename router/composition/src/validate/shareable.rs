//! Rules of `@shareable`: on object fields, once per declaration.

use apollo_compiler::Name;
use apollo_compiler::ast::FieldDefinition;
use apollo_compiler::schema::{ComponentOrigin, ExtendedType};

use super::Rules;
use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::FederationDirective;

pub(super) fn check(rules: &Rules<'_>) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    for definition in rules.subgraph.own_types() {
        match definition {
            ExtendedType::Interface(interface) => {
                for field in interface.fields.values() {
                    if rules.subgraph.has(&field.directives, FederationDirective::Shareable) {
                        errors.push(rules.subgraph.error(
                            ErrorCode::InvalidShareableUsage,
                            field.location(),
                            &format!(
                                "`{}.{}` is a field of an interface and cannot be `@shareable`; mark the field of the \
                                 implementations",
                                interface.name, field.name
                            ),
                        ));
                    }
                }
            }
            ExtendedType::Object(object) => {
                errors.extend(check_repeated(rules, definition));
                for field in object.fields.values() {
                    errors.extend(check_repeated_on_field(rules, &object.name, field));
                }
            }
            _ => {}
        }
    }
    errors
}

fn check_repeated_on_field(rules: &Rules<'_>, parent: &Name, field: &FieldDefinition) -> Option<CompositionError> {
    let mut applications = rules
        .subgraph
        .applications(&field.directives, FederationDirective::Shareable);
    let repeated = applications.nth(1)?;
    Some(rules.subgraph.error(
        ErrorCode::InvalidShareableUsage,
        repeated.location(),
        &format!("`@shareable` stands twice on `{parent}.{}`; keep one", field.name),
    ))
}

/// `@shareable` is repeatable so that a type and each of its extensions may have it, not to stand twice in one place.
fn check_repeated(rules: &Rules<'_>, definition: &ExtendedType) -> Option<CompositionError> {
    let name = rules.subgraph.directives.get(FederationDirective::Shareable)?;
    let mut seen: Vec<&ComponentOrigin> = Vec::new();
    for directive in definition
        .directives()
        .iter()
        .filter(|directive| directive.name == *name)
    {
        if seen.contains(&&directive.origin) {
            return Some(rules.subgraph.error(
                ErrorCode::InvalidShareableUsage,
                directive.location(),
                &format!(
                    "`@shareable` stands twice on one declaration of `{}`; keep one",
                    definition.name()
                ),
            ));
        }
        seen.push(&directive.origin);
    }
    None
}
