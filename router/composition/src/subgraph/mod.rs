//! One subgraph on its way through composition: read, completed with federation's definitions, checked as GraphQL.
//!
//! Stages: [`load`] gives a [`SubgraphSchema`]; [`crate::upgrade`] turns Federation 1 into Federation 2;
//! [`crate::validate`] gives a [`crate::validate::ValidSubgraph`], the only thing that can be merged.

mod default_values;
mod definitions;
mod expand;
mod load;
mod roots;

use apollo_compiler::ast::{self, Directive};
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::schema::{self, ExtendedType};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Node, Schema};

use crate::error::{CompositionError, ErrorCode, SourceLocation};
use crate::federation_spec::{FEDERATION_IDENTITY, FederationDirective, LINK_IDENTITY, SCALARS};
use crate::link::{Link, Links, Version};
use crate::sdl::Places;

pub(crate) use load::load;

/// A subgraph whose SDL is valid GraphQL, with all federation definitions filled in.
#[derive(Debug, Clone)]
pub(crate) struct SubgraphSchema {
    pub(crate) name: String,
    pub(crate) routing_url: String,
    pub(crate) schema: Valid<Schema>,
    pub(crate) places: Places,
    pub(crate) links: Links,
    pub(crate) directives: DirectiveNames,
    /// Version of the linked federation specification; `None` for Federation 1.
    pub(crate) version: Option<Version>,
}

/// Under which name this subgraph knows each directive of federation.
#[derive(Debug, Clone, Default)]
pub(crate) struct DirectiveNames(Vec<Option<Name>>);

impl DirectiveNames {
    pub(crate) fn new(name_of: impl FnMut(FederationDirective) -> Option<Name>) -> Self {
        Self(FederationDirective::ALL.iter().copied().map(name_of).collect())
    }

    /// `None` when the linked version does not have it.
    pub(crate) fn get(&self, directive: FederationDirective) -> Option<&Name> {
        self.0.get(directive as usize)?.as_ref()
    }

    pub(crate) fn set(&mut self, directive: FederationDirective, name: Name) {
        self.0[directive as usize] = Some(name);
    }

    /// The federation directive that this subgraph calls `name`.
    pub(crate) fn find(&self, name: &str) -> Option<FederationDirective> {
        FederationDirective::ALL
            .iter()
            .copied()
            .find(|directive| self.get(*directive).is_some_and(|own| own == name))
    }
}

/// Directives of a type, field, argument or value, however the schema keeps them.
pub(crate) trait AppliedDirectives {
    /// In the order of the document.
    fn nodes(&self) -> impl Iterator<Item = &Node<Directive>>;
}

impl AppliedDirectives for schema::DirectiveList {
    fn nodes(&self) -> impl Iterator<Item = &Node<Directive>> {
        self.0.iter().map(|component| &component.node)
    }
}

impl AppliedDirectives for ast::DirectiveList {
    fn nodes(&self) -> impl Iterator<Item = &Node<Directive>> {
        self.0.iter()
    }
}

impl SubgraphSchema {
    /// Applications of a federation directive, under this subgraph's name for it.
    pub(crate) fn applications<'s>(
        &self,
        directives: &'s impl AppliedDirectives,
        directive: FederationDirective,
    ) -> impl Iterator<Item = &'s Node<Directive>> {
        let name = self.directives.get(directive);
        directives
            .nodes()
            .filter(move |node| name.is_some_and(|name| node.name == *name))
    }

    pub(crate) fn has(&self, directives: &impl AppliedDirectives, directive: FederationDirective) -> bool {
        self.applications(directives, directive).next().is_some()
    }

    /// Value of a string argument of the last application.
    pub(crate) fn string_argument(
        &self,
        directives: &impl AppliedDirectives,
        directive: FederationDirective,
        argument: &str,
    ) -> Option<String> {
        crate::link::string_argument(self.applications(directives, directive).last()?, argument)
    }

    /// Where a span of this subgraph's SDL is.
    pub(crate) fn locate(&self, span: Option<SourceSpan>) -> Option<SourceLocation> {
        self.places.locate(&self.name, span)
    }

    /// An error at one place of this subgraph, opening with its name.
    pub(crate) fn error(&self, code: ErrorCode, span: Option<SourceSpan>, message: &str) -> CompositionError {
        CompositionError::new(code, format!("[{}] {message}", self.name)).at(self.locate(span))
    }

    pub(crate) fn is_federation_2(&self) -> bool {
        self.version.is_some()
    }

    pub(crate) fn is_interface_object(&self, definition: &ExtendedType) -> bool {
        definition.is_object() && self.has(definition.directives(), FederationDirective::InterfaceObject)
    }

    /// Types of the graph: neither built in nor federation's own machinery.
    pub(crate) fn own_types(&self) -> impl Iterator<Item = &ExtendedType> {
        let links = self.links.all.iter();
        let links: Vec<&Link> = links
            .filter(|link| link.url.identity == FEDERATION_IDENTITY || link.url.identity == LINK_IDENTITY)
            .collect();
        let scalars = links
            .iter()
            .flat_map(|link| SCALARS.iter().map(|(scalar, _)| link.type_name(scalar)));
        let scalars: Vec<String> = scalars.collect();
        self.schema.types.values().filter(move |definition| {
            let name = definition.name().as_str();
            let is_built_in = name.starts_with("__")
                || matches!(name, "Int" | "Float" | "String" | "Boolean" | "ID")
                || matches!(name, "_Any" | "_Entity" | "_Service" | "_FieldSet");
            let has_prefix = |link: &&Link| {
                let rest = name.strip_prefix(link.prefix());
                rest.is_some_and(|rest| rest.starts_with("__"))
            };
            let is_of_specification = name.starts_with("link__")
                || links.iter().any(has_prefix)
                || (definition.is_scalar() && scalars.iter().any(|scalar| scalar == name));
            !is_built_in && !is_of_specification
        })
    }
}
