//! Stored data as the client's answer (GraphQL spec, "Value Completion").
//!
//! One walk over the response shape writes the answer's bytes. A null that a type forbids takes back what was written
//! since the nearest place where null is allowed. Does not fetch, and adds no error for a null that a failed fetch, or an
//! error of a subgraph, explains already.

mod leaf;
mod response_path;

use std::rc::Rc;

use bytes::Bytes;
use federation::error::ErrorCode;
use federation::query_plan::{BooleanCondition, FieldType, ResponseField, ResponseShape, ResponseSource};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value as JsonValue};
use smallvec::SmallVec;

pub(crate) use self::response_path::response_path;
use crate::response::{GraphqlError, ResponsePathSegment};
use crate::store::{Failure, ListId, NameId, ObjectId, Store, StoredStep, Value, write_string};

/// Most field errors of one answer. 1,000: a list of a million wrong values tells nobody more than its first thousand.
const ERRORS_MAX: usize = 1_000;

const DATA_BEGIN: &[u8] = b"{\"data\":";

/// Whether the Boolean variables have the values asked for. A variable without a value counts as false.
pub(crate) fn holds(conditions: &[BooleanCondition], variables: &Map<String, JsonValue>) -> bool {
    conditions
        .iter()
        .all(|condition| is_true(&condition.variable, variables) == condition.value)
}

/// Whether a Boolean variable is true.
pub(crate) fn is_true(variable: &str, variables: &Map<String, JsonValue>) -> bool {
    variables.get(variable).and_then(JsonValue::as_bool).unwrap_or(false)
}

/// How long an answer may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerBytes {
    /// With all its parts.
    pub(crate) max: usize,
    /// What earlier parts leave.
    pub(crate) left: usize,
}

impl AnswerBytes {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, left: max }
    }
}

/// By error, the first place of the answer that is null because of it.
pub(crate) type ErrorNulls = FxHashMap<Failure, Vec<ResponsePathSegment>>;

/// The client's answer, or a part of it.
#[derive(Debug)]
pub(crate) struct Completed<'a> {
    /// The response when there are no errors: `{"data":…}`.
    pub(crate) response: Bytes,
    /// The part of it that is `data`.
    pub(crate) data: Bytes,
    /// Whether `data` is null.
    pub(crate) is_null: bool,
    /// Field errors, in the order of the answer.
    pub(crate) errors: Vec<GraphqlError>,
    pub(crate) nulls: ErrorNulls,
    /// Objects of `data` with more to come, those around others before them.
    pub(crate) deferred: Vec<DeferredObject<'a>>,
}

impl Completed<'_> {
    /// Whether something is null because of a failure.
    pub(crate) fn has_failures(&self) -> bool {
        !self.errors.is_empty() || !self.nulls.is_empty()
    }
}

/// An object with a fragment that is answered later.
#[derive(Debug, Clone)]
pub(crate) struct DeferredObject<'a> {
    /// Number of the fragment.
    pub(crate) part: u32,
    /// The client's name for it.
    pub(crate) label: Option<&'a str>,
    shapes: SmallVec<[&'a ResponseShape; 1]>,
    runtime_type: Option<&'a str>,
    path: Vec<Step<'a>>,
}

impl DeferredObject<'_> {
    /// Where the object stands in the answer.
    pub(crate) fn path(&self) -> Vec<ResponsePathSegment> {
        segments(&self.path)
    }
}

/// Completes the root object of `store`.
///
/// * `root_type`: name of the operation's root type.
pub(crate) fn complete<'a>(
    store: &Store,
    shape: &'a ResponseShape,
    variables: &Map<String, JsonValue>,
    root_type: Option<&'a str>,
    bytes: AnswerBytes,
) -> Completed<'a> {
    // Most of what was fetched is written, some of it several times.
    let capacity = store.source_bytes() + store.source_bytes() / 4 + 64;
    Completion::new((store, variables), Vec::new(), (capacity, bytes)).run(Store::ROOT, &[shape], root_type)
}

/// Completes what is deferred of an object, after all of it was fetched.
///
/// * `known`: what clients were told of the whole answer. What is null in it stays null, and a failure that would make
///   something of it null makes the whole object null.
pub(crate) fn complete_deferred<'a>(
    store: &Store,
    deferred: &DeferredObject<'a>,
    variables: &Map<String, JsonValue>,
    known: Option<&JsonValue>,
    bytes: AnswerBytes,
) -> Completed<'a> {
    let stored = deferred.path.iter().map(|step| match step {
        // A field that was not stored leads nowhere; what is deferred was seen, so there is none such.
        Step::Field { stored, .. } => stored.map_or(StoredStep::Item(usize::MAX), StoredStep::Field),
        Step::Item(index) => StoredStep::Item(*index),
    });
    let object = store.object_at(stored);
    let completion = Completion {
        known,
        ..Completion::new((store, variables), deferred.path.clone(), (256, bytes))
    };
    match object {
        Some(object) => completion.run(object, &deferred.shapes, deferred.runtime_type),
        None => completion.run_nothing(),
    }
}

/// A null stands where it must not: the parent becomes null. The client knows why.
struct Propagate;

/// What was written for a value of a nullable type.
enum Written {
    Value,
    /// Null; with the fact whether the client knows why.
    Null {
        is_reported: bool,
    },
}

/// A step of the current path, made into a segment only when an error needs it.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Field {
        response_name: &'a str,
        /// Where the value is stored.
        stored: Option<NameId>,
    },
    Item(usize),
}

fn segments(path: &[Step<'_>]) -> Vec<ResponsePathSegment> {
    let segments = path.iter().map(|step| match step {
        Step::Field { response_name, .. } => ResponsePathSegment::Field((*response_name).to_owned()),
        Step::Item(index) => ResponsePathSegment::Item(*index),
    });
    segments.collect()
}

struct Completion<'s, 'a> {
    store: &'s Store,
    variables: &'s Map<String, JsonValue>,
    out: Vec<u8>,
    path: Vec<Step<'a>>,
    errors: Vec<GraphqlError>,
    nulls: ErrorNulls,
    /// Errors past [`ERRORS_MAX`], which are counted only.
    errors_left_out: usize,
    bytes: AnswerBytes,
    /// The answer grew too long; nothing more is written.
    has_overflown: bool,
    /// What clients know of the whole answer, if that matters.
    known: Option<&'s JsonValue>,
    /// Something that clients know failed; nothing more is written.
    contradicts_known: bool,
    /// Of shapes that stand alone, by the addresses of shape and runtime type: what is selected of every object alike.
    selections: FxHashMap<(usize, usize), Rc<[FieldGroup<'a>]>>,
    deferred: Vec<DeferredObject<'a>>,
}

/// The fields that share one response name in one object: one, but for merged selections.
struct FieldGroup<'a> {
    first: &'a ResponseField,
    others: Vec<&'a ResponseField>,
    /// `"name":`
    key: String,
    /// Under which names the value may be stored, in the order to look; empty for `__typename`.
    storage_names: SmallVec<[NameId; 1]>,
}

impl<'s, 'a> Completion<'s, 'a> {
    fn new(
        (store, variables): (&'s Store, &'s Map<String, JsonValue>),
        path: Vec<Step<'a>>,
        (capacity, bytes): (usize, AnswerBytes),
    ) -> Self {
        Self {
            store,
            variables,
            out: Vec::with_capacity(capacity.min(bytes.left)),
            path,
            errors: Vec::new(),
            nulls: ErrorNulls::default(),
            errors_left_out: 0,
            bytes,
            has_overflown: false,
            known: None,
            contradicts_known: false,
            selections: FxHashMap::default(),
            deferred: Vec::new(),
        }
    }

    fn run(mut self, object: ObjectId, shapes: &[&'a ResponseShape], runtime_type: Option<&'a str>) -> Completed<'a> {
        self.out.extend_from_slice(DATA_BEGIN);
        let mut is_null = self.object(object, shapes, runtime_type).is_err() || self.contradicts_known;
        self.has_overflown |= self.out.len() > self.bytes.left;
        if self.has_overflown {
            let message = format!("the answer is longer than {} bytes", self.bytes.max);
            self.errors = vec![GraphqlError::new(ErrorCode::CostEstimatedTooExpensive, message)];
            is_null = true;
        }
        if self.errors_left_out > 0 {
            let message = format!("{} more errors like these are left out", self.errors_left_out);
            let error = GraphqlError::new(ErrorCode::ResponseValidationFailed, message);
            self.errors.push(error);
        }
        self.finish(is_null)
    }

    /// The object is not there any more.
    fn run_nothing(mut self) -> Completed<'a> {
        self.out.extend_from_slice(DATA_BEGIN);
        self.finish(true)
    }

    fn finish(mut self, is_null: bool) -> Completed<'a> {
        if is_null {
            self.out.truncate(DATA_BEGIN.len());
            self.out.extend_from_slice(b"null");
            self.deferred.clear();
        }
        self.out.push(b'}');
        let response = Bytes::from(self.out);
        Completed {
            data: response.slice(DATA_BEGIN.len()..response.len() - 1),
            response,
            is_null,
            errors: self.errors,
            nulls: self.nulls,
            deferred: self.deferred,
        }
    }

    /// Notes what is deferred of an object.
    fn defer(&mut self, shapes: &[&'a ResponseShape], runtime_type: Option<&'a str>) {
        let begin = self.deferred.len();
        for fragment in shapes.iter().flat_map(|shape| &shape.deferred) {
            let conditions = &fragment.conditions;
            let is_selected = is_of(fragment.runtime_types.as_deref(), runtime_type)
                && (conditions.is_empty() || conditions.iter().any(|all| holds(all, self.variables)));
            if !is_selected {
                continue;
            }
            match self.deferred[begin..]
                .iter_mut()
                .find(|known| known.part == fragment.part)
            {
                Some(known) => known.shapes.push(&fragment.shape),
                None => self.deferred.push(DeferredObject {
                    part: fragment.part,
                    label: fragment.label.as_deref(),
                    shapes: SmallVec::from_iter([&*fragment.shape]),
                    runtime_type,
                    path: self.path.clone(),
                }),
            }
        }
    }

    /// Writes an object, with the fields of all `shapes` merged.
    ///
    /// * `runtime_type`: `None` when no answer told it.
    fn object(
        &mut self,
        object: ObjectId,
        shapes: &[&'a ResponseShape],
        runtime_type: Option<&'a str>,
    ) -> Result<(), Propagate> {
        let groups = match shapes {
            [shape] => {
                let type_address = runtime_type.map_or(0, |name| name.as_ptr().addr());
                let key = (std::ptr::from_ref(*shape).addr(), type_address);
                if let Some(groups) = self.selections.get(&key) {
                    Rc::clone(groups)
                } else {
                    let groups: Rc<[_]> = self.collect_fields(shapes, runtime_type).into();
                    self.selections.insert(key, Rc::clone(&groups));
                    groups
                }
            }
            shapes => self.collect_fields(shapes, runtime_type).into(),
        };
        self.defer(shapes, runtime_type);
        self.out.push(b'{');
        for (index, group) in groups.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(group.key.as_bytes());
            self.path.push(Step::Field {
                response_name: &group.first.response_name,
                stored: None,
            });
            let written = self.field(object, group, runtime_type);
            self.path.pop();
            written?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The fields that are selected for an object, grouped by response name, in the order in which names come first
    /// (GraphQL spec, "CollectFields").
    fn collect_fields(&self, shapes: &[&'a ResponseShape], runtime_type: Option<&str>) -> Vec<FieldGroup<'a>> {
        let mut groups: Vec<FieldGroup<'a>> = Vec::new();
        let mut positions = FxHashMap::default();
        for field in shapes.iter().flat_map(|shape| &shape.fields) {
            let is_selected = is_of(field.runtime_types.as_deref(), runtime_type);
            if !is_selected || !holds(&field.conditions, self.variables) {
                continue;
            }
            let storage_name = match &field.source {
                ResponseSource::Stored(name) => self.store.name_id(name),
                ResponseSource::Typename => None,
            };
            match positions.get(field.response_name.as_str()) {
                Some(position) => {
                    let group: &mut FieldGroup<'a> = &mut groups[*position];
                    group.others.push(field);
                    group.storage_names.extend(storage_name);
                }
                None => {
                    positions.insert(field.response_name.as_str(), groups.len());
                    groups.push(FieldGroup {
                        first: field,
                        others: Vec::new(),
                        key: format!("\"{}\":", field.response_name),
                        storage_names: storage_name.into_iter().collect(),
                    });
                }
            }
        }
        groups
    }

    fn field(
        &mut self,
        object: ObjectId,
        group: &FieldGroup<'a>,
        runtime_type: Option<&'a str>,
    ) -> Result<(), Propagate> {
        let store = self.store;
        match &group.first.source {
            ResponseSource::Typename => match runtime_type {
                Some(name) => {
                    write_string(name.as_bytes(), &mut self.out);
                    Ok(())
                }
                None if store.is_failed(object) => Err(self.explained(store.failure(object))),
                None => {
                    self.invalid("the subgraph does not say which type this object has".to_owned());
                    Err(Propagate)
                }
            },
            ResponseSource::Stored(_) => {
                let mut values = group
                    .storage_names
                    .iter()
                    .filter_map(|name| Some((*name, store.field(object, *name)?)));
                let value = values.next();
                if let Some(Step::Field { stored, .. }) = self.path.last_mut() {
                    *stored = value.map(|(name, _)| name);
                }
                let value = value.map_or_else(
                    || store.failure(object).map_or(Value::Null, Value::Failed),
                    |(_, value)| value,
                );
                self.value(value, &group.first.field_type, group).map(drop)
            }
        }
    }

    /// Writes `value` as `field_type` says.
    fn value(&mut self, value: Value, field_type: &'a FieldType, group: &FieldGroup<'a>) -> Result<Written, Propagate> {
        self.has_overflown |= self.out.len() > self.bytes.left;
        if self.has_overflown || self.contradicts_known {
            return Err(Propagate);
        }
        let FieldType::NonNull(nullable_type) = field_type else {
            return Ok(self.nullable(value, field_type, group));
        };
        match self.nullable(value, nullable_type, group) {
            Written::Value => Ok(Written::Value),
            Written::Null { is_reported } => {
                if !is_reported {
                    self.invalid("null where the schema promises a value".to_owned());
                }
                Err(Propagate)
            }
        }
    }

    fn nullable(&mut self, value: Value, field_type: &'a FieldType, group: &FieldGroup<'a>) -> Written {
        if self.known().is_some_and(JsonValue::is_null) {
            self.out.extend_from_slice(b"null");
            return Written::Null { is_reported: true };
        }
        let (start, deferred_before) = (self.out.len(), self.deferred.len());
        // `Ok(false)` is a null that nobody has explained yet.
        let written = match (value, field_type) {
            (Value::Null, _) => Ok(false),
            (Value::Failed(failure), _) => Err(self.explained(Some(failure))),
            (value, FieldType::Leaf(leaf_type)) => self.leaf(value, leaf_type).map(|()| true),
            (Value::List(list), FieldType::List(item_type)) => self.list(list, item_type, group).map(|()| true),
            (Value::Object(object), FieldType::Composite { name, possible_types }) => {
                self.composite(object, name, possible_types, group).map(|()| true)
            }
            (_, FieldType::List(_)) => Err(self.invalid("expected a list".to_owned())),
            (_, FieldType::Composite { name, .. }) => Err(self.invalid(format!("expected an object of type `{name}`"))),
            (_, FieldType::NonNull(_)) => unreachable!("a non-null type never stands in a non-null type"),
        };
        if let Ok(true) = written {
            return Written::Value;
        }
        self.out.truncate(start);
        self.out.extend_from_slice(b"null");
        self.deferred.truncate(deferred_before);
        let is_reported = written.is_err();
        self.contradicts_known |= is_reported && self.known().is_some();
        Written::Null { is_reported }
    }

    /// What clients know of the current place.
    fn known(&self) -> Option<&'s JsonValue> {
        let mut steps = self.path.iter();
        steps.try_fold(self.known?, |value, step| match step {
            Step::Field { response_name, .. } => value.get(response_name),
            Step::Item(index) => value.get(index),
        })
    }

    fn list(&mut self, list: ListId, item_type: &'a FieldType, group: &FieldGroup<'a>) -> Result<(), Propagate> {
        self.out.push(b'[');
        let store = self.store;
        for (index, item) in store.items(list).iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.path.push(Step::Item(index));
            let written = self.value(*item, item_type, group);
            self.path.pop();
            written?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn composite<N: AsRef<str>>(
        &mut self,
        object: ObjectId,
        name: &str,
        possible_types: &'a [N],
        group: &FieldGroup<'a>,
    ) -> Result<(), Propagate> {
        let store = self.store;
        let runtime_type = match possible_types {
            [only] if only.as_ref() == name => Some(only.as_ref()),
            possible_types => match store.typename(object) {
                None => match possible_types {
                    [only] => Some(only.as_ref()),
                    _ => None,
                },
                Some(stored) => match possible_types.binary_search_by(|known| known.as_ref().cmp(&stored)) {
                    Ok(index) => Some(possible_types[index].as_ref()),
                    // Not named in the message: a type that clients cannot know may be one that is hidden from them.
                    Err(_) => return Err(self.invalid(format!("the object's type is none that `{name}` may have"))),
                },
            },
        };
        let fields = std::iter::once(&group.first).chain(&group.others);
        let shapes: SmallVec<[&'a ResponseShape; 1]> = fields.map(|field| &*field.selection).collect();
        if runtime_type.is_none() && store.is_failed(object) && depends_on_type(&shapes) {
            // The fetch that tells the type failed: which fields the object has, nobody knows.
            return Err(self.explained(store.failure(object)));
        }
        self.object(object, &shapes, runtime_type)
    }

    /// Notes that there is a null at the current path because of an error.
    fn explained(&mut self, failure: Option<Failure>) -> Propagate {
        if let Some(failure) = failure {
            self.nulls.entry(failure).or_insert_with(|| segments(&self.path));
        }
        Propagate
    }

    /// Adds a field error at the current path.
    fn invalid(&mut self, message: String) -> Propagate {
        if self.errors.len() == ERRORS_MAX {
            self.errors_left_out += 1;
            return Propagate;
        }
        let mut error = GraphqlError::new(ErrorCode::ResponseValidationFailed, message);
        error.path = segments(&self.path);
        self.errors.push(error);
        Propagate
    }
}

fn depends_on_type(shapes: &[&ResponseShape]) -> bool {
    let mut fields = shapes.iter().flat_map(|shape| &shape.fields);
    fields.any(|field| field.runtime_types.is_some())
}

/// Whether a runtime type is one of `types`, which are sorted; `None`: all are.
fn is_of<N: AsRef<str>>(types: Option<&[N]>, runtime_type: Option<&str>) -> bool {
    types.is_none_or(|types| {
        runtime_type.is_some_and(|name| types.binary_search_by(|known| known.as_ref().cmp(name)).is_ok())
    })
}
