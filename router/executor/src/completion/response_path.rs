//! From where a value is stored to where it stands in the client's answer.

use federation::query_plan::{ResponseField, ResponseShape, ResponseSource};
use serde_json::{Map, Value as JsonValue};

use super::holds;
use crate::response::ResponsePathSegment;
use crate::store::{PathSegment, Store, Value};

/// Most places of the answer that are followed for one error: a client may select a field under many aliases, on every
/// level, and one place is enough.
const BRANCHES_MAX: usize = 32;

/// A way through the answer that a stored path may take.
#[derive(Clone)]
struct Branch<'a> {
    path: Vec<ResponsePathSegment>,
    shapes: Vec<&'a ResponseShape>,
    /// The part of the answer in which it ends.
    part: Option<u32>,
}

/// A stored path as the client knows it: response names for storage names, up to the first field it did not select; and the
/// part of the answer that the last of them belongs to. `None` when it selects the field of objects of other types only, so
/// that nothing of the answer depends on it.
///
/// Where the client selects a field under several aliases, the first that leads on is taken: below another one, the rest
/// of the path may not be selected.
pub(crate) fn response_path(
    (store, shape): (&Store, &ResponseShape),
    path: &[PathSegment],
    variables: &Map<String, JsonValue>,
) -> Option<(Vec<ResponsePathSegment>, Option<u32>)> {
    let mut branches = vec![Branch {
        path: Vec::new(),
        shapes: vec![shape],
        part: None,
    }];
    let mut value = Some(Value::Object(Store::ROOT));
    for segment in path {
        let storage_name = match segment {
            PathSegment::Item(index) => {
                let item = ResponsePathSegment::Item(*index);
                branches.iter_mut().for_each(|branch| branch.path.push(item.clone()));
                value = value.and_then(|value| below(store, value, segment));
                continue;
            }
            PathSegment::Field(storage_name) => storage_name,
        };
        let typename = match value {
            Some(Value::Object(object)) => store.typename(object),
            _ => None,
        };
        let mut is_of_others = false;
        let mut longer: Vec<Branch<'_>> = Vec::new();
        for branch in &branches {
            let begin = longer.len();
            let has_room = begin < BRANCHES_MAX;
            for (part, field) in branch.fields() {
                let is_source = matches!(&field.source, ResponseSource::Stored(name) if name.as_str() == storage_name);
                if !is_source || !holds(&field.conditions, variables) {
                    continue;
                }
                if let (Some(types), Some(typename)) = (&field.runtime_types, &typename)
                    && !types.iter().any(|name| name == &**typename)
                {
                    is_of_others = true;
                    continue;
                }
                let step = ResponsePathSegment::Field(field.response_name.to_string());
                match longer[begin..]
                    .iter_mut()
                    .find(|known| known.path.last() == Some(&step))
                {
                    Some(known) => known.shapes.push(&*field.selection),
                    None if has_room => longer.push(Branch {
                        path: branch.path.iter().cloned().chain([step]).collect(),
                        shapes: vec![&*field.selection],
                        part,
                    }),
                    None => {}
                }
            }
        }
        if longer.is_empty() {
            if is_of_others {
                return None;
            }
            break;
        }
        branches = longer;
        value = value.and_then(|value| below(store, value, segment));
    }
    let Branch { path, part, .. } = branches.swap_remove(0);
    Some((path, part))
}

/// What a path leads to from a stored value.
fn below(store: &Store, value: Value, segment: &PathSegment) -> Option<Value> {
    match (value, segment) {
        (Value::Object(object), PathSegment::Field(name)) => store.field_named(object, name),
        (Value::List(list), PathSegment::Item(index)) => store.items(list).get(*index).copied(),
        _ => None,
    }
}

impl<'a> Branch<'a> {
    /// The fields that may come next, each with its part.
    fn fields(&self) -> impl Iterator<Item = (Option<u32>, &'a ResponseField)> {
        let own = self.shapes.iter().flat_map(|shape| &shape.fields);
        let own = own.map(|field| (self.part, field));
        let deferred = self.shapes.iter().flat_map(|shape| &shape.deferred);
        own.chain(deferred.flat_map(|fragment| {
            let fields = fragment.shape.fields.iter();
            fields.map(|field| (Some(fragment.part), field))
        }))
    }
}
