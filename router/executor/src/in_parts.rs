//! Answers in parts (`@defer`; Incremental Delivery RFC): all parts are fetched side by side, each as soon as what it needs
//! is there, and delivered as they are complete, the first part first.
//!
//! Says what a part holds, not how it is written for a client.

mod delivered;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use federation::api_schema::ApiSchema;
use federation::error::ErrorCode;
use federation::query_plan::{DeferredPart, PlanNode};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use rustc_hash::FxHashSet;
use serde_json::Map;
use tokio::sync::{mpsc, watch};

use self::delivered::Delivered;
use crate::completion::{AnswerBytes, Completed, DeferredObject, ErrorNulls, complete_deferred};
use crate::executable_plan::ExecutablePlan;
use crate::execution::{Execution, ExecutionRequest, Executor, take_fetches};
use crate::response::{
    Announcement, DeliveredFragment, DeliveredObject, GraphqlError, LaterPart, PendingFragment, ResponsePart,
    ResponsePathSegment,
};
use crate::store::Store;

impl Executor {
    /// Runs a query or mutation whose plan may be in parts, and sends each part when it is complete. Ends early when nobody
    /// receives them any more.
    ///
    /// The parameters are those of [`Executor::execute`]. A plan in one piece gives one part, one in parts at most one more than
    /// it defers.
    ///
    /// * `parts`: never waits for whoever reads them. Fetches under way keep requests of their subgraphs from others, and only
    ///   end, or time out, as long as this goes on.
    pub async fn execute_in_parts(
        &self,
        plan: &ExecutablePlan,
        api_schema: &Arc<ApiSchema>,
        request: ExecutionRequest,
        parts: mpsc::UnboundedSender<ResponsePart>,
    ) {
        let Some(PlanNode::Defer { primary, deferred }) = &plan.root else {
            let answer = self.execute(plan, api_schema, request).await;
            // Whoever does not listen any more needs no answer.
            let _ = parts.send(ResponsePart::First(answer, Announcement::default()));
            return;
        };
        let mut execution = Execution::new(self, plan, request);
        execution.progress = Some(Progress::default());
        execution.introspect(api_schema).await;
        let mut delivery = Delivery::new(&execution, api_schema, deferred);
        let first = execution.first(primary.as_deref()).boxed();
        let later = deferred.iter().map(|part| execution.later(part).boxed());
        let mut running: FuturesUnordered<BoxFuture<'_, Ended>> = std::iter::once(first).chain(later).collect();
        while let Some(ended) = running.next().await {
            delivery.ended.insert(ended);
            while let Some(part) = delivery.next() {
                let is_last = !part.has_next();
                if parts.send(part).is_err() || is_last {
                    return;
                }
            }
        }
    }
}

impl ResponsePart {
    fn has_next(&self) -> bool {
        match self {
            Self::First(_, announcement) | Self::Later(_, announcement) => announcement.has_next,
        }
    }
}

/// A part of which everything is fetched; `None`: the first.
type Ended = Option<u32>;

/// What has ended of an execution in parts, for those who wait for it.
#[derive(Debug, Default)]
pub(crate) struct Progress(watch::Sender<Done>);

#[derive(Debug, Default)]
struct Done {
    fetches: FxHashSet<u32>,
    parts: FxHashSet<Ended>,
}

impl Done {
    /// Whether a part may begin: its inputs are there, or will not come any more.
    fn allows(&self, part: &DeferredPart) -> bool {
        let depends = part.depends.as_ref();
        let is_fetched = depends.is_some_and(|fetches| fetches.iter().all(|fetch| self.fetches.contains(fetch)));
        is_fetched || self.is_past(part)
    }

    /// Whether all parts before one have ended, and those before these.
    fn is_past(&self, part: &DeferredPart) -> bool {
        let mut before = part.after.iter().copied().map(Some).chain([None]);
        before.all(|part| self.parts.contains(&part))
    }
}

impl Progress {
    pub(crate) fn fetched(&self, fetch: u32) {
        self.0.send_modify(|done| {
            done.fetches.insert(fetch);
        });
    }

    fn ended(&self, part: Ended) {
        self.0.send_modify(|done| {
            done.parts.insert(part);
        });
    }

    async fn wait_for(&self, condition: impl FnMut(&Done) -> bool) {
        // The sender is `self`, and not gone while this waits.
        let _ = self.0.subscribe().wait_for(condition).await;
    }
}

impl Execution<'_> {
    async fn first(&self, node: Option<&PlanNode>) -> Ended {
        if let Some(node) = node {
            self.node(node).await;
        }
        if let Some(progress) = &self.progress {
            progress.ended(None);
        }
        None
    }

    async fn later(&self, part: &DeferredPart) -> Ended {
        let Some(progress) = &self.progress else { return None };
        progress.wait_for(|done| done.allows(part)).await;
        if let Some(node) = &part.node {
            self.node(node).await;
        }
        // What ends is known to have all before it at an end.
        progress.wait_for(|done| done.is_past(part)).await;
        progress.ended(Some(part.part));
        Some(part.part)
    }
}

/// An object with more to come. Several may belong to one fragment that was announced.
struct Waiting<'a> {
    object: DeferredObject<'a>,
    path: Vec<ResponsePathSegment>,
}

/// Delivers parts in an order that clients can follow.
struct Delivery<'e, 'a> {
    execution: &'e Execution<'a>,
    api_schema: &'a ApiSchema,
    /// Those that are not delivered, by number.
    left: BTreeMap<u32, &'a DeferredPart>,
    /// What is fetched.
    ended: BTreeSet<Ended>,
    is_begun: bool,
    waiting: BTreeMap<u32, Vec<Waiting<'a>>>,
    pending: Vec<(u32, PendingFragment)>,
    next_id: u32,
    delivered: Delivered,
    bytes: AnswerBytes,
}

impl<'e, 'a> Delivery<'e, 'a> {
    fn new(execution: &'e Execution<'a>, api_schema: &'a ApiSchema, deferred: &'a [DeferredPart]) -> Self {
        Self {
            execution,
            api_schema,
            left: deferred.iter().map(|part| (part.part, part)).collect(),
            ended: BTreeSet::new(),
            is_begun: false,
            waiting: BTreeMap::new(),
            pending: Vec::new(),
            next_id: 0,
            delivered: Delivered::default(),
            bytes: execution.answer_bytes(),
        }
    }

    /// The next part that can be delivered now.
    fn next(&mut self) -> Option<ResponsePart> {
        if !self.is_begun {
            return self.ended.contains(&None).then(|| self.first());
        }
        loop {
            let is_next = |part: &&DeferredPart| {
                self.ended.contains(&Some(part.part)) && part.after.iter().all(|before| !self.left.contains_key(before))
            };
            let number = self.left.values().copied().find(is_next)?.part;
            self.left.remove(&number);
            // Of nothing that was fetched for, nobody hears.
            if let Some(waiting) = self.waiting.remove(&number) {
                return Some(self.later(number, waiting));
            }
        }
    }

    fn first(&mut self) -> ResponsePart {
        self.is_begun = true;
        let (answer, deferred) = self.execution.answer(self.api_schema);
        self.delivered = Delivered::new(&answer);
        self.count(answer.data.as_ref().map_or(0, Bytes::len));
        ResponsePart::First(answer, self.announce(deferred))
    }

    fn later(&mut self, part: u32, waiting: Vec<Waiting<'a>>) -> ResponsePart {
        let execution = self.execution;
        let mut state = execution.state();
        let pending = self.pending.extract_if(.., |(known, _)| *known == part);
        let mut fragments: Vec<DeliveredFragment> = pending
            .map(|(_, pending)| DeliveredFragment {
                pending,
                data: Some(Vec::new()),
                errors: Vec::new(),
            })
            .collect();
        let (mut deferred, mut nulls) = (Vec::new(), ErrorNulls::default());
        for Waiting { object, path } in waiting {
            let completed = self.complete(&state.store, &object);
            let is_around = |fragment: &DeliveredFragment| path.starts_with(&fragment.pending.path);
            let Some(fragment) = fragments.iter_mut().find(|fragment| is_around(fragment)) else {
                continue;
            };
            let sub_path = path[fragment.pending.path.len()..].to_vec();
            fragment.errors.extend(completed.errors);
            match &mut fragment.data {
                Some(objects) if !completed.is_null => objects.push(DeliveredObject {
                    sub_path,
                    data: completed.data,
                }),
                data => *data = None,
            }
            let id = fragment.pending.id;
            deferred.extend(completed.deferred.into_iter().map(|object| (id, object)));
            nulls.extend(completed.nulls);
        }
        // What is below a fragment without data is nowhere.
        let lost = fragments.iter().filter(|fragment| fragment.data.is_none());
        let lost: Vec<u32> = lost.map(|fragment| fragment.pending.id).collect();
        let deferred = deferred.into_iter().filter(|(id, _)| !lost.contains(id));
        let deferred = deferred.map(|(_, object)| object).collect();
        let errors = execution.errors_of(&mut state, Some(part), &nulls);
        errors.into_iter().for_each(|error| give(&mut fragments, error));
        fragments.iter_mut().for_each(explain);
        fragments.iter().for_each(|fragment| self.delivered.add(fragment));
        let later = LaterPart {
            fragments,
            extensions: Map::new(),
            fetches: take_fetches(&mut state),
        };
        drop(state);
        let announcement = self.announce(deferred);
        ResponsePart::Later(later, announcement)
    }

    /// Completes what is deferred of an object, so that it agrees with all that was delivered; nothing of it if that is
    /// not known any more.
    fn complete(&mut self, store: &Store, object: &DeferredObject<'a>) -> Completed<'a> {
        let variables = &self.execution.request.variables;
        let mut completed = complete_deferred(store, object, variables, None, self.bytes);
        self.delivered.has_failures |= completed.has_failures();
        if self.delivered.has_failures {
            match self.delivered.together() {
                Some(known) => completed = complete_deferred(store, object, variables, Some(known), self.bytes),
                None => completed.is_null = true,
            }
        }
        self.count(completed.data.len());
        completed
    }

    /// Takes so many bytes off what later parts may have.
    fn count(&mut self, bytes: usize) {
        self.bytes.left = self.bytes.left.saturating_sub(bytes);
    }

    /// Notes the objects with more to come. Announced are those that are not below another one of their fragment.
    fn announce(&mut self, deferred: Vec<DeferredObject<'a>>) -> Announcement {
        let mut announced = Vec::new();
        for object in deferred {
            let (part, path) = (object.part, object.path());
            // What has been delivered has no more to come.
            if !self.left.contains_key(&part) {
                continue;
            }
            let mut known = self.pending.iter().filter(|(known, _)| *known == part);
            if !known.any(|(_, pending)| path.starts_with(&pending.path)) {
                let pending = PendingFragment {
                    id: self.next_id,
                    label: object.label.map(str::to_owned),
                    path: path.clone(),
                };
                self.next_id += 1;
                self.pending.push((part, pending.clone()));
                announced.push(pending);
            }
            self.waiting.entry(part).or_default().push(Waiting { object, path });
        }
        Announcement {
            pending: announced,
            has_next: !self.waiting.is_empty(),
        }
    }
}

/// A fragment without data has an error.
fn explain(fragment: &mut DeliveredFragment) {
    if fragment.data.is_none() && fragment.errors.is_empty() {
        let message = "the fragment has no data, for a reason that an earlier part of the answer gives";
        let path = fragment.pending.path.clone();
        let error = GraphqlError::new(ErrorCode::ResponseValidationFailed, message);
        fragment.errors.push(GraphqlError { path, ..error });
    }
}

/// Gives an error to the fragment that it happened in, or to the first one when it does not say where it happened.
fn give(fragments: &mut [DeliveredFragment], error: GraphqlError) {
    let is_in = |fragment: &DeliveredFragment| error.path.starts_with(&fragment.pending.path);
    let depth = |fragment: &&DeliveredFragment| fragment.pending.path.len();
    let around = fragments.iter().filter(|fragment| is_in(fragment)).max_by_key(depth);
    let id = around.or(fragments.first()).map(|fragment| fragment.pending.id);
    if let Some(fragment) = fragments.iter_mut().find(|fragment| Some(fragment.pending.id) == id) {
        fragment.errors.push(error);
    }
}
