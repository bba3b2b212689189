//! Types of federation's own machinery (`federation__FieldSet`, `_Any`, `link__Purpose`) stay out of the graph: they are
//! not merged, so that nothing of the graph may be of such a type.

use std::fmt;

use apollo_compiler::Name;
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::schema::ExtendedType;
use rustc_hash::FxHashSet;

use super::Rules;
use crate::error::{CompositionError, ErrorCode};
use crate::field_usage::fields_of;

pub(super) fn check(rules: &Rules<'_>) -> Vec<CompositionError> {
    let own: FxHashSet<&Name> = rules.subgraph.own_types().map(ExtendedType::name).collect();
    let mut errors = Vec::new();
    for definition in rules.subgraph.own_types() {
        for_each_use(definition, &mut |used, span, user| {
            if own.contains(used) || matches!(used.as_str(), "Int" | "Float" | "String" | "Boolean" | "ID") {
                return;
            }
            let message = format!(
                "`{user}` uses `{used}`, which belongs to the machinery of federation and not to the graph; define a type \
                 of your own"
            );
            errors.push(rules.subgraph.error(ErrorCode::InvalidGraphql, span, &message));
        });
    }
    errors
}

/// Visits what a type uses: the other type, and the place and coordinate of the use.
fn for_each_use(definition: &ExtendedType, visit: &mut dyn FnMut(&Name, Option<SourceSpan>, fmt::Arguments<'_>)) {
    let parent = definition.name();
    for field in fields_of(definition).into_iter().flat_map(|fields| fields.values()) {
        let name = &field.name;
        visit(
            field.ty.inner_named_type(),
            field.location(),
            format_args!("{parent}.{name}"),
        );
        for argument in &field.arguments {
            let coordinate = format_args!("{parent}.{name}({}:)", argument.name);
            visit(argument.ty.inner_named_type(), argument.location(), coordinate);
        }
    }
    match definition {
        ExtendedType::InputObject(input) => {
            for field in input.fields.values() {
                let coordinate = format_args!("{parent}.{}", field.name);
                visit(field.ty.inner_named_type(), field.location(), coordinate);
            }
        }
        ExtendedType::Union(union) => {
            for member in &union.members {
                visit(&member.name, member.location(), format_args!("{parent}"));
            }
        }
        _ => {}
    }
}
