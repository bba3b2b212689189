//! Rules of `@inaccessible` (inaccessible spec v0.2): what clients see must stand without what they do not see.

use apollo_compiler::ast::{DirectiveDefinition, FieldDefinition, InputValueDefinition, Type, Value};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Name, Node, Schema};

use crate::error::{CompositionError, ErrorCode, on_one_line};
use crate::federation_spec::FederationDirective;
use crate::field_usage::fields_of;
use crate::merge::{Merged, is_executable};
use crate::subgraph::AppliedDirectives;
use crate::supergraph_rules::locate;
use crate::validate::ValidSubgraph;

/// Checks everything that refers to something hidden.
pub(crate) fn check(merged: &Merged, subgraphs: &[ValidSubgraph]) -> Vec<CompositionError> {
    let Some(name) = merged.composed.name_of(FederationDirective::Inaccessible) else {
        return Vec::new();
    };
    let mut checker = Checker {
        schema: &merged.schema,
        subgraphs,
        name,
        errors: Vec::new(),
    };
    checker.check_query();
    for definition in merged.schema.types.values() {
        let is_machinery = definition.is_built_in() || definition.name().contains("__");
        if !is_machinery && !checker.is_hidden(definition.directives()) {
            checker.check_type(definition);
        }
    }
    for definition in merged.schema.directive_definitions.values() {
        if !definition.name.contains("__") {
            checker.check_directive(definition);
        }
    }
    checker.errors
}

struct Checker<'a> {
    schema: &'a Schema,
    subgraphs: &'a [ValidSubgraph],
    /// Name of the directive.
    name: &'a Name,
    errors: Vec<CompositionError>,
}

impl<'a> Checker<'a> {
    fn error(&mut self, code: ErrorCode, message: String, (type_name, field): (&str, Option<&str>)) {
        let places = locate(self.subgraphs, type_name, field);
        self.errors.push(CompositionError::new(code, message).at(places));
    }

    /// Something shown refers to a hidden type: both places matter.
    fn error_of_reference(&mut self, message: String, (type_name, field): (&str, &str), target: &str) {
        let places = locate(self.subgraphs, type_name, Some(field)).into_iter();
        let places = places.chain(locate(self.subgraphs, target, None));
        let error = CompositionError::new(ErrorCode::ReferencedInaccessible, message).at(places);
        self.errors.push(error);
    }

    fn is_hidden(&self, directives: &impl AppliedDirectives) -> bool {
        directives.nodes().any(|directive| directive.name == *self.name)
    }

    fn is_type_hidden(&self, type_name: &str) -> bool {
        self.schema
            .types
            .get(type_name)
            .is_some_and(|definition| self.is_hidden(definition.directives()))
    }

    fn check_query(&mut self) {
        if self.is_type_hidden("Query") {
            let message =
                "`Query` is `@inaccessible`, so clients could ask nothing; hide its fields instead".to_owned();
            self.error(ErrorCode::QueryRootTypeInaccessible, message, ("Query", None));
        }
    }

    fn check_type(&mut self, definition: &'a ExtendedType) {
        self.check_children(definition);
        let type_name = definition.name();
        if let Some(fields) = fields_of(definition) {
            for field in fields.values() {
                if self.is_hidden(&field.directives) {
                    continue;
                }
                self.check_reference(&field.ty, type_name, &field.name);
                for argument in &field.arguments {
                    self.check_argument(definition, field, argument);
                }
            }
            self.check_implementations(definition);
        }
        if let ExtendedType::InputObject(input) = definition {
            for field in input.fields.values() {
                let is_hidden = self.is_hidden(&field.directives);
                if is_hidden && field.is_required() {
                    let message = format!(
                        "`{type_name}.{}` is `@inaccessible` but required; give it a default, or make it optional",
                        field.name
                    );
                    self.error(ErrorCode::RequiredInaccessible, message, (type_name, Some(&field.name)));
                } else if !is_hidden {
                    self.check_reference(&field.ty, type_name, &field.name);
                    self.check_default(field, type_name, &field.name);
                }
            }
        }
    }

    /// Whether anything of the type remains.
    fn check_children(&mut self, definition: &ExtendedType) {
        let is_empty = match definition {
            ExtendedType::Scalar(_) => false,
            ExtendedType::Object(own) => own.fields.values().all(|field| self.is_hidden(&field.directives)),
            ExtendedType::Interface(own) => own.fields.values().all(|field| self.is_hidden(&field.directives)),
            ExtendedType::InputObject(own) => own.fields.values().all(|field| self.is_hidden(&field.directives)),
            ExtendedType::Enum(own) => own.values.values().all(|value| self.is_hidden(&value.directives)),
            ExtendedType::Union(own) => own.members.iter().all(|member| self.is_type_hidden(member)),
        };
        if is_empty {
            let name = definition.name();
            let message = format!("everything of `{name}` is `@inaccessible` but not `{name}` itself; hide it too");
            self.error(ErrorCode::OnlyInaccessibleChildren, message, (name, None));
        }
    }

    fn check_reference(&mut self, ty: &Type, type_name: &str, field: &str) {
        let target = ty.inner_named_type();
        if self.is_type_hidden(target) {
            let message = format!(
                "`{type_name}.{field}` has type `{ty}`, which is `@inaccessible`; hide the field too, or show the type"
            );
            self.error_of_reference(message, (type_name, field), target);
        }
    }

    fn check_argument(&mut self, definition: &ExtendedType, field: &FieldDefinition, argument: &InputValueDefinition) {
        let type_name = definition.name();
        let place = format!("argument `{}` of `{type_name}.{}`", argument.name, field.name);
        if !self.is_hidden(&argument.directives) {
            let target = argument.ty.inner_named_type();
            if self.is_type_hidden(target) {
                let message = format!(
                    "{place} has type `{}`, which is `@inaccessible`; hide the argument too, or show the type",
                    argument.ty
                );
                self.error_of_reference(message, (type_name, &field.name), target);
            }
            self.check_default(argument, type_name, &field.name);
            return;
        }
        if argument.is_required() {
            let message = format!("{place} is `@inaccessible` but required; give it a default, or make it optional");
            self.error(ErrorCode::RequiredInaccessible, message, (type_name, Some(&field.name)));
        }
        for interface in self.interfaces(definition) {
            let expected = self
                .schema
                .get_interface(&interface)
                .and_then(|interface| interface.fields.get(&field.name));
            let expected = expected.filter(|expected| !self.is_hidden(&expected.directives));
            let promised = expected.and_then(|expected| expected.argument_by_name(&argument.name));
            if promised.is_some_and(|promised| !self.is_hidden(&promised.directives)) {
                let message = format!(
                    "{place} is `@inaccessible`, but interface `{interface}` shows it; hide it in both or none"
                );
                self.error(
                    ErrorCode::ImplementedByInaccessible,
                    message,
                    (type_name, Some(&field.name)),
                );
            }
        }
    }

    /// Clients write directives in operations, so that their arguments are hidden and shown like those of fields; what
    /// stands in schemas is of no use to them anyway.
    fn check_directive(&mut self, directive: &DirectiveDefinition) {
        let name = &directive.name;
        let places = |checker: &Self| {
            let definitions = checker.subgraphs.iter().filter_map(|subgraph| {
                let own = subgraph.schema.directive_definitions.get(name)?;
                subgraph.locate(own.name.location())
            });
            definitions.collect::<Vec<_>>()
        };
        let is_of_schemas = directive.locations.iter().any(|location| !is_executable(*location));
        for argument in &directive.arguments {
            let place = format!("argument `@{name}({}:)`", argument.name);
            let is_hidden = self.is_hidden(&argument.directives);
            let target = argument.ty.inner_named_type();
            let (code, message) = if is_hidden && is_of_schemas {
                let message =
                    "is `@inaccessible`, which means nothing for a directive of schemas; remove `@inaccessible`";
                (ErrorCode::DisallowedInaccessible, message.to_owned())
            } else if is_hidden && argument.is_required() {
                let message = "is `@inaccessible` but required; give it a default, or make it optional";
                (ErrorCode::RequiredInaccessible, message.to_owned())
            } else if !is_hidden && self.is_type_hidden(target) {
                let message = format!("has type `{}`, which is `@inaccessible`; show the type", argument.ty);
                (ErrorCode::ReferencedInaccessible, message)
            } else if let Some(default) = argument.default_value.as_ref().filter(|_| !is_hidden)
                && let Some(hidden) = self.hidden_part(default, &argument.ty)
            {
                let message = format!("has a default with `{hidden}`, which is `@inaccessible`; use another default");
                (ErrorCode::DefaultValueUsesInaccessible, message)
            } else {
                continue;
            };
            let error = CompositionError::new(code, format!("{place} {message}")).at(places(self));
            self.errors.push(error);
        }
    }

    fn interfaces(&self, definition: &ExtendedType) -> Vec<Name> {
        let interfaces = match definition {
            ExtendedType::Object(own) => &own.implements_interfaces,
            ExtendedType::Interface(own) => &own.implements_interfaces,
            _ => return Vec::new(),
        };
        interfaces.iter().map(|interface| interface.name.clone()).collect()
    }

    /// What an interface shows, its implementations must show.
    fn check_implementations(&mut self, definition: &ExtendedType) {
        let Some(fields) = fields_of(definition) else { return };
        let type_name = definition.name();
        for interface in self.interfaces(definition) {
            let Some(promised) = self.schema.get_interface(&interface) else {
                continue;
            };
            if self.is_hidden(&promised.directives) {
                continue;
            }
            for expected in promised.fields.values() {
                let is_shown = !self.is_hidden(&expected.directives);
                if is_shown
                    && fields
                        .get(&expected.name)
                        .is_some_and(|field| self.is_hidden(&field.directives))
                {
                    let message = format!(
                        "`{type_name}.{}` is `@inaccessible`, but interface `{interface}` shows the field; hide it in both or none",
                        expected.name
                    );
                    self.error(
                        ErrorCode::ImplementedByInaccessible,
                        message,
                        (type_name, Some(&expected.name)),
                    );
                }
            }
        }
    }

    fn check_default(&mut self, input: &InputValueDefinition, type_name: &str, field: &str) {
        let Some(default) = &input.default_value else { return };
        if let Some(hidden) = self.hidden_part(default, &input.ty) {
            let message = format!(
                "the default `{}` of `{}` in `{type_name}.{field}` uses `{hidden}`, which is `@inaccessible`; use \
                 another default, or show it",
                on_one_line(default),
                input.name
            );
            self.error(
                ErrorCode::DefaultValueUsesInaccessible,
                message,
                (type_name, Some(field)),
            );
        }
    }

    fn hidden_part(&self, value: &Node<Value>, ty: &Type) -> Option<String> {
        let type_name = ty.inner_named_type();
        match (&**value, self.schema.types.get(type_name)?) {
            (Value::List(items), _) => items.iter().find_map(|item| self.hidden_part(item, ty)),
            (Value::Enum(given), ExtendedType::Enum(own)) => {
                let hidden = own
                    .values
                    .get(given)
                    .is_some_and(|value| self.is_hidden(&value.directives));
                hidden.then(|| format!("{type_name}.{given}"))
            }
            (Value::Object(given), ExtendedType::InputObject(own)) => given.iter().find_map(|(name, value)| {
                let field = own.fields.get(name)?;
                if self.is_hidden(&field.directives) {
                    return Some(format!("{type_name}.{name}"));
                }
                self.hidden_part(value, &field.ty)
            }),
            _ => None,
        }
    }
}
