//! Selections of the operation that read alike are one, wherever they stand: programs write the same ones over and over.

use std::hash::{Hash, Hasher};

use apollo_compiler::ast::Argument;
use apollo_compiler::executable::{DirectiveList, Selection, SelectionSet};
use apollo_compiler::{Name, Node};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// A number for selections; equal for those that read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Reading(u32);

/// Numbers selections.
#[derive(Default)]
pub(super) struct Readings<'a> {
    by_address: FxHashMap<usize, Reading>,
    by_text: FxHashMap<Box<[Written<'a>]>, Reading>,
}

/// One selection, with what is below it as a number.
#[derive(PartialEq, Eq)]
enum Written<'a> {
    Field {
        alias: Option<&'a Name>,
        /// Address in the schema.
        definition: usize,
        arguments: &'a [Node<Argument>],
        directives: &'a DirectiveList,
        /// `None` for leaves.
        below: Option<Reading>,
    },
    InlineFragment {
        type_condition: Option<&'a Name>,
        directives: &'a DirectiveList,
        below: Reading,
    },
    FragmentSpread {
        name: &'a Name,
        directives: &'a DirectiveList,
    },
}

impl Hash for Written<'_> {
    /// Most fields are plain: of what they do not have, nothing is hashed.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let directives = match self {
            Self::Field {
                alias,
                definition,
                arguments,
                directives,
                below,
            } => {
                (definition, below).hash(state);
                alias.iter().for_each(|alias| alias.hash(state));
                arguments.iter().for_each(|argument| argument.hash(state));
                directives
            }
            Self::InlineFragment {
                type_condition,
                directives,
                below,
            } => {
                (type_condition, below).hash(state);
                directives
            }
            Self::FragmentSpread { name, directives } => {
                name.hash(state);
                directives
            }
        };
        directives.iter().for_each(|directive| directive.hash(state));
    }
}

impl<'a> Readings<'a> {
    pub(super) fn of(&mut self, selection_set: &'a SelectionSet) -> Reading {
        let address = std::ptr::from_ref(selection_set).addr();
        if let Some(known) = self.by_address.get(&address) {
            return *known;
        }
        let written = selection_set.selections.iter().map(|selection| self.written(selection));
        let written: SmallVec<[Written<'a>; 16]> = written.collect();
        let next = Reading(self.by_address.len() as u32);
        let known = self.by_text.get(written.as_slice()).copied();
        let reading = known.unwrap_or(next);
        // Each deferred fragment is a part of the answer by itself.
        if known.is_none() && !selection_set.selections.iter().any(is_deferred) {
            self.by_text.insert(written.into_boxed_slice(), next);
        }
        self.by_address.insert(address, reading);
        reading
    }

    fn written(&mut self, selection: &'a Selection) -> Written<'a> {
        match selection {
            Selection::Field(field) => {
                let is_leaf = field.selection_set.selections.is_empty();
                Written::Field {
                    alias: field.alias.as_ref(),
                    definition: std::ptr::from_ref(field.definition.as_ref()).addr(),
                    arguments: &field.arguments,
                    directives: &field.directives,
                    below: (!is_leaf).then(|| self.of(&field.selection_set)),
                }
            }
            Selection::InlineFragment(fragment) => Written::InlineFragment {
                type_condition: fragment.type_condition.as_ref(),
                directives: &fragment.directives,
                below: self.of(&fragment.selection_set),
            },
            Selection::FragmentSpread(spread) => Written::FragmentSpread {
                name: &spread.fragment_name,
                directives: &spread.directives,
            },
        }
    }
}

fn is_deferred(selection: &Selection) -> bool {
    !matches!(selection, Selection::Field(_)) && selection.directives().has("defer")
}
