//! A supergraph: which subgraph resolves which field of which type, read from supergraph SDL (Join spec v0.1 to v0.5).
//!
//! In: SDL as composition writes it. Out: flat tables, the API schema, and the query graph.
//! Does not check what composition has checked (satisfiability, field types).

mod context;
mod join_names;
mod override_label;
mod read;
mod shape;
#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;

use apollo_compiler::ast::Type;
use apollo_compiler::collections::IndexMap;
use apollo_compiler::{Name, Schema};
use rustc_hash::FxHashMap;

use crate::api_schema::{ApiSchema, ApiSchemaError};
use crate::field_set::{FieldSet, FieldSetError};
use crate::query_graph::QueryGraph;
use crate::query_plan::OperationKind;

pub use crate::link::{Feature, Purpose};
pub use context::{ContextArgument, ContextId};
pub use override_label::{ActiveLabels, LabelId, OverrideLabel};
pub use shape::ShapeId;

/// Index of a subgraph in [`Supergraph::subgraphs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubgraphId(pub u32);

/// Index of a type in [`Supergraph::types`]; in the order of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

/// What the router needs to call a subgraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubgraphEndpoint {
    /// Name as people know it (`products`).
    pub name: Arc<str>,
    /// Where the subgraph listens, unless configuration says otherwise; may be empty.
    pub routing_url: String,
}

/// Why a text is no supergraph.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SupergraphError {
    /// Not a GraphQL schema.
    #[error("the supergraph is not a GraphQL schema: {0}")]
    Syntax(String),
    /// There is no `enum join__Graph`, whatever it is called there, so no subgraph is known.
    #[error("the supergraph names no subgraph (it has no `join__Graph` enum); is it the SDL of a plain schema?")]
    NoSubgraphs,
    /// A `@join__...` application is malformed, or names what is not there.
    #[error("`{coordinate}`: {reason}")]
    Join {
        /// `Type` or `Type.field`.
        coordinate: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A field set cannot be read.
    #[error("`{coordinate}`: a field set cannot be read")]
    FieldSet {
        /// `Type` or `Type.field`.
        coordinate: String,
        /// Why.
        source: FieldSetError,
    },
    /// There is no schema for clients.
    #[error("the supergraph has no API schema")]
    ApiSchema(#[from] ApiSchemaError),
}

/// A composed graph, ready to plan over.
#[derive(Debug)]
pub struct Supergraph {
    joined_types: JoinedTypes,
    api_schema: Arc<ApiSchema>,
    features: Vec<Feature>,
}

impl Deref for Supergraph {
    type Target = JoinedTypes;

    fn deref(&self) -> &JoinedTypes {
        &self.joined_types
    }
}

/// Which subgraph resolves which field of which type: a supergraph without the schema that clients see.
#[derive(Debug)]
pub struct JoinedTypes {
    pub(crate) subgraphs: Vec<SubgraphEndpoint>,
    pub(crate) types: Vec<TypeDefinition>,
    pub(crate) type_ids: FxHashMap<Name, TypeId>,
    pub(crate) root_types: [Option<TypeId>; 3],
    pub(crate) override_labels: Vec<Arc<str>>,
    pub(crate) has_context_arguments: bool,
    pub(crate) query_graph: QueryGraph,
}

/// One type of the supergraph, also if clients do not see it.
#[derive(Debug, Clone)]
pub struct TypeDefinition {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: TypeKind,
    /// Whether clients must not see it.
    pub is_inaccessible: bool,
    /// The subgraphs that define it, sorted by subgraph; several keys of one subgraph are in one entry.
    pub joins: Vec<TypeJoin>,
    /// Fields of objects and interfaces.
    pub fields: IndexMap<Name, FieldDefinition>,
    /// Object types that a value may have in any subgraph, sorted by name; of an object itself.
    pub possible_types: Vec<TypeId>,
    /// Interfaces that it implements in any subgraph.
    pub interfaces: Vec<TypeId>,
    /// Contexts that objects of this type set for what is below them (sorted); of objects only.
    pub contexts: Vec<ContextId>,
    /// Values of an enum that clients know (sorted).
    pub enum_values: Arc<[Name]>,
}

/// Kind of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// `scalar`
    Scalar,
    /// `type`
    Object,
    /// `interface`
    Interface,
    /// `union`
    Union,
    /// `enum`
    Enum,
    /// `input`
    InputObject,
}

impl TypeKind {
    /// Whether values of it have fields to select.
    pub fn is_composite(self) -> bool {
        matches!(self, Self::Object | Self::Interface | Self::Union)
    }
}

/// How one subgraph defines a type.
#[derive(Debug, Clone)]
pub struct TypeJoin {
    /// Which subgraph.
    pub subgraph: SubgraphId,
    /// In the order of the supergraph.
    pub keys: Vec<Key>,
    /// Whether the subgraph has an object in place of this interface (`@interfaceObject`).
    pub is_interface_object: bool,
    /// Object types that a value may have in this subgraph, sorted by name; of an object itself.
    pub possible_types: Vec<TypeId>,
}

/// One `@key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What identifies the entity.
    pub fields: Arc<FieldSet>,
    /// Whether the subgraph can be asked for the entity by this key.
    pub is_resolvable: bool,
}

/// One field of the supergraph.
#[derive(Debug, Clone)]
pub struct FieldDefinition {
    /// Its name.
    pub name: Name,
    /// Its type in the supergraph.
    pub field_type: Type,
    /// Which other fields may share a response name with it.
    pub shape: ShapeId,
    /// Whether clients must not see it.
    pub is_inaccessible: bool,
    /// The subgraphs that define it, sorted by subgraph.
    pub joins: Vec<FieldJoin>,
}

/// How one subgraph defines a field.
#[derive(Debug, Clone)]
pub struct FieldJoin {
    /// Which subgraph.
    pub subgraph: SubgraphId,
    /// Its type there, when it is another than in the supergraph.
    pub field_type: Option<Type>,
    /// What must be sent along (`@requires`).
    pub requires: Option<Arc<FieldSet>>,
    /// What of the field's own selection is resolved on this path only (`@provides`).
    pub provides: Option<Arc<FieldSet>>,
    /// Whether the subgraph only mentions the field, or lost it to an `@override` without a label.
    pub is_external: bool,
    /// When the subgraph resolves the field, if an `@override` has a label; not set where `is_external` is.
    pub override_label: Option<OverrideLabel>,
    /// Arguments that are filled from contexts.
    pub context_arguments: Arc<[ContextArgument]>,
}

impl Supergraph {
    /// Reads supergraph SDL.
    ///
    /// # Errors
    /// [`SupergraphError`]: the first fault found. Supergraphs are made by tools, so one is enough.
    pub fn parse(sdl: &str) -> Result<Self, SupergraphError> {
        read::read(sdl)
    }

    /// The schema that clients see.
    pub fn api_schema(&self) -> &Arc<ApiSchema> {
        &self.api_schema
    }

    /// The specifications that it links to. Whoever serves it must know those with a purpose.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }
}

impl JoinedTypes {
    /// Reads a supergraph that is a schema already, as composition has it before printing.
    ///
    /// # Errors
    /// As [`Supergraph::parse`].
    pub fn from_schema(schema: &Schema) -> Result<Self, SupergraphError> {
        read::read_joined_types(schema)
    }

    /// The subgraphs, in the order of the supergraph.
    pub fn subgraphs(&self) -> &[SubgraphEndpoint] {
        &self.subgraphs
    }

    /// One of them.
    pub fn subgraph(&self, id: SubgraphId) -> &SubgraphEndpoint {
        &self.subgraphs[id.0 as usize]
    }

    /// What can be reached from where.
    pub fn query_graph(&self) -> &QueryGraph {
        &self.query_graph
    }

    /// Every type, machinery of federation apart.
    pub fn types(&self) -> &[TypeDefinition] {
        &self.types
    }

    /// The type with this id.
    pub fn type_definition(&self, id: TypeId) -> &TypeDefinition {
        &self.types[id.0 as usize]
    }

    /// The type with this name.
    pub fn type_id(&self, name: &str) -> Option<TypeId> {
        self.type_ids.get(name).copied()
    }

    /// The labels of all progressive overrides, each once; their ids are indices.
    pub fn override_labels(&self) -> &[Arc<str>] {
        &self.override_labels
    }

    /// The override label with this name.
    pub fn override_label(&self, name: &str) -> Option<LabelId> {
        let index = self.override_labels.iter().position(|label| **label == *name)?;
        Some(LabelId(index as u32))
    }

    /// Whether any field takes an argument from a context.
    pub fn has_context_arguments(&self) -> bool {
        self.has_context_arguments
    }

    /// The type at the root of operations of `kind`.
    pub fn root_type(&self, kind: OperationKind) -> Option<TypeId> {
        self.root_types[kind as usize]
    }
}

impl TypeJoin {
    fn new(subgraph: SubgraphId) -> Self {
        Self {
            subgraph,
            keys: Vec::new(),
            is_interface_object: false,
            possible_types: Vec::new(),
        }
    }
}

impl FieldJoin {
    fn new(subgraph: SubgraphId) -> Self {
        Self {
            subgraph,
            field_type: None,
            requires: None,
            provides: None,
            is_external: false,
            override_label: None,
            context_arguments: Arc::default(),
        }
    }
}

impl TypeDefinition {
    /// How `subgraph` defines this type, if it does.
    pub fn join(&self, subgraph: SubgraphId) -> Option<&TypeJoin> {
        let index = self.joins.binary_search_by_key(&subgraph, |join| join.subgraph).ok()?;
        self.joins.get(index)
    }
}

impl FieldDefinition {
    /// How `subgraph` defines this field, if it does.
    pub fn join(&self, subgraph: SubgraphId) -> Option<&FieldJoin> {
        let index = self.joins.binary_search_by_key(&subgraph, |join| join.subgraph).ok()?;
        self.joins.get(index)
    }
}
