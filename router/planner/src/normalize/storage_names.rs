//! Storage names: under which key of the stored objects a field is kept, so that no two of them clash.

use std::fmt::Write as _;
use std::rc::Rc;

use apollo_compiler::ast::{Argument, Type};
use apollo_compiler::{Name, Node};
use federation::field_set::FieldSetSelection;
use federation::supergraph::{FieldDefinition, TypeId};
use smallvec::SmallVec;

use super::{Normalizer, Occurrence, SetBuilder, Variant};
use crate::selection::{Item, SetId, StorageName, TypeSet};

impl<'a> Normalizer<'a> {
    pub(super) fn storage_name(
        &mut self,
        builder: &SetBuilder,
        response_name: &Name,
        definition: Option<&FieldDefinition>,
        occurrence: &Occurrence<'a>,
    ) -> StorageName {
        let mut call = String::new();
        let mut arguments: SmallVec<[&Node<Argument>; 4]> = occurrence.arguments.iter().collect();
        arguments.sort_by(|left, right| left.name.cmp(&right.name));
        for argument in arguments {
            let _ = write!(call, "{}:{},", argument.name, argument.value.serialize().no_indent());
        }
        if builder.by_name {
            let _ = write!(call, " as {response_name}");
        }
        let plain = self.intern(occurrence.field, &call);
        // In the whole operation, so that it holds in every request: a field that another subgraph requires of one type may
        // stand beside the client's of another.
        let shape = definition.map(|definition| definition.shape).unwrap_or_default();
        match *self.shapes[plain.number as usize].get_or_insert(shape) {
            known if known == shape => plain,
            _ => self.intern(occurrence.field, &format!("{call} {shape:?}")),
        }
    }

    /// Two response names of one call share what is stored, so that it is asked for once; but not if one selects a non-null
    /// field that the other does not: a null there must not take the other's value with it (GraphQL spec, "Handling
    /// Execution Errors").
    pub(super) fn beside_twins(
        &mut self,
        builder: &mut SetBuilder,
        (plain, field): (StorageName, &Name),
        types: &TypeSet,
        child: SetId,
    ) -> StorageName {
        let variants = builder.twins.entry(plain.clone()).or_default();
        let fits = |variant: &Variant| {
            variant.iter().all(|(known_types, known)| {
                let is_apart = || known_types.iter().all(|id| types.binary_search(id).is_err());
                is_apart() || !self.nulls_clash((types, field), *known, child)
            })
        };
        let index = variants.iter().position(fits).unwrap_or_else(|| {
            variants.push(Variant::new());
            variants.len() - 1
        });
        variants[index].push((Rc::clone(types), child));
        self.twin_name(field, &plain, index)
    }

    /// Whether two items that call one field alike may share what is stored of it, as in [`Self::beside_twins`].
    pub(crate) fn may_share(&self, one: &Item, other: &Item) -> bool {
        match (one.child, other.child) {
            (Some(child), Some(other)) => !self.nulls_clash((&one.types, &one.field), child, other),
            _ => true,
        }
    }

    /// The storage name of a call, or of one of its twins, from 1.
    pub(crate) fn twin_name(&mut self, field: &Name, plain: &StorageName, number: usize) -> StorageName {
        match number {
            0 => plain.clone(),
            _ => self.intern(field, &format!("twin {number} of {}", plain.name)),
        }
    }

    /// Whether a null that only one of two selections below a field brings about would take along something of the other.
    fn nulls_clash(&self, (types, field): (&TypeSet, &Name), left: SetId, right: SetId) -> bool {
        let nulls = self.nulls(left, right);
        nulls.clash || nulls.spread && types.iter().any(|id| self.keeps_nulls(*id, field))
    }

    fn nulls(&self, left: SetId, right: SetId) -> Nulls {
        let mut nulls = Nulls::default();
        if left == right {
            return nulls;
        }
        // What is deferred may be asked for along with the rest.
        let (left, right) = (self.set(left).stored(), self.set(right).stored());
        for item in left {
            match twin(item, right) {
                Some(twin) => {
                    let is_alike = item.conditions == twin.conditions && item.alternatives == twin.alternatives;
                    nulls.spread |= !is_alike && self.is_any(item, Self::is_non_null);
                    if let (Some(child), Some(other)) = (item.child, twin.child) {
                        let below = self.nulls(child, other);
                        nulls.clash |= below.clash || below.spread && self.is_any(item, Self::keeps_nulls);
                        nulls.spread |= below.spread;
                    }
                }
                None => nulls.spread |= self.is_any(item, Self::is_non_null),
            }
        }
        for item in right {
            nulls.spread |= twin(item, left).is_none() && self.is_any(item, Self::is_non_null);
        }
        nulls.clash |= self.requires_any(left, right) || self.requires_any(right, left);
        nulls
    }

    /// Whether one of the items may require an object that `others` select parts of: it stands beside them then, with all
    /// that it is sent for.
    fn requires_any(&self, items: &[Rc<Item>], others: &[Rc<Item>]) -> bool {
        let types_and_items = items
            .iter()
            .flat_map(|item| item.types.iter().map(move |id| (*id, item)));
        let definitions = types_and_items.filter_map(|(id, item)| self.field(id, &item.field));
        let field_sets = definitions.flat_map(|field| field.joins.iter().filter_map(|join| join.requires.as_ref()));
        let mut required = field_sets.flat_map(|field_set| &field_set.selections);
        required.any(|selection| match selection {
            FieldSetSelection::Field(required) => {
                let mut objects = others.iter().filter(|other| other.child.is_some());
                objects.any(|other| other.field == required.name)
            }
            FieldSetSelection::InlineFragment { .. } => false,
        })
    }

    /// Whether something holds for the field of some type.
    fn is_any(&self, item: &Item, holds: fn(&Self, TypeId, &Name) -> bool) -> bool {
        item.types.iter().any(|id| holds(self, *id, &item.field))
    }

    /// Whether some subgraph may make the parent null when the field fails.
    fn is_non_null(&self, type_id: TypeId, field: &Name) -> bool {
        let mut types = self.types_of(type_id, field);
        types.any(Type::is_non_null)
    }

    /// Whether a null that spreads from below the field may end there; otherwise it takes along whatever stands beside.
    fn keeps_nulls(&self, type_id: TypeId, field: &Name) -> bool {
        let mut types = self.types_of(type_id, field);
        types.any(|field_type| {
            let mut level = field_type;
            while level.is_non_null() && level.is_list() {
                level = level.item_type();
            }
            !level.is_non_null()
        })
    }

    /// The type of a field for clients, and those that differ from it in subgraphs.
    fn types_of(&self, type_id: TypeId, field: &Name) -> impl Iterator<Item = &'a Type> {
        self.field(type_id, field).into_iter().flat_map(|definition| {
            let in_subgraphs = definition.joins.iter().filter_map(|join| join.field_type.as_ref());
            in_subgraphs.chain([&definition.field_type])
        })
    }

    /// The field's own name for its first call, `name_2` for the next one, and so on.
    fn intern(&mut self, field: &Name, call: &str) -> StorageName {
        // No name has a space in it.
        let called = [field, " ", call].concat();
        if let Some(name) = self.storage_names.get(&called) {
            return name.clone();
        }
        let mut name = field.clone();
        let mut number = 1;
        while self.storage_taken.contains(&name) || (number > 1 && self.field_names.contains(&name)) {
            number += 1;
            name = Name::new(&format!("{field}_{number}")).expect("a name with letters and digits after it is a name");
        }
        let storage_name = StorageName {
            number: self.storage_taken.len() as u32,
            name: name.clone(),
        };
        self.storage_taken.insert(name);
        self.shapes.push(None);
        self.storage_names.insert(called, storage_name.clone());
        storage_name
    }
}

/// What becomes of nulls that only one of two selections of the same objects brings about.
#[derive(Default)]
struct Nulls {
    /// They take along something that the other selects as well.
    clash: bool,
    /// They spread to the objects themselves.
    spread: bool,
}

/// The item of the same call for all of its types.
fn twin<'i>(item: &Item, others: &'i [Rc<Item>]) -> Option<&'i Rc<Item>> {
    others
        .iter()
        .find(|other| other.storage_name == item.storage_name && item.types.iter().all(|id| other.types.contains(id)))
}
