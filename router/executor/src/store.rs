//! Where the answers of all fetches of one operation come together: a tree of objects, keyed by storage names.
//!
//! The answers stay as the bytes that were received; numbers and strings are places in them. They are written to the
//! client and to other subgraphs as they came, so that no digit of a number and no escape of a string changes.
//!
//! Objects and lists are ranges of one table of values. An object does not hold the names of its fields: objects with
//! the same names in the same order share a *shape* (`shapes`). What several objects have in common is *shared*: it is
//! referenced from each of them, and copied, level by level, only when one of them is changed.
//!
//! Knows nothing of types and of plans. Only valid JSON gets in (`json`).

mod json;
mod position;
mod shapes;

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::ops::Range;

use bytes::Bytes;

use self::shapes::{ShapeId, Shapes};

pub(crate) use self::json::{ReadError, write_string};
pub(crate) use self::position::{PathSegment, StoredPath, StoredStep};
pub(crate) use self::shapes::NameId;

/// Most values that one operation may hold. 4 million: some 100 MB, and beyond any answer that a client can use. What is
/// moved when objects grow counts again.
pub(crate) const VALUES_MAX: usize = 4_000_000;

/// Number of an object in its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectId(u32);

/// Number of a list in its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListId(u32);

/// Why a value is absent: the error that explains it, by its number over all fetches of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Failure(NonZeroU32);

impl Failure {
    /// One of several errors, all of which are reported.
    pub(crate) const UNKNOWN: Self = Self(NonZeroU32::MIN);

    /// The error that comes after so many others.
    pub(crate) fn numbered(number: usize) -> Self {
        let number = u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
        Self(Self::UNKNOWN.0.saturating_add(number))
    }
}

/// A place in the bytes of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    source: u32,
    start: u32,
    end: u32,
}

/// One stored value.
// A tag of four bytes: values are then copied as the 16 bytes that they are, instead of in parts that overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Value {
    /// The subgraph says null.
    Null,
    /// Null because of an error that is reported already: the client reads of it once.
    Failed(Failure),
    Boolean(bool),
    /// As it was received.
    Number(Text),
    /// What stands between the quotes, with its escapes.
    String(Text),
    List(ListId),
    Object(ObjectId),
}

#[derive(Debug, Clone, Copy)]
struct Object {
    shape: ShapeId,
    /// Of its values, which are as many as the shape has names.
    start: u32,
    /// A fetch that would have added fields to this object failed, and the error is reported.
    failed: Option<Failure>,
    /// Several values may refer to it: it is copied before it is changed.
    shared: bool,
}

#[derive(Debug, Clone, Copy)]
struct List {
    start: u32,
    length: u32,
    /// As for objects.
    shared: bool,
}

/// The operation would hold more than [`VALUES_MAX`] values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyValues;

/// All that is known of the answer so far.
#[derive(Debug)]
pub(crate) struct Store {
    sources: Vec<Bytes>,
    source_bytes: usize,
    /// Fields of objects and items of lists, each in one piece.
    values: Vec<Value>,
    objects: Vec<Object>,
    lists: Vec<List>,
    shapes: Shapes,
}

impl Store {
    /// The object that root fields are merged into.
    pub(crate) const ROOT: ObjectId = ObjectId(0);

    /// A store of an empty root object.
    pub(crate) fn new() -> Self {
        let root = Object {
            shape: ShapeId::EMPTY,
            start: 0,
            failed: None,
            shared: false,
        };
        Self {
            sources: Vec::new(),
            source_bytes: 0,
            values: Vec::new(),
            objects: vec![root],
            lists: Vec::new(),
            shapes: Shapes::new(),
        }
    }

    /// Length of all answers together.
    pub(crate) fn source_bytes(&self) -> usize {
        self.source_bytes
    }

    pub(crate) fn bytes(&self, text: Text) -> &[u8] {
        &self.sources[text.source as usize][text.start as usize..text.end as usize]
    }

    /// The number of a storage name; `None` when no answer held it so far.
    pub(crate) fn name_id(&self, storage_name: &str) -> Option<NameId> {
        self.shapes.name_id(storage_name.as_bytes())
    }

    /// The value of a field; `None` when no answer held it.
    pub(crate) fn field(&self, object: ObjectId, name: NameId) -> Option<Value> {
        self.place(object, name).map(|place| self.values[place])
    }

    /// [`Self::field`] for a name that is looked up once.
    pub(crate) fn field_named(&self, object: ObjectId, storage_name: &str) -> Option<Value> {
        self.field(object, self.name_id(storage_name)?)
    }

    /// Where in `values` a field is.
    fn place(&self, object: ObjectId, name: NameId) -> Option<usize> {
        let Object { shape, start, .. } = *self.object(object);
        let position = self.shapes.names(shape).iter().position(|known| *known == name)?;
        Some(start as usize + position)
    }

    pub(crate) fn items(&self, list: ListId) -> &[Value] {
        let List { start, length, .. } = self.lists[list.0 as usize];
        &self.values[start as usize..][..length as usize]
    }

    /// What a string says, without its escapes.
    pub(crate) fn decoded(&self, text: Text) -> Cow<'_, str> {
        let bytes = self.bytes(text);
        if !bytes.contains(&b'\\') {
            return String::from_utf8_lossy(bytes);
        }
        let mut quoted = Vec::with_capacity(bytes.len() + 2);
        write_string(bytes, &mut quoted);
        // It was checked when it was read.
        Cow::Owned(serde_json::from_slice(&quoted).unwrap_or_default())
    }

    /// The stored `__typename`.
    pub(crate) fn typename(&self, object: ObjectId) -> Option<Cow<'_, str>> {
        match self.field(object, NameId::TYPENAME)? {
            Value::String(text) => Some(self.decoded(text)),
            _ => None,
        }
    }

    /// Whether the stored `__typename` is one of `names`, which are sorted.
    pub(crate) fn has_typename_of<N: AsRef<str>>(&self, object: ObjectId, names: &[N]) -> bool {
        self.typename(object)
            .is_some_and(|typename| names.binary_search_by(|name| name.as_ref().cmp(&typename)).is_ok())
    }

    pub(crate) fn is_failed(&self, object: ObjectId) -> bool {
        self.failure(object).is_some()
    }

    /// The error that explains absent fields of `object`, if there is one.
    pub(crate) fn failure(&self, object: ObjectId) -> Option<Failure> {
        self.object(object).failed
    }

    /// Notes that an error which explains absent fields of `object` is reported.
    pub(crate) fn set_failed(&mut self, object: ObjectId, failure: Failure) {
        self.objects[object.0 as usize].failed.get_or_insert(failure);
    }

    /// Follows `path` down from `object`, which nobody shares; where it meets a null, that null is marked as reported by
    /// the error.
    pub(crate) fn mark_failed(&mut self, object: ObjectId, path: &[PathSegment], failure: Failure) {
        let Some((PathSegment::Field(name), mut path)) = path.split_first() else {
            return;
        };
        let place = self.name_id(name).and_then(|name| self.place(object, name));
        let Some(mut place) = place else {
            // Left out instead of null, as some servers do with a field that failed.
            return self.set_failed(object, failure);
        };
        loop {
            match self.values[place] {
                Value::Null => return self.values[place] = Value::Failed(failure),
                Value::Object(below) => return self.mark_failed(below, path, failure),
                Value::List(list) => {
                    let Some((PathSegment::Item(index), rest)) = path.split_first() else {
                        return;
                    };
                    let List { start, length, .. } = self.lists[list.0 as usize];
                    if *index >= length as usize {
                        return;
                    }
                    (place, path) = (start as usize + index, rest);
                }
                _ => return,
            }
        }
    }

    /// Marks every null below `object`, which nobody shares: errors came with it that do not say where they belong.
    pub(crate) fn mark_all_failed(&mut self, object: ObjectId, failure: Failure) {
        self.set_failed(object, failure);
        self.mark_range_failed(self.range_of(object), failure);
    }

    fn mark_range_failed(&mut self, range: Range<usize>, failure: Failure) {
        for place in range {
            match self.values[place] {
                Value::Null => self.values[place] = Value::Failed(failure),
                Value::Object(object) => self.mark_all_failed(object, failure),
                Value::List(list) => self.mark_range_failed(self.range_of_list(list), failure),
                _ => {}
            }
        }
    }

    /// Adds the fields of `source`, which nobody else refers to, to `target`; of values in both, the one that says more
    /// is kept.
    pub(crate) fn merge(&mut self, target: ObjectId, source: ObjectId) {
        let (known, new) = (*self.object(target), *self.object(source));
        if known.shape == ShapeId::EMPTY {
            let failed = known.failed.or(new.failed);
            self.objects[target.0 as usize] = Object { failed, ..new };
        } else if target != source {
            self.merge_fields(target, new);
        }
    }

    /// Adds the fields of `source` to `target`; what is below them is referenced from both from now on.
    pub(crate) fn merge_shared(&mut self, target: ObjectId, source: ObjectId) {
        self.share_range(self.range_of(source));
        let source = *self.object(source);
        self.merge_fields(target, source);
    }

    /// An object with the fields of `source`; what is below them is referenced from both from now on.
    pub(crate) fn copy(&mut self, source: ObjectId) -> ObjectId {
        self.share_range(self.range_of(source));
        let Object { shape, failed, .. } = *self.object(source);
        let start = self.copy_range(self.range_of(source));
        self.add(Object {
            shape,
            start,
            failed,
            shared: false,
        })
    }

    /// As [`Self::copy`], with some of the fields only; those that `source` does not have are left out.
    pub(crate) fn copy_fields(&mut self, source: ObjectId, names: &[NameId]) -> ObjectId {
        self.share_range(self.range_of(source));
        let (mut shape, failed) = (ShapeId::EMPTY, self.failure(source));
        let start = number(self.values.len());
        for (index, name) in names.iter().enumerate() {
            // Two types may select a field alike.
            let is_first = !names[..index].contains(name);
            if let Some(value) = self.field(source, *name).filter(|_| is_first) {
                shape = self.shapes.with_id(shape, *name);
                self.values.push(value);
            }
        }
        self.shapes.complete(shape);
        self.add(Object {
            shape,
            start,
            failed,
            shared: false,
        })
    }

    fn merge_fields(&mut self, target: ObjectId, source: Object) {
        let known = *self.object(target);
        let merger = self.shapes.merger(known.shape, source.shape);
        let known_length = self.shapes.names(known.shape).len();
        let start = self.copy_range(self.range_of(target));
        let end = start as usize + self.shapes.names(merger.shape).len();
        self.values.resize(end, Value::Null);
        self.objects[target.0 as usize] = Object {
            shape: merger.shape,
            start,
            failed: known.failed.or(source.failed),
            shared: known.shared,
        };
        for (index, position) in merger.positions.iter().enumerate() {
            let (new, position) = (self.values[source.start as usize + index], *position as usize);
            let place = start as usize + position;
            self.values[place] = if position < known_length {
                self.merge_values(self.values[place], new)
            } else {
                new
            };
        }
    }

    /// Several subgraphs may resolve one field, and one of them may know less: a value wins over a null.
    /// Two values that differ break the promise of `@shareable`; the first one stays.
    fn merge_values(&mut self, known: Value, new: Value) -> Value {
        match (known, new) {
            (known, Value::Null) => known,
            (Value::Null | Value::Failed(_), new) => new,
            (Value::Object(known), Value::Object(new)) if known != new => {
                let known = self.unshared(known);
                if self.object(new).shared {
                    self.merge_shared(known, new);
                } else {
                    self.merge(known, new);
                }
                Value::Object(known)
            }
            (Value::List(known), Value::List(new)) if known != new => Value::List(self.merge_lists(known, new)),
            (known, _) => known,
        }
    }

    fn merge_lists(&mut self, known: ListId, new: ListId) -> ListId {
        let (known_list, new_list) = (self.lists[known.0 as usize], self.lists[new.0 as usize]);
        if known_list.length != new_list.length {
            return known;
        }
        let known = self.unshared_list(known);
        if new_list.shared {
            self.share_range(self.range_of_list(new));
        }
        for (place, new) in self.range_of_list(known).zip(self.range_of_list(new)) {
            self.values[place] = self.merge_values(self.values[place], self.values[new]);
        }
        known
    }

    /// How many values a reference to the fields of `object` takes; what is below them takes none.
    pub(crate) fn width(&self, object: ObjectId) -> usize {
        self.range_of(object).len()
    }

    /// Whether `additional` values may still be added.
    ///
    /// # Errors
    /// When there would be more than [`VALUES_MAX`].
    pub(crate) fn check_room(&self, additional: usize) -> Result<(), TooManyValues> {
        if self.values.len() + additional > VALUES_MAX {
            Err(TooManyValues)
        } else {
            Ok(())
        }
    }

    /// `object` when nothing else refers to it, or else a copy for the one who asks. What is below is then shared.
    fn unshared(&mut self, object: ObjectId) -> ObjectId {
        if self.object(object).shared {
            self.copy(object)
        } else {
            object
        }
    }

    fn unshared_list(&mut self, list: ListId) -> ListId {
        let List { length, shared, .. } = self.lists[list.0 as usize];
        if !shared {
            return list;
        }
        self.share_range(self.range_of_list(list));
        let start = self.copy_range(self.range_of_list(list));
        self.add_list(List {
            start,
            length,
            shared: false,
        })
    }

    fn share_range(&mut self, range: Range<usize>) {
        for value in &self.values[range] {
            match value {
                Value::Object(object) => self.objects[object.0 as usize].shared = true,
                Value::List(list) => self.lists[list.0 as usize].shared = true,
                _ => {}
            }
        }
    }

    fn copy_range(&mut self, range: Range<usize>) -> u32 {
        let start = number(self.values.len());
        self.values.extend_from_within(range);
        start
    }

    fn range_of(&self, object: ObjectId) -> Range<usize> {
        let Object { shape, start, .. } = *self.object(object);
        start as usize..start as usize + self.shapes.names(shape).len()
    }

    fn range_of_list(&self, list: ListId) -> Range<usize> {
        let List { start, length, .. } = self.lists[list.0 as usize];
        start as usize..start as usize + length as usize
    }

    fn add(&mut self, object: Object) -> ObjectId {
        let id = ObjectId(number(self.objects.len()));
        self.objects.push(object);
        id
    }

    fn add_list(&mut self, list: List) -> ListId {
        let id = ListId(number(self.lists.len()));
        self.lists.push(list);
        id
    }

    fn object(&self, object: ObjectId) -> &Object {
        &self.objects[object.0 as usize]
    }
}

/// A place or number of something in the store.
fn number(index: usize) -> u32 {
    u32::try_from(index).expect("the store holds a few million values and answers of less than 4 GiB")
}
