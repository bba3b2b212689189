//! Where the router may stand: in which subgraphs, knowing an object as which type, with which fields provided.
//!
//! A *position* is reached by a field, and from it others by keys. All positions reached from some of them are their
//! *closure*. Closures and conditions (key fields, `@requires`) depend on each other, so both are computed here, with
//! a guard against going in circles: what can be had only if it can be had, cannot.

use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Name, Schema};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::field_set::implementations;
use crate::field_usage::{AppliedFieldSet, fields_of, is_composite};
use crate::merge::Merged;
use crate::validate::ValidSubgraph;

/// A place where the router may stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) subgraph: usize,
    /// The type as this subgraph knows it: for an `@interfaceObject` the interface's name.
    pub(super) type_name: Name,
    /// Which of `Positions::provided` holds the fields that are provided here; 0 is none.
    provided: usize,
}

impl Position {
    pub(super) fn new(subgraph: usize, type_name: Name) -> Self {
        Self {
            subgraph,
            type_name,
            provided: 0,
        }
    }
}

/// An object type, where its closure starts, and which subgraphs it must not enter.
type ClosureKey = (Name, Vec<Position>, Vec<usize>);

/// Deepest nesting of closures within conditions; beyond it a condition counts as not met.
const DEPTH_MAX: usize = 64;

/// Computes positions, and remembers them.
pub(super) struct Positions<'a> {
    pub(super) merged: &'a Merged,
    pub(super) subgraphs: &'a [ValidSubgraph],
    labels_on: bool,
    /// Sets of selections that `@provides` gives; positions refer to them by index.
    provided: Vec<Vec<&'a SelectionSet>>,
    closures: FxHashMap<ClosureKey, Vec<Position>>,
    in_progress: FxHashSet<ClosureKey>,
    requires_in_progress: FxHashSet<(usize, Name, Name)>,
    /// Whether a result was cut short by a guard, so that it holds only where it was asked for.
    is_cut_short: bool,
    /// Subgraphs whose keys are being looked at, sorted: what is needed to enter a subgraph cannot come from entering it.
    entering: Vec<usize>,
    /// Whether a condition is being looked at.
    condition_depth: usize,
}

impl<'a> Positions<'a> {
    pub(super) fn new(merged: &'a Merged, subgraphs: &'a [ValidSubgraph], labels_on: bool) -> Self {
        Self {
            merged,
            subgraphs,
            labels_on,
            provided: vec![Vec::new()],
            closures: FxHashMap::default(),
            in_progress: FxHashSet::default(),
            requires_in_progress: FxHashSet::default(),
            is_cut_short: false,
            entering: Vec::new(),
            condition_depth: 0,
        }
    }

    fn schema(&self) -> &'a Schema {
        &self.merged.schema
    }

    /// Object types that may stand where the supergraph has `type_name`.
    pub(super) fn possible_types(&self, type_name: &Name) -> Vec<Name> {
        match self.schema().types.get(type_name) {
            Some(ExtendedType::Union(union)) => union.members.iter().map(|member| member.name.clone()).collect(),
            Some(ExtendedType::Interface(_)) => implementations(self.schema(), type_name).cloned().collect(),
            _ => vec![type_name.clone()],
        }
    }

    /// All positions that can be reached from `start` for one object of type `object`, sorted.
    pub(super) fn closure(&mut self, object: &Name, mut start: Vec<Position>) -> Vec<Position> {
        start.sort_unstable();
        start.dedup();
        let key = (object.clone(), start, self.entering.clone());
        if let Some(known) = self.closures.get(&key) {
            return known.clone();
        }
        if self.in_progress.len() >= DEPTH_MAX || !self.in_progress.insert(key.clone()) {
            self.is_cut_short = true;
            return key.1;
        }
        let was_cut_short = std::mem::replace(&mut self.is_cut_short, false);
        let mut reached = key.1.clone();
        while let Some(found) = self.reach_one_more(object, &reached) {
            reached.push(found);
        }
        reached.sort_unstable();
        self.in_progress.remove(&key);
        if !self.is_cut_short || self.in_progress.is_empty() {
            self.closures.insert(key, reached.clone());
        }
        self.is_cut_short = !self.in_progress.is_empty() && (was_cut_short || self.is_cut_short);
        reached
    }

    fn reach_one_more(&mut self, object: &Name, reached: &[Position]) -> Option<Position> {
        let is_root = matches!(object.as_str(), "Query" | "Mutation" | "Subscription");
        for index in 0..self.subgraphs.len() {
            if self.entering.contains(&index) {
                continue;
            }
            for type_name in self.entry_types(index, object) {
                if reached
                    .iter()
                    .any(|position| position.subgraph == index && position.type_name == type_name)
                {
                    continue;
                }
                let candidate = Position::new(index, type_name);
                if is_root || self.can_enter(object, reached, &candidate) {
                    return Some(candidate);
                }
            }
        }
        None
    }

    /// Types under which a subgraph can be asked for an object: its own, and interfaces it knows as objects.
    pub(super) fn entry_types(&self, index: usize, object: &Name) -> Vec<Name> {
        let subgraph = &self.subgraphs[index];
        let mut types = Vec::new();
        if subgraph.schema.types.contains_key(object) {
            types.push(object.clone());
        }
        let interfaces = self
            .schema()
            .get_object(object)
            .map(|object| &object.implements_interfaces);
        for interface in interfaces.into_iter().flatten() {
            let known = subgraph.schema.types.get(&interface.name);
            if known.is_some_and(|definition| subgraph.is_interface_object(definition)) {
                types.push(interface.name.clone());
            }
        }
        types
    }

    /// Whether some key of the candidate can be had from the positions reached.
    fn can_enter(&mut self, object: &Name, reached: &[Position], candidate: &Position) -> bool {
        let entering = self.entering.clone();
        self.entering.push(candidate.subgraph);
        self.entering.sort_unstable();
        let keys = self.resolvable_keys(candidate);
        let can_enter = keys.iter().any(|key| self.has_key(object, reached, key));
        self.entering = entering;
        can_enter
    }

    pub(super) fn resolvable_keys(&self, candidate: &Position) -> Vec<&'a AppliedFieldSet> {
        let usage = &self.subgraphs[candidate.subgraph].usage;
        usage
            .keys(&candidate.type_name)
            .filter(|key| key.is_resolvable)
            .collect()
    }

    pub(super) fn has_key(&mut self, object: &Name, reached: &[Position], key: &'a AppliedFieldSet) -> bool {
        key.field_set()
            .is_some_and(|fields| self.holds(object, reached, &fields.selection))
    }

    /// Whether a selection can be had of an object at these positions (which are a closure, or becoming one).
    pub(super) fn holds(&mut self, object: &Name, reached: &[Position], selection: &'a SelectionSet) -> bool {
        self.condition_depth += 1;
        let holds = selection
            .selections
            .iter()
            .all(|item| self.holds_item(object, reached, item));
        self.condition_depth -= 1;
        holds
    }

    fn holds_item(&mut self, object: &Name, reached: &[Position], item: &'a Selection) -> bool {
        match item {
            Selection::Field(field) if field.name == "__typename" => true,
            Selection::Field(field) => {
                let next = self.advance(object, reached, &field.name);
                !next.is_empty() && self.holds_below(object, &field.name, &next, &field.selection_set)
            }
            Selection::InlineFragment(fragment) => {
                let applies = fragment
                    .type_condition
                    .as_ref()
                    .is_none_or(|condition| condition == object || self.schema().is_subtype(condition, object));
                !applies
                    || fragment
                        .selection_set
                        .selections
                        .iter()
                        .all(|item| self.holds_item(object, reached, item))
            }
            Selection::FragmentSpread(_) => false,
        }
    }

    fn holds_below(&mut self, object: &Name, field: &Name, next: &[Position], selection: &'a SelectionSet) -> bool {
        if selection.selections.is_empty() {
            return true;
        }
        let fields = self.schema().types.get(object).and_then(fields_of);
        let Some(target) = fields
            .and_then(|fields| fields.get(field))
            .map(|field| field.ty.inner_named_type())
        else {
            return false;
        };
        let target = target.clone();
        let runtime_types = self.possible_types(&target);
        runtime_types.iter().all(|object| {
            let cast = self.cast(next, object);
            if cast.is_empty() {
                return true;
            }
            let closure = self.closure(object, cast);
            self.holds(object, &closure, selection)
        })
    }

    /// Positions of a field's value, from those of its parent; none if no position resolves the field.
    pub(super) fn advance(&mut self, object: &Name, reached: &[Position], field: &Name) -> Vec<Position> {
        let mut next = Vec::new();
        for position in reached {
            if let Some(found) = self.advance_one(object, reached, position, field) {
                next.push(found);
            }
        }
        next.sort_unstable();
        next.dedup();
        next
    }

    fn advance_one(
        &mut self,
        object: &Name,
        reached: &[Position],
        position: &Position,
        field: &Name,
    ) -> Option<Position> {
        let subgraph = &self.subgraphs[position.subgraph];
        let definition = subgraph
            .schema
            .types
            .get(&position.type_name)
            .and_then(fields_of)?
            .get(field)?;
        let coordinate = (position.type_name.clone(), field.clone());
        let place = (position.subgraph, coordinate);
        if self.merged.overridden.contains(&place) {
            return None;
        }
        // A condition must hold whether labels are on or off: fields that move are not to be relied on.
        let label = self.merged.labelled.get(&place);
        if label.is_some_and(|takes_over| self.condition_depth > 0 || *takes_over != self.labels_on) {
            return None;
        }
        let coordinate = place.1;
        let provided = self.provided_below(position, object, field);
        if subgraph.usage.is_external(&coordinate) && provided.is_none() {
            return None;
        }
        if let Some(requires) = subgraph
            .usage
            .requires(&coordinate)
            .and_then(|applied| applied.field_set())
        {
            let guard = (position.subgraph, object.clone(), field.clone());
            if !self.requires_in_progress.insert(guard.clone()) {
                self.is_cut_short = true;
                return None;
            }
            let holds = self.holds(object, reached, &requires.selection);
            self.requires_in_progress.remove(&guard);
            if !holds {
                return None;
            }
        }
        let mut below = provided.unwrap_or_default();
        below.extend(
            subgraph
                .usage
                .provides(&coordinate)
                .and_then(|applied| applied.field_set())
                .map(|set| &set.selection),
        );
        let type_name = definition.ty.inner_named_type().clone();
        let provided = self.intern_provided(below);
        Some(Position {
            subgraph: position.subgraph,
            type_name,
            provided,
        })
    }

    /// What is provided of a field's value; `None` if the field itself is not provided here.
    fn provided_below(&self, position: &Position, object: &Name, field: &Name) -> Option<Vec<&'a SelectionSet>> {
        let schema = &self.subgraphs[position.subgraph].schema;
        let mut found = None;
        for selection in &self.provided[position.provided] {
            collect_provided(schema, selection, object, field, &mut found);
        }
        found
    }

    fn intern_provided(&mut self, selections: Vec<&'a SelectionSet>) -> usize {
        let selections: Vec<_> = selections
            .into_iter()
            .filter(|selection| !selection.selections.is_empty())
            .collect();
        let is_same = |known: &Vec<&SelectionSet>| {
            known.len() == selections.len()
                && known
                    .iter()
                    .zip(&selections)
                    .all(|(left, right)| std::ptr::eq(*left, *right))
        };
        match self.provided.iter().position(is_same) {
            Some(index) => index,
            None => {
                self.provided.push(selections);
                self.provided.len() - 1
            }
        }
    }

    /// Positions for those objects at `positions` that are of type `object`.
    pub(super) fn cast(&mut self, positions: &[Position], object: &Name) -> Vec<Position> {
        let mut cast = Vec::new();
        for position in positions {
            let subgraph = &self.subgraphs[position.subgraph];
            match subgraph.schema.types.get(&position.type_name) {
                _ if position.type_name == *object => cast.push(position.clone()),
                Some(definition @ ExtendedType::Object(_)) => {
                    let may_be = subgraph.is_interface_object(definition)
                        && self.schema().is_subtype(&position.type_name, object);
                    if may_be {
                        cast.extend(self.resolve_interface_object(position, object));
                    }
                }
                Some(definition)
                    if is_composite(definition) && subgraph.schema.is_subtype(&position.type_name, object) =>
                {
                    cast.push(Position {
                        type_name: object.clone(),
                        ..position.clone()
                    });
                }
                _ => {}
            }
        }
        cast.sort_unstable();
        cast.dedup();
        cast
    }

    /// An `@interfaceObject` does not know what its objects are; a subgraph with the interface itself, reached by one
    /// of its keys, does.
    fn resolve_interface_object(&mut self, position: &Position, object: &Name) -> Vec<Position> {
        let interface = &position.type_name;
        let mut found = Vec::new();
        for index in 0..self.subgraphs.len() {
            let schema = &self.subgraphs[index].schema;
            if schema.get_interface(interface).is_none() || !schema.is_subtype(interface, object) {
                continue;
            }
            let entry = Position::new(index, interface.clone());
            let keys = self.resolvable_keys(&entry);
            // Key fields are read of the interface object, as a field of any implementation would be.
            if keys
                .iter()
                .any(|key| self.has_key(object, std::slice::from_ref(position), key))
            {
                found.push(Position::new(index, object.clone()));
            }
        }
        if !found.is_empty() {
            found.push(position.clone());
        }
        found
    }

    /// The subgraph of a position that is an `@interfaceObject`.
    pub(super) fn interface_object_of(&self, positions: &[Position]) -> Option<usize> {
        let found = positions.iter().find(|position| {
            let subgraph = &self.subgraphs[position.subgraph];
            let definition = subgraph.schema.types.get(&position.type_name);
            definition.is_some_and(|definition| subgraph.is_interface_object(definition))
        });
        found.map(|position| position.subgraph)
    }
}

fn collect_provided<'a>(
    schema: &Schema,
    selection: &'a SelectionSet,
    object: &Name,
    field: &Name,
    found: &mut Option<Vec<&'a SelectionSet>>,
) {
    for item in &selection.selections {
        match item {
            Selection::Field(own) if own.name == *field => {
                found.get_or_insert_with(Vec::new).push(&own.selection_set);
            }
            Selection::InlineFragment(fragment) => {
                let applies = fragment
                    .type_condition
                    .as_ref()
                    .is_none_or(|condition| condition == object || schema.is_subtype(condition, object));
                if applies {
                    collect_provided(schema, &fragment.selection_set, object, field, found);
                }
            }
            _ => {}
        }
    }
}
