//! Definitions that the supergraph needs for its directives: join and link, and the specifications of what came along.

use std::sync::LazyLock;

use apollo_compiler::ast::{self, DirectiveDefinition, EnumValueDefinition, Value};
use apollo_compiler::schema::{Component, DirectiveList, EnumType, ExtendedType, ScalarType, SchemaBuilder};
use apollo_compiler::{Name, Node, Schema, name};
use indexmap::IndexMap;

use super::Merger;
use super::directives::{ComposedDirective, SupergraphLink};
use super::join::DirectiveBuilder;
use crate::federation_spec::FederationDirective;

static SUPERGRAPH_DEFINITIONS: LazyLock<Schema> = LazyLock::new(|| {
    let builder = SchemaBuilder::new().parse(include_str!("../supergraph.graphql"), "supergraph.graphql");
    builder
        .build()
        .expect("supergraph.graphql is part of this crate and parses")
});

impl Merger<'_> {
    pub(super) fn add_join_definitions(&mut self) {
        for (name, definition) in &SUPERGRAPH_DEFINITIONS.types {
            if !definition.is_built_in() {
                self.schema.types.insert(name.clone(), definition.clone());
            }
        }
        for (name, definition) in &SUPERGRAPH_DEFINITIONS.directive_definitions {
            self.schema
                .directive_definitions
                .entry(name.clone())
                .or_insert_with(|| definition.clone());
        }
        let graphs = self.join_graphs();
        self.schema.types.insert(name!("join__Graph"), graphs);
        let links = [
            link("https://specs.apollo.dev/link/v1.0").build(),
            link("https://specs.apollo.dev/join/v0.5")
                .argument(name!("for"), Value::Enum(name!("EXECUTION")))
                .build(),
        ];
        let schema = self.schema.schema_definition.make_mut();
        schema.directives.0.splice(0..0, links.into_iter().map(Component::from));
    }

    fn join_graphs(&self) -> ExtendedType {
        let value = |subgraph: &crate::validate::ValidSubgraph| {
            let directive = DirectiveBuilder::new(name!("join__graph"))
                .string(name!("name"), Some(subgraph.name.as_str()))
                .string(name!("url"), Some(subgraph.routing_url.as_str()))
                .build();
            let value = EnumValueDefinition {
                description: None,
                value: subgraph.graph.clone(),
                directives: ast::DirectiveList(vec![directive]),
            };
            (subgraph.graph.clone(), Component::new(value))
        };
        ExtendedType::Enum(Node::new(EnumType {
            description: None,
            name: name!("join__Graph"),
            directives: DirectiveList::default(),
            values: self.subgraphs.iter().map(value).collect(),
        }))
    }

    /// Links and definitions of the directives that came along.
    pub(super) fn add_composed_definitions(&mut self) {
        let mut by_specification: IndexMap<String, Vec<&ComposedDirective>> = IndexMap::new();
        for composed in self.composed.iter() {
            if let Some(definition) = &composed.definition {
                self.schema
                    .directive_definitions
                    .insert(composed.name.clone(), definition.clone());
            }
            if let Some(link) = &composed.link {
                by_specification
                    .entry(format!("{}/{}", link.identity, link.version))
                    .or_default()
                    .push(composed);
            }
        }
        let custom = self
            .composed
            .iter()
            .filter_map(|composed| Some((composed.definition.clone()?, composed.source?)));
        let custom: Vec<_> = custom.collect();
        let links = by_specification
            .iter()
            .map(|(url, directives)| Component::from(specification_link(url, directives)));
        let links: Vec<_> = links.collect();
        self.schema
            .schema_definition
            .make_mut()
            .directives
            .0
            .splice(2..2, links);
        for (definition, index) in custom {
            self.merge_directives_on_arguments(definition, index);
        }
        for (directive, scalar) in [
            (FederationDirective::RequiresScopes, name!("requiresScopes__Scope")),
            (FederationDirective::Policy, name!("policy__Policy")),
            (FederationDirective::Context, name!("context__ContextFieldValue")),
        ] {
            if self.composed.name_of(directive).is_some() {
                self.schema.types.insert(scalar.clone(), scalar_type(scalar));
            }
        }
    }
}

impl Merger<'_> {
    /// On the arguments of a custom directive, too, only directives may stand that come along.
    fn merge_directives_on_arguments(&mut self, mut definition: Node<DirectiveDefinition>, index: usize) {
        if definition
            .arguments
            .iter()
            .all(|argument| argument.directives.is_empty())
        {
            return;
        }
        let name = definition.name.clone();
        for argument in &mut definition.make_mut().arguments {
            let place = format!("@{name}({}:)", argument.name);
            let merged = self.merge_directives(&place, &[(index, &argument.directives)]);
            argument.make_mut().directives = ast::DirectiveList(merged);
        }
        self.schema.directive_definitions.insert(name, definition);
    }
}

fn scalar_type(name: Name) -> ExtendedType {
    ExtendedType::Scalar(Node::new(ScalarType {
        description: None,
        name,
        directives: DirectiveList::default(),
    }))
}

fn link(url: &str) -> DirectiveBuilder {
    DirectiveBuilder::new(name!("link")).string(name!("url"), Some(url))
}

/// One `@link` with the imports that its directives' names need.
fn specification_link(url: &str, directives: &[&ComposedDirective]) -> Node<ast::Directive> {
    let first = directives.iter().find_map(|composed| composed.link.as_ref());
    let mut builder = link(url).string(name!("as"), first.and_then(|link| link.alias.clone()));
    if let Some(purpose) = first.and_then(|link| link.purpose.clone()) {
        builder = builder.argument(name!("for"), Value::Enum(purpose));
    }
    let imports: Vec<_> = directives
        .iter()
        .filter(|composed| composed.definition.is_some())
        .filter_map(|composed| import(&composed.name, composed.link.as_ref()?))
        .collect();
    if !imports.is_empty() {
        builder = builder.argument(
            name!("import"),
            Value::List(imports.into_iter().map(Node::new).collect()),
        );
    }
    builder.build()
}

/// `None` when the name follows from the specification's own: `tag`, or `cost__listSize`.
fn import(name: &Name, link: &SupergraphLink) -> Option<Value> {
    let specification = link.identity.rsplit('/').next().unwrap_or_default();
    let prefix = link.alias.as_deref().unwrap_or(specification);
    let is_default = match link.element == specification {
        true => name == prefix,
        false => name.as_str() == format!("{prefix}__{}", link.element),
    };
    if is_default {
        return None;
    }
    let string = |text: &str| Value::String(format!("@{text}"));
    Some(if link.element == name.as_str() {
        string(name)
    } else {
        Value::Object(vec![
            (name!("name"), Node::new(string(&link.element))),
            (name!("as"), Node::new(string(name))),
        ])
    })
}
