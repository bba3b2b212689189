//! What stands below a field alike in several places of the answer: it is written once, and then referred to.
//!
//! Programs write the same selections over and over, and all positions share the requests: below two fields that lead to the
//! same set in the same fetches, everything is the same but the path.
//!
//! What is referred to does not change: a place at which something is added has trees of its own from then on
//! ([`Fetches::own`]). Nothing is shared where parts of the answer come later, where fields take values from above, or once
//! fields may mix, as these are told apart by where they stand.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use federation::query_graph::NodeId;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::{Entry, Fetches, GroupSet, PathId, Pending, PendingField, Position, TreeId};
use crate::planner::PlanError;
use crate::selection::{Conditions, SetId, both, without};

/// All that what is written below a field depends on, but its path.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Alike {
    set: SetId,
    is_for_all: bool,
    conditions: Conditions,
    typed_by: GroupSet,
    at: SmallVec<[AlikeAt; 1]>,
}

/// A fetch that resolves the field.
#[derive(PartialEq, Eq, Hash)]
struct AlikeAt {
    group: usize,
    target: Option<NodeId>,
    stage: u16,
    context: u16,
    /// What holds for every object below.
    base: Conditions,
    /// Index of the first with the same tree.
    same_tree: usize,
}

/// What was written below a field.
pub(super) struct Written {
    /// By fetch that resolves the field, what it selects below.
    trees: SmallVec<[TreeId; 1]>,
    /// The groups that resolve it.
    pub(super) groups: GroupSet,
    /// The path that the field leads into.
    path: PathId,
    /// All below it.
    paths: Range<PathId>,
    /// The entries, as places in [`Sharing::entries`].
    entries: Range<usize>,
    fields_count: usize,
    /// The last visit until then.
    last_visit: u32,
}

/// What was written, and may be referred to.
#[derive(Default)]
pub(super) struct Sharing {
    written: FxHashMap<Alike, Rc<Written>>,
    /// Group and index of each entry, in the order in which they were made.
    pub(super) entries: Vec<(usize, usize)>,
    /// How many visits by keys there were so far.
    pub(super) visits: u32,
}

/// How much was written when something began.
pub(super) struct Before {
    groups: usize,
    entries: usize,
    fields: usize,
    path: PathId,
}

impl Fetches<'_, '_> {
    /// What the same is written for as below a field, if it may be referred to.
    ///
    /// * `below`: the position below the field.
    pub(super) fn alike(
        &self,
        (field, about): (&Pending, &PendingField),
        (set, below): (SetId, &Position),
        is_for_all: bool,
    ) -> Option<Alike> {
        if !self.may_share || self.may_mix || about.types.len() > 1 {
            return None;
        }
        let at = field.at.iter().map(|at| {
            let base = &self.tree(at.tree).base;
            let same_tree = field.at.iter().position(|other| other.tree == at.tree);
            AlikeAt {
                group: at.group,
                target: at.target,
                stage: at.stage,
                context: at.context,
                base: both(base, &without(&field.conditions, base)),
                same_tree: same_tree.unwrap_or_default(),
            }
        });
        Some(Alike {
            set,
            is_for_all,
            conditions: Rc::clone(&below.conditions),
            typed_by: below.typed_by.clone(),
            at: at.collect(),
        })
    }

    /// Refers to what was written for `alike`, if that can stand below a field, or does already.
    ///
    /// * `path`: the path that the field leads into, and whether nothing was written there before.
    pub(super) fn refer(
        &mut self,
        alike: &Alike,
        (field, about): (&Pending, &PendingField),
        (path, is_new): (PathId, bool),
    ) -> Result<Option<Rc<Written>>, PlanError> {
        let Some(written) = self.sharing.written.get(alike).map(Rc::clone) else {
            return Ok(None);
        };
        let known = field.at.iter().map(|at| self.alike_field(at.tree, (field, about)));
        if known.eq(written.trees.iter().map(|tree| Some(Some(*tree)))) {
            self.count_fields(field.at.len() + written.fields_count)?;
            return Ok(Some(written));
        }
        if !is_new || !self.is_unchanged(&written) {
            return Ok(None);
        }
        for (at, tree) in field.at.iter().zip(&written.trees) {
            self.add_field(at.tree, (field, about), Some(*tree))?;
        }
        self.count_fields(written.fields_count)?;
        let copied = self.paths.copy(&written.paths, (written.path, path));
        for made in written.entries.clone() {
            let (group, index) = self.sharing.entries[made];
            let entries = &mut self.groups[group].entries;
            let entry = Entry {
                path: copied.of(entries[index].path),
                objects: entries[index].objects,
                interfaces: Vec::new(),
                representations: Arc::clone(&entries[index].representations),
                contexts: Vec::new(),
                last_visit: self.sharing.visits,
            };
            self.sharing.entries.push((group, entries.len()));
            let here = self.entries.entry((group, entry.path)).or_default();
            here.push(entries.len());
            entries.push(entry);
        }
        Ok(Some(written))
    }

    /// Whether nothing was added to the entries since.
    fn is_unchanged(&self, written: &Written) -> bool {
        let mut entries = self.sharing.entries[written.entries.clone()].iter();
        entries.all(|(group, index)| self.groups[*group].entries[*index].last_visit <= written.last_visit)
    }

    pub(super) fn before(&self) -> Before {
        Before {
            groups: self.groups.len(),
            entries: self.sharing.entries.len(),
            fields: self.fields_count,
            path: self.paths.next(),
        }
    }

    /// Keeps what was written below a field.
    pub(super) fn keep(
        &mut self,
        alike: Alike,
        (path, trees): (PathId, SmallVec<[TreeId; 1]>),
        before: &Before,
        groups: &GroupSet,
    ) {
        // Requests for root fields are for one path each.
        let has_roots = self.groups[before.groups..].iter().any(|group| group.root.is_some());
        if self.may_mix || has_roots {
            return;
        }
        let entries = before.entries..self.sharing.entries.len();
        let made = self.sharing.entries[entries.clone()].iter();
        let objects = made.filter_map(|(group, index)| self.groups[*group].entries[*index].objects);
        for tree in trees.iter().copied().chain(objects) {
            self.trees[tree.0 as usize].is_shared = true;
        }
        let written = Written {
            trees,
            groups: groups.clone(),
            path,
            paths: before.path..self.paths.next(),
            entries,
            fields_count: self.fields_count - before.fields,
            last_visit: self.sharing.visits,
        };
        self.sharing.written.insert(alike, Rc::new(written));
    }

    /// The tree itself, or where it is shared a copy of it, to which something may be added.
    pub(super) fn own(&mut self, tree: TreeId) -> TreeId {
        if !self.tree(tree).is_shared {
            return tree;
        }
        for index in 0..self.tree(tree).fields.len() {
            if let Some(child) = self.tree(tree).fields[index].child {
                self.trees[child.0 as usize].is_shared = true;
            }
        }
        self.copy_tree(tree)
    }

    /// Notes that fields may mix, for which no tree may stand in two places.
    pub(super) fn mix(&mut self) {
        if std::mem::replace(&mut self.may_mix, true) {
            return;
        }
        let mut seen = FxHashSet::default();
        for group in 0..self.groups.len() {
            for entry in 0..self.groups[group].entries.len() {
                let objects = self.groups[group].entries[entry].objects;
                self.groups[group].entries[entry].objects = objects.map(|tree| self.separate(tree, &mut seen));
            }
            if let Some(tree) = self.groups[group].root.as_ref().map(|root| root.tree) {
                self.separate(tree, &mut seen);
            }
        }
    }

    /// The tree itself, or where it was seen before a copy of it; so for all below it.
    fn separate(&mut self, tree: TreeId, seen: &mut FxHashSet<TreeId>) -> TreeId {
        let own = if seen.insert(tree) { tree } else { self.copy_tree(tree) };
        self.trees[own.0 as usize].is_shared = false;
        for index in 0..self.tree(own).fields.len() {
            if let Some(child) = self.tree(own).fields[index].child {
                let child = self.separate(child, seen);
                self.trees[own.0 as usize].fields[index].child = Some(child);
            }
        }
        own
    }
}
