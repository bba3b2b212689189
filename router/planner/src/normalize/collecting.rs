//! Collects the fields that selections select, fragments gone (GraphQL spec, "CollectFields"): for all runtime types at once,
//! each with the types and the conditions that it is selected for.

use std::collections::BTreeMap;
use std::rc::Rc;

use apollo_compiler::ast::{Argument, Value};
use apollo_compiler::executable::{Directive, DirectiveList, Selection};
use apollo_compiler::{Name, Node};
use federation::field_set::FieldSetSelection;
use federation::query_plan::BooleanCondition;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashSet};
use smallvec::SmallVec;

use super::deferred::Standing;
use super::{Normalizer, Source};
use crate::selection::{Conditions, PartId, TypeSet, both, contradicts, intersection};

/// What holds for selections: which objects they are for, when, and in which part of the answer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Within {
    pub(super) types: TypeSet,
    pub(super) conditions: Conditions,
    pub(super) part: Option<PartId>,
}

/// One field as written.
pub(super) struct Occurrence<'a> {
    pub(super) order: u32,
    pub(super) field: &'a Name,
    pub(super) arguments: &'a [Node<Argument>],
    pub(super) types: TypeSet,
    pub(super) conditions: Conditions,
    pub(super) part: Option<PartId>,
    pub(super) selections: Source<'a>,
}

pub(super) type Occurrences<'a> = SmallVec<[Occurrence<'a>; 1]>;

pub(super) type ByResponseName<'a> = IndexMap<&'a Name, Occurrences<'a>, FxBuildHasher>;

/// The fields of one position, by response name, and what is deferred there.
#[derive(Default)]
pub(super) struct Collected<'a> {
    order: u32,
    pub(super) fields: ByResponseName<'a>,
    pub(super) deferred: BTreeMap<PartId, Standing>,
    fragments_seen: FxHashSet<(&'a Name, Within)>,
}

impl<'a> Normalizer<'a> {
    pub(super) fn collect(&mut self, source: Source<'a>, within: &Within, collected: &mut Collected<'a>) {
        match source {
            Source::Operation(selection_set) => {
                collected.fields.reserve(selection_set.selections.len());
                for selection in &selection_set.selections {
                    self.collect_selection(selection, within, collected);
                }
            }
            Source::FieldSet(field_set) => {
                collected.fields.reserve(field_set.selections.len());
                for selection in &field_set.selections {
                    match selection {
                        FieldSetSelection::Field(field) => {
                            let selections = Source::FieldSet(&field.selections);
                            collected.push(&field.name, (&field.name, &field.arguments), within, selections);
                        }
                        FieldSetSelection::InlineFragment {
                            type_condition,
                            selections,
                        } => {
                            if let Some(within) = self.narrow(within, type_condition.as_ref()) {
                                self.collect(Source::FieldSet(selections), &within, collected);
                            }
                        }
                    }
                }
            }
        }
    }

    fn collect_selection(&mut self, selection: &'a Selection, within: &Within, collected: &mut Collected<'a>) {
        let Some(conditions) = applied(&within.conditions, selection.directives()) else {
            return;
        };
        let within = Within {
            conditions,
            ..within.clone()
        };
        match selection {
            Selection::Field(field) => {
                let selections = Source::Operation(&field.selection_set);
                collected.push(
                    field.response_key(),
                    (&field.name, &field.arguments),
                    &within,
                    selections,
                );
            }
            Selection::InlineFragment(fragment) => {
                if let Some(mut within) = self.narrow(&within, fragment.type_condition.as_ref()) {
                    self.defer(selection, &mut within, collected);
                    self.collect(Source::Operation(&fragment.selection_set), &within, collected);
                }
            }
            Selection::FragmentSpread(spread) => {
                let Some(fragment) = self.document.fragments.get(&spread.fragment_name) else {
                    return;
                };
                let Some(mut within) = self.narrow(&within, Some(fragment.type_condition())) else {
                    return;
                };
                self.defer(selection, &mut within, collected);
                if collected.fragments_seen.insert((&fragment.name, within.clone())) {
                    self.collect(Source::Operation(&fragment.selection_set), &within, collected);
                }
            }
        }
    }

    /// Enters the part that a fragment begins, if it is deferred.
    fn defer(&mut self, fragment: &'a Selection, within: &mut Within, collected: &mut Collected<'a>) {
        let address = std::ptr::from_ref(fragment).addr();
        if let Some(part) = self.parts.begin(address, fragment.directives(), within.part) {
            within.part = Some(part);
            collected.defer(within);
        }
    }

    /// `None`: no object here is of that type.
    fn narrow(&mut self, within: &Within, type_condition: Option<&Name>) -> Option<Within> {
        let types = match type_condition {
            None => Rc::clone(&within.types),
            Some(name) => {
                let id = self.supergraph.type_id(name)?;
                intersection(&within.types, &self.possible_types(id))
            }
        };
        (!types.is_empty()).then(|| Within {
            types,
            ..within.clone()
        })
    }
}

impl<'a> Collected<'a> {
    fn push(
        &mut self,
        response_name: &'a Name,
        (field, arguments): (&'a Name, &'a [Node<Argument>]),
        within: &Within,
        selections: Source<'a>,
    ) {
        self.fields.entry(response_name).or_default().push(Occurrence {
            order: self.order,
            field,
            arguments,
            types: Rc::clone(&within.types),
            conditions: Rc::clone(&within.conditions),
            part: within.part,
            selections,
        });
        self.order += 1;
    }

    /// Notes that the part of `within` stands here.
    pub(super) fn defer(&mut self, within: &Within) {
        let Some(part) = within.part else { return };
        let standing = self.deferred.entry(part).or_default();
        let here = (Rc::clone(&within.types), Rc::clone(&within.conditions));
        if !standing.contains(&here) {
            standing.push(here);
        }
    }
}

/// `conditions` and those of `directives`; `None` when the selection is never taken.
pub(crate) fn applied(conditions: &Conditions, directives: &DirectiveList) -> Option<Conditions> {
    let mut added: Vec<BooleanCondition> = Vec::new();
    for (name, value) in [("skip", false), ("include", true)] {
        match directives.get(name).and_then(|directive| condition(directive)) {
            Some(Value::Boolean(given)) if *given != value => return None,
            Some(Value::Variable(variable)) => added.push(BooleanCondition {
                variable: variable.clone(),
                value,
            }),
            _ => {}
        }
    }
    let conditions = both(conditions, &added);
    (!contradicts(&conditions)).then_some(conditions)
}

fn condition(directive: &Node<Directive>) -> Option<&Value> {
    directive.specified_argument_by_name("if").map(AsRef::as_ref)
}
