//! A plan with what its execution needs to know beforehand: which fetches ask for the same fields of entities.
//!
//! Made once for each plan and used for every execution of it. Reads the documents of fetches; changes nothing of the plan.

use std::ops::Deref;
use std::sync::Arc;

use apollo_compiler::Name;
use apollo_compiler::ast::{Definition, Document, OperationDefinition, Selection};
use federation::query_plan::{EntityFetch, Fetch, FetchTarget, PlanNode, QueryPlan};
use rustc_hash::{FxHashMap, FxHashSet};

/// A [`QueryPlan`] that is ready to be executed.
#[derive(Debug)]
pub struct ExecutablePlan {
    plan: QueryPlan,
    pub(crate) entity_entries: EntityEntries,
    /// By number of the fetch, the part of the answer that it is for; none for the first.
    pub(crate) parts: FxHashMap<u32, u32>,
}

impl From<QueryPlan> for ExecutablePlan {
    fn from(plan: QueryPlan) -> Self {
        let entity_entries = EntityEntries::of(&plan);
        let mut parts = FxHashMap::default();
        if let Some(PlanNode::Defer { deferred, .. }) = &plan.root {
            for part in deferred {
                let mut note = |fetch: &Fetch| {
                    parts.insert(fetch.id, part.part);
                };
                part.node.iter().for_each(|node| for_each_fetch(node, &mut note));
            }
        }
        Self {
            plan,
            entity_entries,
            parts,
        }
    }
}

impl ExecutablePlan {
    /// Bytes of memory that it takes, about.
    pub fn memory_bytes(&self) -> usize {
        self.plan.memory_bytes() + self.entity_entries.memory_bytes()
    }
}

impl Deref for ExecutablePlan {
    type Target = QueryPlan;

    fn deref(&self) -> &QueryPlan {
        &self.plan
    }
}

/// Every `_entities` field of a plan.
#[derive(Debug, Default)]
pub(crate) struct EntityEntries {
    entries: Vec<EntityEntry>,
    /// Number of the first entry, by number of the fetch.
    first_of_fetch: FxHashMap<u32, usize>,
    /// Names that are known to be object types.
    object_types: FxHashSet<Name>,
}

/// What one `_entities` field selects of an entity.
#[derive(Debug)]
pub(crate) struct EntityEntry {
    pub(crate) subgraph: Arc<str>,
    pub(crate) fields: Vec<EntityField>,
    /// Names and definitions (`$currency: Currency`) of variables in its operation: the client's, and those of contexts.
    pub(crate) variables: Arc<[(Name, String)]>,
    /// Whether another entry for the same subgraph selects one of these fields as well.
    pub(crate) is_repeated: bool,
    /// Whether it uses variables that are filled from objects above the entity.
    has_contexts: bool,
}

/// A field that is selected of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntityField {
    /// Two fields have one number when subgraph, type condition, name, alias, arguments and what is selected below are equal.
    pub(crate) id: u32,
    /// The type that the field is selected for.
    pub(crate) type_condition: Option<Name>,
    /// The name in the answer; `None` stands for everything in the answer, when a selection cannot be taken apart.
    pub(crate) response_name: Option<Name>,
    /// The field as it is selected, with all that is selected below it.
    pub(crate) text: String,
}

impl EntityEntries {
    fn of(plan: &QueryPlan) -> Self {
        let mut entries = Self::default();
        let mut fetches = Vec::new();
        if let Some(root) = &plan.root {
            for_each_fetch(root, &mut |fetch| fetches.push(fetch));
        }
        let mut entries_of: FxHashMap<&str, usize> = FxHashMap::default();
        for fetch in &fetches {
            *entries_of.entry(&fetch.subgraph).or_default() += targets(fetch).len();
        }
        let mut ids = FxHashMap::default();
        for fetch in fetches {
            // Most plans ask each subgraph for entities once, without contexts, and are done here.
            let has_contexts = targets(fetch).iter().any(has_contexts);
            if has_contexts || entries_of[&*fetch.subgraph] > 1 && !targets(fetch).is_empty() {
                entries.add(fetch, &mut ids);
            }
        }
        let mut uses: FxHashMap<u32, usize> = FxHashMap::default();
        // What is known of an entity depends on the values of contexts as well: such entries neither give nor take it.
        let repeatable = |entry: &&EntityEntry| !entry.has_contexts;
        for field in entries
            .entries
            .iter()
            .filter(repeatable)
            .flat_map(|entry| &entry.fields)
        {
            *uses.entry(field.id).or_default() += 1;
        }
        for entry in &mut entries.entries {
            entry.is_repeated = !entry.has_contexts && entry.fields.iter().any(|field| uses[&field.id] > 1);
        }
        entries
    }

    fn add(&mut self, fetch: &Fetch, ids: &mut FxHashMap<String, u32>) {
        self.first_of_fetch.insert(fetch.id, self.entries.len());
        let document = Document::parse(&*fetch.document, "fetch.graphql").ok();
        let operation = document.as_ref().and_then(operation_of);
        let variables = operation.map_or(&[][..], |operation| &operation.variables).iter();
        let contexts = targets(fetch).iter().flat_map(|target| &target.context_variables);
        let used: FxHashSet<&Name> = contexts
            .map(|context| &context.variable)
            .chain(&fetch.variables)
            .collect();
        let variables = variables.filter(|definition| used.contains(&definition.name));
        let variables = variables.map(|definition| {
            let text = definition.serialize().no_indent().to_string();
            (definition.name.clone(), text)
        });
        let variables: Arc<[_]> = variables.collect();
        for target in targets(fetch) {
            let types = target.representations.iter().flat_map(|kind| &kind.runtime_types);
            self.object_types.extend(types.cloned());
            let selections = operation.and_then(|operation| selections_of(operation, &target.response_name));
            let fields = selections.and_then(fields_of).unwrap_or_else(|| {
                let text = selections.map_or_else(|| fetch.document.to_string(), text_of);
                vec![EntityField {
                    id: 0,
                    type_condition: None,
                    response_name: None,
                    text,
                }]
            });
            let fields = fields.into_iter().map(|field| {
                let next = u32::try_from(ids.len()).expect("a plan has fewer fields than a number can be");
                let type_condition = field.type_condition.as_deref().unwrap_or_default();
                let key = format!("{}\n{type_condition}\n{}", fetch.subgraph, field.text);
                let id = *ids.entry(key).or_insert(next);
                EntityField { id, ..field }
            });
            self.entries.push(EntityEntry {
                subgraph: Arc::clone(&fetch.subgraph),
                fields: fields.collect(),
                variables: Arc::clone(&variables),
                is_repeated: false,
                has_contexts: has_contexts(target),
            });
        }
    }

    fn memory_bytes(&self) -> usize {
        let entry_bytes = |entry: &EntityEntry| {
            let fields = entry.fields.iter().map(|field| size_of_val(field) + field.text.len());
            size_of_val(entry) + fields.sum::<usize>() + size_of_val(&*entry.variables)
        };
        self.entries.iter().map(entry_bytes).sum()
    }

    /// Number of an entry, when what it asks for may be known from another one.
    ///
    /// * `position`: in [`FetchTarget::Entities`].
    pub(crate) fn repeated(&self, fetch: &Fetch, position: usize) -> Option<usize> {
        let number = self.number(fetch, position)?;
        self.entries[number].is_repeated.then_some(number)
    }

    /// Number of an entry, when the plan has several for its subgraph or its fetch takes values from contexts.
    pub(crate) fn number(&self, fetch: &Fetch, position: usize) -> Option<usize> {
        let number = self.first_of_fetch.get(&fetch.id)? + position;
        (number < self.entries.len()).then_some(number)
    }

    pub(crate) fn entry(&self, number: usize) -> &EntityEntry {
        &self.entries[number]
    }

    /// Whether a field may be selected of an entity of this type. True when it cannot be told.
    pub(crate) fn applies(&self, field: &EntityField, typename: &str) -> bool {
        let Some(type_condition) = &field.type_condition else {
            return true;
        };
        type_condition == typename
            || !self.object_types.contains(type_condition)
            || !self.object_types.contains(typename)
    }
}

fn targets(fetch: &Fetch) -> &[EntityFetch] {
    match &fetch.target {
        FetchTarget::Entities(entries) => entries,
        FetchTarget::Root { .. } => &[],
    }
}

fn has_contexts(entry: &EntityFetch) -> bool {
    !entry.context_variables.is_empty()
}

fn operation_of(document: &Document) -> Option<&OperationDefinition> {
    document.definitions.iter().find_map(|definition| match definition {
        Definition::OperationDefinition(operation) => Some(&**operation),
        _ => None,
    })
}

fn selections_of<'d>(operation: &'d OperationDefinition, response_name: &Name) -> Option<&'d [Selection]> {
    operation.selection_set.iter().find_map(|selection| match selection {
        Selection::Field(field) if field.response_name() == response_name => Some(&*field.selection_set),
        _ => None,
    })
}

/// Each field, to be numbered by the caller; `None` when there is more than fields and types.
fn fields_of(selections: &[Selection]) -> Option<Vec<EntityField>> {
    let mut fields = Vec::new();
    for selection in selections {
        match selection {
            Selection::Field(field) => fields.push((None, field)),
            Selection::InlineFragment(inline) if inline.directives.is_empty() => {
                for selection in &inline.selection_set {
                    let Selection::Field(field) = selection else {
                        return None;
                    };
                    fields.push((inline.type_condition.clone(), field));
                }
            }
            _ => return None,
        }
    }
    let fields = fields.into_iter().map(|(type_condition, field)| EntityField {
        id: 0,
        type_condition,
        response_name: Some(field.response_name().clone()),
        text: field.serialize().no_indent().to_string(),
    });
    Some(fields.collect())
}

fn text_of(selections: &[Selection]) -> String {
    let texts = selections
        .iter()
        .map(|selection| selection.serialize().no_indent().to_string());
    texts.collect::<Vec<_>>().join(" ")
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
        PlanNode::Defer { primary, deferred } => {
            let later = deferred.iter().filter_map(|part| part.node.as_ref());
            primary.iter().chain(later).for_each(|node| for_each_fetch(node, visit));
        }
        PlanNode::Subscription { primary, rest } => {
            visit(primary);
            rest.iter().for_each(|node| for_each_fetch(node, visit));
        }
    }
}
