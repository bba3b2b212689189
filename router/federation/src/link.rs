//! Which specifications a schema links to, and which of its names are theirs (Link spec, `@link`; Core spec, `@core`).
//!
//! Reads the application on the schema definition only; it does not check that a specification is known.

use apollo_compiler::ast::Value;
use apollo_compiler::schema::Directive;
use apollo_compiler::{Name, Schema};

/// The specifications that a schema links to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    links: Vec<Link>,
}

/// A specification that a schema links to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Name in the URL: `inaccessible` of `https://specs.apollo.dev/inaccessible/v0.2`.
    pub name: String,
    /// Of the specification, with its version.
    pub url: String,
    /// What it is needed for; `None`: whoever does not know it may pass it over.
    pub purpose: Option<Purpose>,
}

/// What a feature is needed for: whoever does not know such a feature must not go on without it (Link spec, "Purpose").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To resolve fields securely.
    Security,
    /// To resolve fields at all.
    Execution,
}

#[derive(Debug, Clone)]
struct Link {
    feature: Feature,
    /// Prefix of its names in this schema: `as`, or the name in the URL.
    prefix: String,
    imports: Vec<Import>,
}

/// Both with their `@` when they are directives.
#[derive(Debug, Clone)]
struct Import {
    name: String,
    name_here: String,
}

impl Links {
    pub(crate) fn of(schema: &Schema) -> Self {
        let directives = &schema.schema_definition.directives;
        let links = directives.iter().filter_map(|directive| match directive.name.as_str() {
            "core" => Link::parse(directive, "feature"),
            _ => Link::parse(directive, "url"),
        });
        let mut links: Vec<Link> = links.collect();
        // The linking directive itself is always there, linked or not.
        for specification in ["link", "core"] {
            if schema.directive_definitions.contains_key(specification)
                && !links.iter().any(|link| link.feature.name == specification)
            {
                links.push(Link {
                    feature: Feature {
                        name: specification.to_owned(),
                        url: format!("https://specs.apollo.dev/{specification}"),
                        purpose: None,
                    },
                    prefix: specification.to_owned(),
                    imports: Vec::new(),
                });
            }
        }
        Self { links }
    }

    /// What is linked to.
    pub(crate) fn features(self) -> Vec<Feature> {
        self.links.into_iter().map(|link| link.feature).collect()
    }

    /// What the main directive of `specification` is called in this schema, without `@`.
    pub(crate) fn directive_name(&self, specification: &str) -> Name {
        let name = self
            .links
            .iter()
            .find(|link| link.feature.name == specification)
            .map(|link| {
                let import = link
                    .imports
                    .iter()
                    .find(|import| import.name.strip_prefix('@') == Some(specification));
                import.map_or(link.prefix.as_str(), |import| import.name_here.trim_start_matches('@'))
            });
        Name::new(name.unwrap_or(specification)).unwrap_or_else(|_| Name::new_unchecked(specification))
    }

    /// What `element` of `specification` is called in this schema: `join__type` for `@type` of join, unless the link says
    /// otherwise. `element` is with its `@` when it is a directive, the name without.
    pub(crate) fn element_name(&self, specification: &str, element: &str) -> Name {
        let link = self.links.iter().find(|link| link.feature.name == specification);
        let import = link.and_then(|link| link.imports.iter().find(|import| import.name == element));
        let name = match import {
            Some(import) => import.name_here.trim_start_matches('@').to_owned(),
            None => {
                let prefix = link.map_or(specification, |link| &link.prefix);
                format!("{prefix}__{}", element.trim_start_matches('@'))
            }
        };
        Name::new(&name).unwrap_or_else(|_| Name::new_unchecked(specification))
    }

    pub(crate) fn owns_directive(&self, name: &str) -> bool {
        self.links.iter().any(|link| {
            name == link.prefix
                || link.owns_prefixed(name)
                || link
                    .imports
                    .iter()
                    .any(|import| import.name_here.strip_prefix('@') == Some(name))
        })
    }

    pub(crate) fn owns_type(&self, name: &str) -> bool {
        self.links
            .iter()
            .any(|link| link.owns_prefixed(name) || link.imports.iter().any(|import| import.name_here == name))
    }
}

impl Link {
    /// `None` for a directive that does not link.
    fn parse(directive: &Directive, url_argument: &str) -> Option<Self> {
        let url = directive.specified_argument_by_name(url_argument)?.as_str()?;
        let name = specification_name(url)?.to_owned();
        let purpose = directive.specified_argument_by_name("for");
        let purpose = purpose.and_then(|value| match value.as_enum()?.as_str() {
            "SECURITY" => Some(Purpose::Security),
            "EXECUTION" => Some(Purpose::Execution),
            _ => None,
        });
        let prefix = directive
            .specified_argument_by_name("as")
            .and_then(|value| value.as_str());
        let imports = directive
            .specified_argument_by_name("import")
            .and_then(|value| value.as_list());
        let imports = imports
            .unwrap_or_default()
            .iter()
            .filter_map(|import| Import::parse(import))
            .collect();
        Some(Self {
            prefix: prefix.unwrap_or(&name).to_owned(),
            feature: Feature {
                name,
                url: url.to_owned(),
                purpose,
            },
            imports,
        })
    }

    fn owns_prefixed(&self, name: &str) -> bool {
        name.strip_prefix(self.prefix.as_str())
            .is_some_and(|rest| rest.starts_with("__"))
    }
}

impl Import {
    fn parse(value: &Value) -> Option<Self> {
        if let Some(name) = value.as_str() {
            return Some(Self {
                name: name.to_owned(),
                name_here: name.to_owned(),
            });
        }
        let object = value.as_object()?;
        let text = |key: &str| {
            object
                .iter()
                .find(|(name, _)| name == key)
                .and_then(|(_, value)| value.as_str())
        };
        let name = text("name")?;
        Some(Self {
            name: name.to_owned(),
            name_here: text("as").unwrap_or(name).to_owned(),
        })
    }
}

/// `join` of `https://specs.apollo.dev/join/v0.3`; the last part when there is no version.
fn specification_name(url: &str) -> Option<&str> {
    let mut parts = url.trim_end_matches('/').rsplit('/');
    let last = parts.next()?;
    let is_version = last
        .strip_prefix('v')
        .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()));
    if is_version { parts.next() } else { Some(last) }
}
