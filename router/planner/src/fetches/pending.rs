//! The fields of one selection set that are to be written, once all types that select them are known.

use std::rc::Rc;

use apollo_compiler::Name;
use federation::query_graph::NodeId;
use federation::supergraph::TypeId;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{GroupSet, TreeId};
use crate::selection::{Conditions, Item, SetId};

/// A field as it is called, and the fetches that resolve it.
pub(super) struct Pending {
    pub(super) item: Rc<Item>,
    pub(super) conditions: Conditions,
    pub(super) context_variables: Vec<Name>,
    pub(super) at: SmallVec<[ResolvedAt; 1]>,
}

impl Pending {
    /// Equal for all types that select the field alike: one call has one storage name.
    fn call(&self) -> (u32, Option<SetId>) {
        (self.item.storage_name.number, self.item.child)
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.call() == other.call()
            && self.conditions == other.conditions
            && self.context_variables == other.context_variables
            && self.at == other.at
    }
}

/// A fetch that resolves a field.
#[derive(PartialEq, Eq)]
pub(super) struct ResolvedAt {
    pub(super) tree: TreeId,
    pub(super) group: usize,
    /// Whether the subgraph knows runtime types there.
    pub(super) is_typed: bool,
    /// For fields below which there are more, where they lead.
    pub(super) target: Option<NodeId>,
    pub(super) stage: u16,
    pub(super) context: u16,
}

/// What is known of a pending field.
#[derive(Default)]
pub(super) struct PendingField {
    pub(super) types: SmallVec<[TypeId; 2]>,
    /// Groups that tell which objects have it.
    pub(super) typed_by: GroupSet,
}

/// Most fields that are looked through one by one.
const SCANNED_MAX: usize = 16;

/// Pending fields, equal ones once.
#[derive(Default)]
pub(super) struct PendingFields {
    pub(super) all: Vec<(Pending, PendingField)>,
    /// Of more fields than are looked through: indices by number of the storage name and set below.
    known: FxHashMap<(u32, Option<SetId>), SmallVec<[usize; 1]>>,
}

impl PendingFields {
    /// Adds a field unless it is there. Returns its index.
    pub(super) fn add(&mut self, field: Pending) -> usize {
        let index = self.all.len();
        let known = match index <= SCANNED_MAX {
            true => self.all.iter().position(|(known, _)| *known == field),
            false => {
                let similar = self.known.get(&field.call());
                let mut similar = similar.into_iter().flatten().copied();
                similar.find(|known| self.all[*known].0 == field)
            }
        };
        known.unwrap_or_else(|| {
            self.all.push((field, PendingField::default()));
            self.note_last();
            index
        })
    }

    /// Notes the last field, or all, once they are too many to be looked through.
    fn note_last(&mut self) {
        let first = match self.all.len() {
            0..=SCANNED_MAX => return,
            count if count == SCANNED_MAX + 1 => 0,
            count => count - 1,
        };
        for (index, (field, _)) in self.all.iter().enumerate().skip(first) {
            self.known.entry(field.call()).or_default().push(index);
        }
    }
}
