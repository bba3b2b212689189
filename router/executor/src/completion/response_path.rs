//! From where a value is stored to where it stands in the client's answer.

use federation::query_plan::{ResponseField, ResponseShape, ResponseSource};
use serde_json::{Map, Value as JsonValue};

use super::{holds, is_of};
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
    /// Whether a field on it is selected of objects of other types only, so that the answer has none of it.
    is_of_others: bool,
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
        is_of_others: false,
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
        let mut longer: Vec<Branch<'_>> = Vec::new();
        for branch in &branches {
            let begin = longer.len();
            let has_room = begin < BRANCHES_MAX;
            for (part, field) in branch.fields() {
                let is_source = matches!(&field.source, ResponseSource::Stored(name) if name.as_str() == storage_name);
                if !is_source || !holds(&field.conditions, variables) {
                    continue;
                }
                let is_of = |typename: &str| is_of(field.runtime_types.as_deref(), Some(typename));
                let is_of_others = branch.is_of_others || typename.as_deref().is_some_and(|typename| !is_of(typename));
                let step = ResponsePathSegment::Field(field.response_name.to_string());
                let mut known = longer[begin..].iter_mut();
                match known.find(|known| known.is_of_others == is_of_others && known.path.last() == Some(&step)) {
                    Some(known) => known.shapes.push(&*field.selection),
                    None if has_room => longer.push(Branch {
                        path: branch.path.iter().cloned().chain([step]).collect(),
                        shapes: vec![&*field.selection],
                        part,
                        is_of_others,
                    }),
                    None => {}
                }
            }
        }
        if longer.is_empty() {
            break;
        }
        if longer.iter().all(|branch| branch.is_of_others) {
            return None;
        }
        branches = longer;
        value = value.and_then(|value| below(store, value, segment));
    }
    let branch = branches.into_iter().find(|branch| !branch.is_of_others)?;
    Some((branch.path, branch.part))
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
