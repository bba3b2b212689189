//! From fetches to a plan: texts, conditions, and the order of steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use apollo_compiler::executable::{self, OperationType};
use apollo_compiler::{Name, name};
use federation::query_plan::{
    BooleanCondition, EntityFetch, Fetch, FetchTarget, OperationKind, PlanNode, Representation,
};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::document::Document;
use crate::fetches::{Entry, Fetches, Group, Tree};
use crate::selection::{Conditions, any_of};

/// Writes the steps of fetches.
pub(crate) struct StepWriter<'f, 's, 'a> {
    fetches: &'f Fetches<'s, 'a>,
    operation: &'f executable::Operation,
    kind: OperationKind,
    names: EntityNames,
}

/// Numbers fetches in the order in which the plan prints.
#[derive(Default)]
pub(crate) struct Numbering {
    next: u32,
    /// By the number before.
    numbers: FxHashMap<u32, u32>,
}

impl Numbering {
    fn fetch(&mut self, fetch: &mut Arc<Fetch>) {
        let fetch = Arc::make_mut(fetch);
        self.numbers.insert(fetch.id, self.next);
        fetch.id = self.next;
        self.next += 1;
    }

    /// Numbers the fetches of a node, and then those of the next.
    pub(crate) fn node(&mut self, node: &mut PlanNode) {
        match node {
            PlanNode::Sequence(nodes) | PlanNode::Parallel(nodes) => nodes.iter_mut().for_each(|node| self.node(node)),
            PlanNode::Fetch(fetch) => self.fetch(fetch),
            PlanNode::Condition { if_true, if_false, .. } => {
                for node in [if_true, if_false].into_iter().flatten() {
                    self.node(node);
                }
            }
            PlanNode::Defer { primary, deferred } => {
                let parts = deferred.iter_mut().flat_map(|part| part.node.as_mut());
                for node in primary.iter_mut().chain(parts) {
                    self.node(node);
                }
                for depends in deferred.iter_mut().flat_map(|part| part.depends.as_mut()) {
                    depends.iter_mut().for_each(|number| *number = self.numbers[number]);
                    depends.sort_unstable();
                }
            }
            PlanNode::Subscription { primary, rest } => {
                self.fetch(primary);
                if let Some(rest) = rest {
                    self.node(rest);
                }
            }
        }
    }
}

impl<'f, 's, 'a> StepWriter<'f, 's, 'a> {
    /// * `kind`: of the operation that the first stage sends.
    pub(crate) fn new(fetches: &'f Fetches<'s, 'a>, operation: &'f executable::Operation, kind: OperationKind) -> Self {
        let counts = fetches.groups.iter().map(|group| group.entries.len());
        let names = EntityNames::new(operation, counts.filter(|count| *count > 1).max().unwrap_or_default());
        Self {
            fetches,
            operation,
            kind,
            names,
        }
    }

    /// Steps that resolve some of the groups; none when nothing is fetched.
    pub(crate) fn steps(&self, groups: Range<usize>) -> Option<PlanNode> {
        let sent = groups.filter(|group| self.is_sent(&self.fetches.groups[*group]));
        self.order(&sent.collect::<Vec<usize>>())
    }

    /// Groups outside of `groups` that these wait for. The numbers are those of the fetches before [`Numbering`].
    pub(crate) fn needed_before(&self, groups: Range<usize>) -> Vec<u32> {
        let all = &self.fetches.groups;
        let needed = all[groups.clone()].iter().flat_map(|group| group.needs.iter());
        let before = needed.filter(|needed| !groups.contains(needed) && self.is_sent(&all[*needed]));
        let before: BTreeSet<usize> = before.collect();
        before.into_iter().map(|group| group as u32).collect()
    }

    fn is_sent(&self, group: &Group) -> bool {
        let root = group.root.as_ref();
        !group.entries.is_empty() || root.is_some_and(|root| !self.fetches.tree(root.tree).fields.is_empty())
    }

    /// Independent groups side by side; within what hangs together, first what needs nothing, then the rest.
    ///
    /// From the last level to the first: the groups of a level join what hangs together without them, so that each need is
    /// looked at once.
    ///
    /// * `groups`: sorted.
    fn order(&self, groups: &[usize]) -> Option<PlanNode> {
        let needs = self.needs_within(groups);
        let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); groups.len()];
        for (position, needs) in needs.iter().enumerate() {
            needs.iter().for_each(|needed| dependents[*needed].push(position));
        }
        let levels = levels(&needs, &dependents);
        // Per group, one that it hangs together with; itself, for the first of each component.
        let mut leads: Vec<usize> = (0..groups.len()).collect();
        let mut rest: Vec<(usize, PlanNode)> = Vec::new();
        for level in levels.iter().rev() {
            for position in level {
                for dependent in &dependents[*position] {
                    let (one, other) = (lead(&mut leads, *position), lead(&mut leads, *dependent));
                    leads[one.max(other)] = one.min(other);
                }
            }
            let mut components: BTreeMap<usize, (Vec<PlanNode>, Vec<PlanNode>)> = BTreeMap::new();
            for position in level {
                let (first, _) = components.entry(lead(&mut leads, *position)).or_default();
                first.push(self.fetch(groups[*position]));
            }
            for (position, node) in rest {
                let (_, rest) = components.entry(lead(&mut leads, position)).or_default();
                rest.push(node);
            }
            let components = components.into_iter();
            rest = components
                .map(|(lead, (first, rest))| (lead, component(first, rest)))
                .collect();
        }
        joined(rest.into_iter().map(|(_, node)| node).collect(), PlanNode::Parallel)
    }

    /// Per group, the positions of those among `groups` that it needs.
    fn needs_within(&self, groups: &[usize]) -> Vec<Vec<usize>> {
        let needs = groups.iter().map(|group| {
            let needs = self.fetches.groups[*group].needs.iter();
            needs.filter_map(|needed| groups.binary_search(&needed).ok()).collect()
        });
        needs.collect()
    }

    fn fetch(&self, index: usize) -> PlanNode {
        let group = &self.fetches.groups[index];
        let conditions = self.common_conditions(group);
        let kind = if group.slot.stage == 0 {
            self.kind
        } else {
            OperationKind::Query
        };
        let mut document = Document::new(self.fetches, group.slot.subgraph, group.entries.len());
        let mut definitions = String::new();
        let target = match &group.root {
            Some(root) => {
                document.root(root.node, root.tree, &conditions);
                FetchTarget::Root {
                    path: self.fetches.path(root.path),
                }
            }
            None => {
                let entities = group.entries.iter().enumerate().map(|(number, entry)| {
                    let name = self.names.of(number, group.entries.len());
                    let alternatives = self.entry_conditions(entry);
                    let known = common(alternatives.iter());
                    document.entities(entry, &name.field, known);
                    definitions.push_str(&name.definition);
                    for context in &entry.contexts {
                        let _ = write!(definitions, "${}:{},", context.variable.variable, context.argument_type);
                    }
                    EntityFetch {
                        response_name: name.response_name.clone(),
                        variable: name.variable.clone(),
                        path: self.fetches.path(entry.path),
                        representations: grouped(&entry.representations),
                        conditions: alternatives.iter().map(|all| all.to_vec()).collect(),
                        context_variables: entry.contexts.iter().map(|context| context.variable.clone()).collect(),
                    }
                });
                FetchTarget::Entities(entities.collect())
            }
        };
        let operation_type = match kind {
            OperationKind::Query => OperationType::Query,
            OperationKind::Mutation => OperationType::Mutation,
            OperationKind::Subscription => OperationType::Subscription,
        };
        let (text, variables) = document.finish(operation_type, self.operation, definitions);
        let fetch = Fetch {
            id: index as u32,
            subgraph: Arc::clone(&self.fetches.search().supergraph.subgraph(group.slot.subgraph).name),
            operation_kind: kind,
            document: text.into(),
            variables,
            target,
            reason: group.reasons.join("; "),
        };
        let mut node = PlanNode::Fetch(Arc::new(fetch));
        for condition in conditions.iter().rev() {
            let inner = Some(Box::new(node));
            let (if_true, if_false) = if condition.value { (inner, None) } else { (None, inner) };
            node = PlanNode::Condition {
                variable: condition.variable.clone(),
                if_true,
                if_false,
            };
        }
        node
    }

    /// What must hold for any root field to be asked; entities have conditions of their own.
    fn common_conditions(&self, group: &Group) -> Vec<BooleanCondition> {
        match &group.root {
            Some(root) => common(
                self.fetches
                    .tree(root.tree)
                    .fields
                    .iter()
                    .map(|field| &field.conditions),
            ),
            None => Vec::new(),
        }
    }

    /// When an entry is needed: each field is a reason of its own.
    fn entry_conditions(&self, entry: &Entry) -> Vec<Conditions> {
        let trees: SmallVec<[&Tree; 1]> = entry.trees().map(|tree| self.fetches.tree(tree)).collect();
        if trees.iter().any(|tree| tree.typename) {
            return Vec::new();
        }
        let fields = trees.iter().flat_map(|tree| tree.fields.iter());
        any_of(fields.map(|field| &field.conditions))
    }
}

/// Names of `_entities` fields and of their variables, which are not the client's.
struct EntityNames {
    /// Of one that is alone in its request.
    alone: EntityName,
    /// Of those that are not, by their place.
    numbered: Vec<EntityName>,
}

/// Names of one `_entities` field, and what is written with them in every request that has it.
struct EntityName {
    response_name: Name,
    variable: Name,
    /// `_e0:_entities(representations:$r0){`
    field: String,
    /// `$r0:[_Any!]!,`
    definition: String,
}

impl EntityNames {
    /// For requests with at most so many.
    fn new(operation: &executable::Operation, count: usize) -> Self {
        let name = |text: String| Name::new(&text).expect("letters, digits and underscores are a name");
        let free = |mut variable: Name| {
            while operation.variables.iter().any(|known| known.name == variable) {
                variable = name(format!("{variable}_"));
            }
            variable
        };
        let numbered = (0..count).map(|number| {
            let (response_name, variable) = (name(format!("_e{number}")), free(name(format!("r{number}"))));
            EntityName::new(response_name, variable)
        });
        Self {
            alone: EntityName::new(name!("_entities"), free(name!("representations"))),
            numbered: numbered.collect(),
        }
    }

    /// Of one of so many in its request.
    fn of(&self, number: usize, count: usize) -> &EntityName {
        match count {
            1 => &self.alone,
            _ => &self.numbered[number],
        }
    }
}

impl EntityName {
    fn new(response_name: Name, variable: Name) -> Self {
        let alias = match response_name.as_str() {
            "_entities" => ["", ""],
            alias => [alias, ":"],
        };
        Self {
            field: [&alias.concat(), "_entities(representations:$", &variable, "){"].concat(),
            definition: ["$", &variable, ":[_Any!]!,"].concat(),
            response_name,
            variable,
        }
    }
}

/// The one of a component that leads to itself: its first.
fn lead(leads: &mut [usize], mut index: usize) -> usize {
    while leads[index] != index {
        leads[index] = leads[leads[index]];
        index = leads[index];
    }
    index
}

/// First those that need nothing, then those that need nothing else, and so on.
///
/// * `needs`, `dependents`: by number, the numbers of those that it needs, and of those that need it.
fn levels(needs: &[Vec<usize>], dependents: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut levels: Vec<Vec<usize>> = Vec::new();
    let mut level: Vec<usize> = (0..needs.len()).filter(|number| missing[*number] == 0).collect();
    while !level.is_empty() {
        let mut next = Vec::new();
        for dependent in level.iter().flat_map(|number| &dependents[*number]) {
            missing[*dependent] -= 1;
            if missing[*dependent] == 0 {
                next.push(*dependent);
            }
        }
        next.sort_unstable();
        levels.push(std::mem::replace(&mut level, next));
    }
    // Needs lead to earlier stages, so there is no circle; if there were one, its groups come one after the other.
    levels.extend(
        (0..needs.len())
            .filter(|number| missing[*number] > 0)
            .map(|number| vec![number]),
    );
    levels
}

/// What hangs together: its first groups side by side, then what they separate.
fn component(first: Vec<PlanNode>, rest: Vec<PlanNode>) -> PlanNode {
    let mut nodes: Vec<PlanNode> = joined(first, PlanNode::Parallel).into_iter().collect();
    match joined(rest, PlanNode::Parallel) {
        Some(PlanNode::Sequence(after)) => nodes.extend(after),
        after => nodes.extend(after),
    }
    joined(nodes, PlanNode::Sequence).unwrap_or(PlanNode::Sequence(Vec::new()))
}

/// One node is itself; several are `many`.
fn joined(mut nodes: Vec<PlanNode>, many: fn(Vec<PlanNode>) -> PlanNode) -> Option<PlanNode> {
    match nodes.len() {
        0 => None,
        1 => nodes.pop(),
        _ => Some(many(nodes)),
    }
}

fn common<'c>(mut all: impl Iterator<Item = &'c Conditions>) -> Vec<BooleanCondition> {
    let mut common: Vec<_> = all.next().map_or_else(Vec::new, |first| first.to_vec());
    for conditions in all {
        common.retain(|condition| conditions.contains(condition));
    }
    common
}

/// Types that are represented alike are one entry.
fn grouped(representations: &Arc<Vec<Representation>>) -> Arc<Vec<Representation>> {
    if representations.len() == 1 {
        return Arc::clone(representations);
    }
    let mut grouped: Vec<Representation> = Vec::new();
    for representation in representations.iter() {
        let alike = grouped.iter_mut().find(|known| {
            known.typename == representation.typename
                && known.inputs == representation.inputs
                && known.runtime_types.is_empty() == representation.runtime_types.is_empty()
        });
        match alike {
            Some(known) => {
                known.runtime_types.extend(representation.runtime_types.iter().cloned());
                known.runtime_types.sort_unstable();
                known.runtime_types.dedup();
            }
            None => grouped.push(representation.clone()),
        }
    }
    grouped.into()
}
