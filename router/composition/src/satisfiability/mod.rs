//! Satisfiability: whether every query that the supergraph allows can be answered.
//!
//! Walks the supergraph from its root types. At each type it keeps the *positions* where the router may stand: the
//! subgraphs that know the object, found by following fields and keys. A field that no position resolves is an error;
//! it names a shortest query, because the walk goes breadth first.
//!
//! Does not plan: it asks whether there is a way, not which is the cheapest.

mod positions;
mod reasons;

use std::collections::VecDeque;

use apollo_compiler::Name;
use apollo_compiler::schema::ExtendedType;
use rustc_hash::FxHashSet;

use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::FederationDirective;
use crate::field_set::Coordinate;
use crate::field_usage::{fields_of, is_composite};
use crate::merge::Merged;
use crate::subgraph::AppliedDirectives;
use crate::validate::ValidSubgraph;

use positions::{Position, Positions};

/// Most errors that are reported: a missing key makes whole regions unreachable, and the first errors say why.
const ERRORS_MAX: usize = 100;

/// Finds the fields that some query can ask for and no plan can fetch.
pub(crate) fn check(merged: &Merged, subgraphs: &[ValidSubgraph]) -> Result<(), Vec<CompositionError>> {
    // A progressive override is on for some requests and off for others; both must be answered.
    let label_states: &[bool] = if merged.labelled.is_empty() {
        &[false]
    } else {
        &[false, true]
    };
    let mut walk = Walk {
        merged,
        subgraphs,
        errors: Vec::new(),
        reported: FxHashSet::default(),
    };
    for labels_on in label_states {
        walk.run(&mut Positions::new(merged, subgraphs, *labels_on));
    }
    if walk.errors.is_empty() {
        Ok(())
    } else {
        Err(walk.errors)
    }
}

struct Walk<'a> {
    merged: &'a Merged,
    subgraphs: &'a [ValidSubgraph],
    errors: Vec<CompositionError>,
    reported: FxHashSet<Coordinate>,
}

/// A type, where the router may stand, and how it got there.
struct State {
    type_name: Name,
    positions: Vec<Position>,
    /// Index of the step that led here.
    step: Option<usize>,
}

/// One step of a query: a field or a type condition.
struct Step {
    text: String,
    parent: Option<usize>,
}

impl<'a> Walk<'a> {
    fn run(&mut self, positions: &mut Positions<'a>) {
        let mut queue: VecDeque<State> = self.roots().collect();
        let mut steps: Vec<Step> = Vec::new();
        let mut visited: FxHashSet<(Name, Vec<Position>)> = FxHashSet::default();
        while let Some(mut state) = queue.pop_front() {
            let Some(definition) = self.merged.schema.types.get(&state.type_name) else {
                continue;
            };
            if definition.is_object() {
                state.positions = positions.closure(&state.type_name, state.positions);
            }
            if !visited.insert((state.type_name.clone(), state.positions.clone())) {
                continue;
            }
            let next = match definition {
                ExtendedType::Object(_) => self.fields(positions, &state, definition, &steps),
                _ => self.runtime_types(positions, &state, &steps),
            };
            for (text, type_name, positions) in next {
                steps.push(Step {
                    text,
                    parent: state.step,
                });
                queue.push_back(State {
                    type_name,
                    positions,
                    step: Some(steps.len() - 1),
                });
            }
            if self.errors.len() >= ERRORS_MAX {
                return;
            }
        }
    }

    fn roots(&self) -> impl Iterator<Item = State> {
        let roots = self.merged.schema.schema_definition.iter_root_operations();
        roots.map(|(_, root)| {
            let knowing = self.subgraphs.iter().enumerate();
            let knowing = knowing.filter(|(_, subgraph)| subgraph.schema.types.contains_key(&root.name));
            let positions = knowing
                .map(|(index, _)| Position::new(index, root.name.clone()))
                .collect();
            State {
                type_name: root.name.clone(),
                positions,
                step: None,
            }
        })
    }

    fn is_hidden(&self, directives: &impl AppliedDirectives) -> bool {
        let name = self.merged.composed.name_of(FederationDirective::Inaccessible);
        name.is_some_and(|name| directives.nodes().any(|directive| directive.name == *name))
    }

    /// Where each field of an object leads.
    fn fields(
        &mut self,
        positions: &mut Positions<'a>,
        state: &State,
        definition: &ExtendedType,
        steps: &[Step],
    ) -> Vec<(String, Name, Vec<Position>)> {
        let mut next = Vec::new();
        for field in fields_of(definition).into_iter().flat_map(|fields| fields.values()) {
            if self.is_hidden(&field.directives) {
                continue;
            }
            let reached = positions.advance(&state.type_name, &state.positions, &field.name);
            if reached.is_empty() {
                self.report(positions, state, &field.name, steps);
                continue;
            }
            let target = field.ty.inner_named_type();
            let is_composite = self.merged.schema.types.get(target).is_some_and(is_composite);
            if is_composite && !self.is_type_hidden(target) {
                next.push((field.name.to_string(), target.clone(), reached));
            }
        }
        next
    }

    fn is_type_hidden(&self, name: &str) -> bool {
        self.merged
            .schema
            .types
            .get(name)
            .is_some_and(|definition| self.is_hidden(definition.directives()))
    }

    /// Where each runtime type of an interface or union leads. A type that no position can give is no error: then no
    /// such object is ever returned. Unless an `@interfaceObject` stands there, whose objects may be of any type.
    fn runtime_types(
        &mut self,
        positions: &mut Positions<'a>,
        state: &State,
        steps: &[Step],
    ) -> Vec<(String, Name, Vec<Position>)> {
        let mut next = Vec::new();
        for object in positions.possible_types(&state.type_name) {
            if self.is_type_hidden(&object) {
                continue;
            }
            let reached = positions.cast(&state.positions, &object);
            if !reached.is_empty() {
                next.push((format!("... on {object}"), object, reached));
            } else if let Some(subgraph) = positions.interface_object_of(&state.positions) {
                self.report_unknown_runtime_type(state, &object, subgraph, steps);
            }
        }
        next
    }

    fn report(&mut self, positions: &mut Positions<'a>, state: &State, field: &Name, steps: &[Step]) {
        let coordinate = (state.type_name.clone(), field.clone());
        if !self.reported.insert(coordinate.clone()) {
            return;
        }
        let query = query_text(&state.type_name, state.step, field, steps);
        let reasons = positions.reasons(&coordinate, &state.positions);
        let message = format!(
            "`{}.{field}` cannot be fetched in the query `{query}`: {}",
            state.type_name,
            reasons.join("; ")
        );
        let places = crate::supergraph_rules::locate(self.subgraphs, &state.type_name, Some(field));
        self.errors
            .push(CompositionError::new(ErrorCode::SatisfiabilityError, message).at(places));
    }

    fn report_unknown_runtime_type(&mut self, state: &State, object: &Name, subgraph: usize, steps: &[Step]) {
        if !self.reported.insert((state.type_name.clone(), object.clone())) {
            return;
        }
        let interface = &state.type_name;
        let query = query_text(interface, state.step, &format!("... on {object}"), steps);
        let message = format!(
            "whether an object is a `{object}` cannot be found out in the query `{query}`: `{interface}` is an \
             `@interfaceObject` in `{}`, and no subgraph that defines it as an interface can be reached by a key; give the \
             interface a `@key` there",
            self.subgraphs[subgraph].name
        );
        let places = crate::supergraph_rules::locate(self.subgraphs, interface, None);
        self.errors
            .push(CompositionError::new(ErrorCode::SatisfiabilityError, message).at(places));
    }
}

/// `{ user { ... on Admin { name } } }`: the steps to a place, and what is asked there.
fn query_text(root: &str, last: Option<usize>, leaf: &str, steps: &[Step]) -> String {
    let mut texts = vec![leaf];
    let mut current = last;
    while let Some(step) = current.map(|index| &steps[index]) {
        texts.push(&step.text);
        current = step.parent;
    }
    let operation = match (last, root) {
        (None, "Mutation") => "mutation ",
        (None, "Subscription") => "subscription ",
        _ => "",
    };
    let mut text = operation.to_owned();
    for part in texts.iter().rev() {
        text.push_str("{ ");
        text.push_str(part);
        text.push(' ');
    }
    text.push_str(&vec!["}"; texts.len()].join(" "));
    text
}
