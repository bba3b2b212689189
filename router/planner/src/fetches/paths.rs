//! Paths in the response, each kept once: one that a thousand fetches go along is compared as a number.

use std::ops::Range;
use std::rc::Rc;

use federation::supergraph::TypeId;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::selection::StorageName;

/// Index of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PathId(u32);

impl PathId {
    /// The path to the root object.
    pub(crate) const ROOT: Self = Self(0);
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// Into a field, and into the items of so many lists within each other.
    Field(StorageName, u8),
    /// Only to objects of these types.
    OfTypes(Rc<[TypeId]>),
}

impl Step {
    /// How many elements of a path it is.
    fn length(&self) -> usize {
        match self {
            Self::Field(_, list_depth) => 1 + usize::from(*list_depth),
            Self::OfTypes(_) => 1,
        }
    }
}

/// Every path that was entered.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// By index, without the root: what is above, and the last step; how many elements the path has.
    steps: IndexMap<(PathId, Step), usize, FxBuildHasher>,
}

impl Paths {
    /// The path one step on, and whether it is entered for the first time.
    pub(super) fn enter(&mut self, above: PathId, step: Step) -> (PathId, bool) {
        let length = self.length(above) + step.length();
        let (index, known) = self.steps.insert_full((above, step), length);
        (PathId(index as u32 + 1), known.is_none())
    }

    /// The path that is entered next, if it is new.
    pub(super) fn next(&self) -> PathId {
        PathId(self.steps.len() as u32 + 1)
    }

    /// Enters below `to` all that is below `from`.
    ///
    /// * `below`: the paths below `from`, which were entered one after the other.
    pub(super) fn copy(&mut self, below: &Range<PathId>, (from, to): (PathId, PathId)) -> Copied {
        let copied = Copied {
            whole: (from, to),
            below: (below.start, self.next()),
        };
        for index in below.start.0 - 1..below.end.0 - 1 {
            if let Some(((above, step), _)) = self.steps.get_index(index as usize) {
                let (above, step) = (copied.of(*above), step.clone());
                self.enter(above, step);
            }
        }
        copied
    }

    /// How many elements a path has.
    pub(super) fn length(&self, path: PathId) -> usize {
        match path {
            PathId::ROOT => 0,
            PathId(number) => self.steps[number as usize - 1],
        }
    }

    /// The steps of a path, the last one first.
    pub(super) fn upwards(&self, mut path: PathId) -> impl Iterator<Item = &Step> {
        std::iter::from_fn(move || {
            let ((above, step), _) = self.steps.get_index((path.0 as usize).checked_sub(1)?)?;
            path = *above;
            Some(step)
        })
    }
}

/// Paths that were copied.
pub(super) struct Copied {
    /// The path below which they are, and where they were copied to.
    whole: (PathId, PathId),
    /// The first path below either.
    below: (PathId, PathId),
}

impl Copied {
    /// The copy of a path.
    pub(super) fn of(&self, path: PathId) -> PathId {
        if path == self.whole.0 {
            return self.whole.1;
        }
        PathId(path.0 - self.below.0.0 + self.below.1.0)
    }
}
