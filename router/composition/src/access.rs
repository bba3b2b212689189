//! Access requirements of what a field is computed from (`@requires`, `@fromContext`): whoever may read the field may
//! learn it, so the field must ask for all that it asks for.

use apollo_compiler::ast::Directive;
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::{Name, Node, Schema};

use crate::alternatives::Alternatives;
use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::FederationDirective;
use crate::field_set::{Coordinate, FieldSet};
use crate::field_usage::{AppliedFieldSet, fields_of};
use crate::merge::Merged;
use crate::subgraph::AppliedDirectives;
use crate::validate::{ACCESS_DIRECTIVES, ContextArgument, ValidSubgraph};

/// Checks every `@requires` and `@fromContext` against every access directive in use.
pub(crate) fn check(merged: &Merged, subgraphs: &[ValidSubgraph]) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    for directive in ACCESS_DIRECTIVES {
        let Some(name) = merged.composed.name_of(directive) else {
            continue;
        };
        let requirements = Requirements {
            schema: &merged.schema,
            directive,
            name,
        };
        for subgraph in subgraphs {
            let required = subgraph.usage.field_sets.iter();
            let required = required.filter(|applied| applied.directive == FederationDirective::Requires);
            errors.extend(required.filter_map(|applied| requirements.check(subgraph, applied)));
            for (coordinate, arguments) in &subgraph.context_arguments {
                let faults = arguments
                    .iter()
                    .filter_map(|argument| requirements.check_context(subgraph, coordinate, argument));
                errors.extend(faults);
            }
        }
    }
    errors
}

/// One access directive over the supergraph.
struct Requirements<'a> {
    schema: &'a Schema,
    directive: FederationDirective,
    name: &'a Name,
}

impl Requirements<'_> {
    fn check(&self, subgraph: &ValidSubgraph, applied: &AppliedFieldSet) -> Option<CompositionError> {
        let field = applied.field.as_ref()?;
        let own = self.of_coordinate(&applied.parent, field);
        let missing = self.first_missing(&own, &applied.field_set()?.selection)?;
        let message = self.describe(&format!("{}.{field}", applied.parent), "requires", &missing);
        Some(subgraph.error(ErrorCode::MissingTransitiveAuthRequirements, applied.span, &message))
    }

    /// An argument that is filled from a context tells as much as a required field does.
    fn check_context(
        &self,
        subgraph: &ValidSubgraph,
        (parent, field): &Coordinate,
        argument: &ContextArgument,
    ) -> Option<CompositionError> {
        let own = self.of_coordinate(parent, field);
        let missing = argument.types.iter().find_map(|type_name| {
            let field_set = FieldSet::parse(&subgraph.schema, type_name, argument.selection.trim()).ok()?;
            self.first_missing(&own, &field_set.selection)
        })?;
        let message = self.describe(&format!("{parent}.{field}"), "reads by `@fromContext`", &missing);
        let definition = subgraph.schema.types.get(parent).and_then(fields_of)?.get(field)?;
        Some(subgraph.error(
            ErrorCode::MissingTransitiveAuthRequirements,
            definition.name.location(),
            &message,
        ))
    }

    fn describe(&self, place: &str, verb: &str, missing: &str) -> String {
        format!(
            "`{place}` {verb} `{missing}`, whose `@{}` it does not ask for itself; add it to `{place}`",
            self.directive.name()
        )
    }

    fn of_coordinate(&self, parent: &Name, field: &Name) -> Alternatives {
        self.of_type(parent).and(&self.of_field(parent, field))
    }

    fn first_missing(&self, own: &Alternatives, selection: &SelectionSet) -> Option<String> {
        if !own.implies(&self.of_type(&selection.ty)) {
            return Some(selection.ty.to_string());
        }
        selection.selections.iter().find_map(|item| match item {
            Selection::Field(field) => {
                let is_met = own.implies(&self.of_field(&selection.ty, &field.name))
                    && own.implies(&self.of_type(field.ty().inner_named_type()));
                if is_met {
                    self.first_missing(own, &field.selection_set)
                } else {
                    Some(format!("{}.{}", selection.ty, field.name))
                }
            }
            Selection::InlineFragment(fragment) => self.first_missing(own, &fragment.selection_set),
            Selection::FragmentSpread(_) => None,
        })
    }

    fn of_type(&self, type_name: &Name) -> Alternatives {
        let definition = self.schema.types.get(type_name);
        definition.map_or_else(Alternatives::nothing, |definition| {
            self.read(definition.directives().nodes())
        })
    }

    fn of_field(&self, type_name: &Name, field: &Name) -> Alternatives {
        let field = self
            .schema
            .types
            .get(type_name)
            .and_then(fields_of)
            .and_then(|fields| fields.get(field));
        field.map_or_else(Alternatives::nothing, |field| self.read(field.directives.nodes()))
    }

    fn read<'d>(&self, mut directives: impl Iterator<Item = &'d Node<Directive>>) -> Alternatives {
        let Some(found) = directives.find(|directive| directive.name == *self.name) else {
            return Alternatives::nothing();
        };
        match found.arguments.first() {
            Some(argument) => Alternatives::read(&argument.value),
            // `@authenticated` asks for one thing, whatever it is called.
            None => Alternatives::one(self.directive.name()),
        }
    }
}
