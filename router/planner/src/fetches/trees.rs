//! What fetches select: a tree of fields for each place at which one writes.

use std::rc::Rc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{Fetches, Pending, PendingField};
use crate::planner::PlanError;
use crate::selection::{Conditions, Item, StorageName, both, without};

/// Most fields of all fetches together, fragments of the operation expanded.
const FIELDS_MAX: usize = 100_000;

/// Index of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TreeId(pub(super) u32);

/// What one fetch selects at one position.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Whether the runtime type is stored.
    pub(crate) typename: bool,
    pub(crate) fields: Vec<TreeField>,
    /// Whether some of them have the same storage name.
    pub(crate) has_twins: bool,
    /// What holds for every object here.
    base: Conditions,
}

/// One field sent to a subgraph.
#[derive(Debug)]
pub(crate) struct TreeField {
    /// The field as the operation, or a field set, selects it: for the types that are seen here, with all of its arguments.
    pub(crate) item: Rc<Item>,
    pub(crate) conditions: Conditions,
    pub(crate) child: Option<TreeId>,
}

/// Most fields of a tree that are looked through one by one.
const SCANNED_MAX: usize = 8;

/// Of trees with more fields than are looked through: by tree and number of the storage name, indices in [`Tree::fields`].
pub(super) type KnownFields = FxHashMap<(TreeId, u32), SmallVec<[usize; 1]>>;

impl Fetches<'_, '_> {
    pub(crate) fn tree(&self, id: TreeId) -> &Tree {
        &self.trees[id.0 as usize]
    }

    pub(super) fn add_tree(&mut self, base: &Conditions) -> TreeId {
        self.trees.push(Tree {
            typename: false,
            fields: Vec::new(),
            has_twins: false,
            base: Rc::clone(base),
        });
        TreeId(self.trees.len() as u32 - 1)
    }

    pub(super) fn add_field(
        &mut self,
        tree: TreeId,
        field: &Pending,
        about: &PendingField,
    ) -> Result<Option<TreeId>, PlanError> {
        self.fields_count += 1;
        if self.fields_count > FIELDS_MAX {
            return Err(PlanError::TooLarge { fields_max: FIELDS_MAX });
        }
        let item = &field.call.0;
        let base = Rc::clone(&self.tree(tree).base);
        let conditions = without(&field.conditions, &base);
        let is_alike = |field: &TreeField| field.conditions == conditions && *field.item.types == *about.types;
        let mut has_twins = false;
        for known in self.named(tree, &item.storage_name) {
            if is_alike(known) {
                return Ok(known.child);
            }
            has_twins = true;
        }
        self.trees[tree.0 as usize].has_twins |= has_twins;
        self.may_mix |= has_twins || about.types.len() > 1;
        let child = item.child.map(|_| self.add_tree(&both(&base, &conditions)));
        let field = TreeField {
            item: match *item.types == *about.types {
                true => Rc::clone(item),
                false => Rc::new(Item {
                    types: about.types.as_slice().into(),
                    ..Item::clone(item)
                }),
            },
            conditions,
            child,
        };
        self.trees[tree.0 as usize].fields.push(field);
        self.note_field(tree);
        Ok(child)
    }

    /// The fields of a tree that have this storage name.
    fn named(&self, tree: TreeId, storage_name: &StorageName) -> impl Iterator<Item = &TreeField> {
        let fields = self.tree(tree).fields.as_slice();
        let (scanned, known) = match fields.len() <= SCANNED_MAX {
            true => (fields, None),
            false => (&[][..], self.known_fields.get(&(tree, storage_name.number))),
        };
        let scanned = scanned
            .iter()
            .filter(move |field| field.item.storage_name == *storage_name);
        scanned.chain(known.into_iter().flatten().map(|index| &fields[*index]))
    }

    /// Notes the last field of a tree, or all, once they are too many to be looked through.
    fn note_field(&mut self, tree: TreeId) {
        let fields = &self.trees[tree.0 as usize].fields;
        let first = match fields.len() {
            0..=SCANNED_MAX => return,
            count if count == SCANNED_MAX + 1 => 0,
            count => count - 1,
        };
        for (index, field) in fields.iter().enumerate().skip(first) {
            let named = self.known_fields.entry((tree, field.item.storage_name.number));
            named.or_default().push(index);
        }
    }
}
