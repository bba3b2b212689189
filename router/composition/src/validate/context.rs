//! Rules of `@context` and `@fromContext`: names, and selections that every type of the context can answer.

use std::fmt;

use apollo_compiler::ast::{FieldDefinition, InputValueDefinition, Type};
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Name, Schema};
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
    /// Types that set the context in this subgraph.
    pub(crate) types: Vec<Name>,
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
        for field in fields.values() {
            let mut arguments = field.arguments.iter();
            if !arguments.any(|argument| subgraph.has(&argument.directives, FederationDirective::FromContext)) {
                continue;
            }
            checker.check_key(definition, field, usage);
            let arguments = checker.arguments(definition, field);
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
                        "context `{name}` of `{}` must not contain an underscore, which separates it from the subgraph; rename it",
                        definition.name()
                    );
                    self.error(
                        ErrorCode::ContextNameContainsUnderscore,
                        application.location(),
                        &message,
                    );
                } else if !name.chars().all(|character| character.is_ascii_alphanumeric())
                    || !name.starts_with(|character: char| character.is_ascii_alphabetic())
                {
                    let message = format!(
                        "context `{name}` of `{}` must begin with a letter and go on with letters and digits; rename it",
                        definition.name()
                    );
                    self.error(ErrorCode::ContextNameInvalid, application.location(), &message);
                } else {
                    self.contexts.entry(name).or_default().push(definition.name().clone());
                }
            }
        }
    }

    fn arguments(&mut self, definition: &ExtendedType, field: &FieldDefinition) -> Vec<ContextArgument> {
        field
            .arguments
            .iter()
            .filter_map(|argument| {
                let directives = &argument.directives;
                let text = self
                    .subgraph
                    .string_argument(directives, FederationDirective::FromContext, "field")?;
                let place = Place {
                    definition,
                    field,
                    argument,
                };
                self.check_place(&place);
                self.argument(&place, &text)
            })
            .collect()
    }

    /// Only an entity can be fetched again with arguments that the router has collected elsewhere.
    fn check_key(&mut self, definition: &ExtendedType, field: &FieldDefinition, usage: &FieldUsage) {
        let name = definition.name();
        if definition.is_object() && !usage.keys(name).any(|key| key.is_resolvable) {
            let message = format!(
                "`{name}.{}` has an argument with `@fromContext`, so `{name}` needs a resolvable `@key`; add one",
                field.name
            );
            self.error(ErrorCode::ContextNoResolvableKey, field.name.location(), &message);
        }
    }

    /// Clients must not see the argument, so neither may an interface, nor may a default stand in for the context.
    fn check_place(&mut self, place: &Place<'_>) {
        let field = &place.field.name;
        let promised = match place.definition {
            ExtendedType::Object(object) => object
                .implements_interfaces
                .iter()
                .find(|name| {
                    let interface = self.subgraph.schema.get_interface(name);
                    interface.is_some_and(|interface| interface.fields.contains_key(field))
                })
                .map(|interface| interface.name.clone()),
            other => Some(other.name().clone()),
        };
        if let Some(interface) = promised {
            let message = format!(
                "{place} cannot be filled, because the field is one of interface `{interface}`; use another field for it"
            );
            self.error(ErrorCode::ContextNotSet, place.span(), &message);
        }
        if place.argument.default_value.is_some() {
            let message = format!("{place} cannot have a default besides; remove the default");
            self.error(ErrorCode::ContextNotSet, place.span(), &message);
        }
    }

    fn argument(&mut self, place: &Place<'_>, text: &str) -> Option<ContextArgument> {
        let span = place.span();
        let Some((context, selection)) = split(text) else {
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
                &format!("{place} selects nothing of `${context}`; add a selection: `${context} {{ currency }}`"),
            );
            return None;
        }
        let Some(types) = self.contexts.get(context).cloned() else {
            self.error(
                ErrorCode::ContextNotSet,
                span,
                &format!("{place}: no type has `@context(name: \"{context}\")`; add it to the type that sets it"),
            );
            return None;
        };
        for type_name in &types {
            if let Err(reason) = self.check_selection(place, type_name, selection.trim()) {
                let message = format!("{place} cannot be selected of `{type_name}`: {reason}");
                self.error(ErrorCode::ContextSelectionInvalid, span, &message);
            }
        }
        Some(ContextArgument {
            name: place.argument.name.clone(),
            ty: place.argument.ty.to_string(),
            context: context.to_owned(),
            selection: selection.to_owned(),
            types,
        })
    }

    /// A selection may hold one alternative per type of the context: `... on A { x } ... on B { y }`.
    fn check_selection(&mut self, place: &Place<'_>, type_name: &Name, selection: &str) -> Result<(), String> {
        let schema = &self.subgraph.schema;
        if let Some(definition) = schema.types.get(type_name)
            && self.subgraph.is_interface_object(definition)
        {
            return Err("it is an `@interfaceObject`, of which nothing can be selected for a context".to_owned());
        }
        let field_set = FieldSet::parse(schema, type_name, selection).map_err(|invalid| invalid.reason)?;
        self.used.extend(field_set.coordinates(schema));
        let found = selected_type(schema, &field_set.selection)?;
        let expected = &place.argument.ty;
        if is_usable(&found, expected) {
            Ok(())
        } else {
            Err(format!(
                "the selection has type `{found}`, but the argument has type `{expected}`; select a field of that type"
            ))
        }
    }
}

/// An argument with `@fromContext`.
struct Place<'a> {
    definition: &'a ExtendedType,
    field: &'a FieldDefinition,
    argument: &'a InputValueDefinition,
}

impl Place<'_> {
    fn span(&self) -> Option<SourceSpan> {
        self.argument.name.location()
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parent, field, argument) = (self.definition.name(), &self.field.name, &self.argument.name);
        write!(formatter, "`@fromContext` of argument `{parent}.{field}({argument}:)`")
    }
}

/// Type of the one value that a selection gives for an object of its type; or of each of its alternatives.
fn selected_type(schema: &Schema, selection: &SelectionSet) -> Result<Type, String> {
    let always = |condition: &Name| *condition == selection.ty || schema.is_subtype(condition, &selection.ty);
    let mut alternatives: Vec<Type> = Vec::new();
    let mut values: Vec<Type> = Vec::new();
    for item in &selection.selections {
        match item {
            Selection::Field(field) if field.directives.is_empty() => {
                let ty = field.ty();
                values.push(match field.selection_set.selections.is_empty() {
                    true => ty.clone(),
                    false => in_lists_of(ty, selected_type(schema, &field.selection_set)?),
                });
            }
            Selection::InlineFragment(fragment) if fragment.directives.is_empty() => {
                let condition = fragment.type_condition.as_ref();
                if condition.is_none_or(always) {
                    values.push(selected_type(schema, &fragment.selection_set)?);
                } else if condition.is_some_and(|condition| schema.is_subtype(&selection.ty, condition)) {
                    alternatives.push(selected_type(schema, &fragment.selection_set)?);
                }
            }
            _ => return Err("directives cannot be applied in it; remove them".to_owned()),
        }
    }
    match (values.as_slice(), alternatives.as_slice()) {
        ([only], []) => Ok(only.clone()),
        ([], [first, others @ ..]) if others.iter().all(|other| other == first) => Ok(first.clone()),
        ([], []) => Err(format!("it gives no value for a `{}`; add one", selection.ty)),
        _ => Err("it gives more than one value; select a single field of one type".to_owned()),
    }
}

/// A value below a field that gives lists comes in as many lists.
fn in_lists_of(outer: &Type, inner: Type) -> Type {
    match outer {
        Type::Named(_) | Type::NonNullNamed(_) => inner,
        Type::List(of) | Type::NonNullList(of) => Type::List(Box::new(in_lists_of(of, inner))),
    }
}

/// Whether a value of type `found` may be given where `expected` is asked for, null being the router's business.
fn is_usable(found: &Type, expected: &Type) -> bool {
    match (found, expected) {
        (Type::NonNullNamed(found) | Type::Named(found), Type::Named(expected))
        | (Type::NonNullNamed(found), Type::NonNullNamed(expected)) => found == expected,
        (Type::List(found) | Type::NonNullList(found), Type::List(expected))
        | (Type::NonNullList(found), Type::NonNullList(expected)) => is_usable(found, expected),
        _ => false,
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
