//! Names of fields, and the shapes of objects: which names an object has, in which order.
//!
//! Objects of one list have nearly always the same names in the same order, so a reader guesses each name from the one
//! before it and only compares. Names are numbered, so that everything after reading compares numbers.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

/// Number of a name. Names are equal when their numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NameId(u32);

impl NameId {
    /// `__typename`.
    pub(crate) const TYPENAME: Self = Self(0);
}

/// Number of a shape. Objects of one shape have the same names in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ShapeId(u32);

impl ShapeId {
    /// Of objects without fields.
    pub(super) const EMPTY: Self = Self(0);
}

/// A shape is the one before it and one more name.
#[derive(Debug)]
struct Shape {
    parent: ShapeId,
    name: NameId,
    length: u32,
    /// The shape that came after this one the last time.
    guess: Option<ShapeId>,
    /// All names in order; absent until an object of this shape is complete.
    names: Option<Arc<[NameId]>>,
}

/// How fields of one shape are added to an object of another.
#[derive(Debug)]
pub(super) struct Merger {
    /// Of the merged object. It begins with the names of the object that is added to.
    pub(super) shape: ShapeId,
    /// For each name of the added shape, its position in the merged one.
    pub(super) positions: Box<[u32]>,
}

/// All names and shapes of one store.
#[derive(Debug)]
pub(super) struct Shapes {
    /// As they stand between the quotes in JSON, written with as few escapes as can be.
    names: Vec<Arc<[u8]>>,
    /// With a random hash: names may be chosen by whoever stores free-form data.
    name_ids: HashMap<Arc<[u8]>, NameId>,
    shapes: Vec<Shape>,
    children: FxHashMap<(ShapeId, NameId), ShapeId>,
    mergers: FxHashMap<(ShapeId, ShapeId), Arc<Merger>>,
}

impl Shapes {
    pub(super) fn new() -> Self {
        let empty = Shape {
            parent: ShapeId::EMPTY,
            name: NameId::TYPENAME,
            length: 0,
            guess: None,
            names: Some(Arc::new([])),
        };
        let mut shapes = Self {
            names: Vec::new(),
            name_ids: HashMap::new(),
            shapes: vec![empty],
            children: FxHashMap::default(),
            mergers: FxHashMap::default(),
        };
        let typename = shapes.intern(b"__typename");
        debug_assert_eq!(typename, NameId::TYPENAME);
        shapes
    }

    /// How many names and shapes there are: what unusual answers can make grow.
    pub(super) fn len(&self) -> usize {
        self.names.len() + self.shapes.len()
    }

    pub(super) fn name(&self, id: NameId) -> &[u8] {
        &self.names[id.0 as usize]
    }

    pub(super) fn name_id(&self, name: &[u8]) -> Option<NameId> {
        self.name_ids.get(name).copied()
    }

    fn intern(&mut self, name: &[u8]) -> NameId {
        if let Some(id) = self.name_id(name) {
            return id;
        }
        let id = NameId(super::number(self.names.len()));
        let name: Arc<[u8]> = name.into();
        self.names.push(Arc::clone(&name));
        self.name_ids.insert(name, id);
        id
    }

    /// The shape that most likely comes after `shape`, and the name it adds.
    pub(super) fn guess(&self, shape: ShapeId) -> Option<(ShapeId, &[u8])> {
        let guess = self.shape(shape).guess?;
        Some((guess, self.name(self.shape(guess).name)))
    }

    /// The shape with one more name.
    pub(super) fn with(&mut self, shape: ShapeId, name: &[u8]) -> ShapeId {
        let name = self.intern(name);
        let next = self.with_id(shape, name);
        self.shapes[shape.0 as usize].guess = Some(next);
        next
    }

    /// The shape with one more name, which it does not have yet.
    pub(super) fn with_id(&mut self, shape: ShapeId, name: NameId) -> ShapeId {
        if let Some(next) = self.children.get(&(shape, name)) {
            return *next;
        }
        let next = ShapeId(super::number(self.shapes.len()));
        self.shapes.push(Shape {
            parent: shape,
            name,
            length: self.shape(shape).length + 1,
            guess: None,
            names: None,
        });
        self.children.insert((shape, name), next);
        next
    }

    /// To be called when an object of this shape is complete; `false` when a name stands in it twice.
    pub(super) fn complete(&mut self, shape: ShapeId) -> bool {
        if self.shape(shape).names.is_some() {
            return true;
        }
        let mut names = vec![NameId::TYPENAME; self.shape(shape).length as usize];
        let mut at = shape;
        for name in names.iter_mut().rev() {
            let Shape { parent, name: last, .. } = self.shape(at);
            (*name, at) = (*last, *parent);
        }
        let mut seen = FxHashSet::with_capacity_and_hasher(names.len(), rustc_hash::FxBuildHasher);
        if !names.iter().all(|name| seen.insert(*name)) {
            return false;
        }
        self.shapes[shape.0 as usize].names = Some(names.into());
        true
    }

    /// Names of a shape that is complete.
    pub(super) fn names(&self, shape: ShapeId) -> &[NameId] {
        self.shape(shape).names.as_deref().unwrap_or_default()
    }

    /// How fields of `added` are added to an object of shape `known`.
    pub(super) fn merger(&mut self, known: ShapeId, added: ShapeId) -> Arc<Merger> {
        if let Some(merger) = self.mergers.get(&(known, added)) {
            return Arc::clone(merger);
        }
        let numbered = self.names(known).iter().copied().zip(0..);
        let mut positions: FxHashMap<NameId, u32> = numbered.collect();
        let added_names: Vec<NameId> = self.names(added).to_vec();
        let mut shape = known;
        for name in &added_names {
            let next = super::number(positions.len());
            positions.entry(*name).or_insert_with(|| {
                shape = self.with_id(shape, *name);
                next
            });
        }
        self.complete(shape);
        let merger = Arc::new(Merger {
            shape,
            positions: added_names.iter().map(|name| positions[name]).collect(),
        });
        self.mergers.insert((known, added), Arc::clone(&merger));
        merger
    }

    fn shape(&self, shape: ShapeId) -> &Shape {
        &self.shapes[shape.0 as usize]
    }
}
