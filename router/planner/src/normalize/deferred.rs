//! Deferred fragments (`@defer`) in selection sets: which fields belong to which part of the answer.
//!
//! A *part* is a deferred fragment as it stands in the operation, within the parts around it. A field that an earlier part
//! selects too is that part's: what the later one adds below it is deferred from there (Incremental Delivery RFC, "Execution
//! Plan"). Fields of later parts are sets of their own beside the set of their objects.

use std::collections::BTreeMap;
use std::rc::Rc;

use apollo_compiler::executable::DirectiveList;
use federation::deferral::{ActiveDefers, label};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{ByResponseName, Occurrence, Occurrences};
use crate::selection::{Conditions, PartId, TypeSet};

/// Most parts of one answer; what is deferred beyond them comes with what is around it. Nested fragments multiply them.
const PARTS_MAX: usize = 100;

/// A deferred fragment.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The client's name for it.
    pub(crate) label: Option<String>,
    /// The part around it.
    pub(crate) parent: Option<PartId>,
}

/// The parts of one operation.
pub(crate) struct Parts<'a> {
    active: &'a ActiveDefers,
    /// By number, those around a part before it.
    parts: Vec<Part>,
    /// By address of the fragment, and the part around it.
    known: FxHashMap<(usize, Option<PartId>), PartId>,
    /// Addresses of fragments that cannot be fetched later.
    kept: &'a FxHashSet<usize>,
}

impl<'a> Parts<'a> {
    /// * `kept`: addresses of fragments that are not deferred all the same.
    pub(crate) fn new(active: &'a ActiveDefers, kept: &'a FxHashSet<usize>) -> Self {
        Self {
            active,
            parts: Vec::new(),
            known: FxHashMap::default(),
            kept,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(crate) fn get(&self, id: PartId) -> &Part {
        &self.parts[id.0 as usize]
    }

    /// Address of the fragment that a part is.
    pub(crate) fn address(&self, id: PartId) -> Option<usize> {
        let mut known = self.known.iter();
        known.find(|(_, known)| **known == id).map(|((address, _), _)| *address)
    }

    /// The part of what a fragment selects, which stands within the part `around`; `None`: it does not begin one.
    pub(super) fn begin(
        &mut self,
        address: usize,
        directives: &DirectiveList,
        around: Option<PartId>,
    ) -> Option<PartId> {
        if !self.active.defer(directives) || self.kept.contains(&address) {
            return None;
        }
        if let Some(known) = self.known.get(&(address, around)) {
            return Some(*known);
        }
        if self.parts.len() == PARTS_MAX {
            return None;
        }
        let id = PartId(self.parts.len() as u32);
        self.parts.push(Part {
            label: label(directives).map(str::to_owned),
            parent: around,
        });
        self.known.insert((address, around), id);
        Some(id)
    }
}

/// Where a part stands among the objects of a selection set: for which types, and when.
pub(super) type Standing = Vec<(TypeSet, Conditions)>;

/// The fields of each part, those of the set itself first.
pub(super) fn split<'a>(
    fields: ByResponseName<'a>,
    own: Option<PartId>,
    deferred: &BTreeMap<PartId, Standing>,
) -> (ByResponseName<'a>, BTreeMap<PartId, ByResponseName<'a>>) {
    let mut later: BTreeMap<PartId, ByResponseName<'a>> = BTreeMap::new();
    if deferred.is_empty() {
        return (fields, later);
    }
    later.extend(deferred.keys().map(|part| (*part, ByResponseName::default())));
    let mut first = ByResponseName::default();
    for (name, mut occurrences) in fields {
        // Parts are numbered from the outside to the inside; the set's own fields are not deferred from here.
        occurrences.sort_by_key(|occurrence| (occurrence.part != own, occurrence.part));
        let mut by_part: BTreeMap<Option<PartId>, Occurrences<'a>> = BTreeMap::new();
        for occurrence in occurrences {
            let part = owner(&by_part, &occurrence).unwrap_or(occurrence.part.filter(|_| occurrence.part != own));
            by_part.entry(part).or_default().push(occurrence);
        }
        for (part, occurrences) in by_part {
            match part {
                None => first.insert(name, occurrences),
                Some(part) => later.entry(part).or_default().insert(name, occurrences),
            };
        }
    }
    (first, later)
}

/// The earlier part that has a field whenever an occurrence selects it.
fn owner(by_part: &BTreeMap<Option<PartId>, Occurrences<'_>>, later: &Occurrence<'_>) -> Option<Option<PartId>> {
    let covers = |earlier: &Occurrence<'_>| {
        earlier.part != later.part
            && earlier
                .conditions
                .iter()
                .all(|condition| later.conditions.contains(condition))
            && (Rc::ptr_eq(&earlier.types, &later.types)
                || later.types.iter().all(|id| earlier.types.binary_search(id).is_ok()))
            && (earlier.field == "__typename") == (later.field == "__typename")
    };
    let mut parts = by_part.iter();
    parts
        .find(|(_, occurrences)| occurrences.iter().any(covers))
        .map(|(part, _)| *part)
}
