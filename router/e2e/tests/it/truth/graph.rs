//! A graph: one schema, and which subgraph has which part of it.
//!
//! Says nothing of what follows from it: which types a subgraph has to declare is `layout`, its text `sdl`.

use std::fmt;

use indexmap::IndexMap;
use serde_json::{Map, Value};

/// Number of a subgraph.
pub(super) type SubgraphId = usize;

/// A set of subgraphs, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Subgraphs(pub(super) u32);

impl Subgraphs {
    pub(super) const ALL: Self = Self(u32::MAX);

    pub(super) fn one(subgraph: SubgraphId) -> Self {
        Self(1 << subgraph)
    }

    pub(super) fn has(self, subgraph: SubgraphId) -> bool {
        self.0 & (1 << subgraph) != 0
    }

    pub(super) fn insert(&mut self, subgraph: SubgraphId) {
        self.0 |= 1 << subgraph;
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub(super) subgraphs: usize,
    pub(super) types: IndexMap<String, TypeDef>,
    /// Types that a subgraph declares although nothing leads there.
    pub(super) forced: Vec<(SubgraphId, String)>,
}

/// What is random about a graph's data besides the values themselves.
#[derive(Debug, Clone)]
pub(super) struct TypeDef {
    pub(super) kind: Kind,
    /// Of objects and interfaces.
    pub(super) fields: IndexMap<String, FieldDef>,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// `Query` or `Mutation`.
    Root,
    /// An object with keys.
    Entity(Entity),
    /// An object without: every subgraph that has it has all of it.
    Value {
        implements: Vec<String>,
    },
    Interface(Interface),
    /// Members, each with the subgraphs in which it is one.
    Union(IndexMap<String, Subgraphs>),
    /// Values, each with the subgraphs that know it.
    Enum {
        values: IndexMap<String, Subgraphs>,
        usage: Usage,
    },
    Scalar,
    Input(IndexMap<String, InputDef>),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Entity {
    pub(super) implements: Vec<String>,
    pub(super) keys: Vec<Key>,
    /// Objects that a subgraph knows nothing of: their fields there are null, and so are they as entities.
    pub(super) unknown: Option<(SubgraphId, u64)>,
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) subgraph: SubgraphId,
    pub(super) fields: FieldSet,
    pub(super) is_resolvable: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Interface {
    /// Implementing types, each with the subgraphs in which it implements this.
    pub(super) members: IndexMap<String, Subgraphs>,
    /// Where it has the key `id`.
    pub(super) keyed: Subgraphs,
    /// Where an object stands in its place.
    pub(super) object_in: Subgraphs,
    /// Fields that only those objects have, and so all implementing types.
    pub(super) object_fields: IndexMap<String, FieldDef>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    Input,
    Output,
    Both,
}

#[derive(Debug, Clone)]
pub(super) struct FieldDef {
    pub(super) ty: Ty,
    pub(super) arguments: IndexMap<String, InputDef>,
    /// Who resolves it: of entities, roots and objects in place of interfaces.
    pub(super) places: Vec<Place>,
    /// Whether it fails for some objects.
    pub(super) fails: bool,
}

#[derive(Debug, Clone)]
pub(super) struct InputDef {
    pub(super) ty: Ty,
    pub(super) default: Option<Value>,
    /// Who declares it.
    pub(super) subgraphs: Subgraphs,
}

/// That a subgraph resolves a field.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) subgraph: SubgraphId,
    pub(super) requires: FieldSet,
    pub(super) provides: FieldSet,
    /// Who declares it, too, and must not be asked.
    pub(super) overrides: Option<SubgraphId>,
}

impl Place {
    pub(super) fn new(subgraph: SubgraphId) -> Self {
        Self {
            subgraph,
            requires: Vec::new(),
            provides: Vec::new(),
            overrides: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ty {
    Named(String),
    List(Box<Ty>),
    NonNull(Box<Ty>),
}

impl Ty {
    pub(super) fn named(name: &str) -> Self {
        Self::Named(name.to_owned())
    }

    pub(super) fn non_null(self) -> Self {
        match self {
            Self::NonNull(_) => self,
            nullable => Self::NonNull(Box::new(nullable)),
        }
    }

    pub(super) fn nullable(self) -> Self {
        match self {
            Self::NonNull(inner) => *inner,
            _ => self,
        }
    }

    pub(super) fn base(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::List(inner) | Self::NonNull(inner) => inner.base(),
        }
    }

    pub(super) fn is_non_null(&self) -> bool {
        matches!(self, Self::NonNull(_))
    }

    /// Whether a null in place of what the type is of ends somewhere in the type.
    pub(super) fn keeps_nulls(&self) -> bool {
        match self {
            Self::NonNull(inner) => match &**inner {
                Self::List(item) => item.keeps_nulls(),
                _ => false,
            },
            _ => true,
        }
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => formatter.write_str(name),
            Self::List(inner) => write!(formatter, "[{inner}]"),
            Self::NonNull(inner) => write!(formatter, "{inner}!"),
        }
    }
}

/// What `@key`, `@requires` and `@provides` select.
pub(super) type FieldSet = Vec<Selected>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Selected {
    Field {
        name: String,
        arguments: Map<String, Value>,
        below: FieldSet,
    },
    On(String, FieldSet),
}

impl Selected {
    pub(super) fn field(name: &str, below: FieldSet) -> Self {
        Self::Field {
            name: name.to_owned(),
            arguments: Map::new(),
            below,
        }
    }
}

/// As it stands between the quotes of a directive's argument.
pub(super) fn field_set_text(field_set: &FieldSet) -> String {
    let texts = field_set.iter().map(|selected| match selected {
        Selected::Field { name, arguments, below } => {
            let mut text = name.clone();
            if !arguments.is_empty() {
                let arguments: Vec<String> = arguments
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}"))
                    .collect();
                text.push_str(&format!("({})", arguments.join(", ")));
            }
            if !below.is_empty() {
                text.push_str(&format!(" {{ {} }}", field_set_text(below)));
            }
            text
        }
        Selected::On(name, below) => format!("... on {name} {{ {} }}", field_set_text(below)),
    });
    texts.collect::<Vec<_>>().join(" ")
}

impl Graph {
    /// Object types of `name`: itself, implementing types, or members.
    pub(super) fn objects(&self, name: &str) -> Vec<&str> {
        match self.types.get_key_value(name) {
            Some((name, definition)) => match &definition.kind {
                Kind::Root | Kind::Entity(_) | Kind::Value { .. } => vec![name],
                Kind::Interface(interface) => interface.members.keys().map(String::as_str).collect(),
                Kind::Union(members) => members.keys().map(String::as_str).collect(),
                _ => Vec::new(),
            },
            None => Vec::new(),
        }
    }

    pub(super) fn is_composite(&self, name: &str) -> bool {
        !self.objects(name).is_empty()
    }

    pub(super) fn is_abstract(&self, name: &str) -> bool {
        self.types
            .get(name)
            .is_some_and(|definition| matches!(definition.kind, Kind::Interface(_) | Kind::Union(_)))
    }

    pub(super) fn entity(&self, name: &str) -> Option<&Entity> {
        match &self.types.get(name)?.kind {
            Kind::Entity(entity) => Some(entity),
            _ => None,
        }
    }

    pub(super) fn entity_mut(&mut self, name: &str) -> Option<&mut Entity> {
        match &mut self.types.get_mut(name)?.kind {
            Kind::Entity(entity) => Some(entity),
            _ => None,
        }
    }

    pub(super) fn interface(&self, name: &str) -> Option<&Interface> {
        match &self.types.get(name)?.kind {
            Kind::Interface(interface) => Some(interface),
            _ => None,
        }
    }

    pub(super) fn interface_mut(&mut self, name: &str) -> Option<&mut Interface> {
        match &mut self.types.get_mut(name)?.kind {
            Kind::Interface(interface) => Some(interface),
            _ => None,
        }
    }

    pub(super) fn interfaces_of(&self, name: &str) -> &[String] {
        match self.types.get(name).map(|definition| &definition.kind) {
            Some(Kind::Entity(entity)) => &entity.implements,
            Some(Kind::Value { implements }) => implements,
            _ => &[],
        }
    }

    /// A field of a type: its own, or one of an object in place of an interface of it. With the type that defines it.
    pub(super) fn field(&self, type_name: &str, name: &str) -> Option<(&str, &FieldDef)> {
        let (type_name, definition) = self.types.get_key_value(type_name)?;
        if let Some(field) = definition.fields.get(name) {
            return Some((type_name, field));
        }
        if let Kind::Interface(interface) = &definition.kind
            && let Some(field) = interface.object_fields.get(name)
        {
            return Some((type_name, field));
        }
        self.interfaces_of(type_name)
            .iter()
            .find_map(|interface| Some((interface.as_str(), self.interface(interface)?.object_fields.get(name)?)))
    }
}

/// Names of subgraphs, in the order of their numbers.
pub(super) const NAMES: [&str; 6] = ["ash", "birch", "cedar", "elm", "fir", "oak"];
