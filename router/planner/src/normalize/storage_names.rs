//! Storage names: under which key of the stored objects a field is kept, so that no two of them clash.

use std::fmt::Write as _;
use std::rc::Rc;

use apollo_compiler::ast::Argument;
use apollo_compiler::{Name, Node};
use federation::supergraph::TypeId;
use smallvec::SmallVec;

use super::{Normalizer, Occurrence, SetBuilder};
use crate::selection::{SetId, TypeSet};

impl<'a> Normalizer<'a> {
    pub(super) fn storage_name(
        &mut self,
        builder: &SetBuilder,
        response_name: &Name,
        types: &TypeSet,
        occurrence: &Occurrence<'a>,
    ) -> Name {
        let mut call = String::new();
        let mut arguments: SmallVec<[&Node<Argument>; 4]> = occurrence.arguments.iter().collect();
        arguments.sort_by(|left, right| left.name.cmp(&right.name));
        for argument in arguments {
            let _ = write!(call, "{}:{},", argument.name, argument.value.serialize().no_indent());
        }
        if builder.by_name {
            let _ = write!(call, " as {response_name}");
        }
        let plain = self.intern(occurrence.field, call.clone());
        // In the whole operation, so that it holds in every request: a field that another subgraph requires of one type may
        // stand beside the client's of another.
        let shape = self.shape(types[0], occurrence.field);
        match *self.shapes.entry(plain.clone()).or_insert(shape) {
            known if known == shape => plain,
            _ => self.intern(occurrence.field, format!("{call} {shape:?}")),
        }
    }

    /// Two response names of one call share what is stored, so that it is asked for once; but not if one selects a non-null
    /// field that the other does not: a null there must not take the other's value with it (GraphQL spec, "Handling
    /// Execution Errors").
    pub(super) fn beside_twins(
        &mut self,
        builder: &mut SetBuilder,
        (plain, field): (Name, &Name),
        types: &TypeSet,
        child: SetId,
    ) -> Name {
        let variants = builder.twins.entry(plain.clone()).or_default();
        let fits = |variant: &Vec<(TypeSet, SetId)>| {
            variant.iter().all(|(known_types, known)| {
                let is_apart = || known_types.iter().all(|id| types.binary_search(id).is_err());
                *known == child || is_apart() || !self.differ_in_non_null(*known, child)
            })
        };
        let index = variants.iter().position(fits).unwrap_or_else(|| {
            variants.push(Vec::new());
            variants.len() - 1
        });
        variants[index].push((Rc::clone(types), child));
        match index {
            0 => plain,
            _ => self.intern(field, format!("twin {index} of {plain}")),
        }
    }

    /// Whether either set selects a non-null field that the other does not.
    fn differ_in_non_null(&self, left: SetId, right: SetId) -> bool {
        left != right && (self.adds_non_null(left, right) || self.adds_non_null(right, left))
    }

    fn adds_non_null(&self, set: SetId, other: SetId) -> bool {
        let others = &self.set(other).items;
        self.set(set).items.iter().any(|item| {
            let twin = others.iter().find(|other| {
                other.storage_name == item.storage_name && item.types.iter().all(|id| other.types.contains(id))
            });
            match twin {
                Some(twin) => match (item.child, twin.child) {
                    (Some(child), Some(other)) => self.differ_in_non_null(child, other),
                    _ => false,
                },
                None => item.types.iter().any(|id| self.is_non_null(*id, &item.field)),
            }
        })
    }

    /// Whether some subgraph may make the parent null when the field fails.
    fn is_non_null(&self, type_id: TypeId, field: &Name) -> bool {
        self.field(type_id, field).is_some_and(|definition| {
            let in_subgraphs = definition.joins.iter().filter_map(|join| join.field_type.as_ref());
            let mut types = in_subgraphs.chain([&definition.field_type]);
            types.any(|field_type| field_type.is_non_null())
        })
    }

    /// The field's own name for its first call, `name_2` for the next one, and so on.
    fn intern(&mut self, field: &Name, call: String) -> Name {
        if let Some(name) = self.storage_names.get(&(field.clone(), call.clone())) {
            return name.clone();
        }
        let mut name = field.clone();
        let mut number = 1;
        while self.storage_taken.contains(&name) || (number > 1 && self.field_names.contains(&name)) {
            number += 1;
            name = Name::new(&format!("{field}_{number}")).expect("a name with letters and digits after it is a name");
        }
        self.storage_taken.insert(name.clone());
        self.storage_names.insert((field.clone(), call), name.clone());
        name
    }
}
