//! Paths in the response, each kept once: one that a thousand fetches go along is compared as a number.

use federation::query_plan::PathElement;
use rustc_hash::FxHashMap;

/// Index of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PathId(u32);

impl PathId {
    /// The path to the root object.
    pub(crate) const ROOT: Self = Self(0);
}

/// Every path that was entered.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    /// By index, without the root: what is above, and the last step.
    steps: Vec<(PathId, PathElement)>,
    known: FxHashMap<(PathId, PathElement), PathId>,
}

impl Paths {
    /// The path one step on.
    pub(crate) fn enter(&mut self, above: PathId, element: PathElement) -> PathId {
        let next = PathId(self.steps.len() as u32 + 1);
        let step = (above, element);
        if let Some(known) = self.known.get(&step) {
            return *known;
        }
        self.steps.push(step.clone());
        self.known.insert(step, next);
        next
    }

    /// The steps of a path, from the root on.
    pub(crate) fn elements(&self, path: PathId) -> Vec<PathElement> {
        let mut elements: Vec<PathElement> = self.upwards(path).cloned().collect();
        elements.reverse();
        elements
    }

    /// How many steps a path has.
    pub(crate) fn depth(&self, path: PathId) -> usize {
        self.upwards(path).count()
    }

    fn upwards(&self, mut path: PathId) -> impl Iterator<Item = &PathElement> {
        std::iter::from_fn(move || {
            let (above, element) = self.steps.get((path.0 as usize).checked_sub(1)?)?;
            path = *above;
            Some(element)
        })
    }
}
