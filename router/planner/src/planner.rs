//! The planner: one operation in, one plan out.

use std::rc::Rc;
use std::sync::Arc;

use apollo_compiler::Name;
use federation::deferral::ActiveDefers;
use federation::operation::Operation;
use federation::query_graph::NodeId;
use federation::query_plan::{DeferredPart, FetchTarget, OperationKind, PlanNode, QueryPlan, ResponseShape};
use federation::supergraph::{ActiveLabels, LabelId, Supergraph};
use rustc_hash::FxHashSet;

use crate::fetches::Fetches;
use crate::introspection;
use crate::normalize::Parts;
use crate::place::Arrivals;
use crate::response::ResponseWriter;
use crate::search::Search;
use crate::selection::{Item, PartId, SetId};
use crate::steps::{Numbering, StepWriter};

/// How many fragments that cannot be fetched later are found one by one; with more, the answer comes whole.
const KEPT_MAX: usize = 4;

/// Why an operation has no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The supergraph has no root type of this kind.
    #[error("the supergraph has no {0:?} root type")]
    NoRoot(OperationKind),
    /// No way leads to the field. Supergraphs that composition found satisfiable have none such.
    #[error("no subgraph can resolve `{coordinate}` on the way that the operation takes")]
    Unreachable {
        /// `Type.field`
        coordinate: String,
    },
    /// The operation is too large to be planned.
    #[error("the operation selects more than {fields_max} fields once its fragments are expanded")]
    TooLarge {
        /// How many are planned.
        fields_max: usize,
    },
    /// The ways to answer the operation are too many to look at.
    #[error("planning the operation takes more than {work_max} steps; ask for less at once")]
    TooMuchWork {
        /// How many are taken.
        work_max: u64,
    },
    /// A fault in this crate.
    #[error("the planner contradicts itself: {0}")]
    Internal(&'static str),
}

/// Plans operations over one supergraph. Keeps no state between operations.
#[derive(Debug)]
pub struct Planner {
    supergraph: Arc<Supergraph>,
    field_names: FxHashSet<Name>,
}

impl Planner {
    /// A planner for `supergraph`.
    pub fn new(supergraph: Arc<Supergraph>) -> Self {
        let fields = supergraph
            .types()
            .iter()
            .flat_map(|definition| definition.fields.keys());
        let field_names = fields.cloned().collect();
        Self {
            supergraph,
            field_names,
        }
    }

    /// The supergraph it plans over.
    pub fn supergraph(&self) -> &Arc<Supergraph> {
        &self.supergraph
    }

    /// The override labels that the plan of `operation` may depend on, sorted: with any others on or off, it is the same.
    ///
    /// # Errors
    /// As [`Planner::plan`].
    pub fn labels(&self, operation: &Operation) -> Result<Vec<LabelId>, PlanError> {
        if self.supergraph.override_labels().is_empty() {
            return Ok(Vec::new());
        }
        let (labels, defers, kept) = (ActiveLabels::NONE, ActiveDefers::NONE, FxHashSet::default());
        let parts = Parts::new(&defers, &kept);
        let (mut search, root) = self.begin(operation, &labels, parts)?;
        search.labels_of(root)
    }

    /// Plans `operation`, which must be valid in this supergraph's API schema, for an answer in one piece. The same input
    /// gives the same plan.
    ///
    /// * `labels`: the override labels that are on for this operation.
    ///
    /// # Errors
    /// [`PlanError`]; with a satisfiable supergraph only `TooLarge` and `TooMuchWork`.
    pub fn plan(&self, operation: &Operation, labels: &ActiveLabels) -> Result<QueryPlan, PlanError> {
        self.plan_counting(operation, labels).map(|(plan, _)| plan)
    }

    /// As [`Planner::plan`], with the units of work that it took: how planning grows, whatever the machine.
    ///
    /// # Errors
    /// As [`Planner::plan`].
    pub fn plan_counting(&self, operation: &Operation, labels: &ActiveLabels) -> Result<(QueryPlan, u64), PlanError> {
        let (defers, kept) = (ActiveDefers::NONE, FxHashSet::default());
        let planned = self.attempt(operation, labels, Parts::new(&defers, &kept))?;
        planned.map_err(|_| PlanError::Internal("a part of the answer is deferred that nobody deferred"))
    }

    /// As [`Planner::plan`], for an answer in parts. Fragments that no fetch of their own can bring come with what is
    /// around them.
    ///
    /// * `defers`: which fragments are deferred.
    ///
    /// # Errors
    /// As [`Planner::plan`].
    pub fn plan_in_parts(
        &self,
        operation: &Operation,
        labels: &ActiveLabels,
        defers: &ActiveDefers,
    ) -> Result<QueryPlan, PlanError> {
        let mut kept = FxHashSet::default();
        while kept.len() < KEPT_MAX {
            match self.attempt(operation, labels, Parts::new(defers, &kept)) {
                Ok(Ok((plan, _))) => return Ok(plan),
                Ok(Err(address)) => kept.insert(address),
                // The type of an object may be told only by what is deferred.
                Err(PlanError::Unreachable { .. }) => break,
                Err(error) => return Err(error),
            };
        }
        self.plan(operation, labels)
    }

    /// The plan and the work it took, or else the address of a fragment that cannot be deferred.
    fn attempt(
        &self,
        operation: &Operation,
        labels: &ActiveLabels,
        parts: Parts<'_>,
    ) -> Result<Result<(QueryPlan, u64), usize>, PlanError> {
        let supergraph = self.supergraph.as_ref();
        let kind = operation.kind();
        let (mut search, root) = self.begin(operation, labels, parts)?;
        let mut planning = Planning {
            operation,
            kind,
            roots: supergraph.query_graph().roots(supergraph, kind),
            deferred: Vec::new(),
            undeferrable: None,
        };
        let node = match kind {
            OperationKind::Query => planning.query(&mut search, root)?,
            OperationKind::Mutation => planning.mutation(&mut search, root)?,
            OperationKind::Subscription => planning.subscription(&mut search, root)?,
        };
        let undeferrable = planning.undeferrable.and_then(|part| search.sets.parts.address(part));
        if let Some(address) = undeferrable {
            return Ok(Err(address));
        }
        let mut node = planning.in_parts(node);
        if let Some(node) = &mut node {
            Numbering::default().node(node);
        }
        let mut response = ResponseWriter::new(supergraph, &search.sets);
        let (mut fields, deferred) = (response.root(root), response.deferred(root));
        let introspection = introspection::plan(operation);
        fields.extend(introspection.fields);
        fields.sort_by_key(|(order, _)| *order);
        let plan = QueryPlan {
            operation_kind: kind,
            root: node,
            introspection: introspection.document,
            response: ResponseShape {
                fields: fields.into_iter().map(|(_, field)| field).collect(),
                deferred,
            },
        };
        Ok(Ok((plan, search.work)))
    }

    /// A search over the normalised operation, and its root.
    fn begin<'a>(
        &'a self,
        operation: &'a Operation,
        labels: &'a ActiveLabels,
        parts: Parts<'a>,
    ) -> Result<(Search<'a>, SetId), PlanError> {
        let kind = operation.kind();
        let root_type = self.supergraph.root_type(kind).ok_or(PlanError::NoRoot(kind))?;
        let document = operation.document();
        let mut search = Search::new(&self.supergraph, document, &self.field_names, (labels, parts));
        let selection_set = &operation.definition().selection_set;
        let are_effects = kind == OperationKind::Mutation;
        let root = search.sets.root(selection_set, root_type, are_effects)?;
        Ok((search, root))
    }
}

struct Planning<'o> {
    operation: &'o Operation,
    kind: OperationKind,
    roots: Vec<NodeId>,
    /// Parts of the answer that come later.
    deferred: Vec<DeferredPart>,
    /// One that no fetch of its own can bring.
    undeferrable: Option<PartId>,
}

impl Planning<'_> {
    fn query(&mut self, search: &mut Search<'_>, root: SetId) -> Result<Option<PlanNode>, PlanError> {
        let set = search.sets.set(root);
        if set.items.is_empty() {
            // What is deferred of the root needs nothing before it.
            let first = self.roots.first().filter(|_| !set.deferred.is_empty());
            let arrivals = first.map(|root| Search::root_arrival(*root));
            return arrivals.map_or(Ok(None), |arrivals| self.write(search, root, &arrivals));
        }
        let Some((arrivals, _)) = search.choose(root, &self.roots)? else {
            return Err(self.unreachable(search, root));
        };
        self.write(search, root, &arrivals)
    }

    /// The steps of the first part; those of the others are kept.
    fn write(
        &mut self,
        search: &mut Search<'_>,
        root: SetId,
        arrivals: &Arrivals,
    ) -> Result<Option<PlanNode>, PlanError> {
        let mut fetches = Fetches::new(search);
        fetches.write(root, arrivals)?;
        let first = 0..fetches.groups.len();
        self.undeferrable = fetches.write_parts()?.or(self.undeferrable);
        if self.undeferrable.is_some() {
            return Ok(None);
        }
        fetches.forget();
        let writer = StepWriter::new(&fetches, self.operation.definition(), self.kind);
        for written in &fetches.parts {
            let label = &fetches.search().sets.parts.get(written.part).label;
            // What a mutation has deferred is read after all of its effects.
            let is_query = self.kind == OperationKind::Query;
            self.add_part(DeferredPart {
                part: written.part.0,
                label: label.clone(),
                after: written.after.iter().map(|part| part.0).collect(),
                depends: is_query.then(|| writer.needed_before(written.groups.clone())),
                node: writer.steps(written.groups.clone()).map(Box::new),
            });
        }
        Ok(writer.steps(first))
    }

    /// One part may stand below several root fields of a mutation.
    fn add_part(&mut self, part: DeferredPart) {
        let known = self.deferred.iter_mut().find(|known| known.part == part.part);
        let Some(known) = known else {
            return self.deferred.push(part);
        };
        known.after.extend(part.after);
        known.after.sort_unstable();
        known.after.dedup();
        let nodes = known.node.take().into_iter().chain(part.node).map(|node| *node);
        let mut nodes: Vec<PlanNode> = nodes.collect();
        known.node = match nodes.len() {
            0 | 1 => nodes.pop(),
            _ => Some(PlanNode::Parallel(nodes)),
        }
        .map(Box::new);
    }

    /// With the parts that come later, the first part's steps are the primary ones.
    fn in_parts(&mut self, node: Option<PlanNode>) -> Option<PlanNode> {
        if self.deferred.is_empty() {
            return node;
        }
        let mut deferred = std::mem::take(&mut self.deferred);
        deferred.sort_by_key(|part| part.part);
        Some(PlanNode::Defer {
            primary: node.map(Box::new),
            deferred,
        })
    }

    /// Root fields in order; those that one subgraph resolves one after the other go in one request.
    fn mutation(&mut self, search: &mut Search<'_>, root: SetId) -> Result<Option<PlanNode>, PlanError> {
        let mut runs: Vec<(Vec<Rc<Item>>, Vec<NodeId>)> = Vec::new();
        for call in search.sets.calls(root)? {
            let resolves = |node: &NodeId| search.edge(*node, call.field_id).is_some();
            let nodes: Vec<NodeId> = self.roots.iter().copied().filter(|node| resolves(node)).collect();
            if let Some((items, shared)) = runs.last_mut() {
                let both: Vec<NodeId> = shared.iter().copied().filter(|node| nodes.contains(node)).collect();
                if !both.is_empty() {
                    items.push(call);
                    *shared = both;
                    continue;
                }
            }
            runs.push((vec![call], nodes));
        }
        let mut steps = Vec::new();
        for (items, nodes) in runs {
            let part = search.sets.part(root, items);
            match self.begin_in_one(search, part, &nodes)? {
                Some(PlanNode::Sequence(nodes)) => steps.extend(nodes),
                node => steps.extend(node),
            }
        }
        Ok(match steps.len() {
            0 => None,
            1 => steps.pop(),
            _ => Some(PlanNode::Sequence(steps)),
        })
    }

    /// Begins in the subgraph from which the fewest requests are needed: effects must not happen twice.
    fn begin_in_one(
        &mut self,
        search: &mut Search<'_>,
        set: SetId,
        roots: &[NodeId],
    ) -> Result<Option<PlanNode>, PlanError> {
        let mut best: Option<(usize, NodeId)> = None;
        for node in roots {
            if let Some((_, count)) = search.choose(set, &[*node])?
                && best.is_none_or(|(known, _)| count < known)
            {
                best = Some((count, *node));
            }
        }
        let (_, node) = best.ok_or_else(|| self.unreachable(search, set))?;
        if roots.len() > 1 {
            search.choose(set, &[node])?;
        }
        self.write(search, set, &Search::root_arrival(node))
    }

    fn subscription(&mut self, search: &mut Search<'_>, root: SetId) -> Result<Option<PlanNode>, PlanError> {
        let Some(node) = self.begin_in_one(search, root, &self.roots.clone())? else {
            return Ok(None);
        };
        let (first, rest) = match node {
            PlanNode::Sequence(mut nodes) => {
                let first = nodes.remove(0);
                let rest = if nodes.len() > 1 {
                    Some(PlanNode::Sequence(nodes))
                } else {
                    nodes.pop()
                };
                (first, rest)
            }
            node => (node, None),
        };
        match first {
            PlanNode::Fetch(primary) if matches!(primary.target, FetchTarget::Root { .. }) => {
                Ok(Some(PlanNode::Subscription {
                    primary,
                    rest: rest.map(Box::new),
                }))
            }
            _ => Err(PlanError::Internal("a subscription does not begin with its root field")),
        }
    }

    fn unreachable(&self, search: &Search<'_>, root: SetId) -> PlanError {
        let supergraph = search.supergraph;
        let set = search.sets.set(root);
        let type_name = set
            .types
            .first()
            .map(|id| supergraph.type_definition(*id).name.as_str());
        let fields: Vec<&str> = set.items.iter().map(|item| item.field.as_str()).collect();
        PlanError::Unreachable {
            coordinate: format!("{}.{}", type_name.unwrap_or_default(), fields.join(", ")),
        }
    }
}
