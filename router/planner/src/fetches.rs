//! From choices to fetches: walks the operation once, and writes each field into the fetch that resolves it.
//!
//! In: a [`Search`] whose slots are chosen. Out: one [`Group`] per request, with what it selects, the representations it
//! sends, and the groups it waits for. Does not write text (`document`) and does not order (`steps`).

mod alike;
mod contexts;
mod group_set;
mod parts;
mod paths;
mod pending;
mod reasons;
mod representations;
mod trees;
mod visits;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use apollo_compiler::ast::Argument;
use apollo_compiler::{Name, Node};
use federation::query_graph::{FieldEdge, NodeId};
use federation::query_plan::{PathElement, Representation};
use federation::supergraph::TypeId;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::alike::Sharing;
use self::contexts::{ContextLevel, EntryContext, WrittenValue};
pub(crate) use self::group_set::GroupSet;
use self::parts::DeferredObjects;
pub(crate) use self::parts::WrittenPart;
pub(crate) use self::paths::PathId;
use self::paths::{Paths, Step};
use self::pending::{Pending, PendingField, PendingFields, ResolvedAt};
use self::reasons::Purpose;
use self::representations::KnownRepresentations;
use self::trees::KnownFields;
pub(crate) use self::trees::{Tree, TreeField, TreeId};
use crate::place::{Arrival, Arrivals, Solved, Visit};
use crate::planner::PlanError;
use crate::search::Search;
use crate::selection::{Conditions, Item, PartId, SetId};
use crate::slots::Slot;

/// One request.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) slot: Slot,
    /// Where root fields go; empty for entities.
    pub(crate) root: Option<RootTarget>,
    pub(crate) entries: Vec<Entry>,
    /// Groups that must have ended.
    pub(crate) needs: GroupSet,
    pub(crate) reasons: Vec<String>,
}

/// Root fields.
#[derive(Debug)]
pub(crate) struct RootTarget {
    pub(crate) node: NodeId,
    pub(crate) path: PathId,
    pub(crate) tree: TreeId,
}

/// One `_entities` field.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathId,
    /// Selections on object types, by type.
    pub(crate) objects: Option<TreeId>,
    /// Selections on interfaces and interface objects.
    pub(crate) interfaces: Vec<(NodeId, TreeId)>,
    pub(crate) representations: Arc<Vec<Representation>>,
    pub(crate) contexts: Vec<EntryContext>,
    /// Number of the last visit that writes here.
    last_visit: u32,
}

impl Entry {
    /// All that it selects.
    pub(crate) fn trees(&self) -> impl Iterator<Item = TreeId> {
        let interfaces = self.interfaces.iter().map(|(_, tree)| *tree);
        interfaces.chain(self.objects)
    }
}

/// An arrival, with the place in a fetch where its fields are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Cursor {
    node: NodeId,
    stage: u16,
    context: u16,
    tree: TreeId,
    group: usize,
}

/// Where a selection set is written.
#[derive(Debug, Clone)]
struct Position {
    path: PathId,
    conditions: Conditions,
    /// What objects above make known, the outermost first.
    levels: Rc<[Rc<ContextLevel>]>,
    /// Groups that tell the types which the path speaks of.
    typed_by: GroupSet,
}

/// What a visit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Group(usize),
    /// The groups of a pending field, by index.
    Pending(usize),
}

type Needs = SmallVec<[Need; 2]>;

/// The tree and the group of a visit.
type WrittenAt = (TreeId, usize);

/// Fields of one selection set being written.
#[derive(Default)]
struct Writing {
    fields: PendingFields,
    /// Groups that wait for a field, by its index, with all below it.
    waits: Vec<(usize, usize)>,
    values: Vec<WrittenValue>,
}

/// One place being written.
struct Place<'p> {
    type_id: TypeId,
    position: &'p Position,
    is_abstract: bool,
    solved: Rc<Solved>,
    cursors: SmallVec<[Cursor; 1]>,
    /// By item, the conditions under which it is needed, each with what must have ended for it to be known.
    written: Vec<SmallVec<[(Conditions, Needs); 1]>>,
    /// Visits for what is resolved without inputs, and the conditions for which they are made.
    visited: SmallVec<[(usize, Conditions, WrittenAt); 4]>,
    writing: &'p mut Writing,
}

/// Writes fetches.
pub(crate) struct Fetches<'s, 'a> {
    search: &'s mut Search<'a>,
    pub(crate) groups: Vec<Group>,
    trees: Vec<Tree>,
    paths: Paths,
    entity_groups: FxHashMap<Slot, usize>,
    known_fields: KnownFields,
    representations: KnownRepresentations,
    /// By group and path, indices of its entries.
    entries: FxHashMap<(usize, PathId), SmallVec<[usize; 1]>>,
    sharing: Sharing,
    fields_count: usize,
    /// Whether what is written may be referred to, as long as nothing mixes.
    may_share: bool,
    /// Whether fields of several types, or several of one storage name, may stand in one place of an answer.
    pub(crate) may_mix: bool,
    context_variables_count: usize,
    /// What is to be written for each part of the answer, and the parts before it.
    deferred: BTreeMap<PartId, (BTreeSet<PartId>, Vec<DeferredObjects>)>,
    /// The part that is being written; `None`: the first.
    part: Option<PartId>,
    /// Its first group.
    part_begin: usize,
    /// Those that are written, without the first.
    pub(crate) parts: Vec<WrittenPart>,
}

impl<'s, 'a> Fetches<'s, 'a> {
    pub(crate) fn new(search: &'s mut Search<'a>) -> Self {
        Self {
            may_share: search.sets.parts.is_empty() && !search.supergraph.has_context_arguments(),
            search,
            groups: Vec::new(),
            trees: Vec::new(),
            paths: Paths::default(),
            entity_groups: FxHashMap::default(),
            entries: FxHashMap::default(),
            sharing: Sharing::default(),
            known_fields: KnownFields::default(),
            representations: KnownRepresentations::default(),
            fields_count: 0,
            may_mix: false,
            context_variables_count: 0,
            deferred: BTreeMap::new(),
            part: None,
            part_begin: 0,
            parts: Vec::new(),
        }
    }

    pub(crate) fn search(&self) -> &Search<'a> {
        self.search
    }

    /// Writes the fetches of one root set.
    pub(crate) fn write(&mut self, root: SetId, arrivals: &Arrivals) -> Result<(), PlanError> {
        let no_conditions = self.search.sets.no_conditions();
        let mut cursors = Vec::new();
        for arrival in arrivals {
            let tree = self.add_tree(&no_conditions);
            let group = self.groups.len();
            self.groups.push(Group {
                slot: Slot {
                    stage: 0,
                    subgraph: self.search.graph.node(arrival.node).subgraph,
                    is_root: true,
                },
                root: Some(RootTarget {
                    node: arrival.node,
                    path: PathId::ROOT,
                    tree,
                }),
                entries: Vec::new(),
                needs: GroupSet::default(),
                reasons: Vec::new(),
            });
            cursors.push(Cursor {
                node: arrival.node,
                stage: 0,
                context: 0,
                tree,
                group,
            });
        }
        let position = Position {
            path: PathId::ROOT,
            conditions: no_conditions,
            levels: Rc::from([]),
            typed_by: GroupSet::default(),
        };
        self.write_set(root, &cursors, &position)?;
        Ok(())
    }

    /// Forgets what only writing needs, before texts and steps take its place.
    pub(crate) fn forget(&mut self) {
        self.search.forget_solutions();
        self.sharing = Sharing::default();
        self.entries = FxHashMap::default();
        self.known_fields = KnownFields::default();
        self.representations = KnownRepresentations::default();
    }

    /// Returns the groups that resolve the set.
    fn write_set(&mut self, set: SetId, cursors: &[Cursor], position: &Position) -> Result<GroupSet, PlanError> {
        let selection_set = self.search.sets.set(set);
        let (types, is_abstract) = (Rc::clone(&selection_set.types), selection_set.is_abstract);
        let is_told = !is_abstract || self.tell_type(cursors);
        self.defer(set, cursors, position);
        let mut writing = Writing::default();
        let mut groups: GroupSet = cursors.iter().map(|cursor| cursor.group).collect();
        let mut live: SmallVec<[TypeId; 4]> = SmallVec::new();
        for type_id in types.iter() {
            let graph = self.search.graph;
            let seen = cursors.iter().filter_map(|cursor| {
                let node = graph.downcast(cursor.node, *type_id)?;
                Some(Cursor { node, ..*cursor })
            });
            let seen: SmallVec<[Cursor; 1]> = seen.collect();
            if seen.is_empty() {
                continue;
            }
            live.push(*type_id);
            let arrivals = seen.iter().map(Arrival::from).collect();
            let solved = self.search.place(set, *type_id, &arrivals)?;
            writing.fields.all.reserve(solved.universe.own_count);
            let mut place = Place {
                type_id: *type_id,
                position,
                is_abstract,
                cursors: seen,
                written: solved.universe.items.iter().map(|_| SmallVec::new()).collect(),
                visited: SmallVec::new(),
                solved,
                writing: &mut writing,
            };
            self.write_place(&mut place)?;
        }
        let is_all = |about: &PendingField| types.len() == 1 || live.iter().all(|id| about.types.contains(id));
        if !is_told {
            let of_some = writing.fields.all.iter().filter(|(_, about)| !is_all(about));
            self.tell_types(of_some.map(|(field, _)| field));
        }
        let mut below: Vec<GroupSet> = Vec::new();
        below.resize_with(writing.fields.all.len(), GroupSet::default);
        // What fields further down wait for comes first.
        let values = writing.value_fields();
        for index in values.iter().copied() {
            let (field, about) = &writing.fields.all[index];
            below[index] = self.write_field((field, about), is_all(about), position)?;
        }
        let levels = self.levels(position, &writing, &below);
        let position = Position {
            path: position.path,
            conditions: Rc::clone(&position.conditions),
            levels,
            typed_by: position.typed_by.clone(),
        };
        for (index, (field, about)) in writing.fields.all.iter().enumerate() {
            if !values.contains(&index) {
                below[index] = self.write_field((field, about), is_all(about), &position)?;
            }
        }
        for (group, waits_for) in &writing.waits {
            let needs = below[*waits_for].iter().filter(|needed| needed != group);
            self.groups[*group].needs.extend(needs);
        }
        below.iter().for_each(|below| groups.unite(below));
        Ok(groups)
    }

    /// Has the runtime type told by everybody who arrives and knows it, so that nobody waits for another; false if nobody does.
    fn tell_type(&mut self, cursors: &[Cursor]) -> bool {
        let is_typed = |cursor: &&Cursor| !self.search.graph.node(cursor.node).is_interface_object;
        let mut is_told = false;
        for cursor in cursors.iter().filter(is_typed) {
            self.trees[cursor.tree.0 as usize].typename = true;
            is_told = true;
        }
        is_told
    }

    /// Paths to what is below fields of some types speak of types: whoever resolves such a field tells them, where nobody
    /// else has to.
    fn tell_types<'f>(&mut self, fields: impl Iterator<Item = &'f Pending>) {
        let composite = fields.filter(|field| field.item.child.is_some());
        for at in composite.flat_map(|field| &field.at).filter(|at| at.is_typed) {
            self.trees[at.tree.0 as usize].typename = true;
        }
    }

    fn write_place(&mut self, place: &mut Place<'_>) -> Result<(), PlanError> {
        let position = place.position;
        let conditions = &position.conditions;
        for item in 0..place.solved.universe.own_count {
            for needed in place.solved.universe.items[item].cases(conditions) {
                self.need(place, item, &needed)?;
            }
        }
        if let Some(visit) = place.solved.typename_visit {
            let (tree, group) = self.visit(place, visit, None, conditions)?;
            self.trees[tree.0 as usize].typename = true;
            if self.groups[group].reasons.is_empty() {
                self.add_reason_text(group, "only here the runtime type is known".to_owned());
            }
        }
        self.note_values(place);
        Ok(())
    }

    /// Notes that an item is needed. Returns where in [`Place::written`], at the item, stands what must have ended for it to
    /// be known.
    fn need(&mut self, place: &mut Place<'_>, index: usize, conditions: &Conditions) -> Result<usize, PlanError> {
        let known = place.written[index].iter().position(|(known, _)| known == conditions);
        if let Some(known) = known {
            return Ok(known);
        }
        let solved = Rc::clone(&place.solved);
        let item = &solved.universe.items[index];
        let provision = solved.provisions[index]
            .as_ref()
            .ok_or_else(|| self.unresolved(place, item))?;
        let context_needs = solved.universe.context_needs.get(index);
        for wanted in context_needs.into_iter().flat_map(|needs| &needs.items) {
            self.need(place, *wanted, conditions)?;
        }
        let mut needs = Needs::new();
        let mut at = SmallVec::new();
        let typed_by = self.typed_by(place, index, conditions)?;
        let mut filled: Vec<Node<Argument>> = Vec::new();
        for visit in self.search.provision_visits(&solved, index)?.iter().copied() {
            let (tree, group) = self.visit(place, visit, provision.requires.as_deref(), conditions)?;
            needs.push(Need::Group(group));
            let Visit { node, .. } = solved.visits[visit];
            let stage = solved.found_from(index, visit);
            let edge = self.edge(node, item);
            if let Some(edge) = edge.filter(|edge| !edge.context_arguments.is_empty()) {
                filled = self.fill(place, &edge.context_arguments, (tree, group))?;
            }
            at.push(ResolvedAt {
                tree,
                group,
                is_typed: !self.search.graph.node(node).is_interface_object,
                target: edge.and_then(|edge| edge.target),
                stage,
                context: solved.context_stage(index).unwrap_or_default(),
            });
            let purpose = purpose(&solved, index, !filled.is_empty());
            self.add_reason(group, place.type_id, item, purpose);
        }
        let field = Pending {
            item: match filled.is_empty() {
                true => Rc::clone(item),
                false => Rc::new(Item {
                    arguments: item.arguments.iter().chain(&filled).cloned().collect(),
                    ..Item::clone(item)
                }),
            },
            conditions: Rc::clone(conditions),
            context_variables: filled
                .iter()
                .filter_map(|argument| argument.value.as_variable().cloned())
                .collect(),
            at,
        };
        let position = place.writing.fields.add(field);
        let (_, about) = &mut place.writing.fields.all[position];
        about.typed_by.extend(typed_by);
        if about.types.last() != Some(&place.type_id) {
            about.types.push(place.type_id);
        }
        if item.child.is_some() {
            needs.push(Need::Pending(position));
        }
        let written = &mut place.written[index];
        written.push((Rc::clone(conditions), needs));
        Ok(written.len() - 1)
    }

    /// The edge of an item, where it matters: most leaves lead nowhere and take nothing.
    fn edge(&self, node: NodeId, item: &Item) -> Option<&'a FieldEdge> {
        let is_plain = item.child.is_none() && !self.search.supergraph.has_context_arguments();
        (!is_plain).then(|| self.search.edge(node, item.field_id)).flatten()
    }

    /// The fetch that tells which objects have what is below an item, if the path to it speaks of types.
    fn typed_by(
        &mut self,
        place: &mut Place<'_>,
        index: usize,
        conditions: &Conditions,
    ) -> Result<Option<usize>, PlanError> {
        let has_child = place.solved.universe.items[index].child.is_some();
        let Some(visit) = place.solved.found_by(index).filter(|_| has_child) else {
            return Ok(None);
        };
        let (_, group) = self.visit(place, visit, None, conditions)?;
        Ok(Some(group))
    }

    fn unresolved(&self, place: &Place<'_>, item: &Item) -> PlanError {
        let type_name = &self.search.supergraph.type_definition(place.type_id).name;
        PlanError::Unreachable {
            coordinate: format!("{type_name}.{}", item.field),
        }
    }

    /// The steps of a path, from the root on.
    pub(crate) fn path(&self, path: PathId) -> Vec<PathElement> {
        let mut elements = Vec::with_capacity(self.paths.length(path));
        for step in self.paths.upwards(path) {
            match step {
                Step::Field(storage_name, list_depth) => {
                    for _ in 0..*list_depth {
                        elements.push(PathElement::Items);
                    }
                    elements.push(PathElement::Field(storage_name.name.clone()));
                }
                Step::OfTypes(types) => elements.push(PathElement::TypeCondition(self.names(types))),
            }
        }
        elements.reverse();
        elements
    }

    fn names(&self, types: &[TypeId]) -> Vec<Name> {
        let names = types
            .iter()
            .map(|id| self.search.supergraph.type_definition(*id).name.clone());
        let mut names: Vec<Name> = names.collect();
        names.sort_unstable();
        names
    }

    /// Writes a field into the trees that resolve it, and goes on below it. Returns the groups below.
    ///
    /// * `is_for_all`: whether every object at the position may have the field.
    fn write_field(
        &mut self,
        (field, about): (&Pending, &PendingField),
        is_for_all: bool,
        position: &Position,
    ) -> Result<GroupSet, PlanError> {
        let mut groups: GroupSet = field.at.iter().map(|at| at.group).collect();
        let Some(child) = field.item.child else {
            for at in &field.at {
                self.add_field(at.tree, (field, about), None)?;
            }
            return Ok(groups);
        };
        let (below, is_new) = self.below(position, (field, about), is_for_all);
        let alike = self.alike((field, about), (child, &below), is_for_all);
        if let Some(alike) = &alike
            && let Some(written) = self.refer(alike, (field, about), (below.path, is_new))?
        {
            groups.unite(&written.groups);
            return Ok(groups);
        }
        let mut trees: SmallVec<[TreeId; 1]> = SmallVec::new();
        let mut cursors: SmallVec<[Cursor; 1]> = SmallVec::new();
        for at in &field.at {
            let tree = self.add_field(at.tree, (field, about), None)?;
            trees.extend(tree);
            if let (Some(tree), Some(node)) = (tree, at.target) {
                cursors.push(Cursor {
                    node,
                    stage: at.stage,
                    context: at.context,
                    tree,
                    group: at.group,
                });
            }
        }
        let before = self.before();
        let groups_below = self.write_set(child, &cursors, &below)?;
        if let Some(alike) = alike.filter(|_| is_new) {
            self.keep(alike, (below.path, trees), &before, &groups_below);
        }
        groups.unite(&groups_below);
        Ok(groups)
    }

    /// The position of what is below a field, and whether nothing was written there before.
    fn below(
        &mut self,
        position: &Position,
        (field, about): (&Pending, &PendingField),
        is_for_all: bool,
    ) -> (Position, bool) {
        let mut path = position.path;
        if !is_for_all {
            (path, _) = self.paths.enter(path, Step::OfTypes(about.types.as_slice().into()));
        }
        let item = &field.item;
        let step = Step::Field(item.storage_name.clone(), item.list_depth);
        let (path, is_entered) = self.paths.enter(path, step);
        let is_new = is_entered && field.at.iter().all(|at| !self.has_field(at.tree, &item.storage_name));
        let mut typed_by = position.typed_by.clone();
        typed_by.unite(&about.typed_by);
        let below = Position {
            path,
            conditions: Rc::clone(&field.conditions),
            levels: Rc::clone(&position.levels),
            typed_by,
        };
        (below, is_new)
    }
}

/// Why an item is fetched.
fn purpose(solved: &Solved, index: usize, takes_context: bool) -> Purpose {
    let requires = solved.provisions[index]
        .as_ref()
        .and_then(|provision| provision.requires.as_ref());
    match requires {
        Some(_) if takes_context => Purpose::TakingContext,
        Some(_) => Purpose::Requiring,
        None if index < solved.universe.own_count => Purpose::Own,
        None => Purpose::Input,
    }
}
