//! The text of a fetch: what a [`Tree`] selects, minified, in the words of one subgraph.
//!
//! Types that the subgraph does not know at a position are left out; types that select alike are written once, through
//! an interface where the subgraph has one.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::rc::Rc;

use apollo_compiler::Name;
use apollo_compiler::ast::Value;
use apollo_compiler::executable::{self, OperationType};
use federation::query_graph::NodeId;
use federation::query_plan::BooleanCondition;
use federation::supergraph::{SubgraphId, TypeId};
use indexmap::IndexMap;
use indexmap::map::Entry;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use crate::fetches::{self, Fetches, TreeField, TreeId};
use crate::selection::{Conditions, StorageName, TypeSet, without};

/// Text and what it uses.
pub(crate) struct Document<'f, 's, 'a> {
    fetches: &'f Fetches<'s, 'a>,
    subgraph: SubgraphId,
    text: String,
    variables: BTreeSet<Name>,
    /// Conditions that the plan checks, so that the text need not.
    known: Vec<BooleanCondition>,
    /// Addresses of fields that stand under one response name with others, which are asked of other types there.
    mixed: FxHashSet<usize>,
    /// Where trees that stand in several places were written.
    written: FxHashMap<Asked, Range<usize>>,
}

/// A tree, and the node that its fields are asked of; `None`: of each object type by itself.
type Asked = (TreeId, Option<NodeId>);

/// A field with everything that is selected below it.
struct Selected<'f> {
    field: &'f TreeField,
    conditions: Conditions,
    children: SmallVec<[TreeId; 1]>,
}

impl<'f, 's, 'a> Document<'f, 's, 'a> {
    /// * `entries`: how many `_entities` fields it will have.
    pub(crate) fn new(fetches: &'f Fetches<'s, 'a>, subgraph: SubgraphId, entries: usize) -> Self {
        // Most are shorter than that, with the definition of their variable.
        const ENTRY_BYTES: usize = 128;
        Self {
            fetches,
            subgraph,
            text: String::with_capacity(entries.max(1) * ENTRY_BYTES),
            variables: BTreeSet::new(),
            known: Vec::new(),
            mixed: FxHashSet::default(),
            written: FxHashMap::default(),
        }
    }

    /// Writes root fields; `known` need not be checked again.
    pub(crate) fn root(&mut self, node: NodeId, tree: TreeId, known: &[BooleanCondition]) {
        self.known = known.to_vec();
        self.survey(&[(tree, Some(node))]);
        self.level(&[tree], node);
    }

    /// Writes one `_entities` field.
    ///
    /// * `beginning`: of its text, up to the brace.
    pub(crate) fn entities(&mut self, entry: &fetches::Entry, beginning: &str, known: Vec<BooleanCondition>) {
        if self.known != known {
            self.known = known;
            self.written.clear();
        }
        let interfaces = entry.interfaces.iter().map(|(node, tree)| (*tree, Some(*node)));
        let asked: SmallVec<[Asked; 1]> = interfaces.chain(entry.objects.map(|tree| (tree, None))).collect();
        self.survey(&asked);
        self.put(beginning);
        let graph = self.fetches.search().graph;
        for (node, tree) in &entry.interfaces {
            self.fragment_start(graph.node(*node).type_id);
            self.level(&[*tree], *node);
            self.put("}");
        }
        if let Some(tree) = entry.objects {
            self.once((tree, None), |document| document.objects(tree));
        }
        self.put("}");
    }

    /// Writes what `tree` selects on each object type, without braces.
    fn objects(&mut self, tree: TreeId) {
        let fields: SmallVec<[&TreeField; 8]> = self.fetches.tree(tree).fields.iter().collect();
        self.by_type(&fields, &all_types(&fields), None);
        if fields.is_empty() {
            self.put("__typename");
        }
    }

    /// Writes what a tree selects, or copies it where it was written before.
    fn once(&mut self, asked: Asked, write: impl FnOnce(&mut Self)) {
        if !self.fetches.tree(asked.0).is_shared {
            return write(self);
        }
        if let Some(text) = self.written.get(&asked) {
            return self.text.extend_from_within(text.clone());
        }
        let start = self.text.len();
        write(self);
        self.written.insert(asked, start..self.text.len());
    }

    /// The whole operation, and the client variables that it uses in the order of `operation`.
    ///
    /// * `definitions`: of variables that are not the client's: `$name:Type,` for each.
    pub(crate) fn finish(
        mut self,
        kind: OperationType,
        operation: &executable::Operation,
        mut definitions: String,
    ) -> (String, Vec<Name>) {
        let mut variables = Vec::new();
        for variable in &operation.variables {
            if self.variables.remove(&variable.name) {
                let _ = write!(definitions, "${}:{},", variable.name, variable.ty);
                if let Some(default) = &variable.default_value {
                    definitions.pop();
                    let _ = write!(definitions, "={},", default.serialize().no_indent());
                }
                variables.push(variable.name.clone());
            }
        }
        let mut beginning = String::with_capacity(definitions.len() + 16);
        if kind != OperationType::Query || !definitions.is_empty() {
            beginning.push_str(kind.name());
        }
        if !definitions.is_empty() {
            definitions.pop();
            let _ = write!(beginning, "({definitions})");
        }
        beginning.push('{');
        self.text.insert_str(0, &beginning);
        self.text.push('}');
        (self.text, variables)
    }

    fn put(&mut self, text: &str) {
        let joins_words = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if joins_words(self.text.as_bytes().last()) && joins_words(text.as_bytes().first()) {
            self.text.push(' ');
        }
        self.text.push_str(text);
    }

    fn fragment_start(&mut self, type_id: TypeId) {
        let supergraph = self.fetches.search().supergraph;
        self.put("...on ");
        self.put(&supergraph.type_definition(type_id).name);
        self.put("{");
    }

    /// Finds the [`Document::mixed`] fields among all that is selected in one place of the answer, and below it: what fields
    /// of one response name select is merged, whatever their conditions (GraphQL spec, "Field Selection Merging").
    fn survey(&mut self, level: &[Asked]) {
        let fetches = self.fetches;
        if !fetches.may_mix {
            return;
        }
        if let [(tree, node)] = level
            && !fetches.tree(*tree).has_twins
        {
            for field in &fetches.tree(*tree).fields {
                let below = self.below(field, *node);
                self.survey(&below);
            }
            return;
        }
        let mut by_name: IndexMap<&StorageName, Vec<(&'f TreeField, Option<NodeId>)>, FxBuildHasher> =
            IndexMap::default();
        for (tree, node) in level {
            for field in &fetches.tree(*tree).fields {
                by_name
                    .entry(&field.item.storage_name)
                    .or_default()
                    .push((field, *node));
            }
        }
        for fields in by_name.into_values() {
            let mut below: Vec<Asked> = Vec::new();
            let mut is_mixed = false;
            for (field, node) in &fields {
                is_mixed |= *node != fields[0].1 || node.is_none_or(|node| !self.selects_all(field, node));
                for asked in self.below(field, *node) {
                    if !below.contains(&asked) {
                        below.push(asked);
                    }
                }
            }
            if is_mixed && fields.len() > 1 {
                let fields = fields.iter().map(|(field, _)| address(field));
                self.mixed.extend(fields);
            }
            if !below.is_empty() {
                self.survey(&below);
            }
        }
    }

    /// What is asked below a field.
    fn below(&self, field: &TreeField, node: Option<NodeId>) -> SmallVec<[Asked; 1]> {
        let mut below = SmallVec::new();
        let Some(child) = field.child else { return below };
        for node in self.asked_of(field, node) {
            let target = self.target(node, field).map(|target| (child, Some(target)));
            below.extend(target.filter(|asked| !below.contains(asked)));
        }
        below
    }

    /// The nodes that a field is asked of.
    fn asked_of(&self, field: &TreeField, node: Option<NodeId>) -> SmallVec<[NodeId; 1]> {
        let graph = self.fetches.search().graph;
        match node {
            Some(node) if graph.node(node).downcasts.is_empty() || self.selects_all(field, node) => smallvec![node],
            Some(node) => {
                let nodes = field.item.types.iter().filter_map(|id| graph.downcast(node, *id));
                nodes.collect()
            }
            None => {
                let nodes = field
                    .item
                    .types
                    .iter()
                    .filter_map(|id| graph.node_of(self.subgraph, *id));
                nodes.collect()
            }
        }
    }

    /// Whether a field can be asked of a node for all types that stand for it.
    fn selects_all(&self, field: &TreeField, id: NodeId) -> bool {
        let search = self.fetches.search();
        let mut possible = search.graph.node(id).possible_types.iter();
        search.edge(id, field.item.field_id).is_some() && possible.all(|id| field.item.types.binary_search(id).is_ok())
    }

    /// Writes what `trees` select on a node, without braces.
    fn level(&mut self, trees: &[TreeId], id: NodeId) {
        match trees {
            [tree] => self.once((*tree, Some(id)), |document| document.level_anew(trees, id)),
            _ => self.level_anew(trees, id),
        }
    }

    fn level_anew(&mut self, trees: &[TreeId], id: NodeId) {
        let fetches = self.fetches;
        let graph = fetches.search().graph;
        let node = graph.node(id);
        let start = self.text.len();
        if !node.is_interface_object && trees.iter().any(|tree| fetches.tree(*tree).typename) {
            self.put("__typename");
        }
        let fields = trees.iter().flat_map(|tree| &fetches.tree(*tree).fields);
        let is_object = !node.is_interface_object && node.downcasts.is_empty();
        let is_of_node = |field: &&TreeField| !is_object || field.item.types.binary_search(&node.type_id).is_ok();
        let fields: SmallVec<[&TreeField; 8]> = fields.filter(is_of_node).collect();
        if node.is_interface_object || is_object {
            self.fields(&fields, id);
        } else {
            let of_some = fields.iter().filter(|field| !self.selects_all(field, id));
            let of_some: FxHashSet<&StorageName> = of_some.map(|field| &field.item.storage_name).collect();
            let is_plain = |field: &&TreeField| {
                let is_alone = || !of_some.contains(&field.item.storage_name) && !self.mixed.contains(&address(field));
                self.selects_all(field, id) && (is_alone() || self.is_typed_alike(field, id))
            };
            let (plain, by_type): (Vec<&TreeField>, Vec<&TreeField>) = fields.iter().copied().partition(is_plain);
            self.fields(&plain, id);
            self.by_type(&by_type, &node.possible_types, Some(id));
        }
        if self.text.len() == start {
            // Nothing is wanted. What an object in place of an interface calls itself must not be taken for a runtime type.
            let is_runtime_type = !node.is_interface_object;
            self.put(if is_runtime_type { "__typename" } else { "_:__typename" });
        }
    }

    /// Writes fields under fragments, types that select alike together.
    fn by_type(&mut self, fields: &[&'f TreeField], types: &[TypeId], parent: Option<NodeId>) {
        if let [only] = types {
            let is_for_all = |field: &&TreeField| *field.item.types == *types;
            if !fields.is_empty() && fields.iter().all(is_for_all) {
                return self.fragment(*only, fields, parent);
            }
        }
        let mut alike: Vec<(Vec<usize>, Vec<TypeId>)> = Vec::new();
        for type_id in types {
            let selected = fields
                .iter()
                .enumerate()
                .filter(|(_, field)| field.item.types.binary_search(type_id).is_ok());
            let selected: Vec<usize> = selected.map(|(index, _)| index).collect();
            if selected.is_empty() {
                continue;
            }
            match alike.iter_mut().find(|(known, _)| *known == selected) {
                Some((_, known)) => known.push(*type_id),
                None => alike.push((selected, vec![*type_id])),
            }
        }
        let is_joined = alike.iter().any(|(_, members)| members.len() > 1);
        let mut seen: FxHashSet<&StorageName> = FxHashSet::default();
        let again = fields
            .iter()
            .filter(|field| is_joined && !seen.insert(&field.item.storage_name));
        let repeated: FxHashSet<&StorageName> = again.map(|field| &field.item.storage_name).collect();
        let graph = self.fetches.search().graph;
        for (selected, members) in alike {
            let selected: Vec<&TreeField> = selected.into_iter().map(|index| fields[index]).collect();
            let interface = if members.len() > 1 {
                self.interface(&selected, &repeated, (&members, types))
            } else {
                None
            };
            if let Some(interface) = interface {
                self.fragment_start(graph.node(interface).type_id);
                self.fields(&selected, interface);
                self.put("}");
                continue;
            }
            for type_id in members {
                self.fragment(type_id, &selected, parent);
            }
        }
    }

    /// Writes fields for objects of one type, if the subgraph knows it there.
    fn fragment(&mut self, type_id: TypeId, fields: &[&'f TreeField], parent: Option<NodeId>) {
        let graph = self.fetches.search().graph;
        let node = match parent {
            Some(parent) => graph.downcast(parent, type_id),
            None => graph.node_of(self.subgraph, type_id),
        };
        if let Some(node) = node {
            self.fragment_start(type_id);
            self.fields(fields, node);
            self.put("}");
        }
    }

    /// An interface of the subgraph that stands for exactly `members` among `types`, and has the fields.
    ///
    /// * `repeated`: storage names that stand beside each other several times.
    fn interface(
        &self,
        fields: &[&TreeField],
        repeated: &FxHashSet<&StorageName>,
        (members, types): (&[TypeId], &[TypeId]),
    ) -> Option<NodeId> {
        let search = self.fetches.search();
        let interfaces = search.supergraph.type_definition(members[0]).interfaces.iter();
        let mut nodes = interfaces.filter_map(|interface| search.graph.node_of(self.subgraph, *interface));
        nodes.find(|id| {
            let node = search.graph.node(*id);
            let stands_for = types.iter().filter(|id| node.possible_types.contains(id));
            !node.is_interface_object
                && stands_for.eq(members.iter())
                && fields
                    .iter()
                    .all(|field| search.edge(*id, field.item.field_id).is_some())
                && fields.iter().all(|field| {
                    let is_alone =
                        !repeated.contains(&field.item.storage_name) && !self.mixed.contains(&address(field));
                    is_alone || self.is_typed_alike(field, *id)
                })
        })
    }

    /// Whether an interface declares a field as all of its objects do, so that it can be asked of both in one place
    /// (GraphQL spec, "SameResponseShape"); objects may declare it non-null where the interface does not.
    fn is_typed_alike(&self, field: &TreeField, node: NodeId) -> bool {
        let search = self.fetches.search();
        let wrappers = |node: NodeId| {
            let field_type = &search.edge(node, field.item.field_id)?.field_type;
            let name = field_type.inner_named_type();
            Some(field_type.to_string().replace(name.as_str(), ""))
        };
        let declared = wrappers(node);
        let mut objects = search.graph.node(node).downcasts.iter();
        objects.all(|object| wrappers(*object) == declared)
    }

    fn fields(&mut self, fields: &[&'f TreeField], node: NodeId) {
        if are_few_and_distinct(fields) {
            for field in fields {
                self.field(&self.selected(field), node);
            }
            return;
        }
        for selected in self.merged(fields) {
            self.field(&selected, node);
        }
    }

    fn selected(&self, field: &'f TreeField) -> Selected<'f> {
        Selected {
            field,
            conditions: without(&field.conditions, &self.known),
            children: field.child.into_iter().collect(),
        }
    }

    /// Fields of one storage name and condition are one; a leaf that is there anyway needs no second, conditional one.
    fn merged(&self, fields: &[&'f TreeField]) -> Vec<Selected<'f>> {
        let mut merged: IndexMap<(&StorageName, Conditions), Selected<'f>, FxBuildHasher> = IndexMap::default();
        for field in fields {
            let selected = self.selected(field);
            let same = merged.entry((&field.item.storage_name, Rc::clone(&selected.conditions)));
            match same {
                Entry::Occupied(mut same) => same.get_mut().children.extend(field.child),
                Entry::Vacant(none) => {
                    none.insert(selected);
                }
            }
        }
        if merged.values().any(|selected| !selected.conditions.is_empty()) {
            let always = merged
                .iter()
                .filter(|((_, conditions), selected)| conditions.is_empty() && selected.children.is_empty());
            let always: FxHashSet<&StorageName> = always.map(|((name, _), _)| *name).collect();
            merged.retain(|(name, conditions), _| conditions.is_empty() || !always.contains(*name));
        }
        merged.into_values().collect()
    }

    fn field(&mut self, selected: &Selected<'f>, node: NodeId) {
        let field = selected.field;
        let (around, on_field) = split(&selected.conditions);
        for conditions in &around {
            self.put("...");
            self.directives(conditions);
            self.put("{");
        }
        if field.item.storage_name.name != field.item.field {
            self.put(&field.item.storage_name.name);
            self.put(":");
        }
        self.put(&field.item.field);
        for (index, argument) in field.item.arguments.iter().enumerate() {
            self.put(if index == 0 { "(" } else { "," });
            self.put(&argument.name);
            self.put(":");
            let value = argument.value.serialize().no_indent().to_string();
            self.put(&value);
            self.note_variables(&argument.value);
        }
        if !field.item.arguments.is_empty() {
            self.put(")");
        }
        self.directives(&on_field);
        if !selected.children.is_empty() {
            self.put("{");
            // What the plan checks holds here as well, but these fields' conditions were made without it.
            match self.target(node, field) {
                Some(target) => self.level(&selected.children, target),
                None => self.put("__typename"),
            }
            self.put("}");
        }
        for _ in &around {
            self.put("}");
        }
    }

    fn target(&self, node: NodeId, field: &TreeField) -> Option<NodeId> {
        let search = self.fetches.search();
        if let Some(edge) = search.edge(node, field.item.field_id) {
            return edge.target;
        }
        let definition = search.sets.field(search.graph.node(node).type_id, &field.item.field)?;
        let type_id = search.supergraph.type_id(definition.field_type.inner_named_type())?;
        search.graph.node_of(self.subgraph, type_id)
    }

    fn directives(&mut self, conditions: &[BooleanCondition]) {
        for condition in conditions {
            self.put(if condition.value { "@include(if:$" } else { "@skip(if:$" });
            self.put(&condition.variable);
            self.put(")");
            self.variables.insert(condition.variable.clone());
        }
    }

    fn note_variables(&mut self, value: &Value) {
        match value {
            Value::Variable(name) => {
                self.variables.insert(name.clone());
            }
            Value::List(items) => items.iter().for_each(|item| self.note_variables(item)),
            Value::Object(fields) => fields.iter().for_each(|(_, field)| self.note_variables(field)),
            _ => {}
        }
    }
}

/// The types that select any of the fields, sorted.
fn all_types(fields: &[&TreeField]) -> TypeSet {
    if let [first, others @ ..] = fields
        && others.iter().all(|other| other.item.types == first.item.types)
    {
        return Rc::clone(&first.item.types);
    }
    let mut types: Vec<TypeId> = fields
        .iter()
        .flat_map(|field| field.item.types.iter().copied())
        .collect();
    types.sort_unstable();
    types.dedup();
    types.into()
}

/// Whether no two fields have the same storage name; only for few, of which each is compared with each.
fn are_few_and_distinct(fields: &[&TreeField]) -> bool {
    const FEW: usize = 8;
    let is_first = |(index, field): (usize, &&TreeField)| {
        let mut before = fields[..index].iter();
        before.all(|other| other.item.storage_name != field.item.storage_name)
    };
    fields.len() <= FEW && fields.iter().enumerate().all(is_first)
}

/// Identity of a field: fields of one name may be equal and stand in different places.
fn address(field: &TreeField) -> usize {
    std::ptr::from_ref(field).addr()
}

/// A field takes one `@include` and one `@skip`; the others go on fragments around it.
fn split(conditions: &[BooleanCondition]) -> (Vec<Vec<BooleanCondition>>, Vec<BooleanCondition>) {
    let mut around = Vec::new();
    let mut on_field: Vec<BooleanCondition> = Vec::new();
    for condition in conditions {
        if on_field.iter().any(|known| known.value == condition.value) {
            around.push(vec![condition.clone()]);
        } else {
            on_field.push(condition.clone());
        }
    }
    (around, on_field)
}
