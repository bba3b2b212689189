//! Paths of a plan, followed through stored data.

use federation::query_plan::PathElement;
use rustc_hash::FxHashMap;

use super::{ObjectId, Store, Value};

/// One step from the root to a stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathSegment {
    /// Into the field of this storage name.
    Field(String),
    /// Into the item of this index.
    Item(usize),
}

/// From the root to a stored value, by storage names.
pub(crate) type StoredPath = Vec<PathSegment>;

impl Store {
    /// Every object at `path`, in the order of the lists; each once.
    pub(crate) fn objects_at(&self, path: &[PathElement]) -> Vec<ObjectId> {
        let mut objects = Vec::new();
        self.visit(&Value::Object(Self::ROOT), path, &mut |object| objects.push(object));
        objects
    }

    fn visit(&self, value: &Value, path: &[PathElement], found: &mut impl FnMut(ObjectId)) {
        match (value, path.split_first()) {
            (Value::Object(object), None) => found(*object),
            (Value::Object(object), Some((PathElement::Field(name), rest))) => {
                if let Some(value) = self.field(*object, name) {
                    self.visit(value, rest, found);
                }
            }
            (Value::Object(object), Some((PathElement::TypeCondition(typenames), rest)))
                if self.has_typename_of(*object, typenames) =>
            {
                self.visit(value, rest, found);
            }
            (Value::List(items), Some((PathElement::Items, rest))) => {
                items.iter().for_each(|item| self.visit(item, rest, found));
            }
            _ => {}
        }
    }

    /// Where each object at `path` stands. For errors only: walks all of `path` again.
    pub(crate) fn paths_at(&self, path: &[PathElement]) -> FxHashMap<ObjectId, StoredPath> {
        let mut search = Search {
            store: self,
            at: Vec::new(),
            found: FxHashMap::default(),
        };
        search.visit(&Value::Object(Self::ROOT), path);
        search.found
    }
}

struct Search<'a> {
    store: &'a Store,
    at: StoredPath,
    found: FxHashMap<ObjectId, StoredPath>,
}

impl Search<'_> {
    fn visit(&mut self, value: &Value, path: &[PathElement]) {
        match (value, path.split_first()) {
            (Value::Object(object), None) => {
                self.found.entry(*object).or_insert_with(|| self.at.clone());
            }
            (Value::Object(object), Some((PathElement::Field(name), rest))) => {
                if let Some(value) = self.store.field(*object, name) {
                    self.at.push(PathSegment::Field(name.to_string()));
                    self.visit(value, rest);
                    self.at.pop();
                }
            }
            (Value::Object(object), Some((PathElement::TypeCondition(typenames), rest)))
                if self.store.has_typename_of(*object, typenames) =>
            {
                self.visit(value, rest);
            }
            (Value::List(items), Some((PathElement::Items, rest))) => {
                for (index, item) in items.iter().enumerate() {
                    self.at.push(PathSegment::Item(index));
                    self.visit(item, rest);
                    self.at.pop();
                }
            }
            _ => {}
        }
    }
}
