//! One fetch: what is sent for it, and how its answer becomes part of the stored data.
//!
//! In: the state of the operation and a [`Fetch`]. Between [`State::prepare`] and [`State::absorb`] the request travels;
//! `execution` sees to that.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use federation::error::ErrorCode;
use federation::operation::root_response_names;
use federation::query_plan::{EntityFetch, Fetch, FetchTarget, OperationKind, PlanNode, QueryPlan};
use http::HeaderMap;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value as JsonValue};

use crate::client::FetchError;
use crate::completion::holds;
use crate::representation::{Representations, represent};
use crate::response::{FetchRecord, GraphqlError};
use crate::store::{ObjectId, PathSegment, Store, StoredPath, Value};
use crate::subgraph_response::{SubgraphError, SubgraphResponse};

/// Most values that may be copied for objects which share an entity. 4 million: some 200 MB, and beyond any answer that a
/// client can use. Without it, one large entity in a long list would be copied until the memory is full.
const COPIED_VALUES_MAX: usize = 4_000_000;

/// All that one operation has gathered so far.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) errors: Vec<PendingError>,
    pub(crate) response_headers: HeaderMap,
    pub(crate) fetches: Vec<FetchRecord>,
    entities: KnownEntities,
    copied_values: usize,
}

/// An error whose path is still in storage names.
#[derive(Debug)]
pub(crate) struct PendingError {
    /// Number of the fetch: errors are reported in this order, however fast subgraphs are.
    pub(crate) fetch: u32,
    pub(crate) path: StoredPath,
    /// Without its path.
    pub(crate) error: GraphqlError,
}

/// Entities by the request that brought them, for fetches that stand in a query more than once.
///
/// Only queries: a mutation may change an entity between two fetches.
#[derive(Debug, Default)]
struct KnownEntities {
    documents: FxHashSet<Arc<str>>,
    /// By document, number of the `_entities` field, and representation; objects that nothing else changes.
    entities: FxHashMap<(Arc<str>, usize), EntitiesByRepresentation>,
}

/// `None`: there is no such entity.
type EntitiesByRepresentation = HashMap<Vec<u8>, Option<ObjectId>>;

/// A fetch that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// JSON of the GraphQL request, unless a limit forbids to send it.
    pub(crate) body: Result<Bytes, FetchError>,
    pub(crate) scope: Scope,
}

/// Which stored objects the answer of a fetch belongs to.
#[derive(Debug)]
pub(crate) enum Scope {
    Root(Vec<ObjectId>),
    /// One entry for each entry of [`FetchTarget::Entities`].
    Entities(Vec<Representations>),
}

impl Scope {
    /// Objects that want an entity.
    pub(crate) fn entities_wanted(&self) -> usize {
        match self {
            Self::Root(_) => 0,
            Self::Entities(entries) => entries.iter().flat_map(Representations::values).map(Vec::len).sum(),
        }
    }

    /// Entities asked for.
    pub(crate) fn entities_sent(&self) -> usize {
        match self {
            Self::Root(_) => 0,
            Self::Entities(entries) => entries.iter().map(Representations::len).sum(),
        }
    }

    fn objects(&self) -> Vec<ObjectId> {
        match self {
            Self::Root(objects) => objects.clone(),
            Self::Entities(entries) => entries
                .iter()
                .flat_map(Representations::values)
                .flatten()
                .copied()
                .collect(),
        }
    }
}

impl State {
    pub(crate) fn new(plan: &QueryPlan) -> Self {
        Self {
            store: Store::new(),
            errors: Vec::new(),
            response_headers: HeaderMap::new(),
            fetches: Vec::new(),
            entities: KnownEntities::of(plan),
            copied_values: 0,
        }
    }

    /// Reads from the store what `fetch` is to send; `None` when there is nothing to ask for.
    pub(crate) fn prepare(
        &mut self,
        fetch: &Fetch,
        variables: &Map<String, JsonValue>,
        entities_max: usize,
    ) -> Option<Prepared> {
        match &fetch.target {
            FetchTarget::Root { path } => {
                let objects = self.store.objects_at(path);
                let body = Body::new(fetch, variables).finish();
                (!objects.is_empty()).then_some(Prepared {
                    body: Ok(body),
                    scope: Scope::Root(objects),
                })
            }
            FetchTarget::Entities(entries) => {
                let represented = entries.iter().enumerate().map(|(number, entry)| {
                    if holds(&entry.conditions, variables) {
                        let representations = represent(&mut self.store, entry);
                        let State {
                            store,
                            copied_values,
                            entities,
                            ..
                        } = &mut *self;
                        entities.take_known(store, copied_values, (fetch, number), representations)
                    } else {
                        Representations::new()
                    }
                });
                let scope = Scope::Entities(represented.collect());
                let Scope::Entities(represented) = &scope else {
                    unreachable!("made above")
                };
                if represented.iter().all(Representations::is_empty) {
                    return None;
                }
                if scope.entities_sent() > entities_max {
                    return Some(Prepared {
                        body: Err(FetchError::TooManyEntities { entities_max }),
                        scope,
                    });
                }
                let mut body = Body::new(fetch, variables);
                for (entry, representations) in entries.iter().zip(represented) {
                    body.representations(&entry.variable, representations);
                }
                Some(Prepared {
                    body: Ok(body.finish()),
                    scope,
                })
            }
        }
    }

    /// Merges what a subgraph answered, and notes its errors.
    ///
    /// # Errors
    /// The reason why the fetch brought nothing; it is noted by then, once, and explains what is absent.
    pub(crate) fn absorb(
        &mut self,
        fetch: &Fetch,
        scope: &Scope,
        response: Result<SubgraphResponse, FetchError>,
    ) -> Result<(), FetchError> {
        let mut absorption = Absorption {
            state: self,
            fetch,
            scope,
            paths: FxHashMap::default(),
        };
        let absorbed = response.and_then(|response| absorption.response(response));
        absorbed.inspect_err(|error| absorption.failure(error))
    }
}

impl KnownEntities {
    fn of(plan: &QueryPlan) -> Self {
        let mut documents = FxHashSet::default();
        if let (OperationKind::Query, Some(root)) = (plan.operation_kind, &plan.root) {
            let mut once = FxHashSet::default();
            for_each_fetch(root, &mut |fetch| {
                if !once.insert(Arc::clone(&fetch.document)) {
                    documents.insert(Arc::clone(&fetch.document));
                }
            });
        }
        Self {
            documents,
            entities: FxHashMap::default(),
        }
    }

    fn remember(&mut self, (fetch, number): (&Fetch, usize), representation: &[u8], entity: Option<ObjectId>) {
        let known = self.entities.entry((Arc::clone(&fetch.document), number)).or_default();
        known.insert(representation.to_owned(), entity);
    }

    /// Resolves what an earlier fetch of the same document brought, and leaves the rest.
    fn take_known(
        &self,
        store: &mut Store,
        copied_values: &mut usize,
        (fetch, number): (&Fetch, usize),
        mut representations: Representations,
    ) -> Representations {
        if let Some(known) = self.entities.get(&(Arc::clone(&fetch.document), number)) {
            representations.retain(|representation, objects| {
                let Some(entity) = known.get(representation) else {
                    return true;
                };
                if let Some(entity) = *entity {
                    *copied_values += store.weight(entity) * objects.len();
                    if *copied_values > COPIED_VALUES_MAX {
                        return true; // Fetched again, and refused then.
                    }
                    for object in objects {
                        store.merge_copy(*object, entity);
                    }
                }
                false
            });
        }
        representations
    }
}

fn for_each_fetch<'p>(node: &'p PlanNode, visit: &mut impl FnMut(&'p Fetch)) {
    match node {
        PlanNode::Sequence(nodes) | PlanNode::Parallel(nodes) => {
            nodes.iter().for_each(|node| for_each_fetch(node, visit));
        }
        PlanNode::Fetch(fetch) => visit(fetch),
        PlanNode::Condition { if_true, if_false, .. } => {
            [if_true, if_false]
                .into_iter()
                .flatten()
                .for_each(|node| for_each_fetch(node, visit));
        }
        PlanNode::Subscription { primary, rest } => {
            visit(primary);
            rest.iter().for_each(|node| for_each_fetch(node, visit));
        }
    }
}

/// JSON of a GraphQL request: `{"query":…,"variables":{…}}`.
struct Body {
    out: Vec<u8>,
    has_variables: bool,
}

impl Body {
    /// The document, and those of the client's variables that it uses.
    fn new(fetch: &Fetch, variables: &Map<String, JsonValue>) -> Self {
        let mut body = Self {
            out: Vec::with_capacity(fetch.document.len() + 256),
            has_variables: false,
        };
        body.out.extend_from_slice(b"{\"query\":");
        body.json(&*fetch.document);
        for name in &fetch.variables {
            if let Some(value) = variables.get(name.as_str()) {
                body.variable(name);
                body.json(value);
            }
        }
        body
    }

    fn representations(&mut self, name: &str, representations: &Representations) {
        self.variable(name);
        self.out.push(b'[');
        for (index, representation) in representations.keys().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(representation);
        }
        self.out.push(b']');
    }

    fn finish(mut self) -> Bytes {
        self.out
            .extend_from_slice(if self.has_variables { b"}}" } else { b"}" });
        self.out.into()
    }

    fn variable(&mut self, name: &str) {
        self.out.extend_from_slice(if self.has_variables {
            b",\""
        } else {
            b",\"variables\":{\""
        });
        self.has_variables = true;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.out, value).expect("text and JSON values are JSON, and a Vec takes all bytes");
    }
}

/// The merging of one answer.
struct Absorption<'a> {
    state: &'a mut State,
    fetch: &'a Fetch,
    scope: &'a Scope,
    /// Where the objects of an entry are, by number of the entry; found when the first error asks for it.
    paths: FxHashMap<usize, FxHashMap<ObjectId, StoredPath>>,
}

impl Absorption<'_> {
    /// Checks the whole answer before it touches anything.
    fn response(&mut self, response: SubgraphResponse) -> Result<(), FetchError> {
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
        let is_repeated = self.state.entities.documents.contains(&self.fetch.document);
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
    fn failure(&mut self, error: &FetchError) {
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
