//! Rules of `@key`, `@requires` and `@provides`: where they may stand and what their field sets may select.

use apollo_compiler::Name;
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;

use super::Rules;
use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::FederationDirective;
use crate::field_set::implementations;
use crate::field_usage::AppliedFieldSet;
use crate::link::Version;

/// First version in which an interface may have keys.
const KEY_ON_INTERFACE: Version = Version { major: 2, minor: 3 };

pub(super) fn check(rules: &Rules<'_>) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    for applied in &rules.usage.field_sets {
        let codes = Codes::of(applied.directive);
        let mut checker = Checker {
            rules,
            applied,
            codes,
            errors: &mut errors,
        };
        checker.run();
    }
    errors
}

/// The codes of one directive.
struct Codes {
    on_interface: ErrorCode,
    invalid: ErrorCode,
    invalid_type: ErrorCode,
    directive: ErrorCode,
    arguments: Option<ErrorCode>,
    missing_external: Option<ErrorCode>,
}

impl Codes {
    fn of(directive: FederationDirective) -> Self {
        match directive {
            FederationDirective::Requires => Self {
                on_interface: ErrorCode::RequiresUnsupportedOnInterface,
                invalid: ErrorCode::RequiresInvalidFields,
                invalid_type: ErrorCode::RequiresInvalidFieldsType,
                directive: ErrorCode::RequiresDirectiveInFieldsArg,
                arguments: None,
                missing_external: Some(ErrorCode::RequiresFieldsMissingExternal),
            },
            FederationDirective::Provides => Self {
                on_interface: ErrorCode::ProvidesUnsupportedOnInterface,
                invalid: ErrorCode::ProvidesInvalidFields,
                invalid_type: ErrorCode::ProvidesInvalidFieldsType,
                directive: ErrorCode::ProvidesDirectiveInFieldsArg,
                arguments: Some(ErrorCode::ProvidesFieldsHasArgs),
                missing_external: Some(ErrorCode::ProvidesFieldsMissingExternal),
            },
            _ => Self {
                on_interface: ErrorCode::KeyUnsupportedOnInterface,
                invalid: ErrorCode::KeyInvalidFields,
                invalid_type: ErrorCode::KeyInvalidFieldsType,
                directive: ErrorCode::KeyDirectiveInFieldsArg,
                arguments: Some(ErrorCode::KeyFieldsHasArgs),
                missing_external: None,
            },
        }
    }
}

struct Checker<'a, 'e> {
    rules: &'a Rules<'a>,
    applied: &'a AppliedFieldSet,
    codes: Codes,
    errors: &'e mut Vec<CompositionError>,
}

impl Checker<'_, '_> {
    fn run(&mut self) {
        self.check_place();
        self.check_collision();
        if self.applied.text.is_none() {
            self.error(self.codes.invalid_type, "`fields` must be a string, such as \"id\"");
            return;
        }
        match &self.applied.parsed {
            Some(Ok(field_set)) => self.check_selection(&field_set.selection, false),
            Some(Err(invalid)) => {
                let advice = "select fields that this subgraph defines, be it with `@external`";
                self.error(
                    self.codes.invalid,
                    &format!("`fields` is invalid: {}; {advice}", invalid.reason),
                );
            }
            None => self.error(
                ErrorCode::ProvidesOnNonObjectField,
                "the field's type has no fields of its own, so nothing of it can be provided; remove `@provides`",
            ),
        }
    }

    /// What another subgraph resolves, this one cannot give more of.
    fn check_collision(&mut self) {
        let Some(field) = &self.applied.field else { return };
        let coordinate = (self.applied.parent.clone(), field.clone());
        if self.applied.directive == FederationDirective::Provides && self.rules.usage.is_external(&coordinate) {
            self.error(
                ErrorCode::ExternalCollisionWithAnotherDirective,
                "the field is `@external`, so this subgraph does not resolve it and cannot provide anything of it; remove one \
                 of the directives",
            );
        }
    }

    fn error(&mut self, code: ErrorCode, message: &str) {
        let applied = self.applied;
        let place = match &applied.field {
            Some(field) => format!("{}.{field}", applied.parent),
            None => applied.parent.to_string(),
        };
        let fields = applied
            .text
            .as_ref()
            .map_or(String::new(), |text| format!("(fields: {text:?})"));
        let message = format!("`@{}{fields}` on `{place}`: {message}", applied.directive.name());
        self.errors
            .push(self.rules.subgraph.error(code, applied.span, &message));
    }

    fn check_place(&mut self) {
        let is_interface = self.rules.subgraph.schema.get_interface(&self.applied.parent).is_some();
        let is_allowed = self.applied.directive == FederationDirective::Key
            && self
                .rules
                .subgraph
                .version
                .is_some_and(|version| version >= KEY_ON_INTERFACE);
        if is_interface && !is_allowed {
            let advice = match self.applied.directive {
                FederationDirective::Key => {
                    "an interface may have keys only since federation v2.3; link a newer version"
                }
                _ => "it is not supported on fields of an interface; put it on the fields of its implementations",
            };
            self.error(self.codes.on_interface, advice);
        }
    }

    fn check_selection(&mut self, selection: &SelectionSet, has_external_parent: bool) {
        for item in &selection.selections {
            match item {
                Selection::Field(field) => self.check_field(&selection.ty, field, has_external_parent),
                Selection::InlineFragment(fragment) => {
                    self.check_directives(&fragment.directives);
                    self.check_selection(&fragment.selection_set, has_external_parent);
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn check_directives(&mut self, directives: &apollo_compiler::ast::DirectiveList) {
        for directive in directives {
            if self
                .rules
                .subgraph
                .schema
                .directive_definitions
                .contains_key(&directive.name)
            {
                self.error(
                    self.codes.directive,
                    &format!("`{directive}` cannot be applied within `fields`; remove it"),
                );
            } else {
                self.error(
                    self.codes.invalid,
                    &format!(
                        "there is no directive `@{}`, and none can be applied here; remove it",
                        directive.name
                    ),
                );
            }
        }
    }

    fn check_field(&mut self, parent: &Name, field: &Field, has_external_parent: bool) {
        if let Some(code) = self.codes.arguments.filter(|_| !field.definition.arguments.is_empty()) {
            self.error(
                code,
                &format!(
                    "`{parent}.{}` has arguments, which cannot be given here; leave the field out",
                    field.name
                ),
            );
        }
        if self.applied.directive == FederationDirective::Key {
            self.check_key_type(parent, field);
        }
        let coordinate = (parent.clone(), field.name.clone());
        let is_external = self.rules.usage.is_external(&coordinate);
        let is_leaf = field.selection_set.selections.is_empty();
        if let Some(code) = self
            .codes
            .missing_external
            .filter(|_| is_leaf && !is_external && !has_external_parent)
        {
            let reason = if self.rules.usage.is_fake_external(&coordinate) {
                "is a key field of an extension, which this subgraph resolves although it is marked `@external`"
            } else {
                "is resolved by this subgraph; leave it out, or mark it `@external` if another subgraph resolves it"
            };
            self.error(code, &format!("`{parent}.{}` {reason}", field.name));
        }
        if !is_leaf {
            let is_external = has_external_parent || is_external || self.is_external_in_implementation(parent, field);
            self.check_selection(&field.selection_set, is_external);
        }
        self.check_directives(&field.directives);
    }

    fn is_external_in_implementation(&self, interface: &Name, field: &Field) -> bool {
        let schema = &self.rules.subgraph.schema;
        schema.get_interface(interface).is_some()
            && implementations(schema, interface)
                .any(|object| self.rules.usage.is_external(&(object.clone(), field.name.clone())))
    }

    fn check_key_type(&mut self, parent: &Name, field: &Field) {
        let schema = &self.rules.subgraph.schema;
        let kind = match schema.types.get(field.ty().inner_named_type()) {
            Some(ExtendedType::Interface(_)) => "an interface",
            Some(ExtendedType::Union(_)) => "a union",
            _ => return,
        };
        let message = format!(
            "`{parent}.{}` has type `{}`, {kind}; a key selects leaves and objects only",
            field.name,
            field.ty()
        );
        self.error(ErrorCode::KeyFieldsSelectInvalidType, &message);
    }
}
