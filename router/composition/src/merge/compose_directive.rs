//! `@composeDirective`: custom directives that a subgraph wants in the supergraph.

use std::sync::Arc;

use apollo_compiler::ast::DirectiveDefinition;
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::{Name, Node};
use indexmap::IndexMap;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Merger;
use super::directives::{ComposedDirective, ComposedKind, SupergraphLink};
use super::implementations::unplaced;
use crate::error::{ErrorCode, HintCode};
use crate::federation_spec::{FEDERATION_IDENTITY, FederationDirective, LINK_IDENTITY};
use crate::link::{Link, Version};
use crate::validate::ValidSubgraph;

/// One subgraph's wish.
struct Wish {
    index: usize,
    /// The subgraph's name of the directive.
    name: Name,
    identity: String,
    version: Version,
    element: String,
    span: Option<SourceSpan>,
}

/// Why a wish cannot be met.
struct Fault {
    message: String,
    /// A place in another subgraph that it has to do with.
    elsewhere: Option<(usize, Option<SourceSpan>)>,
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self {
            message,
            elsewhere: None,
        }
    }
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
        let mut newest: FxHashMap<String, (Version, usize)> = FxHashMap::default();
        for wish in wishes.values().flatten() {
            let known = newest
                .entry(wish.identity.clone())
                .or_insert((wish.version, wish.index));
            *known = (*known).max((wish.version, wish.index));
        }
        for ((identity, element), wishes) in wishes {
            self.hint_not_composed(&element, &wishes, used);
            self.hint_other_name(&element, &wishes);
            self.compose_custom_directive(&element, &wishes, newest[&identity].1);
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
                Err(fault) => {
                    let message = format!(
                        "[{}] `@composeDirective(name: {name:?})`: {}",
                        self.subgraphs[index].name, fault.message
                    );
                    let spans = [Some((index, application.location())), fault.elsewhere];
                    self.error(
                        ErrorCode::DirectiveCompositionError,
                        message,
                        spans.into_iter().flatten(),
                    );
                }
            }
        }
        wishes
    }

    fn wish(&mut self, index: usize, name: &str, span: Option<SourceSpan>) -> Result<Option<Wish>, Fault> {
        let subgraph = &self.subgraphs[index];
        let Some(bare) = name.strip_prefix('@') else {
            return Err(format!("the name must begin with `@`: `@{name}`").into());
        };
        let Some(definition) = subgraph.schema.directive_definitions.get(bare) else {
            return Err(format!("there is no directive `{name}`; define it in this subgraph").into());
        };
        let Some((link, element)) = subgraph.links.source_of_directive(bare) else {
            return Err(format!(
                "`{name}` is not part of a linked specification; add `@link(url: \"https://.../v1.0\", import: [{name:?}])`"
            )
            .into());
        };
        let federation = subgraph.directives.find(bare);
        let identity = link.url.identity.as_str();
        if federation.is_some() || matches!(identity, FEDERATION_IDENTITY | LINK_IDENTITY) {
            if federation.is_some_and(super::directives::comes_along) {
                let message = format!(
                    "[{}] `{name}` is in the supergraph anyway; `@composeDirective` can be removed",
                    subgraph.name
                );
                self.hint(HintCode::DirectiveCompositionInfo, message, [(index, span)]);
                return Ok(None);
            }
            return Err(format!(
                "`{name}` belongs to federation itself and cannot be composed; remove the `@composeDirective`"
            )
            .into());
        }
        if let Some(conflict) = self.conflict_with_federation(bare) {
            return Err(conflict);
        }
        Ok(Some(Wish {
            index,
            name: definition.name.clone(),
            identity: link.url.identity.clone(),
            version: version(link),
            element,
            span,
        }))
    }

    /// `@tag` and `@inaccessible` are in every supergraph, so that nothing else can have their names.
    fn conflict_with_federation(&self, name: &str) -> Option<Fault> {
        let taken = [FederationDirective::Tag, FederationDirective::Inaccessible];
        for directive in taken {
            let has_name = |subgraph: &ValidSubgraph| subgraph.directives.get(directive).is_some_and(|own| own == name);
            let Some(index) = self.subgraphs.iter().position(has_name) else {
                continue;
            };
            let subgraph = &self.subgraphs[index];
            let message = format!(
                "`@{name}` is the name of federation's own `@{}` in `{}`; import one of them under another name with `as:`",
                directive.name(),
                subgraph.name
            );
            let span = subgraph.links.source_of_directive(name).and_then(|(link, _)| link.span);
            return Some(Fault {
                message,
                elsewhere: Some((index, span)),
            });
        }
        None
    }

    /// One name in the supergraph for one directive, and one directive for one name.
    fn check_names_are_unique(&mut self, all: &IndexMap<(String, String), Vec<Wish>>) {
        let mut owners: IndexMap<Name, &(String, String)> = IndexMap::new();
        for (directive, wishes) in all {
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
                    let both = wishes.iter().chain(&all[other]);
                    self.error(
                        ErrorCode::DirectiveCompositionError,
                        message,
                        both.map(|wish| (wish.index, wish.span)),
                    );
                }
                _ => {}
            }
        }
    }

    /// Subgraphs may link different minor versions of a specification, but one major version if they compose from it.
    fn check_versions(&mut self, wishes: &IndexMap<(String, String), Vec<Wish>>) {
        let mut by_identity: IndexMap<&str, Vec<(usize, &Link)>> = IndexMap::new();
        let subgraphs = self.subgraphs;
        for (index, subgraph) in subgraphs.iter().enumerate() {
            for link in &subgraph.links.all {
                by_identity.entry(&link.url.identity).or_default().push((index, link));
            }
        }
        for (identity, links) in by_identity {
            let is_composed = |index: usize| {
                let mut wishes = wishes.values().flatten();
                wishes.any(|wish| wish.index == index && wish.identity == identity)
            };
            let major = |link: &Link| link.url.version.map(|version| version.major);
            let (composed, others): (Vec<_>, Vec<_>) = links.into_iter().partition(|(index, _)| is_composed(*index));
            let differ = |links: &[(usize, &Link)]| links.iter().any(|(_, link)| major(link) != major(links[0].1));
            let all: Vec<_> = composed.iter().chain(&others).copied().collect();
            if !differ(&all) {
                continue;
            }
            let versions = all
                .iter()
                .filter_map(|(index, link)| Some((*index, link.url.version?.to_string())));
            let versions = self.describe(versions);
            let spans = all.iter().map(|(index, link)| (*index, link.span)).collect::<Vec<_>>();
            if composed.is_empty() || !differ(&composed) {
                let message = format!("`{identity}` is linked in versions that are not compatible: {versions}");
                self.hint(HintCode::DirectiveCompositionInfo, message, spans);
            } else {
                let message = format!(
                    "`{identity}` is linked in versions that are not compatible: {versions}; link one major version everywhere"
                );
                self.error(ErrorCode::DirectiveCompositionError, message, spans);
            }
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
                let source = self.subgraphs[index].links.source_of_directive(&wishes[0].name);
                let span = source.and_then(|(link, _)| link.span);
                self.hint(HintCode::DirectiveCompositionInfo, message, [(index, span)]);
            }
        }
    }

    /// Who does not compose the directive but calls it otherwise cannot begin to compose it.
    fn hint_other_name(&mut self, element: &str, wishes: &[Wish]) {
        let first = &wishes[0];
        for index in 0..self.subgraphs.len() {
            let subgraph = &self.subgraphs[index];
            let Some(link) = subgraph.links.by_identity(&first.identity) else {
                continue;
            };
            let imported = link
                .imports
                .iter()
                .find(|import| import.element.strip_prefix('@') == Some(element));
            let is_other = imported.is_some_and(|import| import.name.strip_prefix('@') != Some(first.name.as_str()));
            if is_other && !wishes.iter().any(|wish| wish.index == index) {
                let span = link.span;
                let message = format!(
                    "`@{}` is composed from other subgraphs, but `{}` calls it `@{}`; it needs the same name to be composed \
                     from there too",
                    first.name,
                    subgraph.name,
                    link.directive_name(element)
                );
                self.hint(HintCode::DirectiveCompositionWarn, message, [(index, span)]);
            }
        }
    }

    /// The newest version of a specification, of those linked by subgraphs that compose from it, gives the definitions of
    /// all its directives.
    fn compose_custom_directive(&mut self, element: &str, wishes: &[Wish], newest: usize) {
        let first = &wishes[0];
        let subgraphs = self.subgraphs;
        let subgraph = &subgraphs[newest];
        let Some(link) = subgraph.links.by_identity(&first.identity) else {
            return;
        };
        let own_name = link.directive_name(element);
        let Some(definition) = subgraph.schema.directive_definitions.get(own_name.as_str()) else {
            let message = format!(
                "`@{}` is composed, but `{}`, which links the newest version of `{}`, does not define it; define it there too",
                first.name, subgraph.name, first.identity
            );
            let spans = wishes.iter().map(|wish| (wish.index, wish.span));
            let spans: Vec<_> = spans.chain([(newest, link.span)]).collect();
            return self.error(ErrorCode::DirectiveCompositionError, message, spans);
        };
        let mut definition = DirectiveDefinition::clone(definition);
        definition.name = unplaced(&first.name);
        let link = SupergraphLink {
            identity: first.identity.clone(),
            version: version(link),
            alias: link.alias.clone(),
            purpose: None,
            element: element.to_owned(),
        };
        for argument in &definition.arguments {
            self.note_input_use(argument.ty.inner_named_type());
        }
        let composed = ComposedDirective {
            kind: ComposedKind::Custom,
            name: unplaced(&first.name),
            is_repeatable: definition.repeatable,
            definition: Some(Node::new(definition)),
            link: Some(link),
            source: Some(newest),
        };
        Arc::make_mut(&mut self.composed).add(composed, wishes.iter().map(|wish| (wish.index, wish.name.clone())));
    }
}

fn version(link: &Link) -> Version {
    link.url.version.unwrap_or(Version { major: 0, minor: 0 })
}
