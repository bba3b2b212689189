//! `@requires` with arguments: what a subgraph may ask of its own definition of a field, it must be able to ask of the
//! supergraph's, which has the arguments that all subgraphs have.

use apollo_compiler::executable::Field;
use apollo_compiler::{Name, Schema};

use super::locate;
use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::FederationDirective;
use crate::field_usage::{AppliedFieldSet, fields_of};
use crate::merge::Merged;
use crate::validate::ValidSubgraph;

/// Checks every `@requires` of every subgraph against the supergraph.
pub(super) fn check(merged: &Merged, subgraphs: &[ValidSubgraph]) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    for subgraph in subgraphs {
        for applied in &subgraph.usage.field_sets {
            let Some(field_set) = applied.field_set() else { continue };
            if applied.directive != FederationDirective::Requires {
                continue;
            }
            field_set.for_each_field(|parent, field| {
                errors.extend(fault(&merged.schema, parent, field).map(|message| {
                    let message = format!("{}: {message}", place(applied));
                    let error = subgraph.error(ErrorCode::RequiresInvalidFields, applied.span, &message);
                    let places = locate(subgraphs, parent, Some(&field.name)).into_iter();
                    error.at(places.filter(|place| place.subgraph != subgraph.name))
                }));
            });
        }
    }
    errors
}

fn place(applied: &AppliedFieldSet) -> String {
    let field = applied.field.as_deref().unwrap_or_default();
    let fields = applied.text.as_deref().unwrap_or_default();
    format!("`@requires(fields: {fields:?})` on `{}.{field}`", applied.parent)
}

fn fault(schema: &Schema, parent: &Name, field: &Field) -> Option<String> {
    let definition = fields_of(schema.types.get(parent)?)?.get(&field.name)?;
    let given = |name: &Name| field.arguments.iter().any(|argument| argument.name == *name);
    let unknown = field
        .arguments
        .iter()
        .find(|argument| definition.argument_by_name(&argument.name).is_none());
    if let Some(unknown) = unknown {
        return Some(format!(
            "argument `{parent}.{}({}:)` is not in the supergraph, because not all subgraphs have it; leave it out, or add it \
             everywhere",
            field.name, unknown.name
        ));
    }
    let missing = definition
        .arguments
        .iter()
        .find(|argument| argument.is_required() && !given(&argument.name))?;
    Some(format!(
        "argument `{parent}.{}({}:)` is required by another subgraph; give a value for it",
        field.name, missing.name
    ))
}
