//! Shapes of fields: what must be equal for two fields to share a response name (GraphQL spec, "SameResponseShape").

use std::fmt::Write as _;

use apollo_compiler::Name;
use apollo_compiler::ast::Type;
use rustc_hash::FxHashMap;

use super::{FieldDefinition, TypeDefinition, TypeId};

/// Number of a shape. Fields of one number may be selected under one response name on different objects, in every
/// subgraph: their wrappers are equal, and the names of leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ShapeId(u32);

/// Numbers the shapes of all fields.
pub(super) fn number_shapes(types: &mut [TypeDefinition], type_ids: &FxHashMap<Name, TypeId>) {
    let are_composite: Vec<bool> = types.iter().map(|definition| definition.kind.is_composite()).collect();
    let is_composite = |name: &Name| type_ids.get(name).is_some_and(|id| are_composite[id.0 as usize]);
    let mut known: FxHashMap<String, ShapeId> = FxHashMap::default();
    let mut text = String::new();
    for field in types.iter_mut().flat_map(|definition| definition.fields.values_mut()) {
        text.clear();
        write_shape(&mut text, field, &is_composite);
        field.shape = match known.get(text.as_str()) {
            Some(shape) => *shape,
            None => {
                let shape = ShapeId(known.len() as u32);
                known.insert(text.clone(), shape);
                shape
            }
        };
    }
}

/// The supergraph's type, and those of subgraphs that differ.
fn write_shape(text: &mut String, field: &FieldDefinition, is_composite: &impl Fn(&Name) -> bool) {
    write_type(text, &field.field_type, is_composite);
    let own = text.len();
    for join in &field.joins {
        let Some(field_type) = &join.field_type else { continue };
        let before = text.len();
        let _ = write!(text, " {}:", join.subgraph.0);
        let start = text.len();
        write_type(text, field_type, is_composite);
        if text[start..] == text[..own] {
            text.truncate(before);
        }
    }
}

fn write_type(text: &mut String, field_type: &Type, is_composite: &impl Fn(&Name) -> bool) {
    let name = field_type.inner_named_type();
    if is_composite(name) {
        text.push_str("{}");
    } else {
        text.push_str(name);
    }
    let mut wrapped = field_type;
    while wrapped.is_list() {
        // Before the bracket: after it, the mark would be taken for one of the item.
        text.push_str(if wrapped.is_non_null() { "!]" } else { "]" });
        wrapped = wrapped.item_type();
    }
    if wrapped.is_non_null() {
        text.push('!');
    }
}
