//! Reads `@link`: which specifications a subgraph uses, in which version, and under which names (link spec v1.0).
//!
//! Does not know what is in a specification; see `federation_spec`.

use std::fmt;

use apollo_compiler::Node;
use apollo_compiler::ast::{Definition, Directive, Document, Value};
use apollo_compiler::parser::SourceSpan;
use indexmap::IndexMap;

use crate::error::ErrorCode;
use crate::federation_spec::{FEDERATION_IDENTITY, LINK_IDENTITY};

/// `v2.3` of a specification; same major means compatible (but each `v0.x` is its own).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.strip_prefix('v')?.split_once('.')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "v{}.{}", self.major, self.minor)
    }
}

/// `https://specs.apollo.dev/federation/v2.3`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpecUrl {
    /// Everything before the version: what makes two links speak of the same specification.
    pub(crate) identity: String,
    /// Last part of the identity: the default prefix of the specification's names. `None` if it is no GraphQL name.
    pub(crate) name: Option<String>,
    /// `None` for a URL without one.
    pub(crate) version: Option<Version>,
}

impl SpecUrl {
    fn parse(url: &str) -> Option<Self> {
        let trimmed = url.trim_end_matches('/');
        let path_start = trimmed.find("://").map(|at| at + 3)?;
        if path_start >= trimmed.len() {
            return None;
        }
        let (identity, version) = match trimmed.rsplit_once('/') {
            Some((before, last)) if before.len() > path_start => match Version::parse(last) {
                Some(version) => (before, Some(version)),
                None => (trimmed, None),
            },
            _ => (trimmed, None),
        };
        let name = identity[path_start..].split('/').skip(1).last();
        let name = name.filter(|name| apollo_compiler::Name::is_valid_syntax(name) && !name.contains("__"));
        Some(Self {
            identity: identity.to_owned(),
            name: name.map(str::to_owned),
            version,
        })
    }
}

impl fmt::Display for SpecUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.identity)?;
        match self.version {
            Some(version) => write!(formatter, "/{version}"),
            None => Ok(()),
        }
    }
}

/// One element brought in under a short name. Directives keep their `@` in both names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) element: String,
    pub(crate) name: String,
}

/// One application of `@link`.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) url: SpecUrl,
    pub(crate) alias: Option<String>,
    pub(crate) imports: Vec<Import>,
    pub(crate) span: Option<SourceSpan>,
}

impl Link {
    /// Prefix of the specification's names in this schema.
    pub(crate) fn prefix(&self) -> &str {
        self.alias.as_deref().or(self.url.name.as_deref()).unwrap_or("")
    }

    /// Name in this schema of the specification's directive `element`, without `@`.
    pub(crate) fn directive_name(&self, element: &str) -> String {
        for import in &self.imports {
            if import.element.strip_prefix('@') == Some(element) {
                return import.name.trim_start_matches('@').to_owned();
            }
        }
        if self.url.name.as_deref() == Some(element) {
            return self.prefix().to_owned();
        }
        format!("{}__{element}", self.prefix())
    }

    /// Name in this schema of the specification's type `element`.
    pub(crate) fn type_name(&self, element: &str) -> String {
        match self.imports.iter().find(|import| import.element == element) {
            Some(import) => import.name.clone(),
            None => format!("{}__{element}", self.prefix()),
        }
    }

    /// Name in the specification of the directive that this schema calls `name`, both without `@`.
    pub(crate) fn element_of_directive(&self, name: &str) -> Option<String> {
        let imported = self
            .imports
            .iter()
            .find(|import| import.name.strip_prefix('@') == Some(name));
        if let Some(import) = imported {
            return Some(import.element.trim_start_matches('@').to_owned());
        }
        if name == self.prefix() {
            return self.url.name.clone();
        }
        name.strip_prefix(self.prefix())?.strip_prefix("__").map(str::to_owned)
    }
}

/// What is wrong with the links of one subgraph.
#[derive(Debug)]
pub(crate) struct LinkError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) span: Option<SourceSpan>,
}

/// All links of one subgraph.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    /// In the order of the document, one per specification.
    pub(crate) all: Vec<Link>,
    /// Name of the directive `@link` itself, without `@`; empty when the subgraph uses none.
    pub(crate) link_directive: String,
    /// Whether the link specification is itself linked, rather than assumed.
    pub(crate) is_link_explicit: bool,
}

impl Links {
    /// Reads the links of a document. A document without any gives an empty set: Federation 1.
    pub(crate) fn read(document: &Document) -> Result<Self, Vec<LinkError>> {
        let applications: Vec<&Node<Directive>> = schema_directives(document).collect();
        let Some((link_directive, is_link_explicit)) = name_of_link_directive(&applications) else {
            return Ok(Self::default());
        };
        let mut reader = LinkReader {
            links: IndexMap::new(),
            errors: Vec::new(),
        };
        for application in applications
            .iter()
            .filter(|directive| directive.name == *link_directive)
        {
            reader.add(application);
        }
        reader.check_imports();
        if reader.errors.is_empty() {
            Ok(Self {
                all: reader.links.into_values().collect(),
                link_directive,
                is_link_explicit,
            })
        } else {
            Err(reader.errors)
        }
    }

    pub(crate) fn by_identity(&self, identity: &str) -> Option<&Link> {
        self.all.iter().find(|link| link.url.identity == identity)
    }

    /// The link that brings in the directive which this schema calls `name`, and its name in the specification.
    pub(crate) fn source_of_directive(&self, name: &str) -> Option<(&Link, String)> {
        self.all
            .iter()
            .find_map(|link| Some((link, link.element_of_directive(name)?)))
    }
}

/// Directives on the schema definition and on its extensions.
fn schema_directives(document: &Document) -> impl Iterator<Item = &Node<Directive>> {
    document.definitions.iter().flat_map(|definition| match definition {
        Definition::SchemaDefinition(schema) => schema.directives.0.as_slice(),
        Definition::SchemaExtension(schema) => schema.directives.0.as_slice(),
        _ => &[],
    })
}

/// `@link` may be renamed by the link that brings it in: `@core(url: ".../link/v1.0", as: "core")`.
fn name_of_link_directive(applications: &[&Node<Directive>]) -> Option<(String, bool)> {
    for directive in applications {
        let Some(url) = string_argument(directive, "url").and_then(|url| SpecUrl::parse(&url)) else {
            continue;
        };
        if url.identity != LINK_IDENTITY {
            continue;
        }
        let alias = string_argument(directive, "as").or_else(|| imported_link_name(directive));
        if directive.name.as_str() == alias.as_deref().unwrap_or("link") {
            return Some((directive.name.to_string(), true));
        }
    }
    applications
        .iter()
        .any(|directive| directive.name == "link")
        .then(|| ("link".to_owned(), false))
}

fn imported_link_name(directive: &Directive) -> Option<String> {
    let imports = directive.specified_argument_by_name("import")?.as_list()?;
    let names = imports.iter().filter_map(|value| read_import(value).ok());
    names
        .filter(|import| import.element == "@link")
        .map(|import| import.name[1..].to_owned())
        .next()
}

/// Value of an argument when it is a string.
pub(crate) fn string_argument(directive: &Directive, name: &str) -> Option<String> {
    directive.specified_argument_by_name(name)?.as_str().map(str::to_owned)
}

struct LinkReader {
    links: IndexMap<String, Link>,
    errors: Vec<LinkError>,
}

impl LinkReader {
    fn fail(&mut self, span: Option<SourceSpan>, message: String) {
        self.errors.push(LinkError {
            code: ErrorCode::InvalidLinkDirectiveUsage,
            message,
            span,
        });
    }

    fn add(&mut self, application: &Node<Directive>) {
        let span = application.location();
        let Some(text) = string_argument(application, "url") else {
            return self.fail(
                span,
                "`@link` needs a string for `url`: `@link(url: \"https://.../v1.0\")`".to_owned(),
            );
        };
        let Some(url) = SpecUrl::parse(&text) else {
            let message =
                format!("`{text}` is not the URL of a specification; write it as `https://example.org/name/v1.0`");
            return self.errors.push(LinkError {
                code: ErrorCode::InvalidLinkIdentifier,
                message,
                span,
            });
        };
        if url.identity == LINK_IDENTITY && url.version.is_some_and(|version| version.major != 1) {
            let message = format!("`{url}` is not a known version of the link specification; the newest is v1.0");
            return self.errors.push(LinkError {
                code: ErrorCode::UnknownLinkVersion,
                message,
                span,
            });
        }
        let imports = self.read_imports(application);
        let link = Link {
            url,
            alias: string_argument(application, "as"),
            imports,
            span,
        };
        let identity = link.url.identity.clone();
        if self.links.contains_key(&identity) {
            return self.fail(
                span,
                format!("`{identity}` is linked twice; keep one `@link` and join their imports"),
            );
        }
        let same_prefix = self
            .links
            .values()
            .find(|other| !link.prefix().is_empty() && other.prefix() == link.prefix());
        if let Some(other) = same_prefix {
            let message = format!(
                "`{}` and `{}` would both be called `{}` here; name one of them with `as:`",
                other.url,
                link.url,
                link.prefix()
            );
            return self.fail(span, message);
        }
        self.links.insert(identity, link);
    }

    fn read_imports(&mut self, application: &Node<Directive>) -> Vec<Import> {
        let Some(argument) = application.specified_argument_by_name("import") else {
            return Vec::new();
        };
        let Some(values) = argument.as_list() else {
            self.fail(
                application.location(),
                "`import` of `@link` must be a list: `import: [\"@key\"]`".to_owned(),
            );
            return Vec::new();
        };
        let mut imports = Vec::with_capacity(values.len());
        for value in values {
            match read_import(value) {
                Ok(import) => imports.push(import),
                Err(message) => self.fail(value.location().or(application.location()), message),
            }
        }
        imports
    }

    /// Two links must not bring in different things under one name.
    fn check_imports(&mut self) {
        let mut seen: IndexMap<&str, &Link> = IndexMap::new();
        let mut clashes = Vec::new();
        for link in self.links.values() {
            for import in &link.imports {
                match seen.insert(&import.name, link) {
                    Some(other) if other.url.identity != link.url.identity => clashes.push((
                        link.span,
                        format!(
                            "`{}` is imported from both `{}` and `{}`; rename one with `as:`",
                            import.name, other.url, link.url
                        ),
                    )),
                    _ => {}
                }
            }
        }
        for (span, message) in clashes {
            self.fail(span, message);
        }
    }
}

/// `"@key"` or `{name: "@key", as: "@primaryKey"}`.
fn read_import(value: &Value) -> Result<Import, String> {
    let (element, name) = match value {
        Value::String(name) => (name.clone(), name.clone()),
        Value::Object(fields) => {
            let field = |key: &str| {
                let found = fields.iter().find(|(name, _)| name == key)?;
                found.1.as_str().map(str::to_owned)
            };
            let element = field("name").ok_or("an import needs a `name`: `{name: \"@key\", as: \"@primaryKey\"}`")?;
            let name = field("as").unwrap_or_else(|| element.clone());
            (element, name)
        }
        _ => return Err("an import is a name, or an object of `name` and `as`".to_owned()),
    };
    if element.starts_with('@') != name.starts_with('@') {
        return Err(format!(
            "`{element}` cannot be imported as `{name}`: both or neither must begin with `@`"
        ));
    }
    let bare = name.strip_prefix('@').unwrap_or(&name);
    if !apollo_compiler::Name::is_valid_syntax(bare) {
        return Err(format!(
            "`{name}` is not a GraphQL name, so nothing can be imported under it"
        ));
    }
    Ok(Import { element, name })
}

/// Whether any link makes this a Federation 2 subgraph.
pub(crate) fn federation_link(links: &Links) -> Option<&Link> {
    links.by_identity(FEDERATION_IDENTITY)
}
