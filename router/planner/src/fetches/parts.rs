//! Fetches for what is deferred (`@defer`): each part of the answer has requests of its own.
//!
//! While a set is written, what is deferred of its objects is only noted. Afterwards each part is searched and written like a
//! plan that begins with these objects; the keys that it sends are added to the fetches that bring the objects.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Cursor, Fetches, Position};
use crate::place::{Arrival, Arrivals};
use crate::planner::PlanError;
use crate::search::Start;
use crate::selection::{PartId, SetId};

/// Objects of which something is deferred.
pub(super) struct DeferredObjects {
    set: SetId,
    cursors: Vec<Cursor>,
    position: Position,
}

/// A part of the answer that comes later.
#[derive(Debug)]
pub(crate) struct WrittenPart {
    pub(crate) part: PartId,
    /// Parts that come before it: they tell its objects, or are around it.
    pub(crate) after: BTreeSet<PartId>,
    /// Its groups.
    pub(crate) groups: Range<usize>,
}

impl Fetches<'_, '_> {
    /// Notes what is deferred of the objects of `set`.
    pub(super) fn defer(&mut self, set: SetId, cursors: &[Cursor], position: &Position) {
        let selection_set = std::rc::Rc::clone(self.search.sets.set(set));
        for deferred in &selection_set.deferred {
            let (after, objects) = self.deferred.entry(deferred.part).or_default();
            after.extend(self.part);
            objects.push(DeferredObjects {
                set: deferred.set,
                cursors: cursors.to_vec(),
                position: position.clone(),
            });
        }
    }

    /// Writes what was noted, and what is noted meanwhile. Gives the first part for which there is no way, if there is one.
    pub(crate) fn write_parts(&mut self) -> Result<Option<PartId>, PlanError> {
        // A part is noted by those before it only: `normalize` numbers them so.
        while let Some((part, (mut after, all))) = self.deferred.pop_first() {
            after.extend(self.search.sets.parts.get(part).parent);
            let begin = self.groups.len();
            self.begin_part(part, begin);
            for objects in all {
                if !self.write_deferred(&objects)? {
                    return Ok(Some(part));
                }
            }
            let groups = begin..self.groups.len();
            self.parts.push(WrittenPart { part, after, groups });
        }
        Ok(None)
    }

    /// No request is for two parts.
    fn begin_part(&mut self, part: PartId, first_group: usize) {
        self.part = Some(part);
        self.part_begin = first_group;
        self.entity_groups.clear();
    }

    /// Whether there is a way.
    fn write_deferred(&mut self, objects: &DeferredObjects) -> Result<bool, PlanError> {
        let DeferredObjects { set, cursors, position } = objects;
        if self.search.sets.set(*set).items.is_empty() {
            return Ok(true);
        }
        let arrivals: Arrivals = cursors.iter().map(Arrival::from).collect();
        let Some((used, _)) = self.search.choose_from(*set, Start::Objects(&arrivals))? else {
            return Ok(false);
        };
        let cursors = cursors.iter().copied().filter(|cursor| used.contains(&cursor.into()));
        self.write_set(*set, &cursors.collect::<Vec<_>>(), position)?;
        Ok(true)
    }
}

impl From<&Cursor> for Arrival {
    fn from(cursor: &Cursor) -> Self {
        Self {
            node: cursor.node,
            stage: cursor.stage,
            context: cursor.context,
        }
    }
}
