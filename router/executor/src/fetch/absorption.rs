//! What becomes of an answer: it is checked, its errors find their places, and its data is merged.

use federation::error::ErrorCode;
use federation::operation::root_response_names;
use federation::query_plan::{EntityFetch, Fetch, FetchTarget};
use rustc_hash::FxHashMap;

use super::{PendingError, Scope, State};
use crate::client::FetchError;
use crate::representation::Representations;
use crate::response::GraphqlError;
use crate::store::{ObjectId, PathSegment, StoredPath, Value};
use crate::subgraph_response::{SubgraphError, SubgraphResponse};

/// Most values that may be copied for objects which share an entity. 4 million: some 200 MB, and beyond any answer that a
/// client can use. Without it, one large entity in a long list would be copied until the memory is full.
pub(super) const COPIED_VALUES_MAX: usize = 4_000_000;

/// The merging of one answer.
pub(super) struct Absorption<'a> {
    state: &'a mut State,
    fetch: &'a Fetch,
    scope: &'a Scope,
    /// Where the objects of an entry are, by number of the entry; found when the first error asks for it.
    paths: FxHashMap<usize, FxHashMap<ObjectId, StoredPath>>,
}

impl<'a> Absorption<'a> {
    pub(super) fn new(state: &'a mut State, fetch: &'a Fetch, scope: &'a Scope) -> Self {
        Self {
            state,
            fetch,
            scope,
            paths: FxHashMap::default(),
        }
    }

    /// Checks the whole answer before it touches anything.
    pub(super) fn response(&mut self, response: SubgraphResponse) -> Result<(), FetchError> {
        let SubgraphResponse { data, errors } = response;
        let data = data.map(|data| self.state.store.read(&data)).transpose();
        let data = match data.map_err(|error| FetchError::Malformed(error.to_string()))? {
            None => None,
            Some(Value::Object(data)) => Some(data),
            Some(_) => return Err(FetchError::Malformed("its data is no object".to_owned())),
        };
        if let (Some(data), Scope::Entities(scope), FetchTarget::Entities(entries)) =
            (data, self.scope, &self.fetch.target)
        {
            for (entry, representations) in entries.iter().zip(scope) {
                self.check_entities(data, entry, representations.len(), errors.is_empty())?;
                self.check_copies(data, entry, representations)?;
            }
        }
        for error in errors {
            self.subgraph_error(data, error);
        }
        match data {
            Some(data) => self.merge(data),
            None => self.set_failed(&self.scope.objects()),
        }
        Ok(())
    }

    fn check_entities(
        &self,
        data: ObjectId,
        entry: &EntityFetch,
        asked: usize,
        is_complete: bool,
    ) -> Result<(), FetchError> {
        let store = &self.state.store;
        let name = &entry.response_name;
        let malformed = |reason: String| Err(FetchError::Malformed(reason));
        match store.field(data, name) {
            _ if asked == 0 => Ok(()),
            Some(Value::List(entities)) if entities.len() != asked => malformed(format!(
                "`{name}` has {} entities where {asked} were asked for",
                entities.len()
            )),
            Some(Value::List(entities)) => match entities
                .iter()
                .all(|entity| matches!(entity, Value::Object(_) | Value::Null | Value::Failed))
            {
                true => Ok(()),
                false => malformed(format!("`{name}` has entities that are no objects")),
            },
            None | Some(Value::Null) if !is_complete => Ok(()),
            _ => malformed(format!("`{name}` is no list")),
        }
    }

    fn check_copies(
        &mut self,
        data: ObjectId,
        entry: &EntityFetch,
        representations: &Representations,
    ) -> Result<(), FetchError> {
        let State {
            store, copied_values, ..
        } = &mut *self.state;
        if let Some(Value::List(entities)) = store.field(data, &entry.response_name) {
            for (entity, objects) in entities.iter().zip(representations.values()) {
                if let (Value::Object(entity), 2..) = (entity, objects.len()) {
                    *copied_values += store.weight(*entity) * (objects.len() - 1);
                }
            }
        }
        if *copied_values > COPIED_VALUES_MAX {
            Err(FetchError::TooManyValues)
        } else {
            Ok(())
        }
    }

    fn merge(&mut self, data: ObjectId) {
        let scope = self.scope;
        match (scope, &self.fetch.target) {
            (Scope::Entities(scope), FetchTarget::Entities(entries)) => {
                for (number, (entry, representations)) in entries.iter().zip(scope).enumerate() {
                    match self.state.store.field(data, &entry.response_name) {
                        Some(Value::List(entities)) => {
                            let entities = entities.clone();
                            self.merge_entities(number, &entities, representations);
                        }
                        _ => representations.values().for_each(|objects| self.set_failed(objects)),
                    }
                }
            }
            (scope, _) => self.merge_object(data, &scope.objects()),
        }
    }

    fn merge_entities(&mut self, number: usize, entities: &[Value], representations: &Representations) {
        let is_repeated = self.state.entities.covers(self.fetch);
        for (entity, (representation, objects)) in entities.iter().zip(representations) {
            let State {
                store, entities: known, ..
            } = &mut *self.state;
            match entity {
                Value::Object(entity) => {
                    if is_repeated {
                        known.remember((self.fetch, number), representation, Some(store.copy(*entity)));
                    }
                    self.merge_object(*entity, objects);
                }
                Value::Null if is_repeated => known.remember((self.fetch, number), representation, None),
                Value::Null => {}
                _ => self.set_failed(objects),
            }
        }
    }

    /// Each object gets the fields of `source` for its own: later fetches may add different things to each.
    fn merge_object(&mut self, source: ObjectId, objects: &[ObjectId]) {
        let store = &mut self.state.store;
        if let Some((last, others)) = objects.split_last() {
            for object in others {
                store.merge_copy(*object, source);
            }
            store.merge(*last, source);
        }
    }

    fn set_failed(&mut self, objects: &[ObjectId]) {
        objects.iter().for_each(|object| self.state.store.set_failed(*object));
    }

    /// Passes on an error that the subgraph reports, and marks the nulls that it explains.
    fn subgraph_error(&mut self, data: Option<ObjectId>, error: SubgraphError) {
        let located = error
            .path
            .as_deref()
            .and_then(|path| Some((path, self.stored_path(path)?)));
        let path = match (located, data) {
            (Some((subgraph_path, path)), data) => {
                if let Some(data) = data {
                    self.state.store.mark_failed(data, subgraph_path);
                }
                path
            }
            (None, data) => {
                if let Some(data) = data {
                    self.state.store.mark_all_failed(data);
                }
                self.fetch_path()
            }
        };
        let SubgraphError {
            message,
            mut extensions,
            ..
        } = error;
        extensions
            .entry("code")
            .or_insert_with(|| ErrorCode::DownstreamServiceError.as_str().into());
        extensions.insert("service".to_owned(), self.fetch.subgraph.as_ref().into());
        self.add_error(
            GraphqlError {
                message,
                path: Vec::new(),
                extensions,
            },
            path,
        );
    }

    /// Reports a fetch that brought nothing.
    pub(super) fn failure(&mut self, error: &FetchError) {
        self.set_failed(&self.scope.objects());
        let mut reported = GraphqlError::new(error.code(), format!("subgraph `{}` {error}", self.fetch.subgraph));
        reported
            .extensions
            .insert("service".to_owned(), self.fetch.subgraph.as_ref().into());
        if let FetchError::HttpStatus(status) = error {
            reported
                .extensions
                .insert("http".to_owned(), serde_json::json!({ "status": status.as_u16() }));
        }
        let path = self.fetch_path();
        self.add_error(reported, path);
    }

    fn add_error(&mut self, error: GraphqlError, path: StoredPath) {
        self.state.errors.push(PendingError {
            fetch: self.fetch.id,
            path,
            error,
        });
    }

    /// Where a path of the subgraph's answer leads in the stored data; `None` when it does not say.
    fn stored_path(&mut self, path: &[PathSegment]) -> Option<StoredPath> {
        let scope = self.scope;
        match (scope, &self.fetch.target) {
            (Scope::Entities(scope), FetchTarget::Entities(entries)) => {
                let [PathSegment::Field(name), PathSegment::Item(index), rest @ ..] = path else {
                    return None;
                };
                let number = entries.iter().position(|entry| entry.response_name.as_str() == name)?;
                let (_, objects) = scope[number].get_index(*index)?;
                let mut stored = self.path_of(number, *objects.first()?)?;
                stored.extend_from_slice(rest);
                Some(stored)
            }
            (scope, _) => {
                let mut stored = self.path_of(0, *scope.objects().first()?)?;
                stored.extend_from_slice(path);
                Some(stored)
            }
        }
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
            Scope::Entities(entries) => {
                let mut common: Option<StoredPath> = None;
                for (number, representations) in entries.iter().enumerate() {
                    for object in representations.values().flatten() {
                        let Some(path) = self.path_of(number, *object) else {
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
    fn path_of(&mut self, number: usize, object: ObjectId) -> Option<StoredPath> {
        let path = match &self.fetch.target {
            FetchTarget::Root { path } => path,
            FetchTarget::Entities(entries) => &entries.get(number)?.path,
        };
        let store = &self.state.store;
        self.paths
            .entry(number)
            .or_insert_with(|| store.paths_at(path))
            .get(&object)
            .cloned()
    }
}
