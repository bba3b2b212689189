//! What fetches select: a tree of fields for each place at which one writes.

use std::rc::Rc;

use federation::supergraph::TypeId;
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
    /// Whether it stands in several places.
    pub(crate) is_shared: bool,
    /// What holds for every object here.
    pub(super) base: Conditions,
}

/// One field sent to a subgraph.
#[derive(Debug, Clone)]
pub(crate) struct TreeField {
    /// The field as the operation, or a field set, selects it: for the types that are seen here, with all of its arguments.
    pub(crate) item: Rc<Item>,
    pub(crate) conditions: Conditions,
    pub(crate) child: Option<TreeId>,
}

impl TreeField {
    /// Whether it is for the same types under the same conditions as another of its storage name.
    fn is_alike(&self, conditions: &Conditions, types: &[TypeId]) -> bool {
        self.conditions == *conditions && *self.item.types == *types
    }
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
            is_shared: false,
            base: Rc::clone(base),
        });
        TreeId(self.trees.len() as u32 - 1)
    }

    pub(super) fn count_fields(&mut self, added: usize) -> Result<(), PlanError> {
        self.fields_count += added;
        if self.fields_count > FIELDS_MAX {
            return Err(PlanError::TooLarge { fields_max: FIELDS_MAX });
        }
        Ok(())
    }

    /// Adds a field to a tree, unless it is there. Returns the tree below it, to which something may be added.
    ///
    /// * `below`: the tree below it, if that is written already.
    pub(super) fn add_field(
        &mut self,
        tree: TreeId,
        (field, about): (&Pending, &PendingField),
        below: Option<TreeId>,
    ) -> Result<Option<TreeId>, PlanError> {
        self.count_fields(1)?;
        let item = &field.item;
        let base = Rc::clone(&self.tree(tree).base);
        let conditions = without(&field.conditions, &base);
        let mut has_twins = false;
        let mut is_known = |twin: &TreeField| {
            has_twins = true;
            twin.is_alike(&conditions, &about.types)
        };
        let known = self
            .named(tree, &item.storage_name)
            .find_map(|(index, twin)| is_known(twin).then_some(index));
        if let Some(index) = known {
            return Ok(self.known_field((tree, index), below));
        }
        if has_twins || about.types.len() > 1 {
            self.trees[tree.0 as usize].has_twins |= has_twins;
            self.mix();
        }
        let child = match (item.child, below) {
            (Some(_), None) => Some(self.add_tree(&both(&base, &conditions))),
            (_, below) => below,
        };
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

    /// The tree below a field that is there, to which something may be added unless it is written already.
    fn known_field(&mut self, (tree, index): (TreeId, usize), below: Option<TreeId>) -> Option<TreeId> {
        let child = self.tree(tree).fields[index].child?;
        if below.is_some() {
            return Some(child);
        }
        let own = self.own(child);
        self.trees[tree.0 as usize].fields[index].child = Some(own);
        Some(own)
    }

    /// Whether any field of a tree has this storage name.
    pub(super) fn has_field(&self, tree: TreeId, storage_name: &StorageName) -> bool {
        self.named(tree, storage_name).next().is_some()
    }

    /// The tree below a field, if it is in a tree.
    pub(super) fn alike_field(
        &self,
        tree: TreeId,
        (field, about): (&Pending, &PendingField),
    ) -> Option<Option<TreeId>> {
        let conditions = without(&field.conditions, &self.tree(tree).base);
        let mut named = self.named(tree, &field.item.storage_name);
        let known = named.find(|(_, known)| known.is_alike(&conditions, &about.types));
        known.map(|(_, known)| known.child)
    }

    pub(super) fn copy_tree(&mut self, tree: TreeId) -> TreeId {
        let copy = self.add_tree(&self.tree(tree).base.clone());
        for index in 0..self.tree(tree).fields.len() {
            let field = self.tree(tree).fields[index].clone();
            self.trees[copy.0 as usize].fields.push(field);
            self.note_field(copy);
        }
        let Tree {
            typename, has_twins, ..
        } = *self.tree(tree);
        let copied = &mut self.trees[copy.0 as usize];
        copied.typename = typename;
        copied.has_twins = has_twins;
        copy
    }

    /// The fields of a tree that have this storage name, each with its index.
    fn named(&self, tree: TreeId, storage_name: &StorageName) -> impl Iterator<Item = (usize, &TreeField)> {
        let fields = self.tree(tree).fields.as_slice();
        let (scanned, known) = match fields.len() <= SCANNED_MAX {
            true => (fields, None),
            false => (&[][..], self.known_fields.get(&(tree, storage_name.number))),
        };
        let scanned = scanned
            .iter()
            .enumerate()
            .filter(move |(_, field)| field.item.storage_name == *storage_name);
        scanned.chain(known.into_iter().flatten().map(|index| (*index, &fields[*index])))
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
