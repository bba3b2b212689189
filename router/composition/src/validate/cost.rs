//! Rules of `@cost` and `@listSize` (cost spec v0.1): not on interface fields; sizes that name lists and arguments.

use apollo_compiler::Node;
use apollo_compiler::ast::{Directive, FieldDefinition};
use apollo_compiler::schema::ExtendedType;

use crate::error::{CompositionError, ErrorCode};
use crate::federation_spec::FederationDirective;
use crate::field_usage::fields_of;
use crate::subgraph::SubgraphSchema;

pub(super) fn check(subgraph: &SubgraphSchema) -> Vec<CompositionError> {
    let mut errors = Vec::new();
    for definition in subgraph.own_types() {
        let Some(fields) = fields_of(definition) else { continue };
        for field in fields.values() {
            if definition.is_interface() {
                errors.extend(check_interface_field(subgraph, definition, field));
            }
            for application in subgraph.applications(&field.directives, FederationDirective::ListSize) {
                let place = format!("{}.{}", definition.name(), field.name);
                ListSize {
                    subgraph,
                    field,
                    application,
                    place,
                }
                .check(&mut errors);
            }
        }
    }
    errors
}

fn check_interface_field(
    subgraph: &SubgraphSchema,
    definition: &ExtendedType,
    field: &FieldDefinition,
) -> Option<CompositionError> {
    let has_cost = subgraph.has(&field.directives, FederationDirective::Cost)
        || field
            .arguments
            .iter()
            .any(|argument| subgraph.has(&argument.directives, FederationDirective::Cost));
    has_cost.then(|| {
        subgraph.error(
            ErrorCode::CostAppliedToInterfaceField,
            field.name.location(),
            &format!(
                "`{}.{}` is a field of an interface and cannot have a `@cost`; set it on the implementations",
                definition.name(),
                field.name
            ),
        )
    })
}

struct ListSize<'a> {
    subgraph: &'a SubgraphSchema,
    field: &'a FieldDefinition,
    application: &'a Node<Directive>,
    place: String,
}

impl ListSize<'_> {
    fn error(&self, code: ErrorCode, message: &str) -> CompositionError {
        let message = format!("`@listSize` on `{}`: {message}", self.place);
        self.subgraph.error(code, self.application.location(), &message)
    }

    fn strings(&self, argument: &str) -> Vec<&str> {
        let Some(value) = self.application.specified_argument_by_name(argument) else {
            return Vec::new();
        };
        match value.as_list() {
            Some(items) => items.iter().filter_map(|item| item.as_str()).collect(),
            None => value.as_str().into_iter().collect(),
        }
    }

    fn check(&self, errors: &mut Vec<CompositionError>) {
        let sized_fields = self.strings("sizedFields");
        if sized_fields.is_empty() && !self.field.ty.is_list() {
            errors.push(self.error(
                ErrorCode::ListSizeAppliedToNonList,
                &format!(
                    "the field has type `{}`, which is not a list; name lists in `sizedFields`",
                    self.field.ty
                ),
            ));
        }
        let assumed = self
            .application
            .specified_argument_by_name("assumedSize")
            .and_then(|value| value.to_i32());
        if assumed.is_some_and(|assumed| assumed < 0) {
            errors.push(self.error(
                ErrorCode::ListSizeInvalidAssumedSize,
                "`assumedSize` must not be negative; give the size of a usual list",
            ));
        }
        for name in self.strings("slicingArguments") {
            errors.extend(self.check_slicing_argument(name));
        }
        for name in sized_fields {
            errors.extend(self.check_sized_field(name));
        }
    }

    fn check_slicing_argument(&self, name: &str) -> Option<CompositionError> {
        let message = match self.field.argument_by_name(name) {
            None => format!("the field has no argument `{name}` to slice by; add it, or name another"),
            Some(argument) if argument.ty.is_list() || argument.ty.inner_named_type() != "Int" => {
                format!(
                    "slicing argument `{name}` must be an `Int`, but is a `{}`; change its type, or name another",
                    argument.ty
                )
            }
            Some(_) => return None,
        };
        Some(self.error(ErrorCode::ListSizeInvalidSlicingArgument, &message))
    }

    fn check_sized_field(&self, name: &str) -> Option<CompositionError> {
        let target = self.field.ty.inner_named_type();
        let fields = self.subgraph.schema.types.get(target).and_then(fields_of);
        let Some(fields) = fields else {
            let message = format!("`sizedFields` names fields of an object, but `{target}` has none; leave it out");
            return Some(self.error(ErrorCode::ListSizeInvalidSizedField, &message));
        };
        match fields.get(name) {
            None => {
                let message =
                    format!("`sizedFields` names `{name}`, but `{target}` has no such field; add it, or name another");
                Some(self.error(ErrorCode::ListSizeInvalidSizedField, &message))
            }
            Some(sized) if !sized.ty.is_list() => {
                let message = format!(
                    "`sizedFields` names `{target}.{name}`, whose type `{}` is not a list; name lists only",
                    sized.ty
                );
                Some(self.error(ErrorCode::ListSizeAppliedToNonList, &message))
            }
            Some(_) => None,
        }
    }
}
