//! Paths in the response, each kept once: one that a thousand fetches go along is compared as a number.

use std::rc::Rc;

use federation::supergraph::TypeId;
use rustc_hash::FxHashMap;

use crate::selection::StorageName;

/// Index of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PathId(u32);

impl PathId {
    /// The path to the root object.
    pub(crate) const ROOT: Self = Self(0);
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Field(StorageName),
    /// Only to objects of these types.
    OfTypes(Rc<[TypeId]>),
    /// To each item of a list.
    Items,
}

/// Every path that was entered.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// By index, without the root: what is above, and the last step.
    steps: Vec<(PathId, Step)>,
    known: FxHashMap<(PathId, Step), PathId>,
}

impl Paths {
    /// The path one step on.
    pub(super) fn enter(&mut self, above: PathId, step: Step) -> PathId {
        let next = PathId(self.steps.len() as u32 + 1);
        let step = (above, step);
        if let Some(known) = self.known.get(&step) {
            return *known;
        }
        self.steps.push(step.clone());
        self.known.insert(step, next);
        next
    }

    /// The steps of a path, from the root on.
    pub(super) fn steps(&self, path: PathId) -> Vec<&Step> {
        let mut steps: Vec<&Step> = self.upwards(path).collect();
        steps.reverse();
        steps
    }

    /// How many steps a path has.
    pub(super) fn depth(&self, path: PathId) -> usize {
        self.upwards(path).count()
    }

    fn upwards(&self, mut path: PathId) -> impl Iterator<Item = &Step> {
        std::iter::from_fn(move || {
            let (above, step) = self.steps.get((path.0 as usize).checked_sub(1)?)?;
            path = *above;
            Some(step)
        })
    }
}
