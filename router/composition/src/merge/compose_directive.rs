//! `@composeDirective`: custom directives that a subgraph wants in the supergraph.

use apollo_compiler::ast::DirectiveDefinition;
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::{Name, Node};
use indexmap::IndexMap;
use rustc_hash::FxHashSet;

use super::Merger;
use super::directives::{ComposedDirective, ComposedKind, SupergraphLink};
use super::implementations::unplaced;
use crate::error::{ErrorCode, HintCode};
use crate::federation_spec::{FEDERATION_IDENTITY, FederationDirective, LINK_IDENTITY};
use crate::link::Version;

/// One subgraph's wish.
struct Wish {
    index: usize,
    /// The subgraph's name of the directive.
    name: Name,
    identity: String,
    version: Version,
    alias: Option<String>,
    element: String,
    definition: Node<DirectiveDefinition>,
    span: Option<SourceSpan>,
}

impl Merger<'_> {
    pub(super) fn collect_custom_directives(&mut self, used: &[FxHashSet<Name>]) {
        let mut wishes: IndexMap<(String, String), Vec<Wish>> = IndexMap::new();
        for index in 0..self.subgraphs.len() {
            for wish in self.wishes_of(index) {
                wishes
                    .entry((wish.identity.clone(), wish.element.clone()))
                    .or_default()
                    .push(wish);
            }
        }
        self.check_names_are_unique(&wishes);
        self.check_versions(&wishes);
        for ((_, element), wishes) in wishes {
            self.hint_not_composed(&element, &wishes, used);
            self.compose_custom_directive(&element, &wishes);
        }
    }

    fn wishes_of(&mut self, index: usize) -> Vec<Wish> {
        let subgraph = &self.subgraphs[index];
        let directives = &subgraph.schema.schema_definition.directives;
        let applications: Vec<_> = subgraph
            .applications(directives, FederationDirective::ComposeDirective)
            .cloned()
            .collect();
        let mut wishes = Vec::new();
        for application in applications {
            let name = crate::link::string_argument(&application, "name").unwrap_or_default();
            match self.wish(index, &name, application.location()) {
                Ok(wish) => wishes.extend(wish),
                Err(message) => {
                    let message = format!(
                        "[{}] `@composeDirective(name: {name:?})`: {message}",
                        self.subgraphs[index].name
                    );
                    self.error(
                        ErrorCode::DirectiveCompositionError,
                        message,
                        [(index, application.location())],
                    );
                }
            }
        }
        wishes
    }

    fn wish(&mut self, index: usize, name: &str, span: Option<SourceSpan>) -> Result<Option<Wish>, String> {
        let subgraph = &self.subgraphs[index];
        let Some(bare) = name.strip_prefix('@') else {
            return Err(format!("the name must begin with `@`: `@{name}`"));
        };
        let Some(definition) = subgraph.schema.directive_definitions.get(bare) else {
            return Err(format!("there is no directive `{name}`; define it in this subgraph"));
        };
        let Some((link, element)) = subgraph.links.source_of_directive(bare) else {
            return Err(format!(
                "`{name}` is not part of a linked specification; add `@link(url: \"https://.../v1.0\", import: [{name:?}])`"
            ));
        };
        if link.url.identity == FEDERATION_IDENTITY || link.url.identity == LINK_IDENTITY {
            let federation = subgraph.directives.find(bare);
            let comes_along = federation.is_some_and(|directive| {
                matches!(directive, FederationDirective::Tag | FederationDirective::Inaccessible)
            });
            if comes_along {
                let message = format!(
                    "[{}] `{name}` is in the supergraph anyway; `@composeDirective` can be removed",
                    subgraph.name
                );
                self.hint(HintCode::DirectiveCompositionInfo, message, [(index, span)]);
                return Ok(None);
            }
            return Err(format!("`{name}` belongs to federation itself and cannot be composed"));
        }
        Ok(Some(Wish {
            index,
            name: definition.name.clone(),
            identity: link.url.identity.clone(),
            version: link.url.version.unwrap_or(Version { major: 0, minor: 0 }),
            alias: link.alias.clone(),
            element,
            definition: definition.clone(),
            span,
        }))
    }

    /// One name in the supergraph for one directive, and one directive for one name.
    fn check_names_are_unique(&mut self, wishes: &IndexMap<(String, String), Vec<Wish>>) {
        let mut owners: IndexMap<Name, &(String, String)> = IndexMap::new();
        for (directive, wishes) in wishes {
            if wishes.iter().any(|wish| wish.name != wishes[0].name) {
                let described = self.describe(wishes.iter().map(|wish| (wish.index, format!("@{}", wish.name))));
                let message = format!(
                    "`@{}` of `{}` has different names: {described}; import it under one name in all subgraphs",
                    directive.1, directive.0
                );
                self.error(
                    ErrorCode::DirectiveCompositionError,
                    message,
                    wishes.iter().map(|wish| (wish.index, wish.span)),
                );
                continue;
            }
            match owners.insert(wishes[0].name.clone(), directive) {
                Some(other) if other != directive => {
                    let message = format!(
                        "`@{}` is a directive of `{}` in one subgraph and of `{}` in another; rename one of them with `as:`",
                        wishes[0].name, other.0, directive.0
                    );
                    self.error(
                        ErrorCode::DirectiveCompositionError,
                        message,
                        wishes.iter().map(|wish| (wish.index, wish.span)),
                    );
                }
                _ => {}
            }
        }
    }

    /// Subgraphs may link different minor versions of a specification, but one major version.
    fn check_versions(&mut self, wishes: &IndexMap<(String, String), Vec<Wish>>) {
        let mut versions: IndexMap<&str, &Wish> = IndexMap::new();
        let mut clashes = Vec::new();
        for wish in wishes.values().flatten() {
            match versions.insert(&wish.identity, wish) {
                Some(other) if other.version.major != wish.version.major => clashes.push((
                    format!(
                        "`{}` is linked as {} and as {}, which are not compatible; link one major version everywhere",
                        wish.identity, other.version, wish.version
                    ),
                    [(other.index, other.span), (wish.index, wish.span)],
                )),
                _ => {}
            }
        }
        for (message, spans) in clashes {
            self.error(ErrorCode::DirectiveCompositionError, message, spans);
        }
    }

    fn hint_not_composed(&mut self, element: &str, wishes: &[Wish], used: &[FxHashSet<Name>]) {
        for (index, used) in used.iter().enumerate() {
            if wishes.iter().any(|wish| wish.index == index) || !used.contains(&wishes[0].name) {
                continue;
            }
            let is_same = self.subgraphs[index]
                .links
                .source_of_directive(&wishes[0].name)
                .is_some_and(|(link, own)| link.url.identity == wishes[0].identity && own == element);
            if is_same {
                let message = format!(
                    "`@{}` is composed from other subgraphs but not from `{}`, which uses it too",
                    wishes[0].name, self.subgraphs[index].name
                );
                self.hint(HintCode::DirectiveCompositionInfo, message, []);
            }
        }
    }

    /// The newest version of the specification gives the definition.
    fn compose_custom_directive(&mut self, element: &str, wishes: &[Wish]) {
        let Some(newest) = wishes.iter().rev().max_by_key(|wish| wish.version) else {
            return;
        };
        let mut definition = DirectiveDefinition::clone(&newest.definition);
        definition.name = unplaced(&newest.name);
        let composed = ComposedDirective {
            kind: ComposedKind::Custom,
            name: unplaced(&newest.name),
            is_repeatable: definition.repeatable,
            definition: Some(Node::new(definition)),
            link: Some(SupergraphLink {
                identity: newest.identity.clone(),
                version: newest.version,
                alias: newest.alias.clone(),
                is_security: false,
                element: element.to_owned(),
            }),
        };
        self.composed
            .add(composed, wishes.iter().map(|wish| (wish.index, wish.name.clone())));
    }
}
