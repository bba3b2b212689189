//! What earlier parts of an answer have said. Two fragments may select one object, and a failure may take it along in one of
//! them only; what clients were told of a place stays true all the same (Incremental Delivery RFC, "Response Format").

use bytes::Bytes;
use serde_json::Value;

use crate::response::{DeliveredFragment, ExecutionResponse, ResponsePathSegment};

/// The parts that were delivered. They are put together only when something fails: else they agree.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// Where an object stands, and its JSON; those around others come first.
    objects: Vec<(Vec<ResponsePathSegment>, Bytes)>,
    /// All that are not in `objects` any more, as clients put them together.
    together: Value,
    /// Whether something failed in one of them.
    pub(super) has_failures: bool,
}

impl Delivered {
    /// The first part.
    pub(super) fn new(answer: &ExecutionResponse) -> Self {
        Self {
            objects: vec![(Vec::new(), answer.data.clone().unwrap_or_default())],
            together: Value::Null,
            has_failures: !answer.errors.is_empty(),
        }
    }

    /// Notes what a later part has of a fragment.
    pub(super) fn add(&mut self, fragment: &DeliveredFragment) {
        for object in fragment.data.iter().flatten() {
            let path = [&fragment.pending.path[..], &object.sub_path].concat();
            self.objects.push((path, object.data.clone()));
        }
    }

    /// Everything so far.
    pub(super) fn together(&mut self) -> &Value {
        for (path, data) in self.objects.drain(..) {
            // The executor wrote it: there is none that cannot be read.
            let data = serde_json::from_slice(&data).unwrap_or_default();
            let place = path
                .iter()
                .try_fold(&mut self.together, |value, segment| match segment {
                    ResponsePathSegment::Field(name) => value.get_mut(name),
                    ResponsePathSegment::Item(index) => value.get_mut(index),
                });
            if let Some(place) = place {
                merge(place, data);
            }
        }
        &self.together
    }
}

/// Adds what `known` does not have yet.
fn merge(known: &mut Value, new: Value) {
    match (known, new) {
        (Value::Object(known), Value::Object(new)) => {
            for (name, value) in new {
                match known.get_mut(&name) {
                    Some(known) => merge(known, value),
                    None => drop(known.insert(name, value)),
                }
            }
        }
        (Value::Array(known), Value::Array(new)) => {
            for (known, new) in known.iter_mut().zip(new) {
                merge(known, new);
            }
        }
        (known @ Value::Null, new) => *known = new,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_are_put_together() {
        let data = |value: Value| Bytes::from(value.to_string());
        let at = |name: &str| ResponsePathSegment::Field(name.to_owned());
        let mut delivered = Delivered::default();
        let first = json!({ "a": [{}, null], "b": 1 });
        delivered.objects.push((Vec::new(), data(first.clone())));
        assert_eq!(*delivered.together(), first);
        delivered
            .objects
            .push((Vec::new(), data(json!({ "a": [{ "c": { "d": 2 } }, null] }))));
        let path = vec![at("a"), ResponsePathSegment::Item(0), at("c")];
        delivered.objects.push((path, data(json!({ "d": 2, "e": 3 }))));
        let all = json!({ "a": [{ "c": { "d": 2, "e": 3 } }, null], "b": 1 });
        assert_eq!(*delivered.together(), all);
    }
}
