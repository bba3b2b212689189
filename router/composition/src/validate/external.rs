//! Rules of `@external`: only on object fields, and only where something needs the field.

use super::Rules;
use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::FederationDirective;
use crate::field_usage::fields_of;

pub(super) fn check(rules: &Rules<'_>) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    for definition in rules.subgraph.own_types() {
        let Some(fields) = fields_of(definition) else { continue };
        let type_name = definition.name();
        for field in fields.values() {
            let coordinate = (type_name.clone(), field.name.clone());
            let is_marked = rules.subgraph.has(&field.directives, FederationDirective::External);
            if definition.is_interface() && is_marked {
                errors.push(rules.subgraph.error(
                    ErrorCode::ExternalOnInterface,
                    field.location(),
                    &format!(
                        "`{type_name}.{}` is a field of an interface and cannot be `@external`; mark the field of the \
                         implementations",
                        field.name
                    ),
                ));
            }
            if rules.usage.is_external(&coordinate) && !rules.usage.is_used(&coordinate) {
                errors.push(rules.subgraph.error(
                    ErrorCode::ExternalUnused,
                    field.location(),
                    &format!(
                        "`{type_name}.{}` is `@external`, but no `@key`, `@requires`, `@provides` or interface of this \
                         subgraph uses it; remove the field, or `@external` if this subgraph resolves it",
                        field.name
                    ),
                ));
            }
        }
    }
    errors
}
