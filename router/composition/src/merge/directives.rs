//! Directives of subgraphs in the supergraph: which come along, under which name, and how applications merge.
//!
//! Come along: what GraphQL itself defines (`@deprecated`), what federation says must (`@tag`, `@inaccessible`, the
//! access and cost directives), and what a subgraph names in `@composeDirective`. All others stay in their subgraph.

use std::fmt;
use std::sync::Arc;

use apollo_compiler::ast::{Argument, Directive, DirectiveDefinition, InputValueDefinition, Value};
use apollo_compiler::{Name, Node, name};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Merger;
use super::implementations::unplaced;
use super::join::DirectiveBuilder;
use super::values::same_value;
use crate::alternatives::Alternatives;
use crate::error::{ErrorCode, HintCode};
use crate::federation_spec::FederationDirective;
use crate::link::Version;
use crate::subgraph::AppliedDirectives;
use crate::validate::ValidSubgraph;

/// Directives that come along.
#[derive(Debug, Clone, Default)]
pub(crate) struct ComposedDirectives {
    directives: Vec<ComposedDirective>,
    /// For each subgraph: its own name of a directive to the position in `directives`.
    by_subgraph: Vec<FxHashMap<Name, usize>>,
}

/// One directive that comes along.
#[derive(Debug, Clone)]
pub(super) struct ComposedDirective {
    pub(super) kind: ComposedKind,
    /// Name in the supergraph.
    pub(super) name: Name,
    /// `None` for what GraphQL defines.
    pub(super) definition: Option<Node<DirectiveDefinition>>,
    pub(super) is_repeatable: bool,
    pub(super) link: Option<SupergraphLink>,
    /// The subgraph whose definition it is; `None` for those of specifications.
    pub(super) source: Option<usize>,
}

/// Where a composed directive comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ComposedKind {
    BuiltIn,
    Federation(FederationDirective),
    Custom,
}

/// The specification that the supergraph links for a directive.
#[derive(Debug, Clone)]
pub(super) struct SupergraphLink {
    pub(super) identity: String,
    pub(super) version: Version,
    /// Prefix other than the specification's own name.
    pub(super) alias: Option<String>,
    /// Value of `for:`: what a router must know to run the supergraph.
    pub(super) purpose: Option<Name>,
    /// Name in the specification; with the name in the supergraph it makes the import.
    pub(super) element: String,
}

impl ComposedDirectives {
    /// Name in the supergraph of one of federation's directives; `None` if no subgraph uses it.
    pub(crate) fn name_of(&self, directive: FederationDirective) -> Option<&Name> {
        let found = self
            .directives
            .iter()
            .find(|composed| composed.kind == ComposedKind::Federation(directive))?;
        Some(&found.name)
    }

    pub(crate) fn is_inaccessible(&self, directive: &Directive) -> bool {
        self.name_of(FederationDirective::Inaccessible)
            .is_some_and(|name| directive.name == *name)
    }

    /// Whether a subgraph's directive is in every supergraph: GraphQL's own, or one that federation brings along.
    pub(super) fn is_always_composed(&self, subgraph: usize, own_name: &Name) -> bool {
        let found = self.by_subgraph.get(subgraph).and_then(|names| names.get(own_name));
        found.is_some_and(|position| self.directives[*position].kind != ComposedKind::Custom)
    }

    pub(super) fn add(&mut self, directive: ComposedDirective, own_names: impl IntoIterator<Item = (usize, Name)>) {
        let position = self.directives.len();
        self.directives.push(directive);
        for (subgraph, name) in own_names {
            self.by_subgraph[subgraph].insert(name, position);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ComposedDirective> {
        self.directives.iter()
    }
}

/// Arguments of an application, and the subgraphs that have it.
type Joined<'d> = (&'d [Node<Argument>], Vec<Node<Value>>);

/// Applications of one directive on one element, each with the position of its subgraph.
type Applications = Vec<(usize, Node<Directive>)>;

/// Specification, newest version and purpose of the directives that federation brings along.
fn specification(directive: FederationDirective) -> Option<(&'static str, Version, Option<Name>)> {
    let v0 = |minor| Version { major: 0, minor };
    let (security, execution) = (Some(name!("SECURITY")), Some(name!("EXECUTION")));
    Some(match directive {
        FederationDirective::Tag => ("tag", v0(3), None),
        FederationDirective::Inaccessible => ("inaccessible", v0(2), security),
        FederationDirective::Authenticated => ("authenticated", v0(1), security),
        FederationDirective::RequiresScopes => ("requiresScopes", v0(1), security),
        FederationDirective::Policy => ("policy", v0(1), security),
        FederationDirective::Context => ("context", v0(1), security),
        FederationDirective::Cost | FederationDirective::ListSize => ("cost", v0(1), None),
        FederationDirective::CacheTag => ("cacheTag", v0(1), execution),
        _ => return None,
    })
}

/// Whether applications are told per subgraph, as `@join__directive`, rather than merged: a subgraph's cache tags speak
/// of its own answers.
fn is_joined(directive: FederationDirective) -> bool {
    directive == FederationDirective::CacheTag
}

/// Whether the supergraph has a federation directive without being asked to.
pub(super) fn comes_along(directive: FederationDirective) -> bool {
    specification(directive).is_some()
}

impl Merger<'_> {
    pub(super) fn collect_composed_directives(&mut self) {
        Arc::make_mut(&mut self.composed).by_subgraph = vec![FxHashMap::default(); self.subgraphs.len()];
        for (name, is_repeatable) in [
            (name!("deprecated"), false),
            (name!("specifiedBy"), false),
            (name!("oneOf"), false),
        ] {
            let own_names: Vec<_> = (0..self.subgraphs.len()).map(|index| (index, name.clone())).collect();
            let kind = ComposedKind::BuiltIn;
            Arc::make_mut(&mut self.composed).add(
                ComposedDirective {
                    kind,
                    name,
                    definition: None,
                    is_repeatable,
                    link: None,
                    source: None,
                },
                own_names,
            );
        }
        let used: Vec<FxHashSet<Name>> = self.subgraphs.iter().map(used_directives).collect();
        for directive in FederationDirective::ALL {
            self.collect_federation_directive(*directive, &used);
        }
        self.collect_custom_directives(&used);
    }

    fn collect_federation_directive(&mut self, directive: FederationDirective, used: &[FxHashSet<Name>]) {
        let Some((specification, version, purpose)) = specification(directive) else {
            return;
        };
        let own_names: Vec<(usize, Name)> = self
            .subgraphs
            .iter()
            .enumerate()
            .filter_map(|(index, subgraph)| Some((index, subgraph.directives.get(directive)?.clone())))
            .filter(|(index, name)| used[*index].contains(name))
            .collect();
        let Some((_, name)) = own_names.first().cloned() else {
            return;
        };
        if own_names.iter().any(|(_, own)| *own != name) {
            let described = self.describe(own_names.iter().map(|(index, own)| (*index, format!("@{own}"))));
            let message = format!(
                "`@{}` has different names: {described}; import it under one name in all subgraphs",
                directive.name()
            );
            let span = |(index, own): &(usize, Name)| {
                let source = self.subgraphs[*index].links.source_of_directive(own);
                (*index, source.and_then(|(link, _)| link.span))
            };
            let spans: Vec<_> = own_names.iter().map(span).collect();
            self.error(ErrorCode::LinkImportNameMismatch, message, spans);
            return;
        }
        let mut definition = DirectiveDefinition::clone(directive.newest_definition());
        definition.name = unplaced(&name);
        for argument in &mut definition.arguments {
            let ty = argument
                .ty
                .to_string()
                .replace("Scope", "requiresScopes__Scope")
                .replace("Policy", "policy__Policy");
            if ty != argument.ty.to_string() {
                let ty =
                    apollo_compiler::ast::Type::parse(ty, "supergraph.graphql").expect("a type with one name replaced");
                argument.make_mut().ty = Node::new(ty);
            }
        }
        let link = SupergraphLink {
            identity: format!("https://specs.apollo.dev/{specification}"),
            version,
            alias: None,
            purpose,
            element: directive.name().to_owned(),
        };
        let composed = ComposedDirective {
            kind: ComposedKind::Federation(directive),
            name: unplaced(&name),
            is_repeatable: definition.repeatable,
            definition: (!is_joined(directive)).then(|| Node::new(definition)),
            link: Some(link),
            source: None,
        };
        let merged = own_names.into_iter().filter(|_| !is_joined(directive));
        Arc::make_mut(&mut self.composed).add(composed, merged);
    }

    /// Applications that are told per subgraph.
    pub(super) fn join_directives<'d, D: AppliedDirectives + 'd>(
        &self,
        sources: impl Iterator<Item = (usize, &'d D)>,
    ) -> Vec<Node<Directive>> {
        let directive = FederationDirective::CacheTag;
        if self.composed.name_of(directive).is_none() {
            return Vec::new();
        }
        let mut joined: Vec<Joined<'_>> = Vec::new();
        for (index, directives) in sources {
            let subgraph = &self.subgraphs[index];
            for application in subgraph.applications(directives, directive) {
                let graph = Node::new(Value::Enum(subgraph.graph.clone()));
                match joined.iter_mut().find(|(known, _)| *known == application.arguments) {
                    Some((_, graphs)) => graphs.push(graph),
                    None => joined.push((&application.arguments, vec![graph])),
                }
            }
        }
        let join = |(arguments, graphs): Joined<'_>| {
            let arguments = arguments
                .iter()
                .map(|argument| (unplaced(&argument.name), argument.value.clone()));
            DirectiveBuilder::new(name!("join__directive"))
                .argument(name!("graphs"), Value::List(graphs))
                .string(name!("name"), Some(format!("federation__{}", directive.name())))
                .argument(name!("args"), Value::Object(arguments.collect()))
                .build()
        };
        joined.into_iter().map(join).collect()
    }

    /// Applications of one element in the supergraph, in the order in which directives first appear.
    pub(super) fn merge_directives<D: AppliedDirectives>(
        &mut self,
        place: &dyn fmt::Display,
        sources: &[(usize, &D)],
    ) -> Vec<Node<Directive>> {
        let mut groups: Vec<(usize, Applications)> = Vec::new();
        for (index, directives) in sources {
            for directive in directives.nodes() {
                let Some(position) = self.composed.by_subgraph[*index].get(&directive.name) else {
                    continue;
                };
                let application = (*index, self.supergraph_application(*index, *position, directive));
                match groups.iter_mut().find(|(known, _)| known == position) {
                    Some((_, applications)) => applications.push(application),
                    None => groups.push((*position, vec![application])),
                }
            }
        }
        let merged = groups
            .into_iter()
            .flat_map(|(position, applications)| self.merge_group(place, position, &applications));
        merged.collect()
    }

    /// One application under the supergraph's name.
    fn supergraph_application(&self, index: usize, position: usize, directive: &Node<Directive>) -> Node<Directive> {
        let composed = &self.composed.directives[position];
        let mut application = Directive::clone(directive);
        application.name = composed.name.clone();
        if composed.kind == ComposedKind::Federation(FederationDirective::Context) {
            let name = crate::link::string_argument(directive, "name").unwrap_or_default();
            let full = format!("{}__{name}", self.subgraphs[index].name);
            return DirectiveBuilder::new(application.name)
                .string(name!("name"), Some(full))
                .build();
        }
        directive.same_location(application)
    }

    /// `@listSize` can slice only by arguments that are in the supergraph; those of some subgraphs alone are not.
    pub(super) fn forget_slicing_arguments(
        &self,
        directives: &mut [Node<Directive>],
        arguments: &[InputValueDefinition],
    ) {
        let Some(name) = self.composed.name_of(FederationDirective::ListSize) else {
            return;
        };
        let is_known = |value: &Node<Value>| arguments.iter().any(|own| value.as_str() == Some(own.name.as_str()));
        for directive in directives.iter_mut().filter(|directive| directive.name == *name) {
            let given = directive.specified_argument_by_name("slicingArguments");
            let given = given.and_then(|value| value.as_list()).unwrap_or_default();
            if given.iter().all(is_known) {
                continue;
            }
            let known: Vec<_> = given.iter().filter(|value| is_known(value)).cloned().collect();
            for argument in &mut directive.make_mut().arguments {
                if argument.name == "slicingArguments" {
                    argument.make_mut().value = Node::new(Value::List(known.clone()));
                }
            }
        }
    }

    fn merge_group(
        &mut self,
        place: &dyn fmt::Display,
        position: usize,
        applications: &[(usize, Node<Directive>)],
    ) -> Vec<Node<Directive>> {
        let composed = &self.composed.directives[position];
        let defaults = composed.definition.clone();
        let mut distinct: Vec<(Node<Directive>, usize)> = Vec::new();
        for (_, application) in applications {
            let same = |known: &Directive| same_arguments(known, application, defaults.as_deref());
            match distinct.iter_mut().find(|(known, _)| same(known)) {
                Some((_, count)) => *count += 1,
                None => distinct.push((application.clone(), 1)),
            }
        }
        if composed.is_repeatable || distinct.len() == 1 {
            return distinct.into_iter().map(|(application, _)| application).collect();
        }
        let all: Vec<&Directive> = distinct.iter().map(|(application, _)| &**application).collect();
        let combined = combine(composed.kind, &composed.name, &all);
        let spans: Vec<_> = applications
            .iter()
            .map(|(index, application)| (*index, application.location()))
            .collect();
        if let Some(combined) = combined {
            let message = format!(
                "`{place}` has different arguments for `@{}`; they are combined",
                composed.name
            );
            self.hint(HintCode::MergedNonRepeatableDirectiveArguments, message, spans);
            return vec![combined];
        }
        let most = distinct.iter().map(|(_, count)| *count).max().unwrap_or_default();
        let chosen = distinct.into_iter().find(|(_, count)| *count == most);
        let message = format!(
            "`{place}` has different arguments for `@{}`; those used most are taken",
            composed.name
        );
        self.hint(HintCode::InconsistentNonRepeatableDirectiveArguments, message, spans);
        chosen.map(|(application, _)| application).into_iter().collect()
    }
}

/// Names of all directives applied anywhere in a subgraph.
fn used_directives(subgraph: &ValidSubgraph) -> FxHashSet<Name> {
    let mut used = FxHashSet::default();
    let mut note = |directives: &mut dyn Iterator<Item = &Node<Directive>>| {
        for directive in directives {
            if !used.contains(&directive.name) {
                used.insert(directive.name.clone());
            }
        }
    };
    note(&mut subgraph.schema.schema_definition.directives.nodes());
    for definition in subgraph.own_types() {
        note(&mut definition.directives().nodes());
        for field in crate::field_usage::fields_of(definition)
            .into_iter()
            .flat_map(|fields| fields.values())
        {
            note(&mut field.directives.nodes());
            for argument in &field.arguments {
                note(&mut argument.directives.nodes());
            }
        }
        for field in definition
            .as_input_object()
            .into_iter()
            .flat_map(|input| input.fields.values())
        {
            note(&mut field.directives.nodes());
        }
        for value in definition.as_enum().into_iter().flat_map(|own| own.values.values()) {
            note(&mut value.directives.nodes());
        }
    }
    for definition in subgraph.schema.directive_definitions.values() {
        for argument in &definition.arguments {
            note(&mut argument.directives.nodes());
        }
    }
    used
}

/// Whether two applications say the same, an argument left out being its default.
fn same_arguments(left: &Directive, right: &Directive, definition: Option<&DirectiveDefinition>) -> bool {
    let value = |directive: &Directive, name: &Name| {
        let given = directive.specified_argument_by_name(name).cloned();
        given.or_else(|| definition?.argument_by_name(name)?.default_value.clone())
    };
    let names = left
        .arguments
        .iter()
        .chain(&right.arguments)
        .map(|argument| &argument.name);
    names
        .into_iter()
        .all(|name| match (value(left, name), value(right, name)) {
            (Some(left), Some(right)) => same_value(&left, &right),
            (left, right) => left.is_none() && right.is_none(),
        })
}

/// The one application that says what all of them say; `None` if the directive has no such rule.
pub(super) fn combine(kind: ComposedKind, name: &Name, applications: &[&Directive]) -> Option<Node<Directive>> {
    let ComposedKind::Federation(directive) = kind else {
        return None;
    };
    let values = |argument: &'static str| -> Vec<&Node<Value>> {
        applications
            .iter()
            .filter_map(|application| application.specified_argument_by_name(argument))
            .collect()
    };
    let builder = DirectiveBuilder::new(name.clone());
    let combined = match directive {
        FederationDirective::Cost => {
            let most = values("weight").into_iter().filter_map(|value| value.to_i32()).max()?;
            builder.argument(name!("weight"), Value::from(most))
        }
        FederationDirective::ListSize => combine_list_sizes(builder, &values),
        FederationDirective::RequiresScopes => {
            builder.argument(name!("scopes"), Alternatives::all_of(&values("scopes")).to_value())
        }
        FederationDirective::Policy => {
            builder.argument(name!("policies"), Alternatives::all_of(&values("policies")).to_value())
        }
        _ => return None,
    };
    Some(combined.build())
}

/// Sizes: the largest assumed size, all names, and one slicing argument required only if all say so.
fn combine_list_sizes<'v>(
    builder: DirectiveBuilder,
    values: &dyn Fn(&'static str) -> Vec<&'v Node<Value>>,
) -> DirectiveBuilder {
    let names = |argument: &'static str| {
        let mut names: Vec<Node<Value>> = Vec::new();
        let lists = values(argument);
        for item in lists.iter().filter_map(|value| value.as_list()).flatten() {
            if !names.contains(item) {
                names.push(item.clone());
            }
        }
        (!lists.is_empty()).then_some(Value::List(names))
    };
    let mut arguments: Vec<Argument> = Vec::new();
    let mut add = |name: Name, value: Option<Value>| {
        arguments.extend(value.map(|value| Argument {
            name,
            value: Node::new(value),
        }));
    };
    add(
        name!("assumedSize"),
        values("assumedSize")
            .iter()
            .filter_map(|value| value.to_i32())
            .max()
            .map(Value::from),
    );
    add(name!("slicingArguments"), names("slicingArguments"));
    add(name!("sizedFields"), names("sizedFields"));
    // Left out, it is required; written out all the same, as other composers do.
    let all = values("requireOneSlicingArgument")
        .iter()
        .all(|value| value.to_bool() != Some(false));
    add(name!("requireOneSlicingArgument"), Some(Value::Boolean(all)));
    arguments.into_iter().fold(builder, |builder, argument| {
        builder.argument(argument.name, (*argument.value).clone())
    })
}
