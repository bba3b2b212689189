//! Paths in the response, each kept once: one that a thousand fetches go along is compared as a number.

use std::rc::Rc;

use federation::supergraph::TypeId;
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use crate::selection::StorageName;

/// Index of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PathId(u32);

impl PathId {
    /// The path to the root object.
    pub(crate) const ROOT: Self = Self(0);
}

/// One step of a path.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// Into a field, and into the items of so many lists within each other.
    Field(StorageName, u8),
    /// Only to objects of these types.
    OfTypes(Rc<[TypeId]>),
}

/// Every path that was entered.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// By index, without the root: what is above, and the last step.
    steps: IndexSet<(PathId, Step), FxBuildHasher>,
}

impl Paths {
    /// The path one step on.
    pub(super) fn enter(&mut self, above: PathId, step: Step) -> PathId {
        let (index, _) = self.steps.insert_full((above, step));
        PathId(index as u32 + 1)
    }

    /// How many elements a path has.
    pub(super) fn depth(&self, path: PathId) -> usize {
        let elements = self.upwards(path).map(|step| match step {
            Step::Field(_, list_depth) => 1 + usize::from(*list_depth),
            Step::OfTypes(_) => 1,
        });
        elements.sum()
    }

    /// The steps of a path, the last one first.
    pub(super) fn upwards(&self, mut path: PathId) -> impl Iterator<Item = &Step> {
        std::iter::from_fn(move || {
            let (above, step) = self.steps.get_index((path.0 as usize).checked_sub(1)?)?;
            path = *above;
            Some(step)
        })
    }
}
