//! What fetches select: a tree of fields for each place at which one writes.

use std::rc::Rc;

use apollo_compiler::ast::Argument;
use apollo_compiler::{Name, Node};
use federation::supergraph::TypeId;

use super::{Fetches, Pending, PendingField};
use crate::planner::PlanError;
use crate::selection::{Conditions, Item, both, without};

/// Most fields of all fetches together, fragments of the operation expanded.
const FIELDS_MAX: usize = 100_000;

/// Index of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TreeId(pub(super) u32);

/// What one fetch selects at one position.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Whether the runtime type is stored.
    pub(crate) typename: bool,
    pub(crate) fields: Vec<TreeField>,
    /// What holds for every object here.
    base: Option<Conditions>,
}

/// One field sent to a subgraph.
#[derive(Debug)]
pub(crate) struct TreeField {
    /// The field as the operation, or a field set, selects it.
    pub(crate) item: Rc<Item>,
    pub(crate) arguments: Rc<[Node<Argument>]>,
    pub(crate) types: Rc<[TypeId]>,
    pub(crate) conditions: Conditions,
    pub(crate) child: Option<TreeId>,
}

/// What makes a field of a tree one.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct FieldIdentity {
    tree: TreeId,
    storage_name: Name,
    conditions: Conditions,
    types: Rc<[TypeId]>,
}

impl Fetches<'_, '_> {
    pub(crate) fn tree(&self, id: TreeId) -> &Tree {
        &self.trees[id.0 as usize]
    }

    pub(super) fn add_tree(&mut self, base: &Conditions) -> TreeId {
        self.trees.push(Tree {
            base: Some(Rc::clone(base)),
            ..Tree::default()
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
        let base = self.trees[tree.0 as usize].base.clone().unwrap_or_else(|| Rc::from([]));
        let conditions = without(&field.conditions, &base);
        let types: Rc<[TypeId]> = about.types.as_slice().into();
        let child = field.call.0.child.map(|_| both(&base, &conditions));
        let identity = FieldIdentity {
            tree,
            storage_name: field.call.0.storage_name.clone(),
            conditions: Rc::clone(&conditions),
            types: Rc::clone(&types),
        };
        if let Some(known) = self.known_fields.get(&identity) {
            return Ok(self.trees[tree.0 as usize].fields[*known].child);
        }
        let child = child.map(|base| self.add_tree(&base));
        let tree = &mut self.trees[tree.0 as usize];
        self.known_fields.insert(identity, tree.fields.len());
        tree.fields.push(TreeField {
            item: Rc::clone(&field.call.0),
            arguments: Rc::clone(&about.arguments),
            types,
            conditions,
            child,
        });
        Ok(child)
    }
}
