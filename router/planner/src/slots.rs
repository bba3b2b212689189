//! Slots, the requests that a plan may make, and what is remembered of solutions while fewer of them are tried.
//!
//! A solution depends on the slots that it was told of when it asked for the next open one. Closing others leaves it as it
//! is, so that a trial solves anew only what the closed slot has a part in.

use std::cell::Cell;
use std::hash::Hash;

use federation::supergraph::SubgraphId;
use rustc_hash::FxHashMap;

/// Most stages of a plan: twice the deepest operation that limits let through. A plan needs one for each jump on a path.
const STAGES_MAX: u16 = 400;

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub(crate) stage: u16,
    pub(crate) subgraph: SubgraphId,
    /// Root fields, not entities: the two cannot share a request.
    pub(crate) is_root: bool,
}

/// Slots as bits. The sixty-fifth shares the bit of the first, and so on: then more is solved anew than need be.
pub(crate) type SlotBits = u64;

/// By subgraph, and whether root fields are asked for: open stages, sorted, each with its bit.
type OpenStages = FxHashMap<(SubgraphId, bool), Vec<(u16, SlotBits)>>;

/// The slots that may be used.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// `None`: every one.
    open: Option<OpenStages>,
    bits: FxHashMap<Slot, SlotBits>,
    /// What has been asked for since it was taken last.
    asked: Cell<SlotBits>,
    /// What is closed for a trial.
    closed: SlotBits,
}

impl Slots {
    /// Opens these and no others, from now on.
    pub(crate) fn limit(&mut self, slots: &[Slot]) {
        let numbered = slots.iter().enumerate();
        self.bits = numbered.map(|(index, slot)| (*slot, 1 << (index % 64))).collect();
        self.open = Some(FxHashMap::default());
        self.reopen(slots);
    }

    /// Closes these, which are open, for a trial.
    pub(crate) fn close(&mut self, slots: &[Slot]) {
        for slot in slots {
            self.closed |= self.bits[slot];
            if let Some(stages) = self
                .open
                .as_mut()
                .and_then(|open| open.get_mut(&(slot.subgraph, slot.is_root)))
            {
                stages.retain(|(stage, _)| *stage != slot.stage);
            }
        }
    }

    /// After a trial, leaves closed what is.
    pub(crate) fn keep(&mut self) {
        self.closed = 0;
    }

    /// After a trial in vain, opens what was closed for it.
    pub(crate) fn reopen(&mut self, slots: &[Slot]) {
        for slot in slots {
            let bit = self.bits[slot];
            if let Some(open) = &mut self.open {
                let stages = open.entry((slot.subgraph, slot.is_root)).or_default();
                stages.push((slot.stage, bit));
                stages.sort_unstable();
            }
        }
        self.closed = 0;
    }

    pub(crate) fn are_all_open(&self) -> bool {
        self.open.is_none()
    }

    /// The first open stage after `stage`.
    pub(crate) fn next(&self, subgraph: SubgraphId, is_root: bool, stage: u16) -> Option<u16> {
        let Some(open) = &self.open else {
            return (stage < STAGES_MAX).then_some(stage + 1);
        };
        let stages = open.get(&(subgraph, is_root))?;
        let (stage, bit) = stages.iter().find(|(open, _)| *open > stage)?;
        self.note(*bit);
        Some(*stage)
    }

    pub(crate) fn is_open(&self, slot: Slot) -> bool {
        let Some(open) = &self.open else { return true };
        let stages = open.get(&(slot.subgraph, slot.is_root));
        stages.is_some_and(|stages| stages.iter().any(|(open, _)| *open == slot.stage))
    }

    /// What is asked for from now on is noted apart. Returns what was noted, for [`Slots::leave`].
    pub(crate) fn enter(&self) -> SlotBits {
        self.asked.replace(0)
    }

    /// What was asked for since [`Slots::enter`].
    pub(crate) fn leave(&self, before: SlotBits) -> SlotBits {
        let asked = self.asked.get();
        self.asked.set(asked | before);
        asked
    }

    fn note(&self, bits: SlotBits) {
        self.asked.set(self.asked.get() | bits);
    }
}

/// Solutions by what they solve.
#[derive(Debug)]
pub(crate) struct Memo<K, V> {
    kept: FxHashMap<K, (SlotBits, V)>,
    /// Of the trial that is under way.
    trial: FxHashMap<K, (SlotBits, V)>,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self {
            kept: FxHashMap::default(),
            trial: FxHashMap::default(),
        }
    }
}

impl<K: Hash + Eq, V: Clone> Memo<K, V> {
    /// What is known, and still true with the slots that are open.
    pub(crate) fn get(&self, key: &K, slots: &Slots) -> Option<V> {
        let kept = || self.kept.get(key).filter(|(asked, _)| asked & slots.closed == 0);
        let (asked, value) = self.trial.get(key).or_else(kept)?;
        slots.note(*asked);
        Some(value.clone())
    }

    /// * `asked`: of which slots the value depends.
    pub(crate) fn insert(&mut self, key: K, asked: SlotBits, value: V) {
        self.trial.insert(key, (asked, value));
    }

    /// The trial's slots are open from now on. To be called before [`Slots::keep`].
    pub(crate) fn keep(&mut self, slots: &Slots) {
        if self.kept.is_empty() {
            self.kept = std::mem::take(&mut self.trial);
            return;
        }
        self.kept.retain(|_, (asked, _)| *asked & slots.closed == 0);
        self.kept.extend(self.trial.drain());
    }

    /// The trial was in vain.
    pub(crate) fn restore(&mut self) {
        self.trial.clear();
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.trial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(stage: u16) -> Slot {
        Slot {
            stage,
            subgraph: SubgraphId(0),
            is_root: false,
        }
    }

    /// Remembers which stage is the next open one, under the stage before it.
    fn remember_next(memo: &mut Memo<u16, Option<u16>>, slots: &Slots, stage: u16) {
        let before = slots.enter();
        let next = slots.next(SubgraphId(0), false, stage);
        memo.insert(stage, slots.leave(before), next);
    }

    #[test]
    fn solutions_are_forgotten_with_the_slots_that_they_asked_for() {
        let (mut slots, mut memo) = (Slots::default(), Memo::default());
        slots.limit(&[slot(1), slot(2)]);
        remember_next(&mut memo, &slots, 0);
        remember_next(&mut memo, &slots, 1);
        memo.keep(&slots);
        slots.keep();
        slots.close(&[slot(1)]);
        assert_eq!(
            [memo.get(&0, &slots), memo.get(&1, &slots)],
            [None, Some(Some(2))],
            "in the trial"
        );
        memo.keep(&slots);
        slots.keep();
        assert_eq!(
            [memo.get(&0, &slots), memo.get(&1, &slots)],
            [None, Some(Some(2))],
            "and after it"
        );
    }
}
