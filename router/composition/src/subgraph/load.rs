//! Reads one subgraph: text to document, links, federation's definitions, a schema that is valid GraphQL.
//!
//! Every fault found here is gathered; a subgraph with one is looked at no further, since later checks would only
//! report its consequences.

use apollo_compiler::ast::Document;
use apollo_compiler::diagnostic::ToCliReport;
use apollo_compiler::parser::{Parser, SourceMap, SourceSpan};
use apollo_compiler::schema::{ExtendedType, ObjectType, SchemaBuilder};
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{Name, Node, Schema, name};
use federation::Subgraph;

use super::default_values::normalise_default_values;
use super::expand::{Expansion, directive_names};
use super::roots::rename_root_types;
use super::{DirectiveNames, SubgraphSchema};
use crate::error::{CompositionError, ErrorCode, SourceLocation};
use crate::federation_spec::{FEDERATION_IDENTITY, FederationDirective, NEWEST_VERSION, SCALARS};
use crate::link::{Link, Links, Version, federation_link};
use crate::sdl::{self, Places};

/// Deepest nesting of selections, values and types that is read; the parser's own default overflows small stacks.
const RECURSION_MAX: usize = 200;

/// Reads and completes one subgraph.
///
/// # Errors
/// Everything that makes it no GraphQL schema, or no federation subgraph.
pub(crate) fn load(subgraph: &Subgraph) -> Result<SubgraphSchema, Vec<CompositionError>> {
    let path = format!("{}.graphql", subgraph.name);
    let read = sdl::read(&subgraph.sdl, &path);
    if let Some(loaded) = read.and_then(|(document, places)| complete(subgraph, document, places).ok()) {
        return Ok(loaded);
    }
    // What is wrong, people are told in the words of one parser.
    let document = parse(subgraph, &path)?;
    let places = Places::Parsed(document.sources.clone());
    complete(subgraph, document, places)
}

/// Completes a document that is read.
fn complete(
    subgraph: &Subgraph,
    mut document: Document,
    places: Places,
) -> Result<SubgraphSchema, Vec<CompositionError>> {
    let loader = Loader { subgraph, places };
    let links = Links::read(&document).map_err(|errors| {
        errors
            .into_iter()
            .map(|error| loader.error(error.code, error.span, &error.message))
            .collect::<Vec<_>>()
    })?;
    let version = loader.federation_version(&links)?;
    loader.check_imports(&links)?;
    let directives = directive_names(&links, &document);
    loader.expand(&mut document, &links, &directives)?;
    let schema = loader.build(&document)?;
    Ok(SubgraphSchema {
        name: subgraph.name.clone(),
        routing_url: subgraph.routing_url.clone(),
        schema,
        places: loader.places,
        links,
        directives,
        version,
    })
}

fn parse(subgraph: &Subgraph, path: &str) -> Result<Document, Vec<CompositionError>> {
    let mut lines = subgraph.sdl.lines().map(str::trim_start);
    if lines.all(|line| line.is_empty() || line.starts_with('#')) {
        let message = format!(
            "[{}] the schema is empty: it must define a type at least",
            subgraph.name
        );
        return Err(vec![CompositionError::new(ErrorCode::InvalidGraphql, message)]);
    }
    let mut parser = Parser::new().recursion_limit(RECURSION_MAX);
    parser
        .parse_ast(subgraph.sdl.as_str(), path)
        .map_err(|failure| graphql_errors(subgraph, &failure.errors, &failure.partial))
}

fn graphql_errors(subgraph: &Subgraph, diagnostics: &DiagnosticList, document: &Document) -> Vec<CompositionError> {
    let errors = diagnostics
        .iter()
        .filter(|diagnostic| !is_accepted(diagnostic.error.unstable_error_name()));
    let errors = errors.map(|diagnostic| {
        let span = diagnostic.error.location();
        let location = Places::Parsed(diagnostic.sources.clone()).locate(&subgraph.name, span);
        let is_unknown_directive = diagnostic.error.unstable_error_name() == Some("UndefinedDirective");
        let unknown = is_unknown_directive.then(|| federation_directive_at(diagnostic.sources, span));
        let advice = unknown
            .flatten()
            .map_or(String::new(), |directive| advice_on_directive(directive, document));
        let message = format!("[{}] {}{advice}", subgraph.name, diagnostic.error);
        CompositionError::new(ErrorCode::InvalidGraphql, message).at([location.unwrap_or_else(|| begin(subgraph))])
    });
    errors.collect()
}

/// Where to look for what is written nowhere.
fn begin(subgraph: &Subgraph) -> SourceLocation {
    SourceLocation {
        subgraph: subgraph.name.clone(),
        line: 1,
        column: 1,
        length: None,
    }
}

struct Loader<'a> {
    subgraph: &'a Subgraph,
    places: Places,
}

impl Loader<'_> {
    fn error(&self, code: ErrorCode, span: Option<SourceSpan>, message: &str) -> CompositionError {
        let location = self.places.locate(&self.subgraph.name, span);
        let location = location.unwrap_or_else(|| begin(self.subgraph));
        CompositionError::new(code, format!("[{}] {message}", self.subgraph.name)).at([location])
    }

    fn federation_version(&self, links: &Links) -> Result<Option<Version>, Vec<CompositionError>> {
        let Some(link) = federation_link(links) else {
            return Ok(None);
        };
        match link.url.version {
            Some(version) if version.major == 2 && version <= NEWEST_VERSION => Ok(Some(version)),
            _ => {
                let message = format!(
                    "`{}` is not a known version of federation; link {NEWEST_VERSION} or an earlier one",
                    link.url
                );
                Err(vec![self.error(
                    ErrorCode::UnknownFederationLinkVersion,
                    link.span,
                    &message,
                )])
            }
        }
    }

    /// Imports of federation must exist in the linked version.
    ///
    /// A schema that links the link specification itself is taken at its word, as the reference does: what it imports
    /// in vain is found when used.
    fn check_imports(&self, links: &Links) -> Result<(), Vec<CompositionError>> {
        let Some(link) = federation_link(links).filter(|_| !links.is_link_explicit) else {
            return Ok(());
        };
        let version = link.url.version.unwrap_or(NEWEST_VERSION);
        let unknown = link
            .imports
            .iter()
            .filter(|import| !is_element(&import.element, version));
        let errors: Vec<_> = unknown
            .map(|import| self.unknown_import(link, &import.element, version))
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn unknown_import(&self, link: &Link, element: &str, version: Version) -> CompositionError {
        let bare = element.trim_start_matches('@');
        let later = FederationDirective::ALL
            .iter()
            .find(|directive| directive.name() == bare);
        let advice = match later {
            Some(_) if !element.starts_with('@') => format!("write `@{bare}`"),
            Some(directive) => format!("it exists since {}; link that or a later version", directive.since()),
            None => "no version has it; remove it".to_owned(),
        };
        let message = format!("`{element}` cannot be imported from federation {version}: {advice}");
        self.error(ErrorCode::InvalidLinkDirectiveUsage, link.span, &message)
    }

    fn expand(
        &self,
        document: &mut Document,
        links: &Links,
        names: &DirectiveNames,
    ) -> Result<(), Vec<CompositionError>> {
        let version = federation_link(links)
            .and_then(|link| link.url.version)
            .unwrap_or(NEWEST_VERSION);
        Expansion::new(links, names, version).run(document).map_err(|faults| {
            faults
                .into_iter()
                .map(|fault| self.error(fault.code, fault.span, &fault.message))
                .collect::<Vec<_>>()
        })?;
        rename_root_types(document).map_err(|taken| {
            taken
                .into_iter()
                .map(|taken| self.error(taken.code, taken.name.location(), &taken.message))
                .collect::<Vec<_>>()
        })?;
        let invalid = normalise_default_values(document);
        if invalid.is_empty() {
            return Ok(());
        }
        Err(invalid
            .into_iter()
            .map(|invalid| self.error(ErrorCode::InvalidGraphql, invalid.span, &invalid.message))
            .collect())
    }

    fn build(&self, document: &Document) -> Result<Valid<Schema>, Vec<CompositionError>> {
        let builder = SchemaBuilder::new()
            .adopt_orphan_extensions()
            .ignore_builtin_redefinitions();
        let schema = builder
            .add_ast(document)
            .build()
            .map_err(|failure| graphql_errors(self.subgraph, &failure.errors, document))?;
        let mut schema = match schema.validate() {
            Ok(schema) => schema.into_inner(),
            Err(failure) => {
                let errors = graphql_errors(self.subgraph, &failure.errors, document);
                if !errors.is_empty() {
                    return Err(errors);
                }
                failure.partial
            }
        };
        // Every subgraph answers `_service` on `Query`, and so has the type, be it without a field of the graph.
        schema
            .types
            .entry(name!("Query"))
            .or_insert_with(|| ExtendedType::Object(Node::new(empty_object(name!("Query")))));
        Ok(Valid::assume_valid(schema))
    }
}

/// The directive of federation that is written at a place, be it known there or not.
fn federation_directive_at(sources: &SourceMap, span: Option<SourceSpan>) -> Option<FederationDirective> {
    let span = span?;
    let text = sources.get(&span.file_id())?.source_text();
    let written = text.get(span.offset()..span.end_offset())?.strip_prefix('@')?;
    let end = written
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(written.len());
    FederationDirective::ALL
        .iter()
        .copied()
        .find(|directive| directive.name() == &written[..end])
}

/// How to get a directive that is federation's, but not under this name in this subgraph.
fn advice_on_directive(directive: FederationDirective, document: &Document) -> String {
    let (name, since) = (directive.name(), directive.since());
    let links = Links::read(document).unwrap_or_default();
    match federation_link(&links) {
        None => format!(
            "; to use that of federation, add `extend schema @link(url: \"{FEDERATION_IDENTITY}/{NEWEST_VERSION}\", import: \
             [\"@{name}\"])`"
        ),
        Some(link) if link.url.version.is_some_and(|version| version < since) => {
            format!("; to use that of federation, link {since} or later, and import `@{name}`")
        }
        Some(link) => format!(
            "; to use that of federation, write `@{}`, or import `@{name}` in its `@link`",
            link.directive_name(name)
        ),
    }
}

fn empty_object(name: Name) -> ObjectType {
    ObjectType {
        description: None,
        name,
        implements_interfaces: Default::default(),
        directives: Default::default(),
        fields: Default::default(),
    }
}

/// What GraphQL forbids and subgraphs may do.
fn is_accepted(error_name: Option<&str>) -> bool {
    // A subgraph needs no query of its own; an absent required field in a directive's argument is let through by the
    // reference (`@hello(person: {})`), and by the specification's own composition of custom directives.
    matches!(error_name, Some("QueryRootOperationType" | "RequiredField"))
}

fn is_element(element: &str, version: Version) -> bool {
    match element.strip_prefix('@') {
        Some(name) => FederationDirective::ALL
            .iter()
            .any(|directive| (directive.name() == name && directive.since() <= version) || name == "federation__"),
        None => SCALARS
            .iter()
            .any(|(scalar, since)| *scalar == element && *since <= version),
    }
}
