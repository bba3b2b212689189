//! What earlier parts of an answer have said. Two fragments may select one object, and a failure may take it along in one of
//! them only; what clients were told of a place stays true all the same (Incremental Delivery RFC, "Response Format").

use bytes::Bytes;
use serde_json::Value;

use crate::response::{DeliveredFragment, ExecutionResponse, ResponsePathSegment};

/// Most bytes of parts that are kept. 16 MiB: put together they take some ten times as much.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The parts that were delivered. They are put together only when something fails: else they agree.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// How long they are in all.
    bytes: usize,
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
        let mut delivered = Self {
            has_failures: !answer.errors.is_empty(),
            ..Self::default()
        };
        delivered.keep(Vec::new(), answer.data.clone().unwrap_or_default());
        delivered
    }

    /// Notes what a later part has of a fragment.
    pub(super) fn add(&mut self, fragment: &DeliveredFragment) {
        for object in fragment.data.iter().flatten() {
            let path = [&fragment.pending.path[..], &object.sub_path].concat();
            self.keep(path, object.data.clone());
        }
    }

    fn keep(&mut self, path: Vec<ResponsePathSegment>, data: Bytes) {
        self.bytes += data.len();
        if self.bytes > BYTES_MAX {
            self.objects.clear();
            self.together = Value::Null;
        } else {
            self.objects.push((path, data));
        }
    }

    /// Everything so far; `None` when it is too long to be kept.
    pub(super) fn together(&mut self) -> Option<&Value> {
        if self.bytes > BYTES_MAX {
            return None;
        }
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
        Some(&self.together)
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
        delivered.keep(Vec::new(), data(first.clone()));
        assert_eq!(delivered.together(), Some(&first));
        delivered.keep(Vec::new(), data(json!({ "a": [{ "c": { "d": 2 } }, null] })));
        let path = vec![at("a"), ResponsePathSegment::Item(0), at("c")];
        delivered.keep(path, data(json!({ "d": 2, "e": 3 })));
        let all = json!({ "a": [{ "c": { "d": 2, "e": 3 } }, null], "b": 1 });
        assert_eq!(delivered.together(), Some(&all));
        delivered.keep(Vec::new(), Bytes::from(vec![b' '; BYTES_MAX]));
        assert_eq!(delivered.together(), None);
    }
}
