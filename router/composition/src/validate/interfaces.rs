//! Rules of keys on interfaces and of `@interfaceObject`.

use apollo_compiler::Name;
use apollo_compiler::schema::ExtendedType;

use super::Rules;
use crate::error::{CompositionError, ErrorCode};
use crate::field_set::implementations;
use crate::field_usage::AppliedFieldSet;

pub(super) fn check(rules: &Rules<'_>) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    for definition in rules.subgraph.own_types() {
        match definition {
            ExtendedType::Interface(interface) => {
                for key in rules.usage.keys(&interface.name) {
                    errors.extend(check_key(rules, &interface.name, key));
                }
            }
            ExtendedType::Object(object)
                if rules.subgraph.is_interface_object(definition) && !rules.usage.has_key(&object.name) =>
            {
                let message = format!(
                    "`{}` is an `@interfaceObject` without a key; give it the `@key` of the interface",
                    object.name
                );
                let code = ErrorCode::InterfaceObjectUsageError;
                errors.push(rules.subgraph.error(code, definition.location(), &message));
            }
            _ => {}
        }
    }
    errors
}

/// Every implementation must have each key of its interface, so that it can be resolved by it.
fn check_key(rules: &Rules<'_>, interface: &Name, key: &AppliedFieldSet) -> Option<CompositionError> {
    let fields = key.field_set()?.selection.to_string();
    let has_key = |object: &Name| {
        let mut own = rules.usage.keys(object).filter_map(AppliedFieldSet::field_set);
        own.any(|own| same_fields(&own.selection.to_string(), &fields))
    };
    let missing: Vec<_> = implementations(&rules.subgraph.schema, interface)
        .filter(|object| !has_key(object))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let names: Vec<_> = missing.iter().map(|name| format!("`{name}`")).collect();
    let text = key.text.as_deref().unwrap_or_default();
    Some(rules.subgraph.error(
        ErrorCode::InterfaceKeyNotOnImplementation,
        key.span,
        &format!(
            "interface `{interface}` has `@key(fields: {text:?})`, so add the same key to {}",
            names.join(", ")
        ),
    ))
}

/// Compares printed selections without regard to the order of words.
fn same_fields(left: &str, right: &str) -> bool {
    let words = |text: &str| {
        let mut words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    left == right || words(left) == words(right)
}
