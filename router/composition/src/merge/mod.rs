//! Merges valid subgraphs into one supergraph schema with join directives (Federation, "Composition rules").
//!
//! In: all subgraphs, sorted by name. Out: [`Merged`], or every reason why they contradict each other. One file per
//! kind of type; what kinds share (types, descriptions, directives, join directives) has files of its own.
//!
//! Does not check that every field can be reached (`satisfiability`), nor the rules of the merged schema as a whole
//! (`supergraph_rules`, `inaccessible`).

mod access;
mod arguments;
mod compose_directive;
mod definitions;
mod descriptions;
mod directives;
mod enums;
mod executable_directives;
mod external;
mod fields;
mod implementations;
mod inputs;
mod interface_objects;
mod interfaces;
mod join;
mod objects;
mod overrides;
mod parts;
mod references;
mod scalars;
mod sharing;
mod unions;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use apollo_compiler::ast::Directive;
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::schema::{Component, ComponentName, ExtendedType};
use apollo_compiler::{Name, Node, Schema, name};
use indexmap::IndexSet;
use rustc_hash::FxHashMap;

use crate::error::{CompositionError, ErrorCode, Hint, HintCode, SourceLocation};
use crate::federation_spec::{FEDERATION_IDENTITY, implied_version};
use crate::supergraph_rules::place_of;
use crate::validate::ValidSubgraph;

pub(crate) use directives::ComposedDirectives;
use enums::EnumUsage;
pub(crate) use executable_directives::is_executable;

/// Definitions of one element, each with the position of its subgraph, in the order of subgraphs.
pub(crate) type Sources<'a, T> = Vec<(usize, &'a T)>;

/// The merged schema and what later stages need besides.
#[derive(Debug)]
pub(crate) struct Merged {
    /// With join directives; printing it gives the supergraph SDL.
    pub(crate) schema: Schema,
    pub(crate) hints: Vec<Hint>,
    /// Directives that came along, by which the merged schema is judged.
    pub(crate) composed: ComposedDirectives,
}

/// Merges all subgraphs.
pub(crate) fn merge(subgraphs: &[ValidSubgraph]) -> Result<Merged, Vec<CompositionError>> {
    let mut merger = Merger::new(subgraphs);
    merger.merge_all();
    if !merger.errors.is_empty() {
        return Err(merger.errors);
    }
    Ok(Merged {
        schema: merger.schema,
        hints: merger.hints,
        composed: Arc::unwrap_or_clone(merger.composed),
    })
}

/// State of one merge. Methods are in the files of the kinds they merge.
struct Merger<'a> {
    subgraphs: &'a [ValidSubgraph],
    /// Definitions of each type, by name.
    sources: Arc<BTreeMap<Name, Sources<'a, ExtendedType>>>,
    composed: Arc<ComposedDirectives>,
    /// Interfaces of each object and interface of the supergraph.
    interfaces: Arc<FxHashMap<Name, IndexSet<Name>>>,
    /// Members of each union of the supergraph.
    members: Arc<FxHashMap<Name, IndexSet<Name>>>,
    schema: Schema,
    /// Where each enum is used, found while fields and arguments are merged.
    enum_usage: Arc<FxHashMap<Name, EnumUsage>>,
    errors: Vec<CompositionError>,
    hints: Vec<Hint>,
}

impl<'a> Merger<'a> {
    fn new(subgraphs: &'a [ValidSubgraph]) -> Self {
        let mut sources: BTreeMap<Name, Sources<'a, ExtendedType>> = BTreeMap::new();
        for (index, subgraph) in subgraphs.iter().enumerate() {
            for definition in subgraph.own_types() {
                sources
                    .entry(definition.name().clone())
                    .or_default()
                    .push((index, definition));
            }
        }
        Self {
            sources: Arc::new(sources),
            ..Self::empty(subgraphs)
        }
    }

    fn empty(subgraphs: &'a [ValidSubgraph]) -> Self {
        Self {
            subgraphs,
            sources: Arc::default(),
            composed: Arc::default(),
            interfaces: Arc::default(),
            members: Arc::default(),
            schema: Schema::new(),
            enum_usage: Arc::default(),
            errors: Vec::new(),
            hints: Vec::new(),
        }
    }

    fn merge_all(&mut self) {
        self.hint_implied_versions();
        self.collect_composed_directives();
        self.check_kinds();
        self.collect_abstract_types();
        // Enums come last: how values merge depends on where the enum is used.
        let (enums, others): (Vec<_>, Vec<_>) = self
            .sources
            .iter()
            .map(|(name, sources)| (name.clone(), sources.clone()))
            .partition(|(_, sources)| sources.iter().all(|(_, definition)| definition.is_enum()));
        self.merge_types(&others);
        self.merge_types(&enums);
        self.add_interface_object_fields();
        self.spread_access_requirements();
        self.merge_executable_directives();
        self.define_schema();
        self.add_join_definitions();
        self.add_composed_definitions();
        self.schema.types.sort_unstable_keys();
        self.schema.directive_definitions.sort_unstable_keys();
    }

    /// A specification that came with a later version of federation than the one linked makes the subgraph one of that.
    fn hint_implied_versions(&mut self) {
        let mut found = Vec::new();
        for (index, subgraph) in self.subgraphs.iter().enumerate() {
            let linked = subgraph
                .links
                .by_identity(FEDERATION_IDENTITY)
                .and_then(|link| link.url.version);
            let implied = subgraph
                .links
                .all
                .iter()
                .filter_map(|link| Some((link, implied_version(link)?)));
            if let Some(linked) = linked
                && let Some((link, implied)) = implied.max_by_key(|(_, version)| *version)
                && linked < implied
            {
                let message = format!(
                    "[{}] `{}` needs federation {implied}, so {linked} is taken for that; link {implied}",
                    subgraph.name, link.url
                );
                found.push((message, index, link.span));
            }
        }
        for (message, index, span) in found {
            self.hint(HintCode::ImplicitlyUpgradedFederationVersion, message, [(index, span)]);
        }
    }

    fn merge_type(&mut self, name: &Name, sources: &Sources<'a, ExtendedType>) -> Option<ExtendedType> {
        match kind(self.subgraphs, sources[0]) {
            Kind::Scalar => self.merge_scalar(name, sources),
            Kind::Object => self.merge_object(name, sources),
            Kind::Interface => self.merge_interface(name, sources),
            Kind::Union => self.merge_union(name, sources),
            Kind::Enum => self.merge_enum(name, sources),
            Kind::InputObject => self.merge_input_object(name, sources),
        }
    }

    /// All definitions of a type must be of one kind; those that are not are left out of the merge.
    fn check_kinds(&mut self) {
        let mut mismatched = Vec::new();
        for (name, sources) in self.sources.iter() {
            let kinds: Vec<Kind> = sources.iter().map(|source| kind(self.subgraphs, *source)).collect();
            let orphans = self.orphan_extensions(name, sources, &kinds);
            mismatched.extend(orphans.into_iter().map(|error| (name.clone(), error)));
            if kinds.iter().any(|kind| *kind != kinds[0]) {
                mismatched.push((name.clone(), self.kind_mismatch(name, sources, &kinds)));
            } else if kinds[0] == Kind::Interface && sources.iter().all(|(_, definition)| definition.is_object()) {
                let message = format!(
                    "`{name}` is an `@interfaceObject` in every subgraph that has it; one of them must define it as an interface"
                );
                let error = CompositionError::new(ErrorCode::InterfaceObjectUsageError, message);
                mismatched.push((name.clone(), error.at(self.locations_of_types(sources))));
            }
        }
        for (name, error) in mismatched {
            Arc::make_mut(&mut self.sources).remove(&name);
            self.errors.push(error);
        }
    }

    fn kind_mismatch(&self, name: &Name, sources: &Sources<'a, ExtendedType>, kinds: &[Kind]) -> CompositionError {
        let described: Vec<_> = sources
            .iter()
            .zip(kinds)
            .map(|((index, definition), kind)| {
                let is_interface_object = *kind == Kind::Interface && definition.is_object();
                let kind = if is_interface_object {
                    "an `@interfaceObject`"
                } else {
                    kind.describe()
                };
                format!("{kind} in `{}`", self.subgraphs[*index].name)
            })
            .collect();
        let message = format!(
            "`{name}` must be of one kind everywhere, but is {}; rename it, or define it as the same kind",
            described.join(", ")
        );
        CompositionError::new(ErrorCode::TypeKindMismatch, message).at(self.locations_of_types(sources))
    }

    /// Extensions of a kind in which no subgraph defines the type.
    fn orphan_extensions(
        &self,
        name: &Name,
        sources: &Sources<'a, ExtendedType>,
        kinds: &[Kind],
    ) -> Vec<CompositionError> {
        // Root types exist everywhere, if only to be extended.
        if matches!(name.as_str(), "Query" | "Mutation" | "Subscription") {
            return Vec::new();
        }
        let is_extension = |definition: &ExtendedType| {
            let mut origins = definition.iter_origins().peekable();
            origins.peek().is_some() && origins.all(|origin| origin.extension_id().is_some())
        };
        let with_kind = || sources.iter().zip(kinds);
        let orphans = with_kind().filter(|((_, definition), kind)| {
            is_extension(definition) && !with_kind().any(|((_, other), own)| own == *kind && !is_extension(other))
        });
        let error = |((index, definition), kind): (&(usize, &ExtendedType), &Kind)| {
            let message = format!(
                "`{name}` is extended as {} here, but no subgraph defines it so; leave out `extend` in one of them",
                kind.describe()
            );
            self.subgraphs[*index].error(ErrorCode::ExtensionWithNoBase, place_of(definition), &message)
        };
        orphans.map(error).collect()
    }

    fn locations_of_types(&self, sources: &[(usize, &ExtendedType)]) -> Vec<SourceLocation> {
        sources
            .iter()
            .filter_map(|(index, definition)| self.subgraphs[*index].locate(place_of(definition)))
            .collect()
    }

    fn locate(&self, spans: impl IntoIterator<Item = (usize, Option<SourceSpan>)>) -> Vec<SourceLocation> {
        spans
            .into_iter()
            .filter_map(|(index, span)| self.subgraphs[index].locate(span))
            .collect()
    }

    fn error(
        &mut self,
        code: ErrorCode,
        message: String,
        spans: impl IntoIterator<Item = (usize, Option<SourceSpan>)>,
    ) {
        let locations = self.locate(spans);
        self.errors.push(CompositionError::new(code, message).at(locations));
    }

    fn hint(&mut self, code: HintCode, message: String, spans: impl IntoIterator<Item = (usize, Option<SourceSpan>)>) {
        let locations = self.locate(spans);
        self.hints.push(Hint {
            code,
            message,
            locations,
        });
    }

    /// Names of subgraphs for a sentence: `a`, `b` and `c`.
    fn name_subgraphs(&self, indices: impl IntoIterator<Item = usize>) -> String {
        let names: Vec<_> = indices
            .into_iter()
            .map(|index| format!("`{}`", self.subgraphs[index].name))
            .collect();
        match names.as_slice() {
            [] => "no subgraph".to_owned(),
            [one] => one.clone(),
            [most @ .., last] => format!("{} and {last}", most.join(", ")),
        }
    }

    fn define_schema(&mut self) {
        let schema = self.schema.schema_definition.make_mut();
        // Of the usual name, and a root somewhere: `enum Subscription` is a type like any other.
        let is_root = |name: &Name| {
            let mut definitions = self.subgraphs.iter().map(|subgraph| &subgraph.schema.schema_definition);
            definitions.any(|definition| definition.iter_root_operations().any(|(_, root)| root.name == *name))
        };
        let root = |name: Name| {
            let is_merged = self.schema.types.contains_key(&name) && is_root(&name);
            is_merged.then(|| ComponentName::from(name))
        };
        schema.query = root(name!("Query"));
        schema.mutation = root(name!("Mutation"));
        schema.subscription = root(name!("Subscription"));
        let has_queries = schema.query.is_some();
        let sources: Vec<_> = self.subgraphs.iter().enumerate().collect();
        let directives = sources
            .iter()
            .map(|(index, subgraph)| (*index, &subgraph.schema.schema_definition.directives));
        let merged = self.merge_directives(&"schema", directives.collect::<Vec<_>>().as_slice());
        let description = sources
            .iter()
            .map(|(index, subgraph)| (*index, subgraph.schema.schema_definition.description.as_ref()));
        let description = self.merge_description(&"the schema", &description.collect::<Vec<_>>());
        let schema = self.schema.schema_definition.make_mut();
        schema.directives.0.extend(merged.into_iter().map(Component::from));
        schema.description = description;
        if !has_queries {
            let message = "no subgraph defines a query; add a field to `Query` in one of them".to_owned();
            self.error(ErrorCode::NoQueries, message, []);
        }
    }
}

/// Kind of a merged type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    Object,
    Interface,
    Union,
    Enum,
    InputObject,
}

impl Kind {
    const fn describe(self) -> &'static str {
        match self {
            Self::Scalar => "a scalar",
            Self::Object => "an object type",
            Self::Interface => "an interface",
            Self::Union => "a union",
            Self::Enum => "an enum",
            Self::InputObject => "an input object",
        }
    }
}

/// An `@interfaceObject` counts as the interface that it stands for.
fn kind(subgraphs: &[ValidSubgraph], (index, definition): (usize, &ExtendedType)) -> Kind {
    match definition {
        ExtendedType::Scalar(_) => Kind::Scalar,
        ExtendedType::Object(_) if subgraphs[index].is_interface_object(definition) => Kind::Interface,
        ExtendedType::Object(_) => Kind::Object,
        ExtendedType::Interface(_) => Kind::Interface,
        ExtendedType::Union(_) => Kind::Union,
        ExtendedType::Enum(_) => Kind::Enum,
        ExtendedType::InputObject(_) => Kind::InputObject,
    }
}

/// Components of a merged type.
fn components(directives: Vec<Node<Directive>>) -> apollo_compiler::schema::DirectiveList {
    apollo_compiler::schema::DirectiveList(directives.into_iter().map(Component::from).collect())
}
