//! What becomes of an answer: it is checked, its errors find their places, and its data is merged.

use federation::error::ErrorCode;
use federation::operation::root_response_names;
use federation::query_plan::{Fetch, FetchTarget};
use rustc_hash::FxHashMap;

use super::entity_scope::Asked;
use super::{Deprived, EntityFailures, Scope, State};
use crate::client::FetchError;
use crate::representation::typename_of;
use crate::response::GraphqlError;
use crate::store::{Failure, ObjectId, PathSegment, StoredPath, TooManyValues, Value};
use crate::subgraph_response::{SubgraphError, SubgraphResponse};

/// The merging of one answer.
pub(super) struct Absorption<'a, 'p> {
    state: &'a mut State<'p>,
    fetch: &'a Fetch,
    scope: &'a Scope,
    /// Where the objects of an entry are, by number of the entry; found when the first error asks for it.
    paths: FxHashMap<usize, FxHashMap<ObjectId, StoredPath>>,
    failures: EntityFailures,
}

impl<'a, 'p> Absorption<'a, 'p> {
    pub(super) fn new(state: &'a mut State<'p>, fetch: &'a Fetch, scope: &'a Scope) -> Self {
        Self {
            state,
            fetch,
            scope,
            paths: FxHashMap::default(),
            failures: EntityFailures::default(),
        }
    }

    /// Checks the whole answer before it touches anything.
    pub(super) fn response(&mut self, response: SubgraphResponse) -> Result<Deprived, FetchError> {
        let SubgraphResponse { data, errors, left_out } = response;
        if let Some(data) = data {
            self.check(data, errors.is_empty())?;
        }
        let mut failure = None;
        for error in errors {
            let of_error = self.subgraph_error(data, error);
            failure.get_or_insert(of_error);
        }
        self.errors_left_out(data, &left_out);
        Ok(match data {
            Some(data) => self.merge(data),
            None => {
                self.set_failed(&self.scope.objects(), failure.unwrap_or(Failure::UNKNOWN));
                self.forget();
                Deprived::default()
            }
        })
    }

    /// * `is_complete`: whether no error explains what is absent.
    fn check(&self, data: ObjectId, is_complete: bool) -> Result<(), FetchError> {
        let store = &self.state.store;
        let mut values = 0;
        match self.scope {
            Scope::Entities(scope) => {
                for asked in &scope.asked {
                    let list = store.field_named(data, &asked.response_name);
                    self.check_entities(list, asked, is_complete)?;
                    if let Some(Value::List(list)) = list {
                        let widths = store.items(list).iter().zip(asked.representations.values());
                        let widths = widths.map(|(entity, objects)| self.width(*entity) * objects.len());
                        values += widths.sum::<usize>();
                    }
                }
            }
            Scope::Root(objects) => values = store.width(data) * objects.len(),
        }
        store
            .check_room(values)
            .map_err(|TooManyValues| FetchError::TooManyValues)
    }

    fn width(&self, entity: Value) -> usize {
        match entity {
            // With room for the few fields that are there already.
            Value::Object(entity) => self.state.store.width(entity) + 8,
            _ => 0,
        }
    }

    fn check_entities(&self, list: Option<Value>, asked: &Asked, is_complete: bool) -> Result<(), FetchError> {
        let (name, asked_for) = (&asked.response_name, asked.representations.len());
        let malformed = |reason: String| Err(FetchError::Malformed(reason));
        match list {
            _ if asked_for == 0 => Ok(()),
            Some(Value::List(list)) => {
                let entities = self.state.store.items(list);
                let are_entities = || {
                    let mut entities = entities.iter();
                    entities.all(|entity| matches!(entity, Value::Object(_) | Value::Null | Value::Failed(_)))
                };
                match entities.len() {
                    length if length != asked_for => malformed(format!(
                        "`{name}` has {length} entities where {asked_for} were asked for"
                    )),
                    _ if !are_entities() => malformed(format!("`{name}` has entities that are not objects")),
                    _ if !self.are_of_their_types(entities, asked) => {
                        malformed(format!("`{name}` has an entity of another type than was asked for"))
                    }
                    _ => Ok(()),
                }
            }
            None | Some(Value::Null) if !is_complete => Ok(()),
            _ => malformed(format!("`{name}` is not a list")),
        }
    }

    /// Whether no entity says that it is of a type other than the object was known to be, and was asked for as.
    fn are_of_their_types(&self, entities: &[Value], asked: &Asked) -> bool {
        let store = &self.state.store;
        entities
            .iter()
            .zip(&asked.representations)
            .all(|(entity, (representation, objects))| {
                let (Value::Object(entity), Some(object)) = (entity, objects.first()) else {
                    return true;
                };
                let (Some(answered), Some(known)) = (store.typename(*entity), store.typename(*object)) else {
                    return true;
                };
                // Asked for as another type, an interface object is answered as that one.
                answered == known || known != typename_of(representation)
            })
    }

    fn merge(&mut self, data: ObjectId) -> Deprived {
        match self.scope {
            Scope::Entities(scope) => {
                for asked in &scope.asked {
                    match self.state.store.field_named(data, &asked.response_name) {
                        Some(Value::List(list)) => {
                            let entities = self.state.store.items(list).to_vec();
                            self.merge_entities(asked, &entities);
                        }
                        list => {
                            let objects: Vec<ObjectId> = asked.representations.values().flatten().copied().collect();
                            self.set_failed(&objects, failure_of(list));
                        }
                    }
                }
                self.forget();
                Deprived(self.state.resolve_waiting(self.fetch, scope, &self.failures))
            }
            Scope::Root(objects) => {
                self.merge_object(data, objects);
                Deprived::default()
            }
        }
    }

    fn merge_entities(&mut self, asked: &Asked, entities: &[Value]) {
        let subgraph = &self.fetch.subgraph;
        for (entity, (representation, objects)) in entities.iter().zip(&asked.representations) {
            match entity {
                Value::Object(entity) => {
                    if let Some(question) = &asked.question {
                        let known = self.state.store.copy(*entity);
                        let known_entities = &mut self.state.known_entities;
                        known_entities.learn(subgraph, question, representation, Some(known));
                    }
                    self.merge_object(*entity, objects);
                }
                Value::Null => {
                    if let Some(question) = &asked.question {
                        let known_entities = &mut self.state.known_entities;
                        known_entities.learn(subgraph, question, representation, None);
                    }
                }
                value => self.set_failed(objects, failure_of(Some(*value))),
            }
        }
    }

    /// What was asked for and not answered is no longer on its way.
    fn forget(&mut self) {
        let Scope::Entities(scope) = self.scope else { return };
        for asked in &scope.asked {
            if let Some(question) = &asked.question {
                for representation in asked.representations.keys() {
                    let known_entities = &mut self.state.known_entities;
                    known_entities.forget(&self.fetch.subgraph, question, representation);
                }
            }
        }
    }

    /// Several objects refer to what is below the fields of `source`.
    fn merge_object(&mut self, source: ObjectId, objects: &[ObjectId]) {
        let store = &mut self.state.store;
        match objects {
            [object] => store.merge(*object, source),
            objects => objects.iter().for_each(|object| store.merge_shared(*object, source)),
        }
    }

    fn set_failed(&mut self, objects: &[ObjectId], failure: Failure) {
        for object in objects {
            self.state.store.set_failed(*object, failure);
        }
    }

    /// Passes on an error that the subgraph reports, and marks the nulls that it explains.
    fn subgraph_error(&mut self, data: Option<ObjectId>, error: SubgraphError) -> Failure {
        let SubgraphError {
            message,
            path,
            mut extensions,
        } = error;
        let stored = path.as_deref().and_then(|path| self.stored_path(path));
        let is_located = stored.is_some();
        let code = || ErrorCode::DownstreamServiceError.as_str().into();
        extensions.entry("code").or_insert_with(code);
        let path_of_null = path.as_deref().filter(|_| is_located);
        let error = GraphqlError {
            message,
            path: Vec::new(),
            extensions,
        };
        let stored = stored.unwrap_or_else(|| self.fetch_path());
        let failure = self.add_error(error, stored);
        self.mark_failed(data, path_of_null, failure);
        failure
    }

    /// Counts the errors of a subgraph that are not passed on, and marks the nulls that they explain.
    ///
    /// * `paths`: of each in the subgraph's answer, if it has one.
    fn errors_left_out(&mut self, data: Option<ObjectId>, paths: &[Option<StoredPath>]) {
        let located: Vec<Option<StoredPath>> = paths
            .iter()
            .map(|path| path.as_deref().and_then(|path| self.stored_path(path)))
            .collect();
        let Some(first) = located.first() else { return };
        let first = first.clone().unwrap_or_else(|| self.fetch_path());
        let message = format!("{} more errors are left out", paths.len());
        let failure = self.add_error(GraphqlError::new(ErrorCode::DownstreamServiceError, message), first);
        for (path, located) in paths.iter().zip(&located) {
            self.mark_failed(data, path.as_deref().filter(|_| located.is_some()), failure);
        }
    }

    /// * `path`: in the subgraph's answer; `None`: the error does not say where it belongs.
    fn mark_failed(&mut self, data: Option<ObjectId>, path: Option<&[PathSegment]>, failure: Failure) {
        let store = &mut self.state.store;
        match (data, path) {
            (Some(data), Some(path)) => store.mark_failed(data, path, failure),
            (Some(data), None) => store.mark_all_failed(data, failure),
            (None, _) => {}
        }
    }

    /// Reports a fetch that brought nothing.
    pub(super) fn failure(&mut self, error: &FetchError) {
        self.forget();
        let mut reported = GraphqlError::new(error.code(), format!("subgraph `{}` {error}", self.fetch.subgraph));
        self.name_subgraph(&mut reported);
        if let Some(reason) = error.reason() {
            reported.extensions.insert("reason".to_owned(), reason.into());
        }
        if let FetchError::HttpStatus(status) = error {
            reported
                .extensions
                .insert("http".to_owned(), serde_json::json!({ "status": status.as_u16() }));
        }
        let path = self.fetch_path();
        let failure = self.add_error(reported, path);
        self.set_failed(&self.scope.objects(), failure);
    }

    fn add_error(&mut self, mut error: GraphqlError, path: StoredPath) -> Failure {
        self.name_subgraph(&mut error);
        self.state.report(self.fetch.id, path, error)
    }

    fn name_subgraph(&self, error: &mut GraphqlError) {
        let subgraph = self.fetch.subgraph.as_ref();
        error.extensions.insert("service".to_owned(), subgraph.into());
    }

    /// Where a path of the subgraph's answer leads in the stored data; `None` when it does not say.
    fn stored_path(&mut self, path: &[PathSegment]) -> Option<StoredPath> {
        let (position, object, rest) = match self.scope {
            Scope::Entities(scope) => {
                let [PathSegment::Field(name), PathSegment::Item(index), rest @ ..] = path else {
                    return None;
                };
                let asked = scope.asked.iter().find(|asked| asked.response_name == *name)?;
                let (representation, objects) = asked.representations.get_index(*index)?;
                if let Some(PathSegment::Field(field)) = rest.first().filter(|_| !scope.waiting.is_empty()) {
                    let failed = self.fields_named(asked, (field, typename_of(representation)));
                    let failures = self.failures.entry(representation.clone()).or_default();
                    failures.push(failed);
                }
                (asked.position, *objects.first()?, rest)
            }
            Scope::Root(objects) => (0, *objects.first()?, path),
        };
        let mut stored = self.path_of(position, object)?;
        stored.extend_from_slice(rest);
        Some(stored)
    }

    /// Numbers of the fields under one name that an `_entities` field asked for, of an entity of this type.
    fn fields_named(&self, asked: &Asked, (name, typename): (&str, &str)) -> Vec<u32> {
        let entries = self.state.entity_entries;
        let number = entries.number(self.fetch, asked.position);
        let fields = number.map_or(&[][..], |number| &entries.entry(number).fields);
        let named = fields.iter().filter(|field| {
            let response_name = field.response_name.as_deref();
            entries.applies(field, typename) && response_name.is_none_or(|response_name| response_name == name)
        });
        named.map(|field| field.id).collect()
    }

    /// Where the data of the whole fetch would have been: the one object, or the list that all of them are in.
    fn fetch_path(&mut self) -> StoredPath {
        let scope = self.scope;
        match scope {
            Scope::Root(objects) => {
                let path = objects.first().and_then(|object| self.path_of(0, *object));
                let root_field = root_response_names(&self.fetch.document).into_iter().next();
                path.unwrap_or_default()
                    .into_iter()
                    .chain(root_field.map(PathSegment::Field))
                    .collect()
            }
            Scope::Entities(scope) => {
                let mut common: Option<StoredPath> = None;
                for asked in &scope.asked {
                    for object in asked.representations.values().flatten() {
                        let Some(path) = self.path_of(asked.position, *object) else {
                            continue;
                        };
                        common = Some(match common {
                            None => path,
                            Some(mut common) => {
                                let shared = common
                                    .iter()
                                    .zip(&path)
                                    .take_while(|(left, right)| left == right)
                                    .count();
                                common.truncate(shared);
                                common
                            }
                        });
                    }
                }
                common.unwrap_or_default()
            }
        }
    }

    /// Where `object` stands, which is at the path of an entry.
    fn path_of(&mut self, position: usize, object: ObjectId) -> Option<StoredPath> {
        let path = match &self.fetch.target {
            FetchTarget::Root { path } => path,
            FetchTarget::Entities(entries) => &entries.get(position)?.path,
        };
        let store = &self.state.store;
        self.paths
            .entry(position)
            .or_insert_with(|| store.paths_at(path))
            .get(&object)
            .cloned()
    }
}

/// The error that a value is null because of.
fn failure_of(value: Option<Value>) -> Failure {
    match value {
        Some(Value::Failed(failure)) => failure,
        _ => Failure::UNKNOWN,
    }
}
