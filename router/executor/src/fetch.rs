//! One fetch: what is sent for it, and how its answer becomes part of the stored data.
//!
//! In: the state of the operation and a [`Fetch`]. Between [`State::prepare`] and [`State::absorb`] the request travels;
//! `execution` sees to that.

mod absorption;
mod body;
mod known_entities;

use bytes::Bytes;
use federation::query_plan::{Fetch, FetchTarget, QueryPlan};
use http::HeaderMap;
use serde_json::{Map, Value as JsonValue};

use self::absorption::Absorption;
use self::body::Body;
use self::known_entities::KnownEntities;
use crate::client::FetchError;
use crate::completion::holds;
use crate::representation::{Representations, represent};
use crate::response::{FetchRecord, GraphqlError};
use crate::store::{ObjectId, Store, StoredPath};
use crate::subgraph_response::SubgraphResponse;

/// All that one operation has gathered so far.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) errors: Vec<PendingError>,
    pub(crate) response_headers: HeaderMap,
    pub(crate) fetches: Vec<FetchRecord>,
    entities: KnownEntities,
    /// How many values were copied for objects that share an entity.
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
        let mut absorption = Absorption::new(self, fetch, scope);
        let absorbed = response.and_then(|response| absorption.response(response));
        absorbed.inspect_err(|error| absorption.failure(error))
    }
}
