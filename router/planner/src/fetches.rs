//! From choices to fetches: walks the operation once, and writes each field into the fetch that resolves it.
//!
//! In: a [`Search`] whose slots are chosen. Out: one [`Group`] per request, with what it selects, the representations it
//! sends, and the groups it waits for. Does not write text (`document`) and does not order (`steps`).

mod contexts;
mod parts;
mod reasons;
mod representations;
mod visits;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use apollo_compiler::ast::Argument;
use apollo_compiler::{Name, Node};
use federation::query_graph::NodeId;
use federation::query_plan::{PathElement, Representation};
use federation::supergraph::TypeId;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};

use self::contexts::{ContextLevel, EntryContext, WrittenValue};
use self::parts::DeferredObjects;
pub(crate) use self::parts::WrittenPart;
use self::reasons::Purpose;
use crate::place::{Arrival, Arrivals, Solved, Visit};
use crate::planner::PlanError;
use crate::search::Search;
use crate::selection::{Conditions, Item, PartId, SetId, both, without};
use crate::slots::Slot;

/// Most fields of all fetches together, fragments of the operation expanded.
const FIELDS_MAX: usize = 100_000;

/// Index of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TreeId(u32);

/// What one fetch selects at one position.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Whether the runtime type is stored.
    pub(crate) typename: bool,
    pub(crate) fields: Vec<TreeField>,
    /// Index in `fields`.
    known: FxHashMap<(Name, Conditions, Rc<[TypeId]>), usize>,
    /// What holds for every object here.
    base: Option<Conditions>,
}

/// One field sent to a subgraph.
#[derive(Debug)]
pub(crate) struct TreeField {
    pub(crate) storage_name: Name,
    pub(crate) field: Name,
    pub(crate) arguments: Rc<[Node<Argument>]>,
    pub(crate) types: Rc<[TypeId]>,
    pub(crate) conditions: Conditions,
    pub(crate) child: Option<TreeId>,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) slot: Slot,
    /// Where root fields go; empty for entities.
    pub(crate) root: Option<RootTarget>,
    pub(crate) entries: Vec<Entry>,
    /// Groups that must have ended.
    pub(crate) needs: BTreeSet<usize>,
    pub(crate) reasons: Vec<String>,
}

/// Root fields.
#[derive(Debug)]
pub(crate) struct RootTarget {
    pub(crate) node: NodeId,
    pub(crate) path: Vec<PathElement>,
    pub(crate) tree: TreeId,
}

/// One `_entities` field.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: Vec<PathElement>,
    /// Selections on object types, by type.
    pub(crate) objects: Option<TreeId>,
    /// Selections on interfaces and interface objects.
    pub(crate) interfaces: Vec<(NodeId, TreeId)>,
    pub(crate) representations: Vec<Representation>,
    pub(crate) contexts: Vec<EntryContext>,
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
    path: Vec<PathElement>,
    conditions: Conditions,
    /// What objects above make known, the outermost first.
    levels: Rc<[Rc<ContextLevel>]>,
    /// Groups that tell the types which the path speaks of.
    typed_by: BTreeSet<usize>,
}

/// A field to be written once all types that select it are known.
#[derive(PartialEq, Eq, Hash)]
struct Pending {
    field: Name,
    storage_name: Name,
    child: Option<SetId>,
    conditions: Conditions,
    context_variables: Vec<Name>,
    at: Vec<ResolvedAt>,
}

/// A fetch that resolves a field.
#[derive(PartialEq, Eq, Hash)]
struct ResolvedAt {
    tree: TreeId,
    group: usize,
    /// Whether the subgraph knows runtime types there.
    is_typed: bool,
    /// For fields below which there are more, where they lead.
    target: Option<NodeId>,
    stage: u16,
    context: u16,
}

struct PendingField {
    arguments: Rc<[Node<Argument>]>,
    types: Vec<TypeId>,
    list_depth: usize,
    /// Groups that tell which objects have it.
    typed_by: BTreeSet<usize>,
}

type PendingFields = IndexMap<Pending, PendingField, FxBuildHasher>;

/// What a visit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Group(usize),
    /// The groups of a pending field, by index.
    Pending(usize),
}

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
    cursors: Vec<Cursor>,
    written: FxHashMap<(usize, Conditions), Vec<Need>>,
    writing: &'p mut Writing,
}

/// Writes fetches.
pub(crate) struct Fetches<'s, 'a> {
    search: &'s mut Search<'a>,
    pub(crate) groups: Vec<Group>,
    trees: Vec<Tree>,
    entity_groups: FxHashMap<Slot, usize>,
    fields_count: usize,
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
            search,
            groups: Vec::new(),
            trees: Vec::new(),
            entity_groups: FxHashMap::default(),
            fields_count: 0,
            context_variables_count: 0,
            deferred: BTreeMap::new(),
            part: None,
            part_begin: 0,
            parts: Vec::new(),
        }
    }

    pub(crate) fn tree(&self, id: TreeId) -> &Tree {
        &self.trees[id.0 as usize]
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
                    path: Vec::new(),
                    tree,
                }),
                entries: Vec::new(),
                needs: BTreeSet::new(),
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
            path: Vec::new(),
            conditions: no_conditions,
            levels: Rc::from([]),
            typed_by: BTreeSet::new(),
        };
        self.write_set(root, &cursors, &position)?;
        Ok(())
    }

    fn add_tree(&mut self, base: &Conditions) -> TreeId {
        self.trees.push(Tree {
            base: Some(Rc::clone(base)),
            ..Tree::default()
        });
        TreeId(self.trees.len() as u32 - 1)
    }

    /// Returns the groups that resolve the set.
    fn write_set(&mut self, set: SetId, cursors: &[Cursor], position: &Position) -> Result<BTreeSet<usize>, PlanError> {
        let selection_set = self.search.sets.set(set);
        let (types, is_abstract) = (Rc::clone(&selection_set.types), selection_set.is_abstract);
        let is_told = !is_abstract || self.tell_type(cursors);
        self.defer(set, cursors, position);
        let mut writing = Writing::default();
        let mut groups: BTreeSet<usize> = cursors.iter().map(|cursor| cursor.group).collect();
        let mut live: Vec<TypeId> = Vec::new();
        for type_id in types.iter() {
            let graph = self.search.graph;
            let seen = cursors.iter().filter_map(|cursor| {
                let node = graph.downcast(cursor.node, *type_id)?;
                Some(Cursor { node, ..*cursor })
            });
            let seen: Vec<Cursor> = seen.collect();
            if seen.is_empty() {
                continue;
            }
            live.push(*type_id);
            let arrivals = seen.iter().map(Arrival::from).collect();
            let solved = self.search.place(set, *type_id, &arrivals)?;
            let mut place = Place {
                type_id: *type_id,
                position,
                is_abstract,
                solved,
                cursors: seen,
                written: FxHashMap::default(),
                writing: &mut writing,
            };
            self.write_place(&mut place)?;
        }
        let is_all = |about: &PendingField| types.len() == 1 || live.iter().all(|id| about.types.contains(id));
        if !is_told {
            let of_some = writing.fields.iter().filter(|(_, about)| !is_all(about));
            self.tell_types(of_some.map(|(field, _)| field));
        }
        let mut below: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); writing.fields.len()];
        // What fields further down wait for comes first.
        let values = writing.value_fields();
        for index in values.iter().copied() {
            if let Some((field, about)) = writing.fields.get_index(index) {
                below[index] = self.write_field((field, about), is_all(about), position)?;
            }
        }
        let levels = self.levels(position, &writing, &below);
        let position = Position {
            path: position.path.clone(),
            conditions: Rc::clone(&position.conditions),
            levels,
            typed_by: position.typed_by.clone(),
        };
        for (index, (field, about)) in writing.fields.iter().enumerate() {
            if !values.contains(&index) {
                below[index] = self.write_field((field, about), is_all(about), &position)?;
            }
        }
        for (group, waits_for) in &writing.waits {
            let needs = below[*waits_for].iter().copied().filter(|needed| needed != group);
            self.groups[*group].needs.extend(needs);
        }
        groups.extend(below.into_iter().flatten());
        Ok(groups)
    }

    /// Has the runtime type told by whoever arrives and knows it; false if nobody does.
    fn tell_type(&mut self, cursors: &[Cursor]) -> bool {
        let is_typed = |cursor: &&Cursor| !self.search.graph.node(cursor.node).is_interface_object;
        let typed = cursors.iter().find(is_typed);
        if let Some(cursor) = typed {
            self.trees[cursor.tree.0 as usize].typename = true;
        }
        typed.is_some()
    }

    /// Paths to what is below fields of some types speak of types: whoever resolves such a field tells them, where nobody
    /// else has to.
    fn tell_types<'f>(&mut self, fields: impl Iterator<Item = &'f Pending>) {
        let composite = fields.filter(|field| field.child.is_some());
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

    /// Notes that an item is needed, and returns what must have ended for it to be known.
    fn need(&mut self, place: &mut Place<'_>, index: usize, conditions: &Conditions) -> Result<Vec<Need>, PlanError> {
        if let Some(needs) = place.written.get(&(index, Rc::clone(conditions))) {
            return Ok(needs.clone());
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
        let mut needs = Vec::new();
        let mut at = Vec::new();
        let typed_by = self.typed_by(place, index, conditions)?;
        let mut filled: Vec<Node<Argument>> = Vec::new();
        for visit in self.search.provision_visits(&solved, index)? {
            let (tree, group) = self.visit(place, visit, provision.requires.as_deref(), conditions)?;
            needs.push(Need::Group(group));
            let Visit { node, .. } = solved.visits[visit];
            let stage = solved.found_from(index, &solved.visits[visit]);
            let edge = self.search.edge(node, &item.field);
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
            field: item.field.clone(),
            storage_name: item.storage_name.clone(),
            child: item.child,
            conditions: Rc::clone(conditions),
            context_variables: filled
                .iter()
                .filter_map(|argument| argument.value.as_variable().cloned())
                .collect(),
            at,
        };
        let list_depth = self.list_depth(place.type_id, &item.field);
        let entry = place.writing.fields.entry(field);
        let position = entry.index();
        let about = entry.or_insert_with(|| PendingField {
            arguments: item.arguments.iter().cloned().chain(filled).collect(),
            types: Vec::new(),
            list_depth,
            typed_by: BTreeSet::new(),
        });
        about.typed_by.extend(typed_by);
        if about.types.last() != Some(&place.type_id) {
            about.types.push(place.type_id);
        }
        if item.child.is_some() {
            needs.push(Need::Pending(position));
        }
        place.written.insert((index, Rc::clone(conditions)), needs.clone());
        Ok(needs)
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

    fn list_depth(&self, type_id: TypeId, field: &Name) -> usize {
        let definition = self.search.sets.field(type_id, field);
        let mut field_type = definition.map(|definition| &definition.field_type);
        let mut depth = 0;
        while let Some(list) = field_type.filter(|field_type| field_type.is_list()) {
            depth += 1;
            field_type = Some(list.item_type());
        }
        depth
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
    ) -> Result<BTreeSet<usize>, PlanError> {
        let mut groups: BTreeSet<usize> = field.at.iter().map(|at| at.group).collect();
        let mut cursors = Vec::new();
        for at in &field.at {
            let child = self.add_field(at.tree, field, about)?;
            if let (Some(tree), Some(node)) = (child, at.target) {
                cursors.push(Cursor {
                    node,
                    stage: at.stage,
                    context: at.context,
                    tree,
                    group: at.group,
                });
            }
        }
        let Some(child) = field.child else {
            return Ok(groups);
        };
        let mut path = position.path.clone();
        if !is_for_all {
            path.push(PathElement::TypeCondition(self.names(&about.types)));
        }
        path.push(PathElement::Field(field.storage_name.clone()));
        path.extend(std::iter::repeat_n(PathElement::Items, about.list_depth));
        let below = Position {
            path,
            conditions: Rc::clone(&field.conditions),
            levels: Rc::clone(&position.levels),
            typed_by: position.typed_by.union(&about.typed_by).copied().collect(),
        };
        groups.extend(self.write_set(child, &cursors, &below)?);
        Ok(groups)
    }

    fn add_field(&mut self, tree: TreeId, field: &Pending, about: &PendingField) -> Result<Option<TreeId>, PlanError> {
        self.fields_count += 1;
        if self.fields_count > FIELDS_MAX {
            return Err(PlanError::TooLarge { fields_max: FIELDS_MAX });
        }
        let base = self.trees[tree.0 as usize].base.clone().unwrap_or_else(|| Rc::from([]));
        let conditions = without(&field.conditions, &base);
        let types: Rc<[TypeId]> = about.types.as_slice().into();
        let child = field.child.map(|_| both(&base, &conditions));
        let identity = (field.storage_name.clone(), Rc::clone(&conditions), Rc::clone(&types));
        if let Some(known) = self.trees[tree.0 as usize].known.get(&identity) {
            return Ok(self.trees[tree.0 as usize].fields[*known].child);
        }
        let child = child.map(|base| self.add_tree(&base));
        let tree = &mut self.trees[tree.0 as usize];
        tree.known.insert(identity, tree.fields.len());
        tree.fields.push(TreeField {
            storage_name: field.storage_name.clone(),
            field: field.field.clone(),
            arguments: Rc::clone(&about.arguments),
            types,
            conditions,
            child,
        });
        Ok(child)
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
