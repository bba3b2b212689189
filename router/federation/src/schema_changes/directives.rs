//! Definitions of directives, as far as operations can use them.

use apollo_compiler::Name;
use apollo_compiler::ast::{DirectiveDefinition, DirectiveLocation};
use apollo_compiler::coordinate::DirectiveCoordinate;

use super::inputs::DIRECTIVE_ARGUMENT;
use super::{ChangeCode, Comparison, Coordinate, SchemaChange, Severity};

impl Comparison<'_> {
    pub(super) fn directives(&mut self) {
        let (old_schema, new_schema) = (self.old.schema(), self.new.schema());
        for (name, old) in &old_schema.directive_definitions {
            let first_change = self.changes.len();
            match new_schema.directive_definitions.get(name) {
                Some(new) => self.directive(old, new),
                None => {
                    let message = format!("`@{name}` is gone: operations that apply it are refused");
                    self.push(
                        ChangeCode::DirectiveRemoved,
                        Severity::Breaking,
                        coordinate(old),
                        message,
                    );
                }
            }
            if !old.locations.iter().copied().any(is_executable) {
                self.make_safe(first_change);
            }
        }
        for (name, new) in &new_schema.directive_definitions {
            if !old_schema.directive_definitions.contains_key(name) {
                let message = format!("`@{name}` is new");
                self.push(ChangeCode::DirectiveAdded, Severity::Safe, coordinate(new), message);
            }
        }
    }

    fn directive(&mut self, old: &DirectiveDefinition, new: &DirectiveDefinition) {
        let own = coordinate(old);
        for location in old
            .locations
            .iter()
            .filter(|location| !new.locations.contains(location))
        {
            let (severity, consequence) = if is_executable(*location) {
                (Severity::Breaking, ": operations that have it there are refused")
            } else {
                (Severity::Safe, ", where operations never have it")
            };
            let message = format!("`{own}` may no longer stand on {location}{consequence}");
            let code = ChangeCode::DirectiveLocationRemoved;
            let mut change = SchemaChange::new(code, severity, Coordinate::Element(own.clone().into()), message);
            change.other = Some(Name::new_unchecked(location.name()));
            self.changes.push(change);
        }
        for location in new
            .locations
            .iter()
            .filter(|location| !old.locations.contains(location))
        {
            let message = format!("`{own}` may stand on {location} now");
            self.push(ChangeCode::DirectiveLocationAdded, Severity::Safe, own.clone(), message);
        }
        match (old.repeatable, new.repeatable) {
            (true, false) => {
                let message = format!("`{own}` may no longer be repeated: operations that repeat it are refused");
                self.push(
                    ChangeCode::DirectiveRepeatableRemoved,
                    Severity::Breaking,
                    own.clone(),
                    message,
                );
            }
            (false, true) => {
                let message = format!("`{own}` may be repeated now");
                self.push(
                    ChangeCode::DirectiveRepeatableAdded,
                    Severity::Safe,
                    own.clone(),
                    message,
                );
            }
            _ => {}
        }
        let of_argument =
            |argument: &apollo_compiler::ast::InputValueDefinition| own.with_argument(argument.name.clone()).into();
        self.inputs(
            &DIRECTIVE_ARGUMENT,
            of_argument,
            old.arguments.iter(),
            new.arguments.iter(),
        );
        self.description(own.clone(), old.description.as_deref(), new.description.as_deref());
    }

    /// Of a directive that stands on definitions only, nothing can break an operation.
    fn make_safe(&mut self, first_change: usize) {
        for change in self.changes.iter_mut().skip(first_change) {
            if change.severity != Severity::Safe {
                change.severity = Severity::Safe;
                change.message = format!("`{}` changed, which operations cannot use", change.coordinate);
            }
        }
    }
}

fn coordinate(definition: &DirectiveDefinition) -> DirectiveCoordinate {
    definition.name.clone().into()
}

/// GraphQL spec, `ExecutableDirectiveLocation`.
fn is_executable(location: DirectiveLocation) -> bool {
    matches!(
        location,
        DirectiveLocation::Query
            | DirectiveLocation::Mutation
            | DirectiveLocation::Subscription
            | DirectiveLocation::Field
            | DirectiveLocation::FragmentDefinition
            | DirectiveLocation::FragmentSpread
            | DirectiveLocation::InlineFragment
            | DirectiveLocation::VariableDefinition
    )
}
