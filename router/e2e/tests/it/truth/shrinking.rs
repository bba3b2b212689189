//! Makes a failing case small: selections are dropped from the operation, then fields and directives from the graph, as
//! long as it fails.

use super::graph::{Entity, FieldSet, Graph, Kind, Selected, TypeDef};
use super::operations::{Operation, Selection};

/// Drops every selection that is not needed to fail.
///
/// * `fails`: whether an operation fails in the same way; what is not valid does not.
pub(super) fn operation(mut operation: Operation, fails: impl Fn(&Operation) -> bool) -> Operation {
    let mut index = 0;
    loop {
        let mut smaller = operation.clone();
        match cut(&mut smaller, index) {
            Cut::End => return operation,
            Cut::Made if fails(&smaller) => operation = smaller,
            Cut::Made | Cut::Needed => index += 1,
        }
    }
}

enum Cut {
    Made,
    /// It is the last of its selection set.
    Needed,
    End,
}

fn cut(operation: &mut Operation, mut index: usize) -> Cut {
    let fragments = operation.fragments.values_mut().map(|(_, selections)| selections);
    for selections in std::iter::once(&mut operation.selections).chain(fragments) {
        match cut_from(selections, &mut index) {
            Cut::End => {}
            cut => return cut,
        }
    }
    Cut::End
}

fn cut_from(selections: &mut Vec<Selection>, index: &mut usize) -> Cut {
    for number in 0..selections.len() {
        if *index == 0 {
            if selections.len() == 1 {
                return Cut::Needed;
            }
            selections.remove(number);
            return Cut::Made;
        }
        *index -= 1;
        let below = match &mut selections[number] {
            Selection::Field(field) => &mut field.below,
            Selection::Inline { below, .. } => below,
            Selection::Spread { .. } => continue,
        };
        match cut_from(below, index) {
            Cut::End => {}
            cut => return cut,
        }
    }
    Cut::End
}

/// Drops every field and directive that is not needed to fail.
///
/// * `fails`: whether the operation still fails in the same way; where the graph does not compose, it does not.
pub(super) fn graph(mut graph: Graph, fails: impl Fn(&Graph) -> bool) -> Graph {
    let types: Vec<String> = graph.types.keys().cloned().collect();
    for type_name in &types {
        let mut smaller = graph.clone();
        if let Some(Entity { unknown, .. }) = smaller.entity_mut(type_name) {
            *unknown = None;
            if fails(&smaller) {
                graph = smaller;
            }
        }
    }
    for type_name in &types {
        for field in graph.types[type_name].fields.keys().cloned().collect::<Vec<_>>() {
            let cuts: [fn(&mut Graph, &str, &str); 4] = [drop_field, drop_provides, drop_requires, drop_second_place];
            for cut in cuts {
                let mut smaller = graph.clone();
                if smaller.types[type_name].fields.contains_key(&field) {
                    cut(&mut smaller, type_name, &field);
                    if fails(&smaller) {
                        graph = smaller;
                    }
                }
            }
        }
    }
    graph
}

/// Leaves alone what may be the only way around a subgraph that does not know an object.
fn drop_field(graph: &mut Graph, type_name: &str, field: &str) {
    let is_a_way = |definition: &TypeDef| match &definition.kind {
        Kind::Entity(entity) => entity.unknown.is_some() && entity.keys.iter().any(|key| mentions(&key.fields, field)),
        _ => false,
    };
    if graph.types.values().any(is_a_way) {
        return;
    }
    let members: Vec<String> = graph.objects(type_name).into_iter().map(str::to_owned).collect();
    for name in std::iter::once(type_name.to_owned()).chain(members) {
        graph.types[&name].fields.shift_remove(field);
    }
    for definition in graph.types.values_mut() {
        for place in definition.fields.values_mut().flat_map(|field| &mut field.places) {
            for field_set in [&mut place.requires, &mut place.provides] {
                if mentions(field_set, field) {
                    field_set.clear();
                }
            }
        }
        if let Kind::Entity(entity) = &mut definition.kind {
            entity.keys.retain(|key| !mentions(&key.fields, field));
        }
    }
}

fn mentions(field_set: &FieldSet, field: &str) -> bool {
    field_set.iter().any(|selected| match selected {
        Selected::Field { name, below, .. } => name == field || mentions(below, field),
        Selected::On(_, below) => mentions(below, field),
    })
}

fn drop_provides(graph: &mut Graph, type_name: &str, field: &str) {
    graph.types[type_name].fields[field]
        .places
        .iter_mut()
        .for_each(|place| place.provides.clear());
}

fn drop_requires(graph: &mut Graph, type_name: &str, field: &str) {
    graph.types[type_name].fields[field]
        .places
        .iter_mut()
        .for_each(|place| place.requires.clear());
}

fn drop_second_place(graph: &mut Graph, type_name: &str, field: &str) {
    graph.types[type_name].fields[field].places.truncate(1);
}
