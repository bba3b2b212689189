//! Where the answers of all fetches of one operation come together: a tree of objects, keyed by storage names.
//!
//! The answers stay as the bytes that were received; numbers and strings are places in them. They are written to the
//! client and to other subgraphs as they came, so that no digit of a number and no escape of a string changes.
//! Objects live in one table and never move: an [`ObjectId`] stays good while others are merged in.
//!
//! Knows nothing of types and of plans. The bytes must be valid JSON when they come here ([`Store::read`]).

mod json;
mod position;

use bytes::Bytes;

pub(crate) use self::position::{PathSegment, StoredPath};

/// Number of an object in its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectId(u32);

/// A place in the bytes of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    source: u32,
    start: u32,
    end: u32,
}

/// One stored value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// The subgraph says null.
    Null,
    /// Null because of an error that is reported already: the client reads of it once.
    Failed,
    Boolean(bool),
    /// As it was received.
    Number(Text),
    /// What stands between the quotes, with its escapes.
    String(Text),
    List(Vec<Value>),
    Object(ObjectId),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Object {
    fields: Vec<(Text, Value)>,
    /// A fetch that would have added fields to this object failed, and the error is reported.
    failed: bool,
}

/// All that is known of the answer so far.
#[derive(Debug)]
pub(crate) struct Store {
    sources: Vec<Bytes>,
    objects: Vec<Object>,
}

impl Store {
    /// The object that root fields are merged into.
    pub(crate) const ROOT: ObjectId = ObjectId(0);

    /// A store of an empty root object.
    pub(crate) fn new() -> Self {
        Self {
            sources: Vec::new(),
            objects: vec![Object::default()],
        }
    }

    pub(crate) fn bytes(&self, text: Text) -> &[u8] {
        &self.sources[text.source as usize][text.start as usize..text.end as usize]
    }

    /// The value of a field; `None` when no answer held it.
    pub(crate) fn field(&self, object: ObjectId, storage_name: &str) -> Option<&Value> {
        let fields = &self.object(object).fields;
        fields
            .iter()
            .find(|(name, _)| self.bytes(*name) == storage_name.as_bytes())
            .map(|(_, value)| value)
    }

    /// The stored `__typename`.
    pub(crate) fn typename(&self, object: ObjectId) -> Option<&str> {
        match self.field(object, "__typename")? {
            Value::String(text) => std::str::from_utf8(self.bytes(*text)).ok(),
            _ => None,
        }
    }

    /// Whether the stored `__typename` is one of `names`, which are sorted.
    pub(crate) fn has_typename_of<N: AsRef<str>>(&self, object: ObjectId, names: &[N]) -> bool {
        self.typename(object)
            .is_some_and(|typename| names.binary_search_by(|name| name.as_ref().cmp(typename)).is_ok())
    }

    pub(crate) fn is_failed(&self, object: ObjectId) -> bool {
        self.object(object).failed
    }

    /// Notes that an error which explains absent fields of `object` is reported.
    pub(crate) fn set_failed(&mut self, object: ObjectId) {
        self.objects[object.0 as usize].failed = true;
    }

    /// Follows `path` down from `object`; where it meets a null, that null is marked as reported.
    pub(crate) fn mark_failed(&mut self, object: ObjectId, path: &[PathSegment]) {
        let Some((PathSegment::Field(name), mut path)) = path.split_first() else {
            return;
        };
        let fields = &self.object(object).fields;
        let Some(index) = fields
            .iter()
            .position(|(known, _)| self.bytes(*known) == name.as_bytes())
        else {
            // Left out instead of null, as some servers do with a field that failed.
            return self.set_failed(object);
        };
        let mut value = &mut self.objects[object.0 as usize].fields[index].1;
        loop {
            match value {
                Value::Null => return *value = Value::Failed,
                Value::Object(below) => {
                    let below = *below;
                    return self.mark_failed(below, path);
                }
                Value::List(items) => {
                    let Some((PathSegment::Item(index), rest)) = path.split_first() else {
                        return;
                    };
                    let Some(item) = items.get_mut(*index) else { return };
                    (value, path) = (item, rest);
                }
                _ => return,
            }
        }
    }

    /// Marks every null below `object`: errors came with it that do not say where they belong.
    pub(crate) fn mark_all_failed(&mut self, object: ObjectId) {
        let mut fields = std::mem::take(&mut self.objects[object.0 as usize].fields);
        for (_, value) in &mut fields {
            self.mark_all_values_failed(value);
        }
        self.objects[object.0 as usize] = Object { fields, failed: true };
    }

    fn mark_all_values_failed(&mut self, value: &mut Value) {
        match value {
            Value::Null => *value = Value::Failed,
            Value::Object(object) => self.mark_all_failed(*object),
            Value::List(items) => items.iter_mut().for_each(|item| self.mark_all_values_failed(item)),
            _ => {}
        }
    }

    /// Adds the fields of `source` to `target`; of values in both, the one that says more is kept.
    pub(crate) fn merge(&mut self, target: ObjectId, source: ObjectId) {
        if target == source {
            return;
        }
        let source = std::mem::take(&mut self.objects[source.0 as usize]);
        self.merge_fields(target, source);
    }

    /// Adds a copy of the fields of `source` to `target`, and of everything below them; `source` stays as it is.
    pub(crate) fn merge_copy(&mut self, target: ObjectId, source: ObjectId) {
        let copied = self.copied(source);
        self.merge_fields(target, copied);
    }

    fn merge_fields(&mut self, target: ObjectId, Object { fields, failed }: Object) {
        self.objects[target.0 as usize].failed |= failed;
        for (name, value) in fields {
            let name_bytes = self.bytes(name);
            let known = self
                .object(target)
                .fields
                .iter()
                .position(|(known, _)| self.bytes(*known) == name_bytes);
            match known {
                None => self.objects[target.0 as usize].fields.push((name, value)),
                Some(index) => {
                    let known = std::mem::replace(&mut self.objects[target.0 as usize].fields[index].1, Value::Null);
                    let merged = self.merge_values(known, value);
                    self.objects[target.0 as usize].fields[index].1 = merged;
                }
            }
        }
    }

    /// Several subgraphs may resolve one field, and one of them may know less: a value wins over a null.
    /// Two values that differ break the promise of `@shareable`; the first one stays.
    fn merge_values(&mut self, known: Value, new: Value) -> Value {
        match (known, new) {
            (known, Value::Null) => known,
            (Value::Null | Value::Failed, new) => new,
            (Value::Object(known), Value::Object(new)) => {
                self.merge(known, new);
                Value::Object(known)
            }
            (Value::List(known), Value::List(new)) if known.len() == new.len() => {
                let merged = known
                    .into_iter()
                    .zip(new)
                    .map(|(known, new)| self.merge_values(known, new));
                Value::List(merged.collect())
            }
            (known, _) => known,
        }
    }

    /// How many values a copy of `object` takes.
    pub(crate) fn weight(&self, object: ObjectId) -> usize {
        self.object(object)
            .fields
            .iter()
            .map(|(_, value)| self.value_weight(value))
            .sum()
    }

    fn value_weight(&self, value: &Value) -> usize {
        match value {
            Value::Object(object) => 1 + self.weight(*object),
            Value::List(items) => 1 + items.iter().map(|item| self.value_weight(item)).sum::<usize>(),
            _ => 1,
        }
    }

    /// A copy of `object`, and of everything below it, that can be changed on its own.
    pub(crate) fn copy(&mut self, object: ObjectId) -> ObjectId {
        let copied = self.copied(object);
        self.add(copied)
    }

    fn copied(&mut self, object: ObjectId) -> Object {
        let mut copied = self.object(object).clone();
        for (_, value) in &mut copied.fields {
            self.copy_value(value);
        }
        copied
    }

    fn copy_value(&mut self, value: &mut Value) {
        match value {
            Value::Object(object) => *object = self.copy(*object),
            Value::List(items) => items.iter_mut().for_each(|item| self.copy_value(item)),
            _ => {}
        }
    }

    fn add(&mut self, object: Object) -> ObjectId {
        // The bytes of all answers are below 4 GiB each, and an object takes two of them: see `Store::read`.
        let id = u32::try_from(self.objects.len()).expect("fewer objects than bytes that may be read");
        self.objects.push(object);
        ObjectId(id)
    }

    fn object(&self, object: ObjectId) -> &Object {
        &self.objects[object.0 as usize]
    }
}
