//! Input objects that need themselves: no value could ever be written (GraphQL, "Circular References").
//!
//! A field that is optional in one subgraph and required in another is required in the supergraph, so that a circle may
//! close which no subgraph has alone.

use apollo_compiler::ast::Type;
use apollo_compiler::schema::InputObjectType;
use apollo_compiler::{Name, Schema};
use rustc_hash::FxHashSet;

use super::locate;
use crate::error::{CompositionError, ErrorCode};
use crate::validate::ValidSubgraph;

/// One error for each input object in a circle of required fields.
pub(super) fn check(schema: &Schema, subgraphs: &[ValidSubgraph]) -> Vec<CompositionError> {
    let inputs = schema
        .types
        .values()
        .filter_map(|definition| definition.as_input_object());
    let circular = inputs.filter(|input| needs_itself(schema, input));
    let errors = circular.map(|input| {
        let name = &input.name;
        let message = format!(
            "input `{name}` needs itself by required fields in the supergraph, so no value of it could be written; make one \
             of these fields optional in all subgraphs"
        );
        CompositionError::new(ErrorCode::InvalidGraphql, message).at(locate(subgraphs, name, None))
    });
    errors.collect()
}

fn needs_itself(schema: &Schema, start: &InputObjectType) -> bool {
    let mut seen: FxHashSet<&Name> = FxHashSet::default();
    let mut next: Vec<&Name> = needed(start).collect();
    while let Some(name) = next.pop() {
        if *name == start.name {
            return true;
        }
        if seen.insert(name)
            && let Some(input) = schema.get_input_object(name)
        {
            next.extend(needed(input));
        }
    }
    false
}

fn needed(input: &InputObjectType) -> impl Iterator<Item = &Name> {
    input.fields.values().filter_map(|field| match &*field.ty {
        Type::NonNullNamed(name) => Some(name),
        _ => None,
    })
}
