//! One fetch: what is sent for it, and how its answer becomes part of the stored data.
//!
//! In: the state of the operation and a [`Fetch`]. Between [`State::prepare`] and [`State::absorb`] the request travels;
//! `execution` sees to that.

mod absorption;
mod body;
mod entity_scope;
mod known_entities;

use std::sync::Arc;

use bytes::Bytes;
use federation::query_plan::{EntityFetch, Fetch, FetchTarget, OperationKind};
use http::HeaderMap;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value as JsonValue};

use self::absorption::Absorption;
use self::body::Body;
use self::entity_scope::{EntityScope, PartlyKnown, Waiting};
use self::known_entities::{KnownEntities, Part, Question};
use crate::client::{FetchError, SubgraphAnswer};
use crate::completion::holds;
use crate::executable_plan::{EntityEntries, ExecutablePlan};
use crate::representation::{Representations, represent, represent_by_contexts};
use crate::response::{FetchRecord, GraphqlError};
use crate::store::{Failure, NameId, ObjectId, Store, StoredPath, TooManyValues};
use crate::subgraph_response;

/// How many entities may be asked for.
///
/// For the operator of a graph with long lists, or with subgraphs that cannot take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityLimits {
    /// By one fetch. 10,000: ten lists of a thousand.
    pub per_fetch_max: usize,
    /// By all fetches of one operation. 50,000: a large page asks for a few hundred.
    pub per_request_max: usize,
}

impl Default for EntityLimits {
    fn default() -> Self {
        Self {
            per_fetch_max: 10_000,
            per_request_max: 50_000,
        }
    }
}

/// All that one operation has gathered so far.
#[derive(Debug)]
pub(crate) struct State<'p> {
    pub(crate) store: Store,
    pub(crate) errors: Vec<PendingError>,
    pub(crate) response_headers: HeaderMap,
    pub(crate) fetches: Vec<FetchRecord>,
    entity_entries: &'p EntityEntries,
    known_entities: KnownEntities,
    entities_asked: usize,
    errors_count: usize,
}

/// An error whose path is still in storage names.
#[derive(Debug)]
pub(crate) struct PendingError {
    /// What nulls refer to.
    pub(crate) failure: Failure,
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

/// What shared a request with other entries, and lost its entity through a field that only the others select.
#[derive(Debug, Default)]
pub(crate) struct Deprived(Vec<Waiting>);

/// What failed, by representation of the entity: each time the numbers of the fields that it may have been.
type EntityFailures = FxHashMap<Vec<u8>, Vec<Vec<u32>>>;

/// Which stored objects the answer of a fetch belongs to.
#[derive(Debug)]
pub(crate) enum Scope {
    Root(Vec<ObjectId>),
    Entities(EntityScope),
}

impl Scope {
    /// Objects that want an entity.
    pub(crate) fn entities_wanted(&self) -> usize {
        match self {
            Self::Root(_) => 0,
            Self::Entities(scope) => scope.resolved + scope.objects().count(),
        }
    }

    /// Entities asked for.
    pub(crate) fn entities_sent(&self) -> usize {
        match self {
            Self::Root(_) => 0,
            Self::Entities(scope) => scope.entities_sent(),
        }
    }

    fn objects(&self) -> Vec<ObjectId> {
        match self {
            Self::Root(objects) => objects.clone(),
            Self::Entities(scope) => scope.objects().collect(),
        }
    }
}

impl<'p> State<'p> {
    pub(crate) fn new(plan: &'p ExecutablePlan) -> Self {
        Self {
            store: Store::new(),
            errors: Vec::new(),
            response_headers: HeaderMap::new(),
            fetches: Vec::new(),
            entity_entries: &plan.entity_entries,
            known_entities: KnownEntities::default(),
            entities_asked: 0,
            errors_count: 0,
        }
    }

    /// Notes an error, whose own path counts for nothing.
    ///
    /// * `fetch`: its number.
    pub(crate) fn report(&mut self, fetch: u32, path: StoredPath, error: GraphqlError) -> Failure {
        let failure = Failure::numbered(self.errors_count);
        self.errors_count += 1;
        self.errors.push(PendingError {
            failure,
            fetch,
            path,
            error,
        });
        failure
    }

    /// Reads from the store what `fetch` is to send.
    ///
    /// # Errors
    /// When there is nothing to ask for: the number of objects whose entities are known already.
    pub(crate) fn prepare(
        &mut self,
        fetch: &Fetch,
        variables: &Map<String, JsonValue>,
        limits: &EntityLimits,
    ) -> Result<Prepared, usize> {
        match &fetch.target {
            FetchTarget::Root { path } => match self.store.objects_at(path) {
                Ok(objects) if objects.is_empty() => Err(0),
                objects => Ok(Prepared {
                    body: match objects {
                        Ok(_) => Ok(Body::new(&fetch.document, &fetch.variables, variables).finish()),
                        Err(TooManyValues) => Err(FetchError::TooManyValues),
                    },
                    scope: Scope::Root(objects.unwrap_or_default()),
                }),
            },
            FetchTarget::Entities(entries) => {
                let mut scope = EntityScope::default();
                for (position, entry) in entries.iter().enumerate() {
                    let is_sent = entry.is_sent(|condition| holds(std::slice::from_ref(condition), variables));
                    if !is_sent {
                        scope.ask_nothing((position, entry));
                    } else if let Err(TooManyValues) = self.ask(fetch, (position, entry), &mut scope) {
                        return Ok(Prepared {
                            body: Err(FetchError::TooManyValues),
                            scope: Scope::Entities(scope),
                        });
                    }
                }
                if scope.entities_sent() == 0 {
                    return Err(scope.resolved);
                }
                let admitted = self.admit(scope.entities_sent(), limits);
                Ok(Prepared {
                    body: admitted.map(|()| self.entities_body(fetch, &scope, variables)),
                    scope: Scope::Entities(scope),
                })
            }
        }
    }

    /// Adds to `scope` what an entry asks for.
    fn ask(
        &mut self,
        fetch: &Fetch,
        (position, entry): (usize, &EntityFetch),
        scope: &mut EntityScope,
    ) -> Result<(), TooManyValues> {
        if entry.context_variables.is_empty() {
            let represented = represent(&mut self.store, entry)?;
            self.divide(fetch, (position, entry), represented, scope);
        } else {
            let by_contexts = represent_by_contexts(&mut self.store, entry)?;
            scope.ask_by_contexts((position, entry), &fetch.variables, by_contexts);
        }
        Ok(())
    }

    /// Keeps the bounds on how many entities are asked for.
    fn admit(&mut self, entities: usize, limits: &EntityLimits) -> Result<(), FetchError> {
        if entities > limits.per_fetch_max {
            let entities_max = limits.per_fetch_max;
            return Err(FetchError::TooManyEntities { entities_max });
        }
        if self.entities_asked + entities > limits.per_request_max {
            let entities_max = limits.per_request_max;
            return Err(FetchError::TooManyEntitiesInAll { entities_max });
        }
        self.entities_asked += entities;
        Ok(())
    }

    fn entities_body(&self, fetch: &Fetch, scope: &EntityScope, variables: &Map<String, JsonValue>) -> Bytes {
        let number = |position| self.entity_entries.number(fetch, position);
        let document = match scope.is_as_planned(fetch) {
            true => None,
            false => scope.document(self.entity_entries, number),
        };
        let mut body = Body::new(
            document.as_deref().unwrap_or(&fetch.document),
            &fetch.variables,
            variables,
        );
        for asked in &scope.asked {
            if document.is_none() || !asked.representations.is_empty() {
                body.representations(&asked.variable, &asked.representations);
                for context in &asked.contexts {
                    body.context(&context.sent, &context.value);
                }
            }
        }
        body.finish()
    }

    /// Resolves the objects whose entities are known, and adds to `scope` what is to be asked for.
    fn divide(
        &mut self,
        fetch: &Fetch,
        (position, entry): (usize, &EntityFetch),
        represented: Representations,
        scope: &mut EntityScope,
    ) {
        let Some(number) = self.entity_entries.repeated(fetch, position) else {
            return scope.ask_all((position, entry), None, represented);
        };
        let mut unknown = Representations::new();
        let mut partly_known = PartlyKnown::new();
        for (representation, objects) in represented {
            let of = (self.entity_entries, number);
            let knowledge = self.known_entities.look_up(of, &representation, fetch.id, &self.store);
            // What does not fit any more is asked for, and refused then.
            let fits = self.merge_parts(&knowledge.known, &objects).is_ok();
            if knowledge.is_absent || (fits && knowledge.missing.is_empty() && !knowledge.is_asked) {
                scope.resolved += objects.len();
                continue;
            }
            let is_unknown = !fits || (knowledge.known.is_empty() && !knowledge.is_asked);
            let fields = (!is_unknown).then(|| Arc::from(knowledge.missing));
            if knowledge.is_asked {
                scope.waiting.push(Waiting {
                    position,
                    number,
                    representation: representation.clone(),
                    objects: objects.clone(),
                });
            }
            if fields.as_ref().is_some_and(|fields: &Arc<[usize]>| fields.is_empty()) {
                continue;
            }
            let subgraph = &self.entity_entries.entry(number).subgraph;
            let question = Question {
                entry: number,
                fields: fields.clone(),
            };
            self.known_entities.ask(subgraph, question, &representation, fetch.id);
            let asked = fields.map_or(&mut unknown, |fields| partly_known.entry(fields).or_default());
            asked.insert(representation, objects);
        }
        scope.ask_all((position, entry), Some(number), unknown);
        scope.ask_parts((position, entry), &fetch.variables, number, partly_known);
    }

    /// Gives each of `objects` the fields of an entity, which may be known in several parts.
    fn merge_parts(&mut self, parts: &[Part], objects: &[ObjectId]) -> Result<(), TooManyValues> {
        for parts in parts.chunk_by(|(left, _), (right, _)| left == right) {
            let names: Option<Vec<NameId>> = parts.iter().map(|(_, name)| *name).collect();
            let entity = parts[0].0;
            self.store.check_room(self.store.width(entity) * (objects.len() + 1))?;
            let entity = match names {
                Some(names) => self.store.copy_fields(entity, &names),
                None => entity,
            };
            for object in objects {
                self.store.merge_shared(*object, entity);
            }
        }
        Ok(())
    }

    /// Resolves what another entry of the same fetch has asked for by now. Returns those who must ask for themselves.
    ///
    /// * `failures`: fields of entities that failed.
    fn resolve_waiting(&mut self, fetch: &Fetch, scope: &EntityScope, failures: &EntityFailures) -> Vec<Waiting> {
        let mut deprived = Vec::new();
        for waiting in &scope.waiting {
            let of = (self.entity_entries, waiting.number);
            let knowledge = self
                .known_entities
                .look_up(of, &waiting.representation, fetch.id, &self.store);
            let is_complete = knowledge.missing.is_empty() && !knowledge.is_asked;
            let fits = self.merge_parts(&knowledge.known, &waiting.objects).is_ok();
            if knowledge.is_absent || is_complete && fits {
                continue;
            }
            let wanted = &self.entity_entries.entry(waiting.number).fields;
            let is_wanted = |failed: &Vec<u32>| wanted.iter().any(|field| failed.contains(&field.id));
            let failed = failures.get(&waiting.representation);
            if !knowledge.missing.is_empty() && failed.is_some_and(|failed| !failed.iter().all(is_wanted)) {
                deprived.push(waiting.clone());
            } else {
                for object in &waiting.objects {
                    self.store.set_failed(*object, Failure::UNKNOWN);
                }
            }
        }
        deprived
    }

    /// Asks once more for entities that a field took along which these entries do not select: what they select may be
    /// there (GraphQL spec, "Handling Execution Errors": a null spreads to parents of the field alone).
    ///
    /// `None`: there are none.
    pub(crate) fn prepare_again(
        &mut self,
        fetch: &Fetch,
        Deprived(deprived): Deprived,
        variables: &Map<String, JsonValue>,
        limits: &EntityLimits,
    ) -> Option<Prepared> {
        let FetchTarget::Entities(entries) = &fetch.target else {
            return None;
        };
        if deprived.is_empty() {
            return None;
        }
        let mut scope = EntityScope::default();
        for (position, entry) in entries.iter().enumerate() {
            let mut unknown = Representations::new();
            let mut partly_known = PartlyKnown::new();
            let mut number = None;
            for waiting in deprived.iter().filter(|waiting| waiting.position == position) {
                number = Some(waiting.number);
                let of = (self.entity_entries, waiting.number);
                let known = &self.known_entities;
                let missing = known
                    .look_up(of, &waiting.representation, fetch.id, &self.store)
                    .missing;
                let is_all = missing.len() == self.entity_entries.entry(waiting.number).fields.len();
                let asked = match is_all {
                    true => &mut unknown,
                    false => partly_known.entry(Arc::from(missing)).or_default(),
                };
                asked.insert(waiting.representation.clone(), waiting.objects.clone());
            }
            scope.ask_all((position, entry), number, unknown);
            if let Some(number) = number {
                scope.ask_parts((position, entry), &fetch.variables, number, partly_known);
            }
        }
        // After all entries have looked up what is missing: each of them asks for itself.
        for asked in &scope.asked {
            if let Some(question) = &asked.question {
                for representation in asked.representations.keys() {
                    let known_entities = &mut self.known_entities;
                    known_entities.ask(&fetch.subgraph, question.clone(), representation, fetch.id);
                }
            }
        }
        let admitted = self.admit(scope.entities_sent(), limits);
        Some(Prepared {
            body: admitted.map(|()| self.entities_body(fetch, &scope, variables)),
            scope: Scope::Entities(scope),
        })
    }

    /// Merges what a subgraph answered, and notes its errors. Returns what [`State::prepare_again`] is to ask for.
    ///
    /// # Errors
    /// The reason why the fetch brought nothing; it is noted by then, once, and explains what is absent.
    pub(crate) fn absorb(
        &mut self,
        fetch: &Fetch,
        scope: &Scope,
        answer: Result<SubgraphAnswer, FetchError>,
    ) -> Result<Deprived, FetchError> {
        if fetch.operation_kind == OperationKind::Mutation {
            // It may have changed any entity.
            self.known_entities.clear();
        }
        let response = answer.and_then(|answer| subgraph_response::read(&mut self.store, &answer));
        let mut absorption = Absorption::new(self, fetch, scope);
        let absorbed = response.and_then(|response| absorption.response(response));
        absorbed.inspect_err(|error| absorption.failure(error))
    }
}
