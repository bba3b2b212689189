//! The planner: one operation in, one plan out.

use std::sync::Arc;

use apollo_compiler::Name;
use federation::operation::Operation;
use federation::query_graph::NodeId;
use federation::query_plan::{FetchTarget, OperationKind, PlanNode, QueryPlan, ResponseShape};
use federation::supergraph::{ActiveLabels, LabelId, Supergraph};
use rustc_hash::FxHashSet;

use crate::fetches::Fetches;
use crate::introspection;
use crate::place::Arrivals;
use crate::response::ResponseWriter;
use crate::search::Search;
use crate::selection::{Item, SetId};
use crate::steps;

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
        let labels = ActiveLabels::NONE;
        let (mut search, root) = self.begin(operation, &labels)?;
        search.labels_of(root)
    }

    /// Plans `operation`, which must be valid in this supergraph's API schema. The same input gives the same plan.
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
        let supergraph = self.supergraph.as_ref();
        let kind = operation.kind();
        let (mut search, root) = self.begin(operation, labels)?;
        let roots = supergraph.query_graph().roots(supergraph, kind);
        let planning = Planning { operation, kind, roots };
        let node = match kind {
            OperationKind::Query => planning.query(&mut search, root)?,
            OperationKind::Mutation => planning.mutation(&mut search, root)?,
            OperationKind::Subscription => planning.subscription(&mut search, root)?,
        };
        let mut node = node;
        if let Some(node) = &mut node {
            steps::number(node, &mut 0);
        }
        let mut fields = ResponseWriter::new(supergraph, &search.sets).root(root);
        let introspection = introspection::plan(operation);
        fields.extend(introspection.fields);
        fields.sort_by_key(|(order, _)| *order);
        let plan = QueryPlan {
            operation_kind: kind,
            root: node,
            introspection: introspection.document,
            response: ResponseShape {
                fields: fields.into_iter().map(|(_, field)| field).collect(),
            },
        };
        Ok((plan, search.work))
    }

    /// A search over the normalised operation, and its root.
    fn begin<'a>(
        &'a self,
        operation: &'a Operation,
        labels: &'a ActiveLabels,
    ) -> Result<(Search<'a>, SetId), PlanError> {
        let kind = operation.kind();
        let root_type = self.supergraph.root_type(kind).ok_or(PlanError::NoRoot(kind))?;
        let mut search = Search::new(&self.supergraph, operation.document(), &self.field_names, labels);
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
}

impl Planning<'_> {
    fn query(&self, search: &mut Search<'_>, root: SetId) -> Result<Option<PlanNode>, PlanError> {
        if search.sets.set(root).items.is_empty() {
            return Ok(None);
        }
        let Some((arrivals, _)) = search.choose(root, &self.roots)? else {
            return Err(self.unreachable(search, root));
        };
        self.write(search, root, &arrivals)
    }

    fn write(&self, search: &mut Search<'_>, root: SetId, arrivals: &Arrivals) -> Result<Option<PlanNode>, PlanError> {
        let mut fetches = Fetches::new(search);
        fetches.write(root, arrivals)?;
        steps::steps(&fetches, self.operation.definition(), self.kind)
    }

    /// Root fields in order; those that one subgraph resolves one after the other go in one request.
    fn mutation(&self, search: &mut Search<'_>, root: SetId) -> Result<Option<PlanNode>, PlanError> {
        let mut runs: Vec<(Vec<Item>, Vec<NodeId>)> = Vec::new();
        for call in search.sets.calls(root)? {
            let resolves = |node: &NodeId| search.edge(*node, &call.field).is_some();
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
        &self,
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

    fn subscription(&self, search: &mut Search<'_>, root: SetId) -> Result<Option<PlanNode>, PlanError> {
        let Some(node) = self.begin_in_one(search, root, &self.roots)? else {
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
