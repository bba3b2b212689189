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
    let same_key = |object: &Name| {
        let mut own = rules.usage.keys(object);
        own.find(|own| {
            own.field_set()
                .is_some_and(|own| same_fields(&own.selection.to_string(), &fields))
        })
    };
    let schema = &rules.subgraph.schema;
    let objects: Vec<&Name> = implementations(schema, interface).collect();
    let missing: Vec<_> = objects
        .iter()
        .copied()
        .filter(|object| same_key(object).is_none())
        .collect();
    let is_unresolvable = |object: &Name| key.is_resolvable && same_key(object).is_some_and(|own| !own.is_resolvable);
    let unresolvable: Vec<_> = objects
        .iter()
        .copied()
        .filter(|object| is_unresolvable(object))
        .collect();
    let text = key.text.as_deref().unwrap_or_default();
    let names = |objects: &[&Name]| {
        let names: Vec<_> = objects.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    let (advice, concerned) = if !missing.is_empty() {
        (format!("add the same key to {}", names(&missing)), missing)
    } else if !unresolvable.is_empty() {
        let advice = format!(
            "the same key must not be `resolvable: false` on {}; make it resolvable there, or unresolvable on the interface",
            names(&unresolvable)
        );
        (advice, unresolvable)
    } else {
        return None;
    };
    let message = format!("interface `{interface}` has `@key(fields: {text:?})`, so {advice}");
    let places = concerned
        .iter()
        .filter_map(|object| schema.types.get(*object)?.name().location());
    let places = places.filter_map(|span| rules.subgraph.locate(Some(span)));
    let error = rules
        .subgraph
        .error(ErrorCode::InterfaceKeyNotOnImplementation, key.span, &message);
    Some(error.at(places))
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
