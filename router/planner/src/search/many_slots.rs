//! Which slots to do without first, where there are many: by subgraph, as some can do without all of theirs.
//!
//! Where that fails, and for what remains, `search` closes fewer at a time, down to one.

use std::collections::BTreeMap;

use federation::supergraph::SubgraphId;

use super::{Search, Start, Uses, WORK_MAX};
use crate::place::Arrivals;
use crate::planner::PlanError;
use crate::selection::SetId;
use crate::slots::Slot;

/// From how many slots on whole subgraphs are closed at first: few operations need as many.
const MANY_SLOTS: usize = 12;

impl Search<'_> {
    /// Solves with no slots open but those of the first solution, `uses`, and of many not even with all of these.
    ///
    /// Returns also which of them are closed.
    pub(super) fn solve_again(
        &mut self,
        root: SetId,
        start: Start<'_>,
        uses: &Uses,
    ) -> Result<((Arrivals, Uses), Vec<Slot>), PlanError> {
        self.solved.clear();
        self.completions.clear();
        self.slots.limit(&Self::by_use(uses));
        let rarely_used = Self::of_rarely_used_subgraphs(uses);
        if !rarely_used.is_empty() && self.work <= WORK_MAX / 4 {
            self.slots.close(&rarely_used);
            if let Some(again) = self.attempt(root, start)? {
                return Ok((again, rarely_used));
            }
            self.slots.reopen(&rarely_used);
            self.solved.restore();
            self.completions.restore();
        }
        let again = self.attempt(root, start)?;
        let again = again.ok_or(PlanError::Internal("the slots that a solution uses do not allow it"))?;
        Ok((again, Vec::new()))
    }

    /// Of many slots, those of the half of the subgraphs that is used least, without those at the root.
    fn of_rarely_used_subgraphs(uses: &Uses) -> Vec<Slot> {
        let slots = Self::by_use(uses);
        if slots.len() <= MANY_SLOTS {
            return Vec::new();
        }
        let mut counts: BTreeMap<SubgraphId, u32> = BTreeMap::new();
        for slot in &slots {
            *counts.entry(slot.subgraph).or_default() += uses[slot];
        }
        let mut subgraphs: Vec<(u32, SubgraphId)> = counts.into_iter().map(|(id, count)| (count, id)).collect();
        let half = subgraphs.len() / 2;
        subgraphs.retain(|(_, id)| !slots.iter().any(|slot| slot.is_root && slot.subgraph == *id));
        subgraphs.sort_unstable();
        subgraphs.truncate(half);
        let is_rarely_used = |slot: &Slot| subgraphs.iter().any(|(_, id)| *id == slot.subgraph);
        slots.into_iter().filter(is_rarely_used).collect()
    }

    /// Of many slots, the subgraphs: some can do without all of theirs. The least used first.
    pub(super) fn subgraphs_of_many(slots: &[Slot]) -> Vec<SubgraphId> {
        let mut subgraphs: Vec<SubgraphId> = Vec::new();
        for slot in slots.iter().filter(|_| slots.len() > MANY_SLOTS) {
            if !subgraphs.contains(&slot.subgraph) {
                subgraphs.push(slot.subgraph);
            }
        }
        subgraphs
    }
}
