//! Context arguments in fetches: which stored value fills which variable.

use std::collections::BTreeSet;
use std::rc::Rc;

use apollo_compiler::ast::{Argument, Type, Value};
use apollo_compiler::{Name, Node};
use federation::query_plan::{ContextSource, ContextVariable};
use federation::supergraph::{ContextArgument, TypeId};

use super::{Fetches, GroupSet, Need, Place, Position, TreeId, Writing};
use crate::contexts::WantedId;
use crate::planner::PlanError;
use crate::selection::Item;

/// What the objects at one position on the way down make known to fields below them.
#[derive(Debug)]
pub(super) struct ContextLevel {
    values: Vec<LevelValue>,
}

#[derive(Debug)]
struct LevelValue {
    wanted: WantedId,
    source: ContextSource,
    /// What must have ended for the value to be known.
    groups: GroupSet,
}

/// A value as one type of a position has it.
pub(super) struct WrittenValue {
    wanted: WantedId,
    /// `None`: there are no other types at this position.
    runtime_type: Option<TypeId>,
    value: Vec<Name>,
    needs: Vec<Need>,
}

/// A variable of one `_entities` field.
#[derive(Debug)]
pub(crate) struct EntryContext {
    pub(crate) argument_type: Type,
    pub(crate) variable: ContextVariable,
}

impl Writing {
    /// Fields that make known what fields further down want, by index.
    pub(super) fn value_fields(&self) -> BTreeSet<usize> {
        let needs = self.values.iter().flat_map(|value| &value.needs);
        let fields = needs.filter_map(|need| match need {
            Need::Pending(index) => Some(*index),
            Need::Group(_) => None,
        });
        fields.collect()
    }
}

impl<'a> Fetches<'_, 'a> {
    /// Notes where the values are stored that a place makes known.
    pub(super) fn note_values(&mut self, place: &mut Place<'_>) {
        let solved = Rc::clone(&place.solved);
        for (wanted, items) in &solved.universe.values {
            let written = items.iter().flat_map(|item| &place.written[*item]);
            let needs: Vec<Need> = written.flat_map(|(_, needs)| needs.iter().copied()).collect();
            let Some(first) = items.first().filter(|_| !needs.is_empty()) else {
                continue;
            };
            place.writing.values.push(WrittenValue {
                wanted: *wanted,
                runtime_type: place.is_abstract.then_some(place.type_id),
                value: self.value_path(&solved.universe.items[*first]),
                needs,
            });
        }
    }

    /// From an object to the one leaf that a context selects.
    fn value_path(&self, item: &Item) -> Vec<Name> {
        let mut path = vec![item.storage_name.name.clone()];
        let mut child = item.child;
        while let Some(item) = child.and_then(|child| self.search.sets.set(child).items.first()) {
            path.push(item.storage_name.name.clone());
            child = item.child;
        }
        path
    }

    /// The levels for what is below a position.
    ///
    /// * `below`: per field that was written, the groups that resolve it with all below it.
    pub(super) fn levels(&self, position: &Position, writing: &Writing, below: &[GroupSet]) -> Rc<[Rc<ContextLevel>]> {
        if writing.values.is_empty() {
            return Rc::clone(&position.levels);
        }
        let mut values: Vec<LevelValue> = Vec::new();
        for written in &writing.values {
            let mut groups = GroupSet::default();
            for need in &written.needs {
                match need {
                    Need::Group(group) => groups.insert(*group),
                    Need::Pending(index) => groups.unite(&below[*index]),
                }
            }
            let alike = values
                .iter_mut()
                .find(|known| known.wanted == written.wanted && known.source.value == written.value);
            let runtime_types = self.names(written.runtime_type.as_slice());
            match alike {
                Some(known) => {
                    known.source.runtime_types.extend(runtime_types);
                    known.source.runtime_types.sort_unstable();
                    known.groups.unite(&groups);
                }
                None => values.push(LevelValue {
                    wanted: written.wanted,
                    source: ContextSource {
                        depth: self.paths.length(position.path),
                        runtime_types,
                        value: written.value.clone(),
                    },
                    groups,
                }),
            }
        }
        let level = Rc::new(ContextLevel { values });
        position.levels.iter().cloned().chain([level]).collect()
    }

    /// The arguments that are filled for a field which is resolved in `tree`, each a variable of its entry.
    pub(super) fn fill(
        &mut self,
        place: &Place<'_>,
        arguments: &'a [ContextArgument],
        (tree, group): (TreeId, usize),
    ) -> Result<Vec<Node<Argument>>, PlanError> {
        let mut filled = Vec::new();
        for argument in arguments {
            let wanted = self.search.wanted(argument);
            let mut sources: Vec<ContextSource> = Vec::new();
            for level in place.position.levels.iter().rev() {
                for value in level.values.iter().filter(|value| value.wanted == wanted) {
                    sources.push(value.source.clone());
                    let needs = value.groups.iter().filter(|needed| *needed != group);
                    self.groups[group].needs.extend(needs);
                }
                // Whatever object stands here sets the context, so that none further up is asked.
                if sources.last().is_some_and(|source| source.runtime_types.is_empty()) {
                    break;
                }
            }
            let variable = self.context_variable(argument, sources, (tree, group))?;
            filled.push(Node::new(Argument {
                name: argument.name.clone(),
                value: Node::new(Value::Variable(variable)),
            }));
        }
        Ok(filled)
    }

    fn context_variable(
        &mut self,
        argument: &ContextArgument,
        sources: Vec<ContextSource>,
        (tree, group): (TreeId, usize),
    ) -> Result<Name, PlanError> {
        let number = self.context_variables_count;
        let mut text = format!("context_{number}");
        while self.search.sets.has_variable(&text) {
            text.push('_');
        }
        let mut entries = self.groups[group].entries.iter_mut();
        let entry = entries.find(|entry| {
            entry.objects == Some(tree) || entry.interfaces.iter().any(|(_, interface)| *interface == tree)
        });
        let entry = entry.ok_or(PlanError::Internal("a context argument outside of `_entities`"))?;
        let known = entry
            .contexts
            .iter()
            .find(|known| known.argument_type == argument.argument_type && known.variable.sources == sources);
        if let Some(known) = known {
            return Ok(known.variable.variable.clone());
        }
        let variable = Name::new(&text).expect("letters, digits and underscores are a name");
        entry.contexts.push(EntryContext {
            argument_type: argument.argument_type.clone(),
            variable: ContextVariable {
                variable: variable.clone(),
                is_non_null: argument.argument_type.is_non_null(),
                sources,
            },
        });
        self.context_variables_count += 1;
        Ok(variable)
    }
}
