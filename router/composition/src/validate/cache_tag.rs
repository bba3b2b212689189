//! Rules of `@cacheTag` (Federation v2.12): on what can be cached, with a format whose values are known there.
//!
//! A format is text with values in braces: `{$args.name}` names an argument of a root field, `{$key.path.of.field}` a
//! field that is in every key of an entity. What a router does with a tag is not looked at.

use apollo_compiler::Node;
use apollo_compiler::ast::{Directive, FieldDefinition};
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;

use super::Rules;
use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::FederationDirective;
use crate::field_usage::fields_of;
use crate::link::string_argument;
use crate::subgraph::{AppliedDirectives, SubgraphSchema};

pub(super) fn check(rules: &Rules<'_>) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    for definition in rules.subgraph.own_types() {
        let tags = CacheTags { rules, definition };
        errors.extend(tags.check_type());
        for field in fields_of(definition).into_iter().flat_map(|fields| fields.values()) {
            errors.extend(tags.check_field(field));
        }
    }
    errors
}

/// The tags of a type and of its fields.
struct CacheTags<'a> {
    rules: &'a Rules<'a>,
    definition: &'a ExtendedType,
}

/// A rule that is broken, and how to mend it.
type Fault = (ErrorCode, String);

impl CacheTags<'_> {
    fn check_type(&self) -> Vec<CompositionError> {
        self.check_each(self.definition.directives(), self.definition.name(), |format| {
            let mut keys = self.rules.usage.keys(self.definition.name());
            if !keys.any(|key| key.is_resolvable) {
                let message = "the type has no resolvable `@key`, so nothing of it is cached; \
                               give it one, or move the tag to the root fields that return it";
                return Err((ErrorCode::CacheTagEntityNotResolvable, message.to_owned()));
            }
            values(format)?
                .into_iter()
                .try_for_each(|value| self.check_key_value(&value))
        })
    }

    fn check_field(&self, field: &FieldDefinition) -> Vec<CompositionError> {
        let place = format!("{}.{}", self.definition.name(), field.name);
        self.check_each(&field.directives, &place, |format| {
            let mut roots = self.rules.subgraph.schema.schema_definition.iter_root_operations();
            if !roots.any(|(_, root)| root.name == *self.definition.name()) {
                let message = "only root fields and entities are cached; move the tag to one of them";
                return Err((ErrorCode::CacheTagNotOnRootField, message.to_owned()));
            }
            values(format)?
                .into_iter()
                .try_for_each(|value| self.check_argument_value(field, &value))
        })
    }

    /// One error at most for each application on an element.
    fn check_each(
        &self,
        directives: &impl AppliedDirectives,
        place: &str,
        check: impl Fn(&str) -> Result<(), Fault>,
    ) -> Vec<CompositionError> {
        let subgraph = self.rules.subgraph;
        let fault = |application: &Node<Directive>| {
            // A format that is no string is told where the directive's arguments are checked.
            let format = string_argument(application, "format")?;
            let (code, message) = check(&format).err()?;
            let message = format!("`@cacheTag(format: {format:?})` on `{place}`: {message}");
            Some(subgraph.error(code, application.location(), &message))
        };
        let applications = subgraph.applications(directives, FederationDirective::CacheTag);
        applications.filter_map(fault).collect()
    }

    /// `{$args.name}` of a root field.
    fn check_argument_value(&self, field: &FieldDefinition, value: &str) -> Result<(), Fault> {
        let Some(path) = value.strip_prefix("$args.") else {
            let message = format!("`{{{value}}}` is not known of a root field; name an argument: `{{$args.name}}`");
            return Err((ErrorCode::CacheTagInvalidFormatArgumentOnRootField, message));
        };
        let unknown = |what: &str| {
            let message = format!("`{{{value}}}`: {what}; name an argument with a scalar type");
            (ErrorCode::CacheTagFormatArgumentUnknown, message)
        };
        let argument = field.argument_by_name(path).ok_or_else(|| {
            let names: Vec<_> = field
                .arguments
                .iter()
                .map(|argument| format!("`{}`", argument.name))
                .collect();
            match names.is_empty() {
                true => unknown("the field has no arguments"),
                false => unknown(&format!(
                    "the field has no argument `{path}`, only {}",
                    names.join(", ")
                )),
            }
        })?;
        let type_name = argument.ty.inner_named_type();
        match is_scalar(self.rules.subgraph, type_name) {
            true => Ok(()),
            false => Err(unknown(&format!("`{type_name}` is not a scalar"))),
        }
    }

    /// `{$key.path.of.field}` of an entity.
    fn check_key_value(&self, value: &str) -> Result<(), Fault> {
        let type_name = self.definition.name();
        let Some(path) = value.strip_prefix("$key.") else {
            let message = format!("`{{{value}}}` is not known of an entity; name a field of its keys: `{{$key.id}}`");
            return Err((ErrorCode::CacheTagInvalidFormatArgumentOnEntity, message));
        };
        let names: Vec<&str> = path.split('.').collect();
        self.check_path(&names)
            .map_err(|reason| (ErrorCode::CacheTagInvalidFormat, format!("`{{{value}}}`: {reason}")))?;
        let sets = self
            .rules
            .usage
            .keys(type_name)
            .filter_map(|key| Some((key.field_set()?, key.text.as_deref()?)));
        let without = sets
            .into_iter()
            .find(|(field_set, _)| !selects(&field_set.selection, &names));
        without.map_or(Ok(()), |(_, text)| {
            let message = format!(
                "`{{{value}}}` is not in the key `{text}` of `{type_name}`; name only fields that are in every key"
            );
            Err((ErrorCode::CacheTagInvalidFormatFieldSetOnEntity, message))
        })
    }

    /// Whether a path of fields leads to a scalar.
    fn check_path(&self, names: &[&str]) -> Result<(), String> {
        let mut definition = self.definition;
        for (position, name) in names.iter().enumerate() {
            let parent = definition.name();
            let field = fields_of(definition).and_then(|fields| fields.get(*name));
            let field = field.ok_or_else(|| format!("`{parent}` has no field `{name}`"))?;
            let type_name = field.ty.inner_named_type();
            if position + 1 == names.len() {
                return match is_scalar(self.rules.subgraph, type_name) {
                    true => Ok(()),
                    false => Err(format!(
                        "`{parent}.{name}` is a `{type_name}`; go on to a field that is a scalar"
                    )),
                };
            }
            let types = &self.rules.subgraph.schema.types;
            definition = types
                .get(type_name)
                .ok_or_else(|| format!("`{type_name}` is not defined"))?;
        }
        Ok(())
    }
}

fn is_scalar(subgraph: &SubgraphSchema, type_name: &str) -> bool {
    subgraph
        .schema
        .types
        .get(type_name)
        .is_some_and(ExtendedType::is_scalar)
}

/// What stands in the braces of a format.
fn values(format: &str) -> Result<Vec<String>, Fault> {
    let invalid = |reason: &str| (ErrorCode::CacheTagInvalidFormat, reason.to_owned());
    let mut values = Vec::new();
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('{') {
        let (value, after) = after
            .split_once('}')
            .ok_or_else(|| invalid("a `{` is not closed; write `{$args.name}` or `{$key.field}`"))?;
        if !is_value(value.trim()) {
            let message = format!("`{{{value}}}` is not a value; write `{{$args.name}}` or `{{$key.field}}`");
            return Err(invalid(&message));
        }
        values.push(value.trim().to_owned());
        rest = after;
    }
    Ok(values)
}

/// `$variable.name.name`
fn is_value(text: &str) -> bool {
    let mut parts = text.split('.');
    let is_name = apollo_compiler::Name::is_valid_syntax;
    parts
        .next()
        .and_then(|first| first.strip_prefix('$'))
        .is_some_and(is_name)
        && parts.all(is_name)
}

/// Whether a selection holds a path of fields, whatever the runtime type.
fn selects(selection_set: &SelectionSet, names: &[&str]) -> bool {
    let Some((first, rest)) = names.split_first() else {
        return true;
    };
    selection_set.selections.iter().any(|selection| match selection {
        Selection::Field(field) => field.name == *first && selects(&field.selection_set, rest),
        _ => false,
    })
}
