//! Arguments of fields and directives, and fields of input objects: what clients send.
//!
//! A change is safe when everything that was accepted still is: input positions are contravariant.

use apollo_compiler::Node;
use apollo_compiler::ast::{InputValueDefinition, Type};
use apollo_compiler::coordinate::SchemaCoordinate;

use super::{ChangeCode, Comparison, Severity, deprecated, same_value};

/// The codes of one kind of input.
pub(super) struct InputCodes {
    removed: ChangeCode,
    added_optional: ChangeCode,
    added_required: ChangeCode,
    type_changed: ChangeCode,
    default_value_changed: ChangeCode,
}

pub(super) const ARGUMENT: InputCodes = InputCodes {
    removed: ChangeCode::ArgRemoved,
    added_optional: ChangeCode::ArgAddedOptional,
    added_required: ChangeCode::ArgAddedRequired,
    type_changed: ChangeCode::ArgTypeChanged,
    default_value_changed: ChangeCode::ArgDefaultValueChanged,
};

pub(super) const INPUT_FIELD: InputCodes = InputCodes {
    removed: ChangeCode::InputFieldRemoved,
    added_optional: ChangeCode::InputFieldAddedOptional,
    added_required: ChangeCode::InputFieldAddedRequired,
    type_changed: ChangeCode::InputFieldTypeChanged,
    default_value_changed: ChangeCode::InputFieldDefaultValueChanged,
};

pub(super) const DIRECTIVE_ARGUMENT: InputCodes = InputCodes {
    removed: ChangeCode::DirectiveArgRemoved,
    added_optional: ChangeCode::DirectiveArgAddedOptional,
    added_required: ChangeCode::DirectiveArgAddedRequired,
    type_changed: ChangeCode::DirectiveArgTypeChanged,
    default_value_changed: ChangeCode::DirectiveArgDefaultValueChanged,
};

impl Comparison<'_> {
    /// All inputs of one place; `coordinate` gives each its own.
    pub(super) fn inputs<'i>(
        &mut self,
        codes: &InputCodes,
        coordinate: impl Fn(&InputValueDefinition) -> SchemaCoordinate,
        old: impl Iterator<Item = &'i Node<InputValueDefinition>>,
        new: impl Iterator<Item = &'i Node<InputValueDefinition>>,
    ) {
        let old: Vec<&Node<InputValueDefinition>> = old.collect();
        let new: Vec<&Node<InputValueDefinition>> = new.collect();
        for input in &old {
            let coordinate = coordinate(input);
            match new.iter().find(|other| other.name == input.name) {
                Some(other) => self.input(codes, &coordinate, input, other),
                None => {
                    let message = format!("`{coordinate}` is gone: operations that give it are refused");
                    self.push(codes.removed, Severity::Breaking, coordinate, message);
                }
            }
        }
        for input in new
            .iter()
            .filter(|input| old.iter().all(|other| other.name != input.name))
        {
            let coordinate = coordinate(input);
            if input.is_required() {
                let message = format!("`{coordinate}` is new and required: operations that do not give it are refused");
                self.push(codes.added_required, Severity::Breaking, coordinate, message);
            } else {
                let message =
                    format!("`{coordinate}` is new; nobody gives it yet, so its absence decides what happens");
                self.push(codes.added_optional, Severity::Dangerous, coordinate, message);
            }
        }
    }

    fn input(
        &mut self,
        codes: &InputCodes,
        coordinate: &SchemaCoordinate,
        old: &InputValueDefinition,
        new: &InputValueDefinition,
    ) {
        if old.ty != new.ty {
            let severity = if accepts_all(&new.ty, &old.ty) {
                Severity::Safe
            } else {
                Severity::Breaking
            };
            let consequence = match severity {
                Severity::Safe => "all that was accepted still is",
                _ if accepts_all(&Type::clone(&new.ty).nullable(), &old.ty) => "it must be given now, and not be null",
                _ => "values and variables that were accepted are refused",
            };
            let message = format!("`{coordinate}` is `{}` instead of `{}`: {consequence}", new.ty, old.ty);
            self.push(codes.type_changed, severity, coordinate.clone(), message);
        }
        self.default_value(codes, coordinate, old, new);
        self.deprecation(
            coordinate.clone(),
            deprecated(&old.directives),
            deprecated(&new.directives),
        );
        self.description(
            coordinate.clone(),
            old.description.as_deref(),
            new.description.as_deref(),
        );
    }

    fn default_value(
        &mut self,
        codes: &InputCodes,
        coordinate: &SchemaCoordinate,
        old: &InputValueDefinition,
        new: &InputValueDefinition,
    ) {
        let (severity, message) = match (&old.default_value, &new.default_value) {
            (None, Some(value)) if old.is_required() => (
                Severity::Safe,
                format!("`{coordinate}` may be left out now; `{value}` is taken then"),
            ),
            (None, Some(value)) => (
                Severity::Dangerous,
                format!("`{coordinate}` is `{value}` now where clients leave it out"),
            ),
            (Some(value), None) if new.is_required() => (
                Severity::Breaking,
                format!(
                    "`{coordinate}` has no default any more (it was `{value}`): operations that leave it out are refused"
                ),
            ),
            (Some(value), None) => (
                Severity::Dangerous,
                format!("`{coordinate}` has no default any more (it was `{value}`) where clients leave it out"),
            ),
            (Some(old), Some(new)) if !same_value(old, new) => (
                Severity::Dangerous,
                format!("`{coordinate}` is `{new}` now where clients leave it out (it was `{old}`)"),
            ),
            _ => return,
        };
        self.push(codes.default_value_changed, severity, coordinate.clone(), message);
    }
}

/// Whether every value and variable that an input of type `narrow` accepts is accepted by one of type `wide`.
///
/// Source: graphql-js, `isChangeSafeForInputObjectFieldOrFieldArg`; GraphQL spec, "All Variable Usages Are Allowed".
fn accepts_all(wide: &Type, narrow: &Type) -> bool {
    match (wide, narrow) {
        (Type::NonNullNamed(wide), Type::NonNullNamed(narrow))
        | (Type::Named(wide), Type::NonNullNamed(narrow) | Type::Named(narrow)) => wide == narrow,
        (Type::NonNullList(wide), Type::NonNullList(narrow))
        | (Type::List(wide), Type::NonNullList(narrow) | Type::List(narrow)) => accepts_all(wide, narrow),
        _ => false,
    }
}
