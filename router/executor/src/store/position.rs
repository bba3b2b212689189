//! Paths of a plan, followed through stored data.

use apollo_compiler::Name;
use federation::query_plan::PathElement;
use rustc_hash::FxHashMap;

use super::{NameId, ObjectId, Store, TooManyValues, Value};

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

/// The same, with its name looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoredStep {
    /// Into a field.
    Field(NameId),
    /// Into the item of this index.
    Item(usize),
}

/// A [`PathElement`] with its name looked up.
enum Step<'p> {
    Field(NameId),
    Items,
    TypeCondition(&'p [Name]),
}

impl Store {
    /// Every object at `path`, in the order of the lists; each once, and none that anything else refers to: what is merged
    /// into one of them is seen there alone.
    ///
    /// # Errors
    /// When so many had to be copied that there are more values than a store may hold.
    pub(crate) fn objects_at(&mut self, path: &[PathElement]) -> Result<Vec<ObjectId>, TooManyValues> {
        let mut objects = Vec::new();
        let steps = path
            .iter()
            .map(|element| self.step(element))
            .collect::<Option<Vec<_>>>();
        if let Some(steps) = steps {
            self.visit(Value::Object(Self::ROOT), &steps, &mut objects)?;
        }
        Ok(objects)
    }

    /// `None` when no answer held a field of that name: there is nothing behind it.
    fn step<'p>(&self, element: &'p PathElement) -> Option<Step<'p>> {
        Some(match element {
            PathElement::Field(name) => Step::Field(self.name_id(name)?),
            PathElement::Items => Step::Items,
            PathElement::TypeCondition(typenames) => Step::TypeCondition(typenames),
        })
    }

    /// Gives the value that is to stand where `value` stood: itself, or a copy when it is shared.
    fn visit(&mut self, value: Value, path: &[Step<'_>], found: &mut Vec<ObjectId>) -> Result<Value, TooManyValues> {
        match (value, path.split_first()) {
            (Value::Object(object), None) => {
                let object = self.own(object)?;
                found.push(object);
                Ok(Value::Object(object))
            }
            (Value::Object(object), Some((Step::Field(name), rest))) => {
                let Some(Value::Object(_) | Value::List(_)) = self.field(object, *name) else {
                    return Ok(value);
                };
                let object = self.own(object)?;
                self.visit_place(self.place(object, *name), rest, found)?;
                Ok(Value::Object(object))
            }
            (Value::Object(object), Some((Step::TypeCondition(typenames), rest)))
                if self.has_typename_of(object, typenames) =>
            {
                self.visit(value, rest, found)
            }
            (Value::List(list), Some((Step::Items, rest))) => {
                self.check_room(self.items(list).len())?;
                let list = self.unshared_list(list);
                for place in self.range_of_list(list) {
                    self.visit_place(Some(place), rest, found)?;
                }
                Ok(Value::List(list))
            }
            _ => Ok(value),
        }
    }

    fn visit_place(
        &mut self,
        place: Option<usize>,
        path: &[Step<'_>],
        found: &mut Vec<ObjectId>,
    ) -> Result<(), TooManyValues> {
        if let Some(place) = place {
            self.values[place] = self.visit(self.values[place], path, found)?;
        }
        Ok(())
    }

    fn own(&mut self, object: ObjectId) -> Result<ObjectId, TooManyValues> {
        self.check_room(self.width(object))?;
        Ok(self.unshared(object))
    }

    /// The object that steps from the root lead to, if there is one.
    pub(crate) fn object_at(&self, steps: impl Iterator<Item = StoredStep>) -> Option<ObjectId> {
        let mut value = Value::Object(Self::ROOT);
        for step in steps {
            value = match (value, step) {
                (Value::Object(object), StoredStep::Field(name)) => self.field(object, name)?,
                (Value::List(list), StoredStep::Item(index)) => *self.items(list).get(index)?,
                _ => return None,
            };
        }
        match value {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Calls `visit` for every object at `path`, in the order of the lists, with the *line* to it: the root and the value
    /// after each element of `path`.
    pub(crate) fn visit_lines(&self, path: &[PathElement], visit: &mut impl FnMut(ObjectId, &[Value])) {
        let steps: Option<Vec<_>> = path.iter().map(|element| self.step(element)).collect();
        if let Some(steps) = steps {
            self.extend_line(Value::Object(Self::ROOT), &steps, &mut Vec::new(), visit);
        }
    }

    fn extend_line(
        &self,
        value: Value,
        path: &[Step<'_>],
        line: &mut Vec<Value>,
        visit: &mut impl FnMut(ObjectId, &[Value]),
    ) {
        line.push(value);
        match (value, path.split_first()) {
            (Value::Object(object), None) => visit(object, line),
            (Value::Object(object), Some((Step::Field(name), rest))) => {
                if let Some(value) = self.field(object, *name) {
                    self.extend_line(value, rest, line, visit);
                }
            }
            (Value::Object(object), Some((Step::TypeCondition(typenames), rest)))
                if self.has_typename_of(object, typenames) =>
            {
                self.extend_line(value, rest, line, visit);
            }
            (Value::List(list), Some((Step::Items, rest))) => {
                for item in self.items(list) {
                    self.extend_line(*item, rest, line, visit);
                }
            }
            _ => {}
        }
        line.pop();
    }

    /// Where each object at `path` stands. For errors only: walks all of `path` again.
    pub(crate) fn paths_at(&self, path: &[PathElement]) -> FxHashMap<ObjectId, StoredPath> {
        let mut search = Search {
            store: self,
            at: Vec::new(),
            found: FxHashMap::default(),
        };
        search.visit(Value::Object(Self::ROOT), path);
        search.found
    }
}

struct Search<'a> {
    store: &'a Store,
    at: StoredPath,
    found: FxHashMap<ObjectId, StoredPath>,
}

impl Search<'_> {
    fn visit(&mut self, value: Value, path: &[PathElement]) {
        match (value, path.split_first()) {
            (Value::Object(object), None) => {
                self.found.entry(object).or_insert_with(|| self.at.clone());
            }
            (Value::Object(object), Some((PathElement::Field(name), rest))) => {
                if let Some(value) = self.store.field_named(object, name) {
                    self.at.push(PathSegment::Field(name.to_string()));
                    self.visit(value, rest);
                    self.at.pop();
                }
            }
            (Value::Object(object), Some((PathElement::TypeCondition(typenames), rest)))
                if self.store.has_typename_of(object, typenames) =>
            {
                self.visit(value, rest);
            }
            (Value::List(list), Some((PathElement::Items, rest))) => {
                for (index, item) in self.store.items(list).iter().enumerate() {
                    self.at.push(PathSegment::Item(index));
                    self.visit(*item, rest);
                    self.at.pop();
                }
            }
            _ => {}
        }
    }
}
