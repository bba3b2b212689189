//! The query plan: which subgraphs are asked what, in which order, and how their answers become the response.
//!
//! Written by `planner`, read by `executor`; the two know each other only through this module. A plan holds
//! everything that execution needs, so that the executor never looks into a schema.
//!
//! Does not say how a plan is found (`planner`) or run (`executor`).
//!
//! # Storage names
//! Answers of all fetches are merged into one tree of *stored* objects. The key of a field in that tree is its
//! *storage name*: the response key under which subgraphs are asked for it. It is the field's own name, unless two
//! selections would clash (same field with other arguments, or types that differ between runtime types), when the
//! planner makes up an alias. The client's aliases appear only in the [`ResponseShape`].

mod memory;
mod print;

use std::sync::Arc;

use apollo_compiler::Name;

/// How one operation is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPlan {
    /// Kind of the client's operation.
    pub operation_kind: OperationKind,
    /// What is fetched; `None` when the router answers alone (`{ __typename }`, introspection).
    pub root: Option<PlanNode>,
    /// An operation of nothing but `__schema` and `__type` fields under their storage names, to be run on the API schema;
    /// its result is merged into the stored root object.
    pub introspection: Option<String>,
    /// What the client receives.
    pub response: ResponseShape,
}

/// Kind of an operation (GraphQL spec, "Operations").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// `query`: may be repeated, fetched in parallel, de-duplicated.
    Query,
    /// `mutation`: root fields run in order, each once.
    Mutation,
    /// `subscription`: one stream, of which every event is completed like a query.
    Subscription,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanNode {
    /// Each step begins when the one before it has ended.
    Sequence(Vec<PlanNode>),
    /// All steps begin at once.
    Parallel(Vec<PlanNode>),
    /// One request to one subgraph.
    Fetch(Arc<Fetch>),
    /// Depends on a Boolean variable of the client (`@skip`, `@include`).
    Condition {
        /// Name of the variable, without `$`.
        variable: Name,
        /// Run when the variable is true.
        if_true: Option<Box<PlanNode>>,
        /// Run when the variable is false.
        if_false: Option<Box<PlanNode>>,
    },
    /// The answer comes in parts (`@defer`): `primary` makes the first one, and does not wait for the others. Only at the
    /// root of a plan.
    Defer {
        /// What the first part needs; `None`: nothing.
        primary: Option<Box<PlanNode>>,
        /// The later parts, each after those that it comes after.
        deferred: Vec<DeferredPart>,
    },
    /// `primary` opens the stream; `rest` runs for each event, on a tree that begins as the event's data.
    Subscription {
        /// The subscription sent to one subgraph.
        primary: Arc<Fetch>,
        /// What other subgraphs add to each event.
        rest: Option<Box<PlanNode>>,
    },
}

/// What is fetched for one deferred fragment, in all the places of the answer where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeferredPart {
    /// Which fragment: the number in [`DeferredFragment::part`].
    pub part: u32,
    /// The client's name for it.
    pub label: Option<String>,
    /// Parts that are delivered before this one.
    pub after: Vec<u32>,
    /// Fetches of earlier parts that must have ended before `node` begins; `None`: all of the first part.
    pub depends: Option<Vec<u32>>,
    /// What is fetched; `None` when earlier parts bring everything.
    pub node: Option<Box<PlanNode>>,
}

/// One request to one subgraph: root fields, or entities, never both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Number of this fetch in its plan, from 0, in the order in which plans print.
    pub id: u32,
    /// Name of the subgraph, as clients and operators know it (`products`).
    pub subgraph: Arc<str>,
    /// Kind of the operation sent.
    pub operation_kind: OperationKind,
    /// Text of the operation sent, minified.
    pub document: Arc<str>,
    /// Client variables that `document` uses, without `$`; sent when the client gave them or they have a default.
    pub variables: Vec<Name>,
    /// Where the answer goes.
    pub target: FetchTarget,
    /// Why the planner made this fetch, for people: `Product.price is resolved only in products`.
    pub reason: String,
}

/// Where the data of a fetch is merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchTarget {
    /// `data` is merged into the stored root object (`path` empty), or into every object at `path`: a field may return
    /// the root type (`type Payload { query: Query }`).
    Root {
        /// From the root to objects of the root type.
        path: Vec<PathElement>,
    },
    /// Each `_entities` list is merged into the objects that its representations were read from.
    ///
    /// More than one entry is a *batch*: several aliased `_entities` fields in one request.
    Entities(Vec<EntityFetch>),
}

/// One `_entities` field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityFetch {
    /// Response key of the list in `data`: `_entities`, or an alias of it.
    pub response_name: Name,
    /// Name of the variable that takes the representations, without `$`.
    pub variable: Name,
    /// The stored objects to resolve, from the root. Objects not there, or null, are passed over.
    pub path: Vec<PathElement>,
    /// One per type that can be resolved; the first whose `runtime_types` match is used. An object that none matches, or
    /// of which an input of a *key* is absent, is not sent. Shared by entries that send the same.
    pub representations: Arc<Vec<Representation>>,
    /// When this entry is sent (an entry left out sends an empty list): if all of any of these hold; with none, always.
    pub conditions: Vec<Vec<BooleanCondition>>,
    /// Variables of the request that belong to this entry, and may have another value for each entity.
    pub context_variables: Vec<ContextVariable>,
}

impl EntityFetch {
    /// Whether the entry is sent.
    ///
    /// * `holds`: whether a condition holds with the client's variables.
    pub fn is_sent(&self, holds: impl Fn(&BooleanCondition) -> bool) -> bool {
        self.conditions.is_empty() || self.conditions.iter().any(|all| all.iter().all(&holds))
    }
}

/// A variable whose value comes from an object above the entity (Federation spec, `@fromContext`).
///
/// Entities with other values need another `_entities` field, or another request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextVariable {
    /// Its name in the request, without `$`.
    pub variable: Name,
    /// Whether null is refused: an entity for which the value is null or absent is not sent then.
    pub is_non_null: bool,
    /// Nearest object first: the first whose runtime type matches gives the value. With none, the value is null.
    pub sources: Vec<ContextSource>,
}

/// Where a context's value may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextSource {
    /// How many elements of [`EntityFetch::path`] lead from the root to the object that sets the context.
    pub depth: usize,
    /// Stored `__typename`s of that object (sorted); empty: every object there.
    pub runtime_types: Vec<Name>,
    /// From that object to the value, by storage names; lists on the way give lists.
    pub value: Vec<Name>,
}

/// One step of a path through stored data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathElement {
    /// Into a field, by storage name.
    Field(Name),
    /// Into every item of a list (of lists, when repeated).
    Items,
    /// Only objects whose stored `__typename` is one of these (sorted).
    TypeCondition(Vec<Name>),
}

/// How a stored object becomes a representation for `_entities`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Representation {
    /// Stored `__typename`s that this representation is for (sorted). Empty: every object, also one whose `__typename` is
    /// not stored (an object from an `@interfaceObject` subgraph).
    pub runtime_types: Vec<Name>,
    /// The `__typename` sent; `None`: the stored one.
    pub typename: Option<Name>,
    /// Key fields and required fields, in the order sent.
    pub inputs: Vec<RepresentationInput>,
}

/// One field of a representation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepresentationInput {
    /// Name in the representation: the field's own name.
    pub name: Name,
    /// Where the value is stored.
    pub storage_name: Name,
    /// Stored `__typename`s of the parent for which this input is sent (sorted); empty: all.
    pub runtime_types: Vec<Name>,
    /// Whether an absent value makes the whole representation useless (keys), or is sent as null (`@requires`).
    pub is_key: bool,
    /// For objects and lists of objects: what of them is sent. Empty for leaves. `__typename` is an input like any other.
    pub inputs: Vec<RepresentationInput>,
}

/// A Boolean variable and the value it must have.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BooleanCondition {
    /// Name of the variable, without `$`.
    pub variable: Name,
    /// The value asked for: true for `@include(if: $x)`, false for `@skip(if: $x)`.
    pub value: bool,
}

/// One selection set of the client, ready for completion (GraphQL spec, "CollectFields").
///
/// Fragments are gone: every field says for which runtime types and under which conditions it is selected. Several
/// fields may share a response name; those that apply to an object are merged, as the specification says, and stand in
/// the answer where the first of them stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseShape {
    /// In the client's order.
    pub fields: Vec<ResponseField>,
    /// Fragments whose fields come in later parts of the answer. What they share with `fields` stands there alone.
    pub deferred: Vec<DeferredFragment>,
}

/// A fragment of a selection set that is answered later (`@defer`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeferredFragment {
    /// Number of the fragment in the operation. The same one may stand in several selection sets: of objects below the one
    /// that it was written for, where these are selected earlier as well.
    pub part: u32,
    /// The client's name for it.
    pub label: Option<String>,
    /// Runtime types for which it is selected (sorted); `None`: all that are possible here.
    pub runtime_types: Option<Arc<[Name]>>,
    /// When it is selected: if all of any of these hold; with none, always.
    pub conditions: Vec<Vec<BooleanCondition>>,
    /// Its fields.
    pub shape: Arc<ResponseShape>,
}

/// One field of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseField {
    /// The client's alias, or the field's name.
    pub response_name: Name,
    /// Where the value comes from.
    pub source: ResponseSource,
    /// Runtime types for which this field is selected (sorted); `None`: all that are possible here.
    pub runtime_types: Option<Arc<[Name]>>,
    /// All must hold, else the field is not in the answer.
    pub conditions: Vec<BooleanCondition>,
    /// Type of the field as the runtime types declare it; types that differ give several [`ResponseField`]s.
    pub field_type: FieldType,
    /// What is selected below; empty for leaves.
    pub selection: Arc<ResponseShape>,
}

/// Where the value of a field of the answer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseSource {
    /// The stored object, under this storage name.
    Stored(Name),
    /// The name of the object's runtime type (`__typename`): the stored `__typename`, or the only possible type.
    Typename,
}

/// Type of a field of the answer: wrappers and what is inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType {
    /// `T!`
    NonNull(Arc<FieldType>),
    /// `[T]`
    List(Arc<FieldType>),
    /// A scalar or enum.
    Leaf(LeafType),
    /// An object, interface or union.
    Composite {
        /// Name of the declared type, for messages.
        name: Name,
        /// Every object type that may stand here and that clients know (sorted). With exactly one, `__typename` need not be stored.
        possible_types: Arc<[Name]>,
    },
}

/// Type of a leaf, as far as completion has to check it (GraphQL spec, "Result Coercion").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeafType {
    /// Whole number of 32 bits.
    Int,
    /// Any finite number.
    Float,
    /// A string.
    String,
    /// True or false.
    Boolean,
    /// A string, or a whole number that is turned into one.
    Id,
    /// Any JSON value.
    CustomScalar(Name),
    /// One of the values that clients know; any other is a field error.
    Enum {
        /// Name of the enum, for messages.
        name: Name,
        /// Values of the API schema (sorted).
        values: Arc<[Name]>,
    },
}
