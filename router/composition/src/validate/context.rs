//! Rules of `@context` and `@fromContext`: names, and selections that every type of the context can answer.

use apollo_compiler::Name;
use apollo_compiler::ast::{FieldDefinition, InputValueDefinition};
use apollo_compiler::parser::SourceSpan;
use rustc_hash::FxHashMap;

use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::FederationDirective;
use crate::field_set::{Coordinate, FieldSet};
use crate::field_usage::{FieldUsage, fields_of};
use crate::subgraph::SubgraphSchema;

/// An argument that the router fills from an object above: `contextArguments` of `@join__field`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContextArgument {
    pub(crate) name: Name,
    /// Type of the argument, as written.
    pub(crate) ty: String,
    /// Name of the context within this subgraph.
    pub(crate) context: String,
    /// What is selected of the context's object.
    pub(crate) selection: String,
}

/// Arguments filled from contexts, by field; selected fields are marked as used.
pub(super) fn check(
    subgraph: &SubgraphSchema,
    usage: &mut FieldUsage,
) -> (Vec<(Coordinate, Vec<ContextArgument>)>, Vec<CompositionError>) {
    let mut checker = Checker {
        subgraph,
        contexts: FxHashMap::default(),
        used: Vec::new(),
        errors: Vec::new(),
    };
    checker.collect_contexts();
    let mut found = Vec::new();
    for definition in subgraph.own_types() {
        let Some(fields) = fields_of(definition) else { continue };
        for field in fields.values().filter(|field| !field.arguments.is_empty()) {
            let arguments = checker.arguments(field);
            if !arguments.is_empty() {
                found.push(((definition.name().clone(), field.name.clone()), arguments));
            }
        }
    }
    usage.add_used(checker.used);
    (found, checker.errors)
}

struct Checker<'a> {
    subgraph: &'a SubgraphSchema,
    /// Types that set each context.
    contexts: FxHashMap<String, Vec<Name>>,
    used: Vec<Coordinate>,
    errors: Vec<CompositionError>,
}

impl Checker<'_> {
    fn error(&mut self, code: ErrorCode, span: Option<SourceSpan>, message: &str) {
        self.errors.push(self.subgraph.error(code, span, message));
    }

    fn collect_contexts(&mut self) {
        for definition in self.subgraph.own_types() {
            for application in self
                .subgraph
                .applications(definition.directives(), FederationDirective::Context)
            {
                let Some(name) = crate::link::string_argument(application, "name") else {
                    continue;
                };
                if name.contains('_') {
                    let message = format!(
                        "context `{name}` must not contain an underscore, which separates it from the subgraph"
                    );
                    self.error(
                        ErrorCode::ContextNameContainsUnderscore,
                        application.location(),
                        &message,
                    );
                } else if !name.chars().all(|character| character.is_ascii_alphanumeric())
                    || !name.starts_with(|character: char| character.is_ascii_alphabetic())
                {
                    let message = format!("context `{name}` must be made of letters and digits");
                    self.error(ErrorCode::ContextNameInvalid, application.location(), &message);
                } else {
                    self.contexts.entry(name).or_default().push(definition.name().clone());
                }
            }
        }
    }

    fn arguments(&mut self, field: &FieldDefinition) -> Vec<ContextArgument> {
        field
            .arguments
            .iter()
            .filter_map(|argument| self.argument(field, argument))
            .collect()
    }

    fn argument(&mut self, field: &FieldDefinition, argument: &InputValueDefinition) -> Option<ContextArgument> {
        let text = self
            .subgraph
            .string_argument(&argument.directives, FederationDirective::FromContext, "field")?;
        let span = argument.name.location();
        let place = format!("`@fromContext` of argument `{}` of `{}`", argument.name, field.name);
        let Some((context, selection)) = split(&text) else {
            self.error(
                ErrorCode::NoContextInSelection,
                span,
                &format!("{place} must name a context and a selection: `$user {{ currency }}`"),
            );
            return None;
        };
        if selection.trim().is_empty() {
            self.error(
                ErrorCode::NoSelectionForContext,
                span,
                &format!("{place} selects nothing of `${context}`"),
            );
            return None;
        }
        let Some(types) = self.contexts.get(context).cloned() else {
            self.error(
                ErrorCode::ContextNotSet,
                span,
                &format!("{place}: no type has `@context(name: \"{context}\")`"),
            );
            return None;
        };
        for type_name in &types {
            self.check_selection(type_name, selection, span, &place);
        }
        let ty = argument.ty.to_string();
        Some(ContextArgument {
            name: argument.name.clone(),
            ty,
            context: context.to_owned(),
            selection: selection.to_owned(),
        })
    }

    /// A selection may hold one alternative per type of the context: `... on A { x } ... on B { y }`.
    fn check_selection(&mut self, type_name: &Name, selection: &str, span: Option<SourceSpan>, place: &str) {
        match FieldSet::parse(&self.subgraph.schema, type_name, selection.trim()) {
            Ok(field_set) => self.used.extend(field_set.coordinates(&self.subgraph.schema)),
            Err(reason) => {
                let message = format!("{place} cannot be selected of `{type_name}`: {reason}");
                self.error(ErrorCode::ContextSelectionInvalid, span, &message);
            }
        }
    }
}

/// `$name selection` in two.
fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start().strip_prefix('$')?;
    let end = rest
        .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .unwrap_or(rest.len());
    (end > 0).then(|| rest.split_at(end))
}
