//! Stored objects as representations for `_entities` (Federation subgraph spec, "Query._entities").
//!
//! Equal representations are made once, with all the objects they stand for. Does not send them.

use federation::query_plan::{EntityFetch, Representation, RepresentationInput};
use indexmap::IndexMap;

use crate::store::{ObjectId, Store, Value};

/// What one `_entities` field is asked for: JSON of a representation, and the objects that its entity is merged into.
pub(crate) type Representations = IndexMap<Vec<u8>, Vec<ObjectId>>;

/// Why an object has no representation.
enum Unrepresentable {
    /// It has no such entity: a part of its key is absent, or all of it is null.
    NoKey,
    /// Something it is made of could not be fetched, which the client knows by then.
    Failed,
}

/// Makes the representations of all objects at the path of `entity_fetch`, in order.
///
/// Objects that cannot be resolved because of an earlier failure are marked as failed.
pub(crate) fn represent(store: &mut Store, entity_fetch: &EntityFetch) -> Representations {
    let mut representations = Representations::new();
    for object in store.objects_at(&entity_fetch.path) {
        match Writer::write(store, object, entity_fetch) {
            Ok(json) => {
                let objects: &mut Vec<ObjectId> = representations.entry(json).or_default();
                objects.push(object);
            }
            Err(Unrepresentable::NoKey) => {}
            Err(Unrepresentable::Failed) => store.set_failed(object),
        }
    }
    representations
}

struct Writer<'a> {
    store: &'a Store,
    out: Vec<u8>,
    /// Whether a part of the key is not null.
    has_key: bool,
}

impl Writer<'_> {
    fn write(store: &Store, object: ObjectId, entity_fetch: &EntityFetch) -> Result<Vec<u8>, Unrepresentable> {
        let applies = |representation: &&Representation| {
            representation.runtime_types.is_empty() || store.has_typename_of(object, &representation.runtime_types)
        };
        let representation = entity_fetch
            .representations
            .iter()
            .find(applies)
            .ok_or(Unrepresentable::NoKey)?;
        let mut writer = Writer {
            store,
            out: Vec::with_capacity(64),
            has_key: false,
        };
        writer.out.extend_from_slice(b"{\"__typename\":\"");
        let typename = representation.typename.as_deref().or_else(|| store.typename(object));
        writer
            .out
            .extend_from_slice(typename.ok_or(Unrepresentable::NoKey)?.as_bytes());
        writer.out.push(b'"');
        writer.inputs(object, &representation.inputs, false)?;
        writer.out.push(b'}');
        if writer.has_key {
            Ok(writer.out)
        } else {
            Err(Unrepresentable::NoKey)
        }
    }

    /// Writes the fields of `object`, each with a comma before it unless it is the first.
    ///
    /// * `in_key`: whether `object` itself is part of the key.
    fn inputs(
        &mut self,
        object: ObjectId,
        inputs: &[RepresentationInput],
        in_key: bool,
    ) -> Result<(), Unrepresentable> {
        for input in inputs {
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
            match self.store.field(object, &input.storage_name) {
                Some(value) => self.value(value, input, in_key)?,
                None if self.store.is_failed(object) => return Err(Unrepresentable::Failed),
                None if in_key => return Err(Unrepresentable::NoKey),
                None => self.out.extend_from_slice(b"null"),
            }
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, input: &RepresentationInput, in_key: bool) -> Result<(), Unrepresentable> {
        match value {
            // A failed input is not a null one: what is computed from it would be wrong without anybody noticing.
            Value::Failed => return Err(Unrepresentable::Failed),
            Value::Object(object) if !input.inputs.is_empty() => {
                self.out.push(b'{');
                self.inputs(*object, &input.inputs, in_key)?;
                self.out.push(b'}');
            }
            Value::List(items) => {
                self.out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.value(item, input, in_key)?;
                }
                self.out.push(b']');
            }
            _ => {
                self.has_key |= in_key && !matches!(value, Value::Null) && input.name != "__typename";
                self.store.write(value, &mut self.out);
            }
        }
        Ok(())
    }
}
