//! Context arguments (`@fromContext`): what fields take from objects above them.
//!
//! A *wanted value* is a context and what is selected of it. It is open at a selection set if a field of the set, or one
//! below it, wants it from above the set. The nearest type on the way up that sets the context makes it known: there,
//! the selection joins the place as hidden items, for which the field that leads down has to wait.

use std::rc::Rc;

use federation::field_set::FieldSet;
use federation::supergraph::{ContextArgument, ContextId, TypeId};

use crate::planner::PlanError;
use crate::search::Search;
use crate::selection::SetId;
use crate::universe::Universe;

/// Index of a [`Wanted`] in its search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WantedId(u32);

/// A value that fields take from above.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Wanted<'a> {
    context: ContextId,
    selection: &'a FieldSet,
}

/// What an item has to wait for because of what is wanted below it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContextNeeds {
    /// Items of the same place.
    pub(crate) items: Vec<usize>,
    /// Whether something is wanted from further above.
    pub(crate) is_open: bool,
}

impl<'a> Search<'a> {
    /// The number of what `argument` wants.
    pub(crate) fn wanted(&mut self, argument: &'a ContextArgument) -> WantedId {
        let wanted = Wanted {
            context: argument.context,
            selection: &argument.selection,
        };
        let known = self.wanted.iter().position(|known| *known == wanted);
        let index = known.unwrap_or_else(|| {
            self.wanted.push(wanted);
            self.wanted.len() - 1
        });
        WantedId(index as u32)
    }

    /// Whether anything is open at a set.
    pub(crate) fn wants_from_above(&mut self, set: SetId) -> Result<bool, PlanError> {
        Ok(self.supergraph.has_context_arguments() && !self.wanted_above(set)?.is_empty())
    }

    /// What is open at a set.
    fn wanted_above(&mut self, set: SetId) -> Result<Rc<[WantedId]>, PlanError> {
        if let Some(open) = self.wanted_above.get(&set) {
            return Ok(Rc::clone(open));
        }
        // Field sets that require each other are none of composition's supergraphs, and must not loop all the same.
        self.wanted_above.insert(set, Rc::from([]));
        let mut open = Vec::new();
        let selection_set = Rc::clone(self.sets.set(set));
        for item in &selection_set.items {
            for type_id in item.types.iter() {
                let field = self.sets.field(*type_id, &item.field);
                for join in field.iter().flat_map(|field| &field.joins) {
                    open.extend(join.context_arguments.iter().map(|argument| self.wanted(argument)));
                    if let Some(requires) = &join.requires {
                        let required = self.sets.hidden_items(requires, *type_id)?;
                        open.extend(self.wanted_above(required)?.iter());
                    }
                }
                if let Some(child) = item.child {
                    let below = self.wanted_above(child)?;
                    open.extend(below.iter().filter(|wanted| !self.sets_context(*type_id, **wanted)));
                }
            }
        }
        open.sort_unstable();
        open.dedup();
        let open: Rc<[WantedId]> = open.into();
        self.wanted_above.insert(set, Rc::clone(&open));
        Ok(open)
    }

    fn sets_context(&self, type_id: TypeId, wanted: WantedId) -> bool {
        let Wanted { context, .. } = self.wanted[wanted.0 as usize];
        self.supergraph.type_definition(type_id).contexts.contains(&context)
    }

    /// Adds to a place what the fields below its item want of it.
    pub(crate) fn add_context_needs(
        &mut self,
        universe: &mut Universe,
        item: usize,
        type_id: TypeId,
    ) -> Result<(), PlanError> {
        let mut needs = ContextNeeds::default();
        if !self.supergraph.has_context_arguments() {
            return Ok(());
        }
        if let Some(child) = universe.items[item].child {
            for wanted in self.wanted_above(child)?.iter().copied() {
                if !self.sets_context(type_id, wanted) {
                    needs.is_open = true;
                    continue;
                }
                let selection = self.wanted[wanted.0 as usize].selection;
                let items = self.add_hidden(universe, selection, type_id)?;
                needs.items.extend(items.iter());
                if universe.values.iter().all(|(known, _)| *known != wanted) {
                    universe.values.push((wanted, items));
                }
            }
        }
        universe.context_needs.push(needs);
        Ok(())
    }
}
