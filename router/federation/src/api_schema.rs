//! The schema that clients see: a supergraph without the machinery of federation and without what is `@inaccessible`.
//!
//! Does not say which subgraph resolves what; `supergraph` does.

use std::fmt;

use apollo_compiler::collections::{HashMap, IndexSet};
use apollo_compiler::schema::{
    Component, DirectiveDefinition, DirectiveList, DirectiveLocation, ExtendedType, FieldDefinition, Implementers,
    InputValueDefinition,
};
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{Name, Node, Schema, ast, name};

use crate::link::Links;
use crate::query_plan::OperationKind;

/// Why a supergraph has no API schema.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiSchemaError {
    /// Not a GraphQL schema; where, and why.
    #[error("{line}:{column}: {reason}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// The root type of queries is missing, or hidden by `@inaccessible`.
    #[error("the supergraph has no query root type that clients may see")]
    NoQueryType,
    /// What remains is not valid GraphQL: an element that clients see uses one that is `@inaccessible`.
    #[error("the schema, without its @inaccessible elements, is not valid: {0}")]
    Invalid(String),
}

/// The client's view of a supergraph.
pub struct ApiSchema {
    schema: Valid<Schema>,
    sdl: String,
    implementers: HashMap<Name, Implementers>,
}

impl fmt::Debug for ApiSchema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiSchema")
            .field("sdl", &self.sdl)
            .finish_non_exhaustive()
    }
}

impl ApiSchema {
    /// Takes away from `supergraph` every type, directive definition and application that a linked specification
    /// brought in (`@link`, and `@core` of older supergraphs), and everything `@inaccessible`.
    ///
    /// # Errors
    /// [`ApiSchemaError`], when what remains is no schema.
    pub fn from_supergraph(supergraph: &Schema) -> Result<Self, ApiSchemaError> {
        let hiding = Hiding::of(supergraph);
        let mut schema = supergraph.clone();
        hiding.apply(&mut schema);
        schema.types.sort_unstable_keys();
        schema.directive_definitions.sort_unstable_keys();
        if schema.schema_definition.query.is_none() {
            return Err(ApiSchemaError::NoQueryType);
        }
        let schema = schema
            .validate()
            .map_err(|failed| ApiSchemaError::Invalid(first_of(&failed.errors)))?;
        let sdl = schema.to_string();
        let mut schema = schema.into_inner();
        // Known to validation and introspection, and no part of the SDL: it is the router that defers, not the graph.
        let defer = name!("defer");
        schema
            .directive_definitions
            .entry(defer)
            .or_insert_with(|| defer_definition().into());
        // Valid as it is without; the definition uses nothing of the graph.
        let schema = Valid::assume_valid(schema);
        Ok(Self {
            sdl,
            implementers: schema.implementers_map(),
            schema,
        })
    }

    /// Reads the SDL of a supergraph, or of an API schema as [`Self::sdl`] and other tools print it.
    ///
    /// # Errors
    /// [`ApiSchemaError`].
    pub fn parse(sdl: &str) -> Result<Self, ApiSchemaError> {
        let mut schema = Schema::parse(sdl, "schema.graphql").map_err(|failed| {
            let first = failed.errors.iter().next();
            let start = first.as_ref().and_then(|diagnostic| diagnostic.line_column_range());
            let start = start.map(|range| range.start);
            ApiSchemaError::Syntax {
                line: start.map_or(1, |start| start.line),
                column: start.map_or(1, |start| start.column),
                reason: first.map(|diagnostic| diagnostic.error.to_string()).unwrap_or_default(),
            }
        })?;
        // Built in since the specification of September 2025, so that it may be applied without being defined.
        schema
            .directive_definitions
            .entry(name!("oneOf"))
            .or_insert_with(|| one_of().into());
        Self::from_supergraph(&schema)
    }

    /// The schema itself.
    pub fn schema(&self) -> &Valid<Schema> {
        &self.schema
    }

    /// The schema as text: types sorted by name, their fields in the supergraph's order.
    pub fn sdl(&self) -> &str {
        &self.sdl
    }

    /// Name of the root type for operations of `kind`; `None` when there are no such operations.
    pub fn root_type(&self, kind: OperationKind) -> Option<&str> {
        let root = &self.schema.schema_definition;
        let name = match kind {
            OperationKind::Query => &root.query,
            OperationKind::Mutation => &root.mutation,
            OperationKind::Subscription => &root.subscription,
        };
        name.as_ref().map(|name| name.as_str())
    }

    /// Which types implement each interface.
    pub fn implementers(&self) -> &HashMap<Name, Implementers> {
        &self.implementers
    }

    /// The object types that a value of type `name` may have, sorted: of an object itself, of an interface its
    /// implementers, of a union its members. Empty for other kinds and unknown names.
    pub fn possible_types(&self, name: &str) -> Vec<Name> {
        let mut possible_types: Vec<Name> = match self.schema.types.get(name) {
            Some(ExtendedType::Object(object)) => vec![object.name.clone()],
            Some(ExtendedType::Interface(_)) => self
                .implementers
                .get(name)
                .map(|types| types.objects.iter().cloned().collect())
                .unwrap_or_default(),
            Some(ExtendedType::Union(union)) => union.members.iter().map(|member| member.name.clone()).collect(),
            _ => Vec::new(),
        };
        possible_types.sort_unstable();
        possible_types
    }
}

/// The first error with its place, and how many more there are.
fn first_of(errors: &DiagnosticList) -> String {
    let Some(first) = errors.iter().next() else {
        return "no reason is known".to_owned();
    };
    let place = first.line_column_range().map(|range| range.start);
    let place = place.map(|start| format!(" (line {}, column {})", start.line, start.column));
    let more = match errors.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    format!("{}{}{more}", first.error, place.unwrap_or_default())
}

/// `directive @oneOf on INPUT_OBJECT` (GraphQL spec, "@oneOf").
fn one_of() -> DirectiveDefinition {
    DirectiveDefinition {
        description: None,
        name: name!("oneOf"),
        arguments: Vec::new(),
        repeatable: false,
        locations: vec![DirectiveLocation::InputObject],
    }
}

/// `directive @defer(if: Boolean! = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT` (Incremental Delivery RFC).
fn defer_definition() -> DirectiveDefinition {
    let argument = |name, ty, default_value| {
        Node::new(InputValueDefinition {
            description: None,
            name,
            ty: Node::new(ty),
            default_value,
            directives: ast::DirectiveList::new(),
        })
    };
    let is_on = Some(Node::new(ast::Value::Boolean(true)));
    DirectiveDefinition {
        description: Some("The fields of the fragment may be answered in a later part of the response.".into()),
        name: name!("defer"),
        arguments: vec![
            argument(name!("if"), ast::Type::NonNullNamed(name!("Boolean")), is_on),
            argument(name!("label"), ast::Type::Named(name!("String")), None),
        ],
        repeatable: false,
        locations: vec![DirectiveLocation::FragmentSpread, DirectiveLocation::InlineFragment],
    }
}

/// What clients must not see.
struct Hiding {
    links: Links,
    inaccessible: Name,
    types: IndexSet<Name>,
}

impl Hiding {
    fn of(supergraph: &Schema) -> Self {
        let links = Links::of(supergraph);
        let inaccessible = links.directive_name("inaccessible");
        let hidden = supergraph.types.iter().filter(|(name, definition)| {
            !definition.is_built_in() && (links.owns_type(name) || definition.directives().has(&inaccessible))
        });
        let types = hidden.map(|(name, _)| name.clone()).collect();
        Self {
            links,
            inaccessible,
            types,
        }
    }

    fn apply(&self, schema: &mut Schema) {
        schema
            .directive_definitions
            .retain(|name, definition| definition.is_built_in() || !self.links.owns_directive(name));
        for definition in schema.directive_definitions.values_mut() {
            if !definition.is_built_in() {
                self.arguments(&mut definition.make_mut().arguments);
            }
        }
        schema.types.retain(|name, _| !self.types.contains(name));
        for definition in schema.types.values_mut() {
            if !definition.is_built_in() {
                self.definition(definition);
            }
        }
        let root = schema.schema_definition.make_mut();
        self.directives(&mut root.directives);
        for operation_type in [&mut root.query, &mut root.mutation, &mut root.subscription] {
            if operation_type
                .as_ref()
                .is_some_and(|name| self.types.contains(&name.name))
            {
                *operation_type = None;
            }
        }
    }

    fn definition(&self, definition: &mut ExtendedType) {
        match definition {
            ExtendedType::Scalar(scalar) => self.directives(&mut scalar.make_mut().directives),
            ExtendedType::Object(object) => {
                let object = object.make_mut();
                self.directives(&mut object.directives);
                object
                    .implements_interfaces
                    .retain(|interface| !self.types.contains(&interface.name));
                object.fields.retain(|_, field| self.field(field));
            }
            ExtendedType::Interface(interface) => {
                let interface = interface.make_mut();
                self.directives(&mut interface.directives);
                interface
                    .implements_interfaces
                    .retain(|interface| !self.types.contains(&interface.name));
                interface.fields.retain(|_, field| self.field(field));
            }
            ExtendedType::Union(union) => {
                let union = union.make_mut();
                self.directives(&mut union.directives);
                union.members.retain(|member| !self.types.contains(&member.name));
            }
            ExtendedType::Enum(definition) => {
                let definition = definition.make_mut();
                self.directives(&mut definition.directives);
                definition.values.retain(|_, value| {
                    let visible = !value.directives.has(&self.inaccessible);
                    self.ast_directives(&mut value.make_mut().directives);
                    visible
                });
            }
            ExtendedType::InputObject(input) => {
                let input = input.make_mut();
                self.directives(&mut input.directives);
                input.fields.retain(|_, field| {
                    let visible = self.visible_input(field);
                    self.ast_directives(&mut field.make_mut().directives);
                    visible
                });
            }
        }
    }

    /// Cleans a field; false when it is hidden itself, by its directive or by its type.
    fn field(&self, field: &mut Component<FieldDefinition>) -> bool {
        let visible = !field.directives.has(&self.inaccessible) && !self.types.contains(field.ty.inner_named_type());
        // Most fields are as clients see them, and need no copy.
        let is_clean = !self.has_own(&field.directives)
            && field
                .arguments
                .iter()
                .all(|argument| self.visible_input(argument) && !self.has_own(&argument.directives));
        if !is_clean {
            let field = field.make_mut();
            self.ast_directives(&mut field.directives);
            self.arguments(&mut field.arguments);
        }
        visible
    }

    fn has_own(&self, directives: &ast::DirectiveList) -> bool {
        directives
            .iter()
            .any(|directive| self.links.owns_directive(&directive.name))
    }

    fn arguments(&self, arguments: &mut Vec<Node<InputValueDefinition>>) {
        arguments.retain(|argument| self.visible_input(argument));
        for argument in arguments {
            self.ast_directives(&mut argument.make_mut().directives);
        }
    }

    fn visible_input(&self, input: &InputValueDefinition) -> bool {
        !input.directives.has(&self.inaccessible) && !self.types.contains(input.ty.inner_named_type())
    }

    fn directives(&self, directives: &mut DirectiveList) {
        directives.retain(|directive| !self.links.owns_directive(&directive.name));
    }

    fn ast_directives(&self, directives: &mut ast::DirectiveList) {
        directives.retain(|directive| !self.links.owns_directive(&directive.name));
    }
}
