//! From the operation, and from field sets, to [`SelectionSet`]s.
//!
//! Fields of one response name are merged as "CollectFields" of the GraphQL spec does, for all runtime types at once.
//! A set is made once for each list of selections and types, so that a fragment used sixty times is one set, and so is what is
//! written sixty times: the time does not grow with the operation's expansion. Sets that turn out equal are one as well.

mod alike;
mod collecting;
mod deferred;
mod storage_names;

use std::ptr;
use std::rc::Rc;

use apollo_compiler::ast::{Argument, Type};
use apollo_compiler::executable::{self, ExecutableDocument};
use apollo_compiler::{Name, Node};
use federation::field_set::FieldSet;
use federation::query_graph::FieldId;
use federation::supergraph::{FieldDefinition, ShapeId, Supergraph, TypeId};
use indexmap::{IndexMap, IndexSet};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use self::alike::{Reading, Readings};
pub(crate) use self::collecting::applied;
use self::collecting::{ByResponseName, Collected, Occurrence, Occurrences, Within};
pub(crate) use self::deferred::Parts;
use self::deferred::split;
use crate::planner::PlanError;
use crate::selection::{
    Conditions, Deferred, Item, PartId, ResponseEntry, SelectionSet, SetId, StorageName, TypeSet, any_of, both,
    complement, contradicts, without,
};

/// Most fields in all sets of one operation: far more than people write, and planned in a second.
const ITEMS_MAX: usize = 200_000;

/// Where selections come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// The operation.
    Operation(&'a executable::SelectionSet),
    /// A key or a `@requires`.
    FieldSet(&'a FieldSet),
}

/// What makes a [`Source`] one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum SourceId {
    Operation(Reading),
    /// Address of the field set.
    FieldSet(usize),
}

impl Source<'_> {
    fn is_empty(self) -> bool {
        match self {
            Self::Operation(selection_set) => selection_set.selections.is_empty(),
            Self::FieldSet(field_set) => field_set.is_empty(),
        }
    }
}

/// Selections of one position.
struct Selections<'a> {
    source: Source<'a>,
    id: SourceId,
    conditions: Conditions,
    part: Option<PartId>,
}

type Sources<'a> = SmallVec<[Selections<'a>; 1]>;

/// Indices of occurrences.
type Members = SmallVec<[usize; 4]>;

/// Types, and the occurrences that they select.
type Selecting = (TypeSet, Members);

/// Objects that a set is for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Position {
    types: TypeSet,
    /// As in [`SelectionSet`].
    is_abstract: bool,
    /// The part of the answer that the set belongs to; `None`: the first.
    part: Option<PartId>,
}

/// Where a set comes from: its selections, with what holds for each, and its position.
type Identity = (SmallVec<[(SourceId, Conditions, Option<PartId>); 1]>, Position);

/// Makes and keeps the selection sets of one plan.
pub(crate) struct Normalizer<'a> {
    supergraph: &'a Supergraph,
    document: &'a ExecutableDocument,
    field_names: &'a FxHashSet<Name>,
    pub(crate) parts: Parts<'a>,
    readings: Readings<'a>,
    /// Equal ones are one.
    sets: IndexSet<Rc<SelectionSet>, FxBuildHasher>,
    /// By where they come from.
    known: FxHashMap<Identity, SetId>,
    /// By text of field and call.
    storage_names: FxHashMap<String, StorageName>,
    storage_taken: FxHashSet<Name>,
    /// Calls without arguments, by address of the field's definition in the supergraph.
    plain_calls: FxHashMap<usize, (FieldId, StorageName)>,
    /// By number of the storage name.
    shapes: Vec<Option<ShapeId>>,
    possible_types: FxHashMap<TypeId, TypeSet>,
    no_conditions: Conditions,
    no_arguments: Rc<[Node<Argument>]>,
    items_count: usize,
}

impl<'a> Normalizer<'a> {
    /// * `field_names`: every name of a field in the supergraph, which storage aliases must not be.
    pub(crate) fn new(
        supergraph: &'a Supergraph,
        document: &'a ExecutableDocument,
        field_names: &'a FxHashSet<Name>,
        parts: Parts<'a>,
    ) -> Self {
        Self {
            supergraph,
            document,
            field_names,
            parts,
            readings: Readings::default(),
            sets: IndexSet::default(),
            known: FxHashMap::default(),
            storage_names: FxHashMap::default(),
            storage_taken: FxHashSet::default(),
            plain_calls: FxHashMap::default(),
            shapes: Vec::new(),
            possible_types: FxHashMap::default(),
            no_conditions: Rc::from([]),
            no_arguments: Rc::from([]),
            items_count: 0,
        }
    }

    pub(crate) fn set(&self, id: SetId) -> &Rc<SelectionSet> {
        &self.sets[id.0 as usize]
    }

    /// Whether the client has a variable of this name.
    pub(crate) fn has_variable(&self, name: &str) -> bool {
        let mut operations = self.document.operations.iter();
        operations.any(|operation| operation.variables.iter().any(|variable| variable.name == name))
    }

    pub(crate) fn no_conditions(&self) -> Conditions {
        Rc::clone(&self.no_conditions)
    }

    /// The set at the root of the operation.
    ///
    /// * `fields_are_effects`: of a mutation, where each response name is a call of its own.
    pub(crate) fn root(
        &mut self,
        selection_set: &'a executable::SelectionSet,
        root_type: TypeId,
        fields_are_effects: bool,
    ) -> Result<SetId, PlanError> {
        let types: TypeSet = Rc::from([root_type]);
        let mut collected = Collected::default();
        let within = Within {
            types: Rc::clone(&types),
            conditions: self.no_conditions(),
            part: None,
        };
        self.collect(Source::Operation(selection_set), &within, &mut collected);
        collected
            .fields
            .retain(|_, occurrences| !is_introspection(occurrences[0].field));
        let position = Position {
            types,
            is_abstract: false,
            part: None,
        };
        self.build(collected, &position, fields_are_effects)
    }

    /// The root fields of a mutation in the order in which they are called.
    ///
    /// A response name stands where its first selection stands whose conditions hold (GraphQL spec, "CollectFields"): one
    /// that is selected several times is several items, of which at most one is called.
    ///
    /// # Errors
    /// [`PlanError::TooLarge`].
    pub(crate) fn calls(&mut self, root: SetId) -> Result<Vec<Rc<Item>>, PlanError> {
        let set = Rc::clone(self.set(root));
        // By item, alternatives that none of its selections so far holds in.
        let mut otherwise: FxHashMap<u32, Vec<Conditions>> = FxHashMap::default();
        let mut calls = Vec::new();
        for entry in &set.response {
            let Some(index) = entry.item else { continue };
            let open = otherwise.remove(&index).unwrap_or_else(|| vec![self.no_conditions()]);
            let mut still_open = Vec::new();
            for before in open {
                let conditions = both(&before, &entry.conditions);
                if !contradicts(&conditions) {
                    let item = Item::clone(&set.items[index as usize]);
                    let alternatives = Vec::new();
                    calls.push(Rc::new(Item {
                        conditions,
                        alternatives,
                        ..item
                    }));
                }
                still_open.extend(complement(&before, &entry.conditions));
                self.items_count += 1;
                if self.items_count + still_open.len() > ITEMS_MAX {
                    return Err(PlanError::TooLarge { fields_max: ITEMS_MAX });
                }
            }
            otherwise.insert(index, still_open);
        }
        Ok(calls)
    }

    /// A set with other items than the root has: one run of a mutation.
    pub(crate) fn part(&mut self, root: SetId, items: Vec<Rc<Item>>) -> SetId {
        let part = SelectionSet {
            types: Rc::clone(&self.set(root).types),
            is_abstract: false,
            wants_typename: false,
            items,
            response: Vec::new(),
            deferred: Vec::new(),
            is_apart: false,
            all_parts: Rc::from([]),
        };
        self.add_set(part)
    }

    /// Fields that `field_set` selects on objects of `type_id`, as hidden items.
    pub(crate) fn hidden_items(&mut self, field_set: &'a FieldSet, type_id: TypeId) -> Result<SetId, PlanError> {
        let position = Position {
            types: self.possible_types(type_id),
            is_abstract: false,
            part: None,
        };
        let source = Source::FieldSet(field_set);
        let selections = Selections {
            source,
            id: self.source_id(source),
            conditions: self.no_conditions(),
            part: None,
        };
        self.normalize(smallvec![selections], position)
    }

    fn source_id(&mut self, source: Source<'a>) -> SourceId {
        match source {
            Source::Operation(selection_set) => SourceId::Operation(self.readings.of(selection_set)),
            Source::FieldSet(field_set) => SourceId::FieldSet(ptr::from_ref(field_set).addr()),
        }
    }

    fn normalize(&mut self, all: Sources<'a>, position: Position) -> Result<SetId, PlanError> {
        let sources = all
            .iter()
            .map(|selections| (selections.id, Rc::clone(&selections.conditions), selections.part));
        let identity = (sources.collect(), position);
        if let Some(known) = self.known.get(&identity) {
            return Ok(*known);
        }
        let position = &identity.1;
        let mut collected = Collected::default();
        for Selections {
            source,
            conditions,
            part,
            ..
        } in all
        {
            let within = Within {
                types: Rc::clone(&position.types),
                conditions,
                part,
            };
            if part != position.part {
                collected.defer(&within);
            }
            self.collect(source, &within, &mut collected);
        }
        let id = self.build(collected, position, false)?;
        self.known.insert(identity, id);
        Ok(id)
    }

    /// Every object type that may stand for `id` in some subgraph.
    pub(crate) fn possible_types(&mut self, id: TypeId) -> TypeSet {
        let supergraph = self.supergraph;
        let types = self.possible_types.entry(id);
        let types = types.or_insert_with(|| supergraph.type_definition(id).possible_types.as_slice().into());
        Rc::clone(types)
    }

    fn possible_types_of_any(&mut self, ids: &[TypeId]) -> TypeSet {
        let mut all: Vec<TypeId> = Vec::new();
        for id in ids {
            all.extend(self.possible_types(*id).iter());
        }
        all.sort_unstable();
        all.dedup();
        all.into()
    }

    fn build(&mut self, collected: Collected<'a>, position: &Position, by_name: bool) -> Result<SetId, PlanError> {
        let (own, later) = split(collected.fields, position.part, &collected.deferred);
        let mut builder = SetBuilder::new(position, by_name, Twins::default());
        self.add_fields(&mut builder, own)?;
        // Whoever answers must know whether an object has the fragment.
        builder.wants_typename |= !later.is_empty() && position.types.len() > 1;
        let mut twins = std::mem::take(&mut builder.twins);
        let mut set = builder.finish(position);
        let mut later_sets = Vec::with_capacity(later.len());
        for (part, fields) in later {
            let position = Position {
                part: Some(part),
                ..position.clone()
            };
            let mut apart = SetBuilder::new(&position, by_name, std::mem::take(&mut twins));
            self.add_fields(&mut apart, fields)?;
            twins = std::mem::take(&mut apart.twins);
            later_sets.push((part, apart.finish(&position)));
        }
        if !later_sets.is_empty() {
            let later = later_sets.iter().flat_map(|(_, set)| &set.items);
            set.all_parts = set.items.iter().chain(later).cloned().collect();
        }
        for (part, later) in later_sets {
            set.deferred.push(Deferred {
                part,
                standing: collected.deferred.get(&part).cloned().unwrap_or_default(),
                set: self.add_set(SelectionSet {
                    is_apart: true,
                    all_parts: Rc::clone(&set.all_parts),
                    ..later
                }),
            });
        }
        Ok(self.add_set(set))
    }

    fn add_set(&mut self, set: SelectionSet) -> SetId {
        let (index, _) = self.sets.insert_full(Rc::new(set));
        SetId(index as u32)
    }

    fn add_fields(&mut self, builder: &mut SetBuilder, fields: ByResponseName<'a>) -> Result<(), PlanError> {
        builder.items.reserve_exact(fields.len());
        builder.response.reserve_exact(fields.len());
        for (response_name, occurrences) in fields {
            self.add_response_name(builder, response_name, &occurrences)?;
        }
        self.items_count += builder.items.len();
        if self.items_count > ITEMS_MAX {
            return Err(PlanError::TooLarge { fields_max: ITEMS_MAX });
        }
        builder.response.sort_by_key(|entry| entry.order);
        Ok(())
    }

    fn add_response_name(
        &mut self,
        builder: &mut SetBuilder,
        response_name: &'a Name,
        occurrences: &[Occurrence<'a>],
    ) -> Result<(), PlanError> {
        // Either may be there, or both: objects of another type may have a field under the same response name.
        let is_typename = |occurrence: &&Occurrence<'a>| occurrence.field == "__typename";
        let is_own = |occurrence: &&Occurrence<'a>| occurrence.part == builder.part;
        for occurrence in occurrences.iter().filter(is_typename).filter(is_own) {
            builder.wants_typename = true;
            builder.response.push(ResponseEntry {
                order: occurrence.order,
                response_name: response_name.clone(),
                conditions: Rc::clone(&occurrence.conditions),
                types: Rc::clone(&occurrence.types),
                item: None,
            });
        }
        let fields = occurrences.iter().filter(|occurrence| !is_typename(occurrence));
        let fields: SmallVec<[&Occurrence<'a>; 4]> = fields.collect();
        if fields.is_empty() {
            return Ok(());
        }
        for (types, members) in self.partition(&builder.types, &fields) {
            let members: SmallVec<[&Occurrence<'a>; 4]> = members.iter().map(|index| fields[*index]).collect();
            let item = self.item(builder, response_name, types, &members)?;
            let mut seen: SmallVec<[&Conditions; 4]> = SmallVec::new();
            for member in members {
                if member.part != builder.part || seen.contains(&&member.conditions) {
                    continue;
                }
                seen.push(&member.conditions);
                let is_alias = !ptr::eq(response_name, member.field);
                builder.response.push(ResponseEntry {
                    order: member.order,
                    response_name: if is_alias { response_name } else { &item.field }.clone(),
                    conditions: Rc::clone(&member.conditions),
                    types: Rc::clone(&item.types),
                    item: Some(builder.items.len() as u32),
                });
            }
            builder.items.push(Rc::new(item));
        }
        Ok(())
    }

    /// Types that select the same occurrences, with the type of the field alike.
    fn partition(&self, all: &TypeSet, occurrences: &[&Occurrence<'a>]) -> SmallVec<[Selecting; 1]> {
        if let [only] = occurrences
            && only.types.len() == 1
        {
            return smallvec![(Rc::clone(&only.types), smallvec![0])];
        }
        let everything: Members = (0..occurrences.len()).collect();
        let is_uniform = occurrences
            .iter()
            .all(|occurrence| occurrence.types == occurrences[0].types);
        let types: Vec<TypeId> = if is_uniform {
            occurrences[0].types.to_vec()
        } else {
            let selects = |id: &&TypeId| {
                occurrences
                    .iter()
                    .any(|occurrence| occurrence.types.binary_search(id).is_ok())
            };
            all.iter().filter(selects).copied().collect()
        };
        if let [only] = types.as_slice() {
            let selected = everything
                .iter()
                .filter(|index| occurrences[**index].types.contains(only));
            return smallvec![(Rc::from([*only]), selected.copied().collect())];
        }
        let shape = |id: &TypeId| self.shape(*id, occurrences[0].field);
        if is_uniform && !types.is_empty() && types.windows(2).all(|pair| shape(&pair[0]) == shape(&pair[1])) {
            return smallvec![(Rc::clone(&occurrences[0].types), everything)];
        }
        let mut groups: IndexMap<(Members, ShapeId), Vec<TypeId>, FxBuildHasher> = IndexMap::default();
        for id in types {
            let members: Members = if is_uniform {
                everything.clone()
            } else {
                let selected = everything
                    .iter()
                    .filter(|index| occurrences[**index].types.binary_search(&id).is_ok());
                selected.copied().collect()
            };
            groups.entry((members, shape(&id))).or_default().push(id);
        }
        let groups = groups.into_iter().map(|((members, _), types)| (types.into(), members));
        groups.collect()
    }

    /// Two selections of one response name may be sent together when their shapes are equal.
    fn shape(&self, type_id: TypeId, field: &Name) -> ShapeId {
        self.field(type_id, field)
            .map(|definition| definition.shape)
            .unwrap_or_default()
    }

    pub(crate) fn field(&self, type_id: TypeId, field: &Name) -> Option<&'a FieldDefinition> {
        self.supergraph.type_definition(type_id).fields.get(field)
    }

    /// The number of a field's name, and under which name it is stored unless it has a twin; found once for all calls of a
    /// definition without arguments.
    fn called(
        &mut self,
        builder: &SetBuilder,
        response_name: &Name,
        definition: Option<&FieldDefinition>,
        occurrence: &Occurrence<'a>,
    ) -> (FieldId, StorageName) {
        let is_plain = occurrence.arguments.is_empty() && !builder.by_name;
        let address = definition.filter(|_| is_plain).map(|field| ptr::from_ref(field).addr());
        if let Some(known) = address.and_then(|address| self.plain_calls.get(&address)) {
            return known.clone();
        }
        let called = (
            self.supergraph.query_graph().field_id(occurrence.field),
            self.storage_name(builder, response_name, definition, occurrence),
        );
        self.plain_calls
            .extend(address.map(|address| (address, called.clone())));
        called
    }

    fn item(
        &mut self,
        builder: &mut SetBuilder,
        response_name: &'a Name,
        types: TypeSet,
        members: &[&Occurrence<'a>],
    ) -> Result<Item, PlanError> {
        // Those of later parts only add to what is below the field.
        let own = || members.iter().filter(|member| member.part == builder.part);
        let first = members[0];
        let are_alike = own().all(|member| member.conditions == first.conditions);
        let conditions = if are_alike {
            Rc::clone(&first.conditions)
        } else {
            let common = first
                .conditions
                .iter()
                .filter(|condition| own().all(|member| member.conditions.contains(condition)));
            common.cloned().collect()
        };
        let alternatives = match are_alike {
            true => Vec::new(),
            false => any_of(own().map(|member| &member.conditions)),
        };
        let sources = self.sources(members, are_alike.then_some(&conditions));
        let definition = self.field(types[0], first.field);
        let (field_id, storage_name) = self.called(builder, response_name, definition, first);
        let child = match sources.is_empty() {
            true => None,
            false => Some(self.child((first, builder.part), &types, sources)?),
        };
        let storage_name = match child {
            Some(child) if !builder.by_name => self.beside_twins(builder, (storage_name, first.field), &types, child),
            _ => storage_name,
        };
        Ok(Item {
            // As the supergraph has it, which is at hand; what the operation has is not.
            field: definition.map_or(first.field, |field| &field.name).clone(),
            field_id,
            list_depth: child.and(definition).map_or(0, |field| list_depth(&field.field_type)),
            arguments: match first.arguments {
                [] => Rc::clone(&self.no_arguments),
                arguments => arguments.into(),
            },
            storage_name,
            types,
            conditions,
            alternatives,
            child,
        })
    }

    /// What is selected below a field.
    ///
    /// * `known`: conditions that the field itself has, and so need not be checked below.
    fn sources(&mut self, members: &[&Occurrence<'a>], known: Option<&Conditions>) -> Sources<'a> {
        let mut sources: Sources<'a> = SmallVec::new();
        for member in members.iter().filter(|member| !member.selections.is_empty()) {
            let inner = match known {
                Some(known) => without(&member.conditions, known),
                None => Rc::clone(&member.conditions),
            };
            let id = self.source_id(member.selections);
            let is_known = sources
                .iter()
                .any(|known| known.id == id && known.conditions == inner && known.part == member.part);
            if !is_known {
                sources.push(Selections {
                    source: member.selections,
                    id,
                    conditions: inner,
                    part: member.part,
                });
            }
        }
        sources
    }

    fn child(
        &mut self,
        (field, part): (&Occurrence<'a>, Option<PartId>),
        types: &TypeSet,
        sources: Sources<'a>,
    ) -> Result<SetId, PlanError> {
        let mut inner: SmallVec<[TypeId; 1]> = SmallVec::new();
        for id in types.iter() {
            let definition = self.field(*id, field.field);
            let id = definition.and_then(|field| self.supergraph.type_id(field.field_type.inner_named_type()));
            inner.extend(id.filter(|id| !inner.contains(id)));
        }
        let mut all = match inner.as_slice() {
            [only] => self.possible_types(*only),
            _ => self.possible_types_of_any(&inner),
        };
        let is_abstract = all.len() > 1;
        let is_hidden = |id: &TypeId| self.supergraph.type_definition(*id).is_inaccessible;
        if matches!(field.selections, Source::Operation(_)) && all.iter().any(is_hidden) {
            all = all.iter().copied().filter(|id| !is_hidden(id)).collect();
        }
        let position = Position {
            types: all,
            is_abstract,
            part,
        };
        self.normalize(sources, position)
    }
}

struct SetBuilder {
    items: Vec<Rc<Item>>,
    response: Vec<ResponseEntry>,
    wants_typename: bool,
    twins: Twins,
    types: TypeSet,
    by_name: bool,
    part: Option<PartId>,
}

/// By storage name, what is selected below it; each list is stored under a name of its own.
type Twins = FxHashMap<StorageName, SmallVec<[Variant; 1]>>;

/// What is selected below one storage name, and for which types.
type Variant = SmallVec<[(TypeSet, SetId); 1]>;

impl SetBuilder {
    fn new(position: &Position, by_name: bool, twins: Twins) -> Self {
        Self {
            items: Vec::new(),
            response: Vec::new(),
            wants_typename: false,
            twins,
            types: Rc::clone(&position.types),
            by_name,
            part: position.part,
        }
    }

    fn finish(self, position: &Position) -> SelectionSet {
        SelectionSet {
            types: self.types,
            is_abstract: position.is_abstract,
            wants_typename: self.wants_typename,
            items: self.items,
            response: self.response,
            deferred: Vec::new(),
            is_apart: false,
            all_parts: Rc::from([]),
        }
    }
}

/// How many lists stand within each other.
fn list_depth(mut field_type: &Type) -> u8 {
    let mut depth = 0;
    while field_type.is_list() {
        depth += 1;
        field_type = field_type.item_type();
    }
    depth
}

/// Fields that the router answers from the API schema.
pub(crate) fn is_introspection(field: &Name) -> bool {
    field == "__schema" || field == "__type"
}
