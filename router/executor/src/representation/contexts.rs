//! What entities take from objects above them (Federation spec, `@fromContext`): values of variables, beside representations.
//!
//! Does not choose the names under which the variables are sent; `fetch` does.

use federation::query_plan::{ContextSource, ContextVariable, EntityFetch};
use indexmap::IndexMap;

use super::{Representations, Unrepresentable, Writer, add, inputs};
use crate::store::{Failure, NameId, ObjectId, Store, TooManyValues, Value};

/// JSON of the value of each of [`EntityFetch::context_variables`], in that order. Equal values are equal bytes.
pub(crate) type ContextValues = Vec<Vec<u8>>;

/// As [`super::represent`], apart for each combination of values that the entry's variables have.
///
/// An object is left out when a value that must not be null is; it is marked as failed when a value could not be fetched.
///
/// # Errors
/// When there are more objects than the store may hold.
pub(crate) fn represent_by_contexts(
    store: &mut Store,
    entity_fetch: &EntityFetch,
) -> Result<IndexMap<ContextValues, Representations>, TooManyValues> {
    // Nothing on the way is shared from here on, so that each object has one line of objects above it.
    store.objects_at(&entity_fetch.path)?;
    let kinds = entity_fetch.representations.iter();
    let kinds: Vec<_> = kinds.map(|kind| (kind, inputs(store, &kind.inputs))).collect();
    let contexts = entity_fetch.context_variables.iter();
    let contexts: Vec<_> = contexts.map(|variable| Context::new(store, variable)).collect();
    let mut by_values: IndexMap<ContextValues, Representations> = IndexMap::new();
    let mut failed: Vec<ObjectId> = Vec::new();
    let mut out = Vec::with_capacity(128);
    store.visit_lines(&entity_fetch.path, &mut |object, line| {
        out.clear();
        let represented = Writer::write(store, object, &kinds, &mut out);
        let values = represented.and_then(|()| contexts.iter().map(|context| context.value(store, line)).collect());
        match values {
            Ok(values) => add(by_values.entry(values).or_default(), &out, object),
            Err(Unrepresentable::Absent) => {}
            Err(Unrepresentable::Failed) => failed.push(object),
        }
    });
    for object in failed {
        store.set_failed(object, Failure::UNKNOWN);
    }
    Ok(by_values)
}

/// A [`ContextVariable`] with its storage names looked up.
struct Context<'a> {
    variable: &'a ContextVariable,
    /// Names from the object of each source to the value; `None`: no answer held such a field.
    sources: Vec<(&'a ContextSource, Vec<Option<NameId>>)>,
}

impl<'a> Context<'a> {
    fn new(store: &Store, variable: &'a ContextVariable) -> Self {
        let names = |source: &'a ContextSource| source.value.iter().map(|name| store.name_id(name)).collect();
        let sources = variable.sources.iter().map(|source| (source, names(source)));
        Self {
            variable,
            sources: sources.collect(),
        }
    }

    /// * `line`: see [`Store::visit_lines`].
    fn value(&self, store: &Store, line: &[Value]) -> Result<Vec<u8>, Unrepresentable> {
        let mut out = Vec::new();
        let mut writer = Writer {
            store,
            out: &mut out,
            has_key: false,
        };
        let found = self.sources.iter().find_map(|(source, names)| {
            let above = *line.get(source.depth)?;
            let Value::Object(object) = above else { return None };
            let types = &source.runtime_types;
            (types.is_empty() || store.has_typename_of(object, types)).then_some((above, names))
        });
        let has_failed = match found {
            Some((above, names)) => writer.value_below(above, names)?,
            None => {
                writer.out.extend_from_slice(b"null");
                false
            }
        };
        match self.variable.is_non_null && out == b"null" {
            true if has_failed => Err(Unrepresentable::Failed),
            true => Err(Unrepresentable::Absent),
            false => Ok(out),
        }
    }
}

impl Writer<'_> {
    /// Writes what is found by following `names` from `value`; lists on the way give lists. Gives whether some null on the way
    /// is one because of an error.
    fn value_below(&mut self, value: Value, names: &[Option<NameId>]) -> Result<bool, Unrepresentable> {
        let mut has_failed = matches!(value, Value::Failed(_));
        match (value, names.split_first()) {
            (value, None) => drop(self.value(value, &[], false)?),
            (Value::List(list), Some(_)) => {
                self.out.push(b'[');
                for (index, item) in self.store.items(list).iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    has_failed |= self.value_below(*item, names)?;
                }
                self.out.push(b']');
            }
            (Value::Object(object), Some((name, names))) => {
                match name.and_then(|name| self.store.field(object, name)) {
                    Some(value) => has_failed |= self.value_below(value, names)?,
                    None if self.store.is_failed(object) => return Err(Unrepresentable::Failed),
                    None => self.out.extend_from_slice(b"null"),
                }
            }
            _ => self.out.extend_from_slice(b"null"),
        }
        Ok(has_failed)
    }
}
