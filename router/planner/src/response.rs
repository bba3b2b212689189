//! What the client receives, from its selection sets.

use std::rc::Rc;
use std::sync::Arc;

use apollo_compiler::Name;
use apollo_compiler::ast::Type;
use federation::query_plan::{
    BooleanCondition, DeferredFragment, FieldType, LeafType, ResponseField, ResponseShape, ResponseSource,
};
use federation::supergraph::{Supergraph, TypeId, TypeKind};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use crate::normalize::Normalizer;
use crate::selection::{Conditions, ResponseEntry, SetId, TypeSet, any_of};

/// A type of a field, and the types of objects that have it so.
type OfType<'t> = (&'t Type, SmallVec<[TypeId; 4]>);

/// Makes shapes; equal sets share one.
pub(crate) struct ResponseWriter<'n, 'a> {
    supergraph: &'a Supergraph,
    sets: &'n Normalizer<'a>,
    shapes: FxHashMap<SetId, Arc<ResponseShape>>,
    /// That of leaves.
    no_shape: Arc<ResponseShape>,
    /// Types with wrappers, by address in the supergraph.
    wrapped: FxHashMap<usize, FieldType>,
    composites: FxHashMap<TypeId, FieldType>,
}

impl<'n, 'a> ResponseWriter<'n, 'a> {
    pub(crate) fn new(supergraph: &'a Supergraph, sets: &'n Normalizer<'a>) -> Self {
        Self {
            supergraph,
            sets,
            shapes: FxHashMap::default(),
            no_shape: Arc::default(),
            wrapped: FxHashMap::default(),
            composites: FxHashMap::default(),
        }
    }

    /// The shape of a set, with the place of each field in the client's order.
    pub(crate) fn root(&mut self, set: SetId) -> Vec<(u32, ResponseField)> {
        let mut fields = Vec::new();
        for entry in &self.sets.set(set).response {
            let mut of_entry = Vec::new();
            self.add_entry(set, entry, &mut of_entry);
            fields.extend(of_entry.into_iter().map(|field| (entry.order, field)));
        }
        fields
    }

    /// What is deferred of the objects of a set.
    pub(crate) fn deferred(&mut self, set: SetId) -> Vec<DeferredFragment> {
        let set = Rc::clone(self.sets.set(set));
        let mut fragments = Vec::new();
        for deferred in &set.deferred {
            let mut by_types: Vec<(&TypeSet, Vec<&Conditions>)> = Vec::new();
            for (types, conditions) in &deferred.standing {
                match by_types.iter_mut().find(|(known, _)| *known == types) {
                    Some((_, all)) => all.push(conditions),
                    None => by_types.push((types, vec![conditions])),
                }
            }
            for (types, conditions) in by_types {
                let conditions = any_of(conditions.into_iter()).into_iter();
                fragments.push(DeferredFragment {
                    part: deferred.part.0,
                    label: self.sets.parts.get(deferred.part).label.clone(),
                    runtime_types: (*types != set.types).then(|| self.names(types)),
                    conditions: conditions
                        .map(|all| all.to_vec())
                        .collect::<Vec<Vec<BooleanCondition>>>(),
                    shape: self.shape(deferred.set),
                });
            }
        }
        fragments
    }

    fn shape(&mut self, set: SetId) -> Arc<ResponseShape> {
        if let Some(shape) = self.shapes.get(&set) {
            return Arc::clone(shape);
        }
        let response = &self.sets.set(set).response;
        let mut fields = Vec::with_capacity(response.len());
        for entry in response {
            self.add_entry(set, entry, &mut fields);
        }
        let deferred = self.deferred(set);
        let shape = Arc::new(ResponseShape { fields, deferred });
        self.shapes.insert(set, Arc::clone(&shape));
        shape
    }

    /// Adds one field for each type that it has among the runtime types.
    fn add_entry(&mut self, set: SetId, entry: &ResponseEntry, fields: &mut Vec<ResponseField>) {
        let sets = self.sets;
        let all = &sets.set(set).types;
        let Some(item) = entry.item else {
            return fields.push(ResponseField {
                response_name: entry.response_name.clone(),
                source: ResponseSource::Typename,
                runtime_types: (entry.types != *all).then(|| self.names(&entry.types)),
                conditions: entry.conditions.to_vec(),
                field_type: FieldType::NonNull(Arc::new(FieldType::Leaf(LeafType::String))),
                selection: Arc::clone(&self.no_shape),
            });
        };
        let item = &sets.set(set).items[item as usize];
        let mut by_type: SmallVec<[OfType<'_>; 1]> = SmallVec::new();
        for id in item.types.iter() {
            let Some(definition) = sets.field(*id, &item.field) else {
                continue;
            };
            let known = by_type.iter_mut().find(|(known, _)| **known == definition.field_type);
            match known {
                Some((_, types)) => types.push(*id),
                None => by_type.push((&definition.field_type, smallvec![*id])),
            }
        }
        for (field_type, types) in by_type {
            let selection = match item.child {
                Some(child) => self.shape(child),
                None => Arc::clone(&self.no_shape),
            };
            fields.push(ResponseField {
                response_name: entry.response_name.clone(),
                source: ResponseSource::Stored(item.storage_name.name.clone()),
                runtime_types: (types.len() < all.len()).then(|| self.names(&types)),
                conditions: entry.conditions.to_vec(),
                field_type: self.field_type(field_type),
                selection,
            });
        }
    }

    fn names(&self, types: &[TypeId]) -> Arc<[Name]> {
        let mut names: Vec<Name> = types
            .iter()
            .map(|id| self.supergraph.type_definition(*id).name.clone())
            .collect();
        names.sort_unstable();
        names.into()
    }

    fn field_type(&mut self, field_type: &Type) -> FieldType {
        if let Type::Named(name) = field_type {
            return self.named(name);
        }
        let address = std::ptr::from_ref(field_type).addr();
        if let Some(known) = self.wrapped.get(&address) {
            return known.clone();
        }
        let wrapped = match field_type {
            Type::Named(name) => self.named(name),
            Type::NonNullNamed(name) => FieldType::NonNull(Arc::new(self.named(name))),
            Type::List(inner) => FieldType::List(Arc::new(self.field_type(inner))),
            Type::NonNullList(inner) => FieldType::NonNull(Arc::new(FieldType::List(Arc::new(self.field_type(inner))))),
        };
        self.wrapped.insert(address, wrapped.clone());
        wrapped
    }

    fn named(&mut self, name: &Name) -> FieldType {
        let id = self.supergraph.type_id(name);
        let definition = id.map(|id| self.supergraph.type_definition(id));
        if let (Some(id), true) = (id, definition.is_some_and(|definition| definition.kind.is_composite())) {
            return self.composite(id);
        }
        FieldType::Leaf(match (name.as_str(), definition) {
            ("Int", _) => LeafType::Int,
            ("Float", _) => LeafType::Float,
            ("String", _) => LeafType::String,
            ("Boolean", _) => LeafType::Boolean,
            ("ID", _) => LeafType::Id,
            (_, Some(definition)) if definition.kind == TypeKind::Enum => LeafType::Enum {
                name: name.clone(),
                values: Arc::clone(&definition.enum_values),
            },
            _ => LeafType::CustomScalar(name.clone()),
        })
    }

    fn composite(&mut self, id: TypeId) -> FieldType {
        if let Some(known) = self.composites.get(&id) {
            return known.clone();
        }
        let definition = self.supergraph.type_definition(id);
        let visible = definition.possible_types.iter().copied();
        let visible = visible.filter(|id| !self.supergraph.type_definition(*id).is_inaccessible);
        let composite = FieldType::Composite {
            name: definition.name.clone(),
            possible_types: self.names(&visible.collect::<Vec<_>>()),
        };
        self.composites.insert(id, composite.clone());
        composite
    }
}
