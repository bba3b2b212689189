//! Why a field cannot be fetched, subgraph by subgraph, and what would mend it.
//!
//! Looks into the subgraphs as they were written, since the query graph holds only what works.

use apollo_compiler::Name;
use apollo_compiler::parser::SourceSpan;
use federation::field_set::FieldSet;
use federation::query_graph::{Node, NodeId};
use federation::supergraph::TypeId;

use super::conditions::{for_each_field, nodes_of};
use super::labels::LabelChoices;
use super::reach::{Closure, Reach};
use crate::error::{CompositionError, ErrorCode, SourceLocation};
use crate::federation_spec::FederationDirective;
use crate::field_usage::{AppliedFieldSet, fields_of};
use crate::validate::ValidSubgraph;

/// A field that cannot be fetched.
pub(super) struct Failure<'f> {
    /// A query that asks for it.
    pub(super) query: String,
    pub(super) type_id: TypeId,
    pub(super) field: &'f Name,
    /// Where the router may stand.
    pub(super) closure: &'f Closure,
    pub(super) labels: &'f LabelChoices,
}

/// Writes errors.
pub(super) struct Reasons<'r, 'a> {
    reach: &'r mut Reach<'a>,
    subgraphs: &'r [ValidSubgraph],
    lines: Vec<String>,
    places: Vec<SourceLocation>,
    /// What would help, as ends of a sentence.
    remedies: Vec<String>,
}

/// The definition of a type in one subgraph, by which the field might be resolved.
struct Candidate<'r> {
    index: usize,
    subgraph: &'r ValidSubgraph,
    /// The object type, or an `@interfaceObject` in its place.
    type_name: Name,
    node: NodeId,
}

impl<'r, 'a> Reasons<'r, 'a> {
    pub(super) fn new(reach: &'r mut Reach<'a>, subgraphs: &'r [ValidSubgraph]) -> Self {
        Self {
            reach,
            subgraphs,
            lines: Vec::new(),
            places: Vec::new(),
            remedies: Vec::new(),
        }
    }

    pub(super) fn explain(mut self, failure: &Failure<'_>) -> CompositionError {
        let type_name = self.type_name(failure.type_id).clone();
        let field = failure.field;
        // Those that have the field first: there the place to look at is.
        let candidates = self.candidates(failure.type_id);
        let (with_field, without): (Vec<_>, Vec<_>) = candidates
            .iter()
            .partition(|candidate| candidate.span_of(field).is_some());
        for candidate in with_field {
            let place = candidate.span_of(field).flatten();
            self.places.extend(candidate.subgraph.locate(place));
            match self.stands_at(failure.closure, candidate.node) {
                true => self.explain_unresolved(candidate, failure),
                false => self.explain_unreached(candidate, failure),
            }
        }
        let mut reached = without
            .into_iter()
            .filter(|candidate| self.stands_at(failure.closure, candidate.node))
            .peekable();
        let remedy = reached.peek().map(|candidate| {
            let name = &candidate.subgraph.name;
            format!("resolve `{type_name}.{field}` in `{name}` as well (`@shareable` in both)")
        });
        for candidate in reached.collect::<Vec<_>>() {
            let name = &candidate.subgraph.name;
            self.lines
                .push(format!("`{name}` knows the object, but does not have the field"));
            self.places.extend(candidate.locate_type());
        }
        self.remedies.extend(remedy);
        let labels = failure.labels.describe(self.reach.joined_types.override_labels());
        let mut message = format!(
            "the query `{}` cannot be answered{labels}: no subgraph that can be asked there resolves `{type_name}.{field}`.",
            failure.query
        );
        for line in once_each(self.lines) {
            message.push_str("\n  - ");
            message.push_str(&line);
        }
        let remedies = once_each(self.remedies);
        if !remedies.is_empty() {
            message.push_str("\n  To mend it, ");
            message.push_str(&remedies.join(", or "));
        }
        CompositionError::new(ErrorCode::SatisfiabilityError, message).at(once_each(self.places))
    }

    fn type_name(&self, type_id: TypeId) -> &'a Name {
        &self.reach.joined_types.type_definition(type_id).name
    }

    fn node(&self, id: NodeId) -> &'a Node {
        self.reach.graph.node(id)
    }

    /// In the order of subgraphs.
    fn candidates(&self, type_id: TypeId) -> Vec<Candidate<'r>> {
        let mut candidates: Vec<_> = nodes_of(self.reach.joined_types, type_id)
            .into_iter()
            .map(|node| {
                let index = self.node(node).subgraph.0 as usize;
                Candidate {
                    index,
                    subgraph: &self.subgraphs[index],
                    type_name: self.type_name(self.node(node).type_id).clone(),
                    node,
                }
            })
            .collect();
        candidates.sort_by_key(|candidate| candidate.index);
        candidates
    }

    /// Whether the router may stand at a node, in whatever view.
    fn stands_at(&self, closure: &Closure, node: NodeId) -> bool {
        let wanted = self.node(node);
        closure.nodes.iter().any(|other| {
            let other = self.node(*other);
            other.subgraph == wanted.subgraph && other.type_id == wanted.type_id
        })
    }

    fn explain_unresolved(&mut self, candidate: &Candidate<'_>, failure: &Failure<'_>) {
        let (subgraph, field) = (candidate.subgraph, failure.field);
        let name = &subgraph.name;
        let coordinate = (candidate.type_name.clone(), field.clone());
        if subgraph.usage.is_external(&coordinate) {
            self.lines.push(format!(
                "in `{name}` it is `@external`, so `{name}` does not resolve it"
            ));
            self.remedies.push(format!("remove `@external` in `{name}` if it does"));
            return;
        }
        let edges = self.reach.graph.fields(candidate.node);
        let edge = edges.into_iter().find(|(own, _)| *own == field).map(|(_, edge)| edge);
        let Some(edge) = edge else {
            let by = self.overriding(candidate, field);
            return self.lines.push(format!(
                "in `{name}` it is overridden{by}, so `{name}` no longer resolves it"
            ));
        };
        if let Some(label) = edge
            .override_label
            .filter(|_| !failure.labels.allow(edge.override_label))
        {
            let text = &self.reach.joined_types.override_labels()[label.label.0 as usize];
            let state = if label.resolves_if_on { "on" } else { "off" };
            let line = format!("`{name}` resolves it only in requests for which the label \"{text}\" is {state}");
            return self.lines.push(line);
        }
        if let Some(requires) = &edge.requires {
            let missing = self.missing(failure, requires, candidate.index);
            let line = format!("`{name}` requires `{requires}` for it, but {missing}");
            self.lines.push(line);
            let span = subgraph.usage.requires(&coordinate).and_then(|applied| applied.span);
            self.places.extend(subgraph.locate(span));
        }
    }

    /// ` by `x``: the subgraph whose `@override` took a field away.
    fn overriding(&self, candidate: &Candidate<'_>, field: &Name) -> String {
        let from = &candidate.subgraph.name;
        let taker = self.subgraphs.iter().find(|subgraph| {
            let definition = subgraph.schema.types.get(&candidate.type_name);
            let own = definition.and_then(fields_of).and_then(|fields| fields.get(field));
            own.is_some_and(|own| {
                let taken = subgraph.string_argument(&own.directives, FederationDirective::Override, "from");
                taken.as_ref() == Some(from)
            })
        });
        taker.map_or_else(String::new, |taker| format!(" by `{}`", taker.name))
    }

    fn explain_unreached(&mut self, candidate: &Candidate<'_>, failure: &Failure<'_>) {
        let (subgraph, type_name) = (candidate.subgraph, &candidate.type_name);
        let name = &subgraph.name;
        if subgraph.usage.is_external(&(type_name.clone(), failure.field.clone())) {
            return self.lines.push(format!("in `{name}` it is `@external`"));
        }
        let keys: Vec<&AppliedFieldSet> = subgraph.usage.keys(type_name).collect();
        let resolvable: Vec<_> = keys.iter().filter(|key| key.is_resolvable).collect();
        if resolvable.is_empty() {
            let reason = match keys.is_empty() {
                true => format!("`{type_name}` has no `@key` there"),
                false => format!("the `@key` of `{type_name}` is `resolvable: false` there"),
            };
            self.lines
                .push(format!("`{name}` has it, but cannot be asked for it: {reason}"));
            self.places.extend(candidate.locate_type());
        }
        let is_closed = resolvable.is_empty() && !keys.is_empty();
        let graph = self.reach.graph;
        let ways = graph.key_edges(failure.type_id).iter();
        for way in ways.filter(|way| graph.downcast(way.target, failure.type_id) == Some(candidate.node)) {
            let missing = self.missing(failure, &way.fields, candidate.index);
            self.lines.push(format!(
                "`{name}` has it, but can be asked for `{type_name}` only by its key `{}`, and {missing}",
                way.fields
            ));
        }
        self.places
            .extend(resolvable.iter().filter_map(|key| subgraph.locate(key.span)));
        self.remedies.push(match is_closed {
            true => format!("take `resolvable: false` away in `{name}`"),
            false => self.key_remedy(candidate, failure),
        });
    }

    /// Which parts of a field set cannot be had, and where they could be.
    fn missing(&mut self, failure: &Failure<'_>, field_set: &'a FieldSet, wanted_by: usize) -> String {
        let joined_types = self.reach.joined_types;
        let mut missing = Vec::new();
        for_each_field(joined_types, failure.type_id, field_set, &mut |field| {
            if !self.reach.holds_field(failure.type_id, failure.closure, field) {
                missing.push(field);
            }
            true
        });
        let (mut remedies, mut places) = (Vec::new(), Vec::new());
        let reasons = missing.into_iter().map(|field| {
            let resolving: Vec<_> = self
                .candidates(failure.type_id)
                .into_iter()
                .filter(|candidate| {
                    self.reach
                        .graph
                        .fields(candidate.node)
                        .any(|(name, _)| *name == field.name)
                })
                .collect();
            let reached = resolving
                .iter()
                .any(|candidate| self.stands_at(failure.closure, candidate.node));
            let others = resolving
                .iter()
                .filter(|candidate| candidate.index != wanted_by && !reached);
            for candidate in others {
                remedies.push(self.key_remedy(candidate, failure));
                places.extend(candidate.subgraph.locate(candidate.span_of(&field.name).flatten()));
            }
            let names: Vec<String> = resolving
                .iter()
                .map(|candidate| match candidate.index == wanted_by {
                    true => format!("`{}` itself", candidate.subgraph.name),
                    false => format!("`{}`", candidate.subgraph.name),
                })
                .collect();
            match (names.as_slice(), reached) {
                ([], _) => format!("no subgraph resolves `{}`", field.name),
                (_, true) => format!("not all of `{field}` can be had where the object comes from"),
                ([only], false) => format!("`{}` is resolved by {only} alone", field.name),
                ([most @ .., last], false) => format!(
                    "`{}` is resolved only by {} and {last}, which cannot be asked either",
                    field.name,
                    most.join(", ")
                ),
            }
        });
        let reasons: Vec<String> = reasons.collect();
        self.remedies.extend(remedies);
        self.places.extend(places);
        if !reasons.is_empty() {
            return reasons.join(" and ");
        }
        match failure.closure.is_typed {
            false => "the type of the object cannot be known".to_owned(),
            true => format!(
                "to have all of it, `{}` itself would have to be asked first",
                self.subgraphs[wanted_by].name
            ),
        }
    }

    /// A key by which the subgraph could be asked: one that is known where the object comes from, if there is any.
    fn key_remedy(&self, candidate: &Candidate<'_>, failure: &Failure<'_>) -> String {
        let (type_name, name) = (&candidate.type_name, &candidate.subgraph.name);
        let here: Vec<&ValidSubgraph> = failure
            .closure
            .nodes
            .iter()
            .map(|node| &self.subgraphs[self.node(*node).subgraph.0 as usize])
            .collect();
        let known = here.iter().find_map(|subgraph| {
            let mut keys = subgraph.usage.keys(type_name);
            keys.find_map(|key| Some((subgraph, key.text.as_deref()?)))
        });
        match (known, here.first()) {
            (Some((subgraph, key)), _) => format!(
                "give `{type_name}` in `{name}` a key that `{}` has: `@key(fields: {key:?})`",
                subgraph.name
            ),
            (None, Some(subgraph)) => format!(
                "give `{type_name}` a `@key` in `{name}` whose fields `{}` resolves",
                subgraph.name
            ),
            (None, None) => format!("give `{type_name}` a `@key` in `{name}`"),
        }
    }
}

/// In the order of their first places.
fn once_each<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

impl Candidate<'_> {
    /// Where the field is defined; `None` if it is not.
    fn span_of(&self, field: &Name) -> Option<Option<SourceSpan>> {
        let definition = self.subgraph.schema.types.get(&self.type_name)?;
        Some(fields_of(definition)?.get(field)?.location())
    }

    fn locate_type(&self) -> Option<SourceLocation> {
        let definition = self.subgraph.schema.types.get(&self.type_name)?;
        self.subgraph.locate(definition.name().location())
    }
}
