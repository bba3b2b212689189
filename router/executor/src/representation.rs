//! Stored objects as representations for `_entities` (Federation subgraph spec, "Query._entities").
//!
//! Equal representations are made once, with all the objects they stand for. Does not send them.

mod contexts;

use std::borrow::Cow;

use federation::query_plan::{EntityFetch, Representation, RepresentationInput};
use indexmap::IndexMap;

use crate::store::{Failure, NameId, ObjectId, Store, TooManyValues, Value};

pub(crate) use self::contexts::{ContextValues, represent_by_contexts};

/// What one `_entities` field is asked for: JSON of a representation, and the objects that its entity is merged into.
pub(crate) type Representations = IndexMap<Vec<u8>, Vec<ObjectId>>;

/// The type that a representation is of.
pub(crate) fn typename_of(representation: &[u8]) -> &str {
    let quoted = representation.strip_prefix(TYPENAME_BEGIN).unwrap_or_default();
    // Names have no escapes, and what has some is not the name of a type.
    let name = quoted.split(|byte| *byte == b'"').nth(1).unwrap_or_default();
    std::str::from_utf8(name).unwrap_or_default()
}

const TYPENAME_BEGIN: &[u8] = b"{\"__typename\":";

/// Why an object has no representation.
enum Unrepresentable {
    /// It has no such entity: a part of its key is absent, or all of it is null. Or a context gives it null where it must not.
    Absent,
    /// Something it is made of could not be fetched, which the client knows by then.
    Failed,
}

/// Makes the representations of all objects at the path of `entity_fetch`, in order.
///
/// Objects that cannot be resolved because of an earlier failure are marked as failed.
///
/// # Errors
/// When there are more objects than the store may hold.
pub(crate) fn represent(store: &mut Store, entity_fetch: &EntityFetch) -> Result<Representations, TooManyValues> {
    let mut representations = Representations::new();
    let objects = store.objects_at(&entity_fetch.path)?;
    let kinds = entity_fetch.representations.iter();
    let kinds: Vec<_> = kinds.map(|kind| (kind, inputs(store, &kind.inputs))).collect();
    let mut out = Vec::with_capacity(128);
    for object in objects {
        out.clear();
        match Writer::write(store, object, &kinds, &mut out) {
            Ok(()) => add(&mut representations, &out, object),
            Err(Unrepresentable::Absent) => {}
            Err(Unrepresentable::Failed) => store.set_failed(object, Failure::UNKNOWN),
        }
    }
    Ok(representations)
}

fn add(representations: &mut Representations, representation: &[u8], object: ObjectId) {
    match representations.get_mut(representation) {
        Some(objects) => objects.push(object),
        None => drop(representations.insert(representation.to_owned(), vec![object])),
    }
}

/// A [`RepresentationInput`] with its storage name looked up.
struct Input<'a> {
    input: &'a RepresentationInput,
    /// `None`: no answer held such a field.
    storage_name: Option<NameId>,
    inputs: Vec<Input<'a>>,
}

fn inputs<'a>(store: &Store, of: &'a [RepresentationInput]) -> Vec<Input<'a>> {
    let resolve = |input: &'a RepresentationInput| Input {
        input,
        storage_name: store.name_id(&input.storage_name),
        inputs: inputs(store, &input.inputs),
    };
    of.iter().map(resolve).collect()
}

struct Writer<'a> {
    store: &'a Store,
    out: &'a mut Vec<u8>,
    /// Whether a part of the key is not null.
    has_key: bool,
}

impl Writer<'_> {
    fn write(
        store: &Store,
        object: ObjectId,
        kinds: &[(&Representation, Vec<Input<'_>>)],
        out: &mut Vec<u8>,
    ) -> Result<(), Unrepresentable> {
        let applies = |(representation, _): &&(&Representation, Vec<Input<'_>>)| {
            representation.runtime_types.is_empty() || store.has_typename_of(object, &representation.runtime_types)
        };
        let (representation, inputs) = kinds.iter().find(applies).ok_or(Unrepresentable::Absent)?;
        let mut writer = Writer {
            store,
            out,
            has_key: false,
        };
        let typename = representation.typename.as_deref().map(Cow::Borrowed);
        let typename = typename
            .or_else(|| store.typename(object))
            .ok_or(Unrepresentable::Absent)?;
        writer.out.extend_from_slice(TYPENAME_BEGIN);
        writer.text(&typename);
        writer.inputs(object, inputs, false)?;
        writer.out.push(b'}');
        if writer.has_key {
            Ok(())
        } else {
            Err(Unrepresentable::Absent)
        }
    }

    /// Writes the fields of `object`, each with a comma before it unless it is the first.
    ///
    /// * `in_key`: whether `object` itself is part of the key.
    fn inputs(&mut self, object: ObjectId, inputs: &[Input<'_>], in_key: bool) -> Result<(), Unrepresentable> {
        for Input {
            input,
            storage_name,
            inputs,
        } in inputs
        {
            let in_key = in_key || input.is_key;
            if !input.runtime_types.is_empty() && !self.store.has_typename_of(object, &input.runtime_types) {
                continue;
            }
            if self.out.last() != Some(&b'{') {
                self.out.push(b',');
            }
            self.out.push(b'"');
            self.out.extend_from_slice(input.name.as_bytes());
            self.out.extend_from_slice(b"\":");
            match storage_name.and_then(|name| self.store.field(object, name)) {
                Some(value) => {
                    self.has_key |= self.value(value, inputs, in_key)? && in_key && input.name != "__typename";
                }
                None if self.store.is_failed(object) => return Err(Unrepresentable::Failed),
                None if in_key => return Err(Unrepresentable::Absent),
                None => self.out.extend_from_slice(b"null"),
            }
        }
        Ok(())
    }

    /// Gives whether a leaf that is not null was written.
    fn value(&mut self, value: Value, inputs: &[Input<'_>], in_key: bool) -> Result<bool, Unrepresentable> {
        match value {
            Value::Failed(_) if in_key => Err(Unrepresentable::Failed),
            // Required, and null because of an error in it: the field's value is null then (GraphQL spec, "Handling Execution
            // Errors"), and its error is reported. Where a whole fetch failed, nobody knows the value: `inputs` sees to that.
            Value::Failed(_) => {
                self.out.extend_from_slice(b"null");
                Ok(false)
            }
            Value::Object(object) if !inputs.is_empty() => {
                self.out.push(b'{');
                self.inputs(object, inputs, in_key)?;
                self.out.push(b'}');
                Ok(false)
            }
            Value::List(list) => {
                let mut has_leaf = false;
                self.out.push(b'[');
                for (index, item) in self.store.items(list).iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    has_leaf |= self.value(*item, inputs, in_key)?;
                }
                self.out.push(b']');
                Ok(has_leaf)
            }
            // Without escapes that need not be, so that equal entities have equal representations.
            Value::String(text) => {
                self.text(&self.store.decoded(text));
                Ok(true)
            }
            value => {
                self.store.write(value, self.out);
                Ok(value != Value::Null)
            }
        }
    }

    fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut *self.out, text).expect("text is JSON, and a Vec takes all bytes");
    }
}
