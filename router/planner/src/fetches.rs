//! From choices to fetches: walks the operation once, and writes each field into the fetch that resolves it.
//!
//! In: a [`Search`] whose slots are chosen. Out: one [`Group`] per request, with what it selects, the representations it
//! sends, and the groups it waits for. Does not write text (`document`) and does not order (`steps`).

use std::collections::BTreeSet;
use std::rc::Rc;

use apollo_compiler::ast::Argument;
use apollo_compiler::{Name, Node};
use federation::query_graph::{KeyEdgeKind, NodeId};
use federation::query_plan::{PathElement, Representation, RepresentationInput};
use federation::supergraph::{SubgraphId, TypeId};
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::place::{Arrivals, Origin, Solved};
use crate::planner::PlanError;
use crate::search::{Search, Slot};
use crate::selection::{Conditions, Item, SetId, both, without};

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
}

/// An arrival, with the place in a fetch where its fields are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Cursor {
    node: NodeId,
    stage: u16,
    tree: TreeId,
    group: usize,
}

/// A field to be written once all types that select it are known.
#[derive(PartialEq, Eq, Hash)]
struct Pending {
    field: Name,
    storage_name: Name,
    child: Option<SetId>,
    conditions: Conditions,
    /// With, for fields below which there are more, where they lead.
    at: Vec<(TreeId, usize, Option<NodeId>, u16)>,
}

struct PendingField {
    arguments: Rc<[Node<Argument>]>,
    types: Vec<TypeId>,
    list_depth: usize,
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
}

/// One place being written.
struct Place<'p> {
    type_id: TypeId,
    path: &'p [PathElement],
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
}

impl<'s, 'a> Fetches<'s, 'a> {
    pub(crate) fn new(search: &'s mut Search<'a>) -> Self {
        Self {
            search,
            groups: Vec::new(),
            trees: Vec::new(),
            entity_groups: FxHashMap::default(),
            fields_count: 0,
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
                tree,
                group,
            });
        }
        self.write_set(root, &cursors, &[], &no_conditions)?;
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
    fn write_set(
        &mut self,
        set: SetId,
        cursors: &[Cursor],
        path: &[PathElement],
        conditions: &Conditions,
    ) -> Result<BTreeSet<usize>, PlanError> {
        let selection_set = self.search.sets.set(set);
        let (types, is_abstract) = (Rc::clone(&selection_set.types), selection_set.is_abstract);
        if is_abstract {
            let typed = cursors
                .iter()
                .find(|cursor| !self.search.graph.node(cursor.node).is_interface_object);
            if let Some(cursor) = typed {
                self.trees[cursor.tree.0 as usize].typename = true;
            }
        }
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
            let arrivals = seen.iter().map(|cursor| crate::place::Arrival {
                node: cursor.node,
                stage: cursor.stage,
            });
            let solved = self.search.place(set, *type_id, &arrivals.collect())?;
            let mut place = Place {
                type_id: *type_id,
                path,
                is_abstract,
                solved,
                cursors: seen,
                written: FxHashMap::default(),
                writing: &mut writing,
            };
            self.write_place(&mut place, conditions)?;
        }
        for (index, (field, about)) in writing.fields.iter().enumerate() {
            let below = self.write_field(field, about, path, (&live, types.len()))?;
            for (group, _) in writing.waits.iter().filter(|(_, waits_for)| *waits_for == index) {
                let needs = below.iter().copied().filter(|needed| needed != group);
                self.groups[*group].needs.extend(needs.collect::<Vec<_>>());
            }
            groups.extend(below);
        }
        Ok(groups)
    }

    fn write_place(&mut self, place: &mut Place<'_>, conditions: &Conditions) -> Result<(), PlanError> {
        for item in 0..place.solved.universe.own_count {
            let needed = both(conditions, &place.solved.universe.items[item].conditions);
            self.need(place, item, &needed)?;
        }
        if let Some(visit) = place.solved.typename_visit {
            let (tree, group) = self.visit(place, visit, None, conditions)?;
            self.trees[tree.0 as usize].typename = true;
            if self.groups[group].reasons.is_empty() {
                self.add_reason_text(group, "only here the runtime type is known".to_owned());
            }
        }
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
        let mut needs = Vec::new();
        let mut at = Vec::new();
        for visit in self.search.provision_visits(&solved, index)? {
            let (tree, group) = self.visit(place, visit, provision.requires.as_deref(), conditions)?;
            needs.push(Need::Group(group));
            let node = solved.visits[visit].node;
            let target = self.search.edge(node, &item.field).and_then(|edge| edge.target);
            at.push((tree, group, target, solved.visits[visit].stage));
            let purpose = match provision.requires {
                Some(_) => Purpose::Requiring,
                None if index < solved.universe.own_count => Purpose::Own,
                None => Purpose::Input,
            };
            self.add_reason(group, place.type_id, item, purpose);
        }
        let field = Pending {
            field: item.field.clone(),
            storage_name: item.storage_name.clone(),
            child: item.child,
            conditions: Rc::clone(conditions),
            at,
        };
        let list_depth = self.list_depth(place.type_id, &item.field);
        let entry = place.writing.fields.entry(field);
        let position = entry.index();
        let about = entry.or_insert_with(|| PendingField {
            arguments: Rc::clone(&item.arguments),
            types: Vec::new(),
            list_depth,
        });
        if about.types.last() != Some(&place.type_id) {
            about.types.push(place.type_id);
        }
        if item.child.is_some() {
            needs.push(Need::Pending(position));
        }
        place.written.insert((index, Rc::clone(conditions)), needs.clone());
        Ok(needs)
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

    /// The tree and group of a visit, which is made with all it needs if it is not there.
    fn visit(
        &mut self,
        place: &mut Place<'_>,
        visit: usize,
        requires: Option<&[usize]>,
        conditions: &Conditions,
    ) -> Result<(TreeId, usize), PlanError> {
        let solved = Rc::clone(&place.solved);
        let jump_index = match solved.visits[visit].origin {
            Origin::Arrival(index) => {
                let cursor = place.cursors[index];
                return Ok((cursor.tree, cursor.group));
            }
            Origin::Jump(index) => index,
        };
        let jump = &solved.universe.jumps[jump_index];
        let mut needs: Vec<Need> = place
            .cursors
            .iter()
            .take(1)
            .map(|cursor| Need::Group(cursor.group))
            .collect();
        for item in jump
            .key
            .iter()
            .chain(requires.iter().flat_map(|requires| requires.iter()))
        {
            needs.extend(self.need(place, *item, conditions)?);
        }
        let slot = self
            .search
            .slot(&solved, &solved.visits[visit])
            .ok_or(PlanError::Internal("a jump has no slot"))?;
        let (tree, group) = if jump.kind.is_none() {
            self.root_visit(place, slot, jump.target)
        } else {
            let representation = self.representation(place, jump_index, requires.unwrap_or_default());
            self.entity_visit(place, slot, jump_index, representation)
        };
        for need in needs {
            match need {
                Need::Group(needed) if needed != group => {
                    self.groups[group].needs.insert(needed);
                }
                Need::Group(_) => {}
                Need::Pending(index) => place.writing.waits.push((group, index)),
            }
        }
        Ok((tree, group))
    }

    fn root_visit(&mut self, place: &Place<'_>, slot: Slot, node: NodeId) -> (TreeId, usize) {
        let known = self.groups.iter().position(|group| {
            let root = group.root.as_ref();
            group.slot == slot && root.is_some_and(|root| root.path == place.path)
        });
        if let Some(group) = known
            && let Some(root) = &self.groups[group].root
        {
            return (root.tree, group);
        }
        let tree = self.add_tree(&self.search.sets.no_conditions());
        self.groups.push(Group {
            slot,
            root: Some(RootTarget {
                node,
                path: place.path.to_vec(),
                tree,
            }),
            entries: Vec::new(),
            needs: BTreeSet::new(),
            reasons: Vec::new(),
        });
        (tree, self.groups.len() - 1)
    }

    fn entity_visit(
        &mut self,
        place: &Place<'_>,
        slot: Slot,
        jump: usize,
        representation: Representation,
    ) -> (TreeId, usize) {
        let group = *self.entity_groups.entry(slot).or_insert_with(|| {
            self.groups.push(Group {
                slot,
                root: None,
                entries: Vec::new(),
                needs: BTreeSet::new(),
                reasons: Vec::new(),
            });
            self.groups.len() - 1
        });
        let entries = &mut self.groups[group].entries;
        let known = entries.iter_mut().position(|entry| {
            entry.path == place.path && add_representation(&mut entry.representations, &representation)
        });
        let entry_index = known.unwrap_or_else(|| {
            entries.push(Entry {
                path: place.path.to_vec(),
                objects: None,
                interfaces: Vec::new(),
                representations: vec![representation],
            });
            entries.len() - 1
        });
        let base = self.search.sets.no_conditions();
        let jump = &place.solved.universe.jumps[jump];
        let entry = &self.groups[group].entries[entry_index];
        let known = match jump.kind {
            Some(KeyEdgeKind::Object) | None => entry.objects,
            Some(_) => entry
                .interfaces
                .iter()
                .find(|(node, _)| *node == jump.target)
                .map(|(_, tree)| *tree),
        };
        let tree = known.unwrap_or_else(|| self.add_tree(&base));
        let entry = &mut self.groups[group].entries[entry_index];
        match jump.kind {
            Some(KeyEdgeKind::Object) | None => entry.objects = Some(tree),
            Some(_) if known.is_none() => entry.interfaces.push((jump.target, tree)),
            Some(_) => {}
        }
        (tree, group)
    }

    fn representation(&mut self, place: &Place<'_>, jump: usize, requires: &[usize]) -> Representation {
        let supergraph = self.search.supergraph;
        let universe = Rc::clone(&place.solved.universe);
        let jump = &universe.jumps[jump];
        let target_name = &supergraph
            .type_definition(self.search.graph.node(jump.target).type_id)
            .name;
        let mut inputs = Vec::new();
        for item in jump.key.iter() {
            add_input(&mut inputs, self.input(&universe.items[*item], true));
        }
        for item in requires {
            add_input(&mut inputs, self.input(&universe.items[*item], false));
        }
        let stored_only = place.is_abstract && jump.kind == Some(KeyEdgeKind::Object);
        // Objects from an interface object have no runtime type stored, or not yet; all are sent alike.
        let starts_untyped = place
            .solved
            .visits
            .first()
            .is_some_and(|visit| self.search.graph.node(visit.node).is_interface_object);
        let is_untyped = starts_untyped && jump.kind != Some(KeyEdgeKind::Object);
        let runtime_types = if place.is_abstract && !is_untyped {
            vec![supergraph.type_definition(place.type_id).name.clone()]
        } else {
            Vec::new()
        };
        Representation {
            runtime_types,
            typename: (!stored_only).then(|| target_name.clone()),
            inputs,
        }
    }

    /// How an item is sent.
    fn input(&self, item: &Item, is_key: bool) -> RepresentationInput {
        let mut inputs = Vec::new();
        if let Some(child) = item.child {
            let set = self.search.sets.set(child);
            if set.is_abstract || set.wants_typename {
                inputs.push(typename_input(is_key));
            }
            for item in &set.items {
                let mut input = self.input(item, is_key);
                if item.types.len() < set.types.len() {
                    input.runtime_types = self.names(&item.types);
                }
                inputs.push(input);
            }
        }
        RepresentationInput {
            name: item.field.clone(),
            storage_name: item.storage_name.clone(),
            runtime_types: Vec::new(),
            is_key,
            inputs,
        }
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
    fn write_field(
        &mut self,
        field: &Pending,
        about: &PendingField,
        path: &[PathElement],
        (live, types_count): (&[TypeId], usize),
    ) -> Result<BTreeSet<usize>, PlanError> {
        let mut groups: BTreeSet<usize> = field.at.iter().map(|(_, group, ..)| *group).collect();
        let mut cursors = Vec::new();
        for (tree, group, target, stage) in &field.at {
            let child = self.add_field(*tree, field, about)?;
            if let (Some(tree), Some(node)) = (child, *target) {
                cursors.push(Cursor {
                    node,
                    stage: *stage,
                    tree,
                    group: *group,
                });
            }
        }
        let Some(child) = field.child else {
            return Ok(groups);
        };
        let mut path = path.to_vec();
        let is_all = live.iter().all(|id| about.types.contains(id));
        if !is_all && types_count > 1 {
            path.push(PathElement::TypeCondition(self.names(&about.types)));
        }
        path.push(PathElement::Field(field.storage_name.clone()));
        path.extend(std::iter::repeat_n(PathElement::Items, about.list_depth));
        groups.extend(self.write_set(child, &cursors, &path, &field.conditions)?);
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

    /// Notes why a request exists: for its first few fields; people see the others in the request.
    fn add_reason(&mut self, group: usize, type_id: TypeId, item: &Item, purpose: Purpose) {
        const REASONS_MAX: usize = 3;
        if self.groups[group].reasons.len() >= REASONS_MAX {
            return;
        }
        let definition = self.search.sets.field(type_id, &item.field);
        let joins = definition.map_or(&[][..], |field| field.joins.as_slice());
        let subgraph: SubgraphId = self.groups[group].slot.subgraph;
        let resolves = joins.iter().any(|join| join.subgraph == subgraph && !join.is_external);
        let is_only = joins.iter().filter(|join| !join.is_external).count() == 1;
        let name = &self.search.supergraph.subgraph(subgraph).name;
        let coordinate = format!(
            "{}.{}",
            self.search.supergraph.type_definition(type_id).name,
            item.field
        );
        let is_known_here = joins.iter().any(|join| join.subgraph == subgraph);
        let reason = match purpose {
            Purpose::Input => format!("{coordinate} is sent to another subgraph"),
            Purpose::Requiring => format!("{coordinate} requires fields of other subgraphs"),
            Purpose::Own if resolves && is_only => format!("{coordinate} is resolved only in {name}"),
            Purpose::Own if resolves => format!("{coordinate} is resolved in {name}, among others"),
            Purpose::Own if is_known_here => format!("{coordinate} is provided by {name} on this path"),
            Purpose::Own => format!("{coordinate} is resolved by {name} for an interface"),
        };
        self.add_reason_text(group, reason);
    }

    fn add_reason_text(&mut self, group: usize, reason: String) {
        let reasons = &mut self.groups[group].reasons;
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
}

/// Why a field is asked for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    /// The operation, or a field set around it, selects it.
    Own,
    /// It is resolved with what it requires.
    Requiring,
    /// A key or a `@requires` needs it.
    Input,
}

fn typename_input(is_key: bool) -> RepresentationInput {
    let name = apollo_compiler::name!("__typename");
    RepresentationInput {
        name: name.clone(),
        storage_name: name,
        runtime_types: Vec::new(),
        is_key,
        inputs: Vec::new(),
    }
}

/// Joins inputs of one name; false when they are stored in different places, so that one object cannot hold both.
fn add_input(inputs: &mut Vec<RepresentationInput>, input: RepresentationInput) -> bool {
    let Some(known) = inputs
        .iter_mut()
        .find(|known| known.name == input.name && known.runtime_types == input.runtime_types)
    else {
        inputs.push(input);
        return true;
    };
    if known.storage_name != input.storage_name {
        return false;
    }
    known.is_key |= input.is_key;
    let mut fits = true;
    for inner in input.inputs {
        fits &= add_input(&mut known.inputs, inner);
    }
    fits
}

/// Adds a representation to those of an entry; false when an object would need two representations of one name.
fn add_representation(representations: &mut Vec<Representation>, added: &Representation) -> bool {
    let overlaps = |known: &Representation| {
        known.runtime_types.is_empty()
            || added.runtime_types.is_empty()
            || known
                .runtime_types
                .iter()
                .any(|name| added.runtime_types.contains(name))
    };
    let Some(index) = representations.iter().position(overlaps) else {
        representations.push(added.clone());
        return true;
    };
    let known = &representations[index];
    if known.runtime_types != added.runtime_types || known.typename != added.typename {
        return false;
    }
    let mut inputs = known.inputs.clone();
    for input in &added.inputs {
        if !add_input(&mut inputs, input.clone()) {
            return false;
        }
    }
    representations[index].inputs = inputs;
    true
}
