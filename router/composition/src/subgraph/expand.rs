//! Completes a subgraph's document: takes out what federation servers add (`_service`, `_entities`, their types) and
//! what restates the specifications, and puts in the definitions of the specifications themselves.
//!
//! Afterwards the document can be checked as plain GraphQL. Does not check how directives are used.

use apollo_compiler::Name;
use apollo_compiler::Node;
use apollo_compiler::ast::{Definition, DirectiveDefinition, Document, FieldDefinition, OperationType};
use apollo_compiler::parser::SourceSpan;
use rustc_hash::FxHashSet;

use super::DirectiveNames;
use super::definitions;
use crate::error::ErrorCode;
use crate::federation_spec::{FederationDirective, NEWEST_VERSION, SCALARS};
use crate::link::{Link, Links, Version, federation_link};

/// A definition that contradicts a specification.
pub(super) struct BadDefinition {
    pub(super) code: ErrorCode,
    pub(super) message: String,
    pub(super) span: Option<SourceSpan>,
}

/// Names of federation's directives in a subgraph with these links.
pub(super) fn directive_names(links: &Links, document: &Document) -> DirectiveNames {
    let federation = federation_link(links);
    DirectiveNames::new(|directive| {
        // Tag, inaccessible, cost and so on may be linked as specifications of their own.
        let own_identity = format!("https://specs.apollo.dev/{}", own_specification(directive));
        if let Some(link) = links.by_identity(&own_identity) {
            return Name::new(&link.directive_name(directive.name())).ok();
        }
        match federation {
            Some(link) => {
                let available = link.url.version.is_some_and(|version| version >= directive.since());
                available
                    .then(|| Name::new(&link.directive_name(directive.name())).ok())
                    .flatten()
            }
            None => is_federation_1_directive(directive, document).then(|| Name::new_unchecked(directive.name())),
        }
    })
}

/// Federation 1 has its six directives; those of Federation 2 count when a subgraph defines them just like it.
fn is_federation_1_directive(directive: FederationDirective, document: &Document) -> bool {
    FederationDirective::FEDERATION_1.contains(&directive)
        || document.definitions.iter().any(|definition| match definition {
            Definition::DirectiveDefinition(own) if own.name == directive.name() => {
                definitions::check_own_definition(own, directive, NEWEST_VERSION, &|_, _| false).is_empty()
            }
            _ => false,
        })
}

fn own_specification(directive: FederationDirective) -> &'static str {
    match directive {
        FederationDirective::ListSize => "cost",
        FederationDirective::FromContext => "context",
        other => other.name(),
    }
}

pub(super) struct Expansion<'a> {
    pub(super) links: &'a Links,
    pub(super) names: &'a DirectiveNames,
    pub(super) version: Version,
    errors: Vec<BadDefinition>,
}

impl<'a> Expansion<'a> {
    pub(super) fn new(links: &'a Links, names: &'a DirectiveNames, version: Version) -> Self {
        Self {
            links,
            names,
            version,
            errors: Vec::new(),
        }
    }

    /// Completes `document` in place.
    pub(super) fn run(mut self, document: &mut Document) -> Result<(), Vec<BadDefinition>> {
        let scalars = self.scalars();
        self.check_scalars(document, &scalars);
        self.check_directives(document);
        let own_scalars: FxHashSet<&str> = scalars.iter().map(|(_, name)| name.as_str()).collect();
        document
            .definitions
            .retain(|definition| !self.is_replaced(definition, &own_scalars));
        for definition in &mut document.definitions {
            remove_service_fields(definition);
        }
        remove_empty_query(document);
        self.add_definitions(document, &scalars);
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors)
        }
    }

    fn federation(&self) -> Option<&'a Link> {
        federation_link(self.links)
    }

    /// Scalars of the specification and their names here.
    fn scalars(&self) -> Vec<(&'static str, String)> {
        let is_federation_2 = self.federation().is_some();
        let available = SCALARS
            .iter()
            .filter(|(scalar, since)| *since <= self.version && (is_federation_2 || *scalar == "FieldSet"));
        available
            .map(|(scalar, _)| (*scalar, self.scalar_name(scalar)))
            .collect()
    }

    fn scalar_name(&self, scalar: &str) -> String {
        match self.federation() {
            Some(link) => link.type_name(scalar),
            None if scalar == "FieldSet" => "_FieldSet".to_owned(),
            None => format!("federation__{scalar}"),
        }
    }

    fn check_scalars(&mut self, document: &Document, scalars: &[(&'static str, String)]) {
        for definition in &document.definitions {
            let Some(name) = definition.name() else { continue };
            let is_type = !matches!(definition, Definition::DirectiveDefinition(_));
            if is_type
                && !matches!(
                    definition,
                    Definition::ScalarTypeDefinition(_) | Definition::ScalarTypeExtension(_)
                )
                && scalars.iter().any(|(_, scalar)| name == scalar.as_str())
            {
                self.errors.push(BadDefinition {
                    code: ErrorCode::TypeDefinitionInvalid,
                    message: format!("`{name}` is a scalar of the federation specification, but is defined as something else; rename the type or do not import the scalar"),
                    span: name.location(),
                });
            }
        }
    }

    fn check_directives(&mut self, document: &Document) {
        let non_scalars: FxHashSet<&Name> = document.definitions.iter().filter_map(non_scalar_type).collect();
        for definition in &document.definitions {
            let Definition::DirectiveDefinition(own) = definition else {
                continue;
            };
            let Some(directive) = self.names.find(&own.name) else {
                continue;
            };
            self.check_directive(own, directive, &non_scalars);
        }
    }

    fn check_directive(
        &mut self,
        own: &DirectiveDefinition,
        directive: FederationDirective,
        non_scalars: &FxHashSet<&Name>,
    ) {
        let scalar_names = |scalar: &str| self.scalar_name(scalar);
        let is_scalar_of_spec = |found: &str, expected: &str| {
            let is_spec_scalar = SCALARS.iter().any(|(scalar, _)| *scalar == expected);
            let legacy = matches!(found, "_FieldSet" | "String") || found == format!("federation__{expected}");
            is_spec_scalar && (found == scalar_names(expected) || legacy)
        };
        for argument in &own.arguments {
            let named = argument.ty.inner_named_type();
            if non_scalars.contains(named)
                && !self
                    .errors
                    .iter()
                    .any(|error| error.code == ErrorCode::TypeDefinitionInvalid)
            {
                self.errors.push(BadDefinition {
                    code: ErrorCode::InvalidGraphql,
                    message: format!(
                        "argument `{}` of `@{}` is a `{named}`, which is not a scalar; the definition may be left out",
                        argument.name, own.name
                    ),
                    span: argument.location(),
                });
                return;
            }
        }
        for fault in definitions::check_own_definition(own, directive, self.version, &is_scalar_of_spec) {
            self.errors.push(BadDefinition {
                code: ErrorCode::DirectiveDefinitionInvalid,
                message: format!(
                    "the definition of `@{}` differs from the federation specification: {fault}; it may be left out",
                    own.name
                ),
                span: own.name.location(),
            });
        }
    }

    /// Whether the document restates something that is added again from the specification.
    fn is_replaced(&self, definition: &Definition, own_scalars: &FxHashSet<&str>) -> bool {
        let Some(name) = definition.name() else { return false };
        match definition {
            Definition::DirectiveDefinition(_) => {
                self.names.find(name).is_some()
                    || (!self.links.link_directive.is_empty() && name == self.links.link_directive.as_str())
            }
            Definition::ScalarTypeDefinition(_) => {
                own_scalars.contains(name.as_str()) || matches!(name.as_str(), "_Any" | "_FieldSet" | "link__Import")
            }
            _ => matches!(name.as_str(), "_Entity" | "_Service" | "link__Purpose"),
        }
    }

    fn add_definitions(&self, document: &mut Document, scalars: &[(&'static str, String)]) {
        if !self.links.link_directive.is_empty() {
            document
                .definitions
                .extend(definitions::link_definitions(&self.links.link_directive));
        }
        document
            .definitions
            .extend(scalars.iter().map(|(_, name)| definitions::scalar(name)));
        let scalar_name = |name: &str| {
            let is_spec_scalar = SCALARS.iter().any(|(scalar, _)| *scalar == name);
            is_spec_scalar.then(|| self.scalar_name(name))
        };
        for directive in FederationDirective::ALL {
            let Some(name) = self.names.get(*directive) else {
                continue;
            };
            document
                .definitions
                .push(definitions::directive(*directive, self.version, name, &scalar_name));
        }
    }
}

fn non_scalar_type(definition: &Definition) -> Option<&Name> {
    match definition {
        Definition::ObjectTypeDefinition(own) => Some(&own.name),
        Definition::InterfaceTypeDefinition(own) => Some(&own.name),
        Definition::UnionTypeDefinition(own) => Some(&own.name),
        Definition::EnumTypeDefinition(own) => Some(&own.name),
        Definition::InputObjectTypeDefinition(own) => Some(&own.name),
        _ => None,
    }
}

/// Takes away `Query` with nothing of the graph in it: what is left without `_service`.
fn remove_empty_query(document: &mut Document) {
    let name = query_name(document);
    let is_query = |own: &Name, fields: &[Node<FieldDefinition>]| *own == name && fields.is_empty();
    document.definitions.retain(|definition| match definition {
        Definition::ObjectTypeDefinition(own) => !is_query(&own.name, &own.fields),
        Definition::ObjectTypeExtension(own) => !is_query(&own.name, &own.fields) || !own.directives.is_empty(),
        _ => true,
    });
    if document
        .definitions
        .iter()
        .any(|definition| definition.name() == Some(&name))
    {
        return;
    }
    for definition in &mut document.definitions {
        match definition {
            Definition::SchemaDefinition(own) => own.make_mut().root_operations.retain(|root| root.1 != name),
            Definition::SchemaExtension(own) => own.make_mut().root_operations.retain(|root| root.1 != name),
            _ => {}
        }
    }
}

/// Name of the root type of queries, as the subgraph calls it.
fn query_name(document: &Document) -> Name {
    let mut roots = document.definitions.iter().flat_map(|definition| match definition {
        Definition::SchemaDefinition(own) => own.root_operations.as_slice(),
        Definition::SchemaExtension(own) => own.root_operations.as_slice(),
        _ => &[],
    });
    let declared = roots.find(|root| root.0 == OperationType::Query);
    declared.map_or_else(|| OperationType::Query.default_type_name(), |root| root.1.clone())
}

/// `_entities` and `_service` belong to the protocol between router and subgraph, not to the graph.
fn remove_service_fields(definition: &mut Definition) {
    let is_service_field = |field: &Node<FieldDefinition>| matches!(field.name.as_str(), "_entities" | "_service");
    match definition {
        Definition::ObjectTypeDefinition(own) if own.fields.iter().any(is_service_field) => {
            own.make_mut().fields.retain(|field| !is_service_field(field));
        }
        Definition::ObjectTypeExtension(own) if own.fields.iter().any(is_service_field) => {
            own.make_mut().fields.retain(|field| !is_service_field(field));
        }
        _ => {}
    }
}
