//! The schema definition, types, their fields, members and values: what clients select and receive.

use apollo_compiler::Name;
use apollo_compiler::ast::{FieldDefinition, Type};
use apollo_compiler::collections::{IndexMap, IndexSet};
use apollo_compiler::coordinate::{TypeAttributeCoordinate, TypeCoordinate};
use apollo_compiler::schema::{
    Component, ComponentName, EnumType, ExtendedType, InputObjectType, ScalarType, UnionType,
};

use super::inputs::{ARGUMENT, INPUT_FIELD};
use super::{ChangeCode, Comparison, Coordinate, Effect, SchemaChange, Severity, deprecated};
use crate::api_schema::ApiSchema;
use crate::query_plan::OperationKind;

impl Comparison<'_> {
    pub(super) fn schema_definition(&mut self) {
        let description = |schema: &ApiSchema| schema.schema().schema_definition.description.clone();
        if description(self.old) != description(self.new) {
            let message = "the description of the schema changed".to_owned();
            self.push_to_schema(ChangeCode::DescriptionChanged, Severity::Safe, message);
        }
        for (code, kind, operation) in [
            (ChangeCode::SchemaQueryTypeChanged, OperationKind::Query, "query"),
            (
                ChangeCode::SchemaMutationTypeChanged,
                OperationKind::Mutation,
                "mutation",
            ),
            (
                ChangeCode::SchemaSubscriptionTypeChanged,
                OperationKind::Subscription,
                "subscription",
            ),
        ] {
            self.root_type(code, kind, operation);
        }
    }

    fn root_type(&mut self, code: ChangeCode, kind: OperationKind, operation: &str) {
        let (old_schema, new_schema) = (self.old, self.new);
        let (severity, message) = match (old_schema.root_type(kind), new_schema.root_type(kind)) {
            (Some(old), Some(new)) if old != new => {
                // Operations that do not name the root type go on as before, so that its fields are compared too.
                if let (Some(old), Some(new)) =
                    (old_schema.schema().get_object(old), new_schema.schema().get_object(new))
                {
                    self.fields(&old.name, &old.fields, &new.fields);
                }
                let message = format!(
                    "the root type of each {operation} is `{new}` instead of `{old}`: fragments on `{old}` are refused there"
                );
                (Severity::Breaking, message)
            }
            (Some(old), None) => {
                let message = format!("`{old}` is no longer a root type: every {operation} is refused");
                (Severity::Breaking, message)
            }
            (None, Some(new)) => (
                Severity::Safe,
                format!("`{new}` is a root type now: each {operation} begins there"),
            ),
            _ => return,
        };
        self.push_to_schema(code, severity, message);
    }

    fn push_to_schema(&mut self, code: ChangeCode, severity: Severity, message: String) {
        self.changes
            .push(SchemaChange::new(code, severity, Coordinate::Schema, message));
    }

    pub(super) fn types(&mut self) {
        let (old_types, new_types) = (&self.old.schema().types, &self.new.schema().types);
        for (name, old) in old_types.iter().filter(|(_, old)| !old.is_built_in()) {
            match new_types.get(name) {
                Some(new) => self.same_type(old, new),
                None => {
                    let message = format!("`{name}` is gone: operations that name it are refused");
                    self.push(ChangeCode::TypeRemoved, Severity::Breaking, coordinate(name), message);
                }
            }
        }
        for (name, new) in new_types.iter().filter(|(_, new)| !new.is_built_in()) {
            if !old_types.contains_key(name) {
                let message = format!("`{name}` is new");
                self.push(ChangeCode::TypeAdded, Severity::Safe, coordinate(name), message);
                self.interfaces_added(name, &IndexSet::default(), &interfaces(new));
            }
        }
    }

    fn same_type(&mut self, old: &ExtendedType, new: &ExtendedType) {
        let name = old.name();
        self.description(
            coordinate(name),
            old.description().map(|d| d.as_str()),
            new.description().map(|d| d.as_str()),
        );
        match (old, new) {
            (ExtendedType::Scalar(old), ExtendedType::Scalar(new)) => self.scalar(old, new),
            (ExtendedType::Object(old), ExtendedType::Object(new)) => {
                self.fields(name, &old.fields, &new.fields);
                self.interfaces(name, &old.implements_interfaces, &new.implements_interfaces);
            }
            (ExtendedType::Interface(old), ExtendedType::Interface(new)) => {
                self.fields(name, &old.fields, &new.fields);
                self.interfaces(name, &old.implements_interfaces, &new.implements_interfaces);
            }
            (ExtendedType::Union(old), ExtendedType::Union(new)) => self.union(old, new),
            (ExtendedType::Enum(old), ExtendedType::Enum(new)) => self.enum_values(old, new),
            (ExtendedType::InputObject(old), ExtendedType::InputObject(new)) => self.input_object(old, new),
            _ => {
                let message = format!(
                    "`{name}` is {} instead of {}: what clients select, send and receive differs",
                    kind(new),
                    kind(old)
                );
                self.push(
                    ChangeCode::TypeKindChanged,
                    Severity::Breaking,
                    coordinate(name),
                    message,
                );
            }
        }
    }

    fn scalar(&mut self, old: &ScalarType, new: &ScalarType) {
        let url = |scalar: &ScalarType| {
            let directive = scalar.directives.get("specifiedBy")?;
            let url = directive.specified_argument_by_name("url")?;
            url.as_str().map(str::to_owned)
        };
        let name = &old.name;
        let (severity, message) = match (url(old), url(new)) {
            (Some(old), Some(new)) if old != new => (
                Severity::Dangerous,
                format!("values of `{name}` are specified by {new} instead of {old}: they may be written differently"),
            ),
            (None, Some(new)) => (Severity::Safe, format!("values of `{name}` are specified by {new} now")),
            (Some(old), None) => (
                Severity::Safe,
                format!("`{name}` no longer says that its values are specified by {old}"),
            ),
            _ => return,
        };
        self.push(ChangeCode::SpecifiedByChanged, severity, coordinate(name), message);
    }

    fn fields(
        &mut self,
        type_name: &Name,
        old: &IndexMap<Name, Component<FieldDefinition>>,
        new: &IndexMap<Name, Component<FieldDefinition>>,
    ) {
        for (name, field) in old {
            let own = attribute(type_name, name);
            match new.get(name) {
                Some(other) => self.field(&own, field, other),
                None => {
                    let deprecated = deprecated(&field.directives).map_or("", |_| " (it was deprecated)");
                    let message = format!("`{own}` is gone{deprecated}: operations that select it are refused");
                    self.push(ChangeCode::FieldRemoved, Severity::Breaking, own, message);
                }
            }
        }
        for name in new.keys().filter(|name| !old.contains_key(*name)) {
            let own = attribute(type_name, name);
            let message = format!("`{own}` is new");
            self.push(ChangeCode::FieldAdded, Severity::Safe, own, message);
        }
    }

    fn field(&mut self, own: &TypeAttributeCoordinate, old: &FieldDefinition, new: &FieldDefinition) {
        if old.ty != new.ty {
            let compared = self.compare_output(&old.ty, &new.ty);
            let (severity, consequence) = match compared {
                OutputChange::Fits => (Severity::Safe, "every answer fits what clients expect"),
                OutputChange::Narrower => (
                    Severity::Breaking,
                    "every answer fits what clients expect, but fields and fragments of other types are refused",
                ),
                OutputChange::MayBeNull => (Severity::Breaking, "clients that rely on a value may meet null"),
                OutputChange::ListOrNot => (
                    Severity::Breaking,
                    "clients receive values nested in another number of lists",
                ),
                OutputChange::Other => (Severity::Breaking, "clients receive values of another type"),
            };
            let message = format!("`{own}` is `{}` instead of `{}`: {consequence}", new.ty, old.ty);
            let own = Coordinate::Element(own.clone().into());
            let mut change = SchemaChange::new(ChangeCode::FieldTypeChanged, severity, own, message);
            if !matches!(compared, OutputChange::Fits | OutputChange::Narrower) {
                change.effect = Effect::OnAnswers;
            }
            self.changes.push(change);
        }
        let argument =
            |argument: &apollo_compiler::ast::InputValueDefinition| own.with_argument(argument.name.clone()).into();
        self.inputs(&ARGUMENT, argument, old.arguments.iter(), new.arguments.iter());
        self.deprecation(own.clone(), deprecated(&old.directives), deprecated(&new.directives));
        self.description(own.clone(), old.description.as_deref(), new.description.as_deref());
    }

    fn interfaces(&mut self, name: &Name, old: &IndexSet<ComponentName>, new: &IndexSet<ComponentName>) {
        for interface in old.difference(new) {
            let message = format!(
                "`{name}` no longer implements `{interface}`: operations with one inside the other may be refused"
            );
            self.push_with(
                (ChangeCode::ImplementedInterfaceRemoved, Severity::Breaking),
                name,
                &interface.name,
                message,
            );
        }
        self.interfaces_added(name, old, new);
    }

    fn interfaces_added(&mut self, name: &Name, old: &IndexSet<ComponentName>, new: &IndexSet<ComponentName>) {
        // Of an interface that is new as well, nobody has selected anything yet.
        let known = self.old.schema();
        let added = new
            .difference(old)
            .filter(|interface| known.types.contains_key(&interface.name));
        for interface in added {
            let message = format!(
                "`{name}` implements `{interface}` now: clients that select `{interface}` may meet a type they do not know"
            );
            self.push_with(
                (ChangeCode::ImplementedInterfaceAdded, Severity::Dangerous),
                name,
                &interface.name,
                message,
            );
        }
    }

    fn union(&mut self, old: &UnionType, new: &UnionType) {
        let name = &old.name;
        for member in old.members.difference(&new.members) {
            let message = format!("`{member}` is no longer a member of `{name}`: fragments on it are refused there");
            let what = (ChangeCode::UnionMemberRemoved, Severity::Breaking);
            self.push_with(what, name, &member.name, message);
        }
        for member in new.members.difference(&old.members) {
            let message =
                format!("`{member}` is a member of `{name}` now: clients may meet a type that they do not know");
            let what = (ChangeCode::UnionMemberAdded, Severity::Dangerous);
            self.push_with(what, name, &member.name, message);
        }
    }

    /// A change of type `name` in what it has to do with type `other`.
    fn push_with(&mut self, (code, severity): (ChangeCode, Severity), name: &Name, other: &Name, message: String) {
        let own = Coordinate::Element(coordinate(name).into());
        let mut change = SchemaChange::new(code, severity, own, message);
        change.other = Some(other.clone());
        self.changes.push(change);
    }

    fn enum_values(&mut self, old: &EnumType, new: &EnumType) {
        for (name, value) in &old.values {
            let own = attribute(&old.name, name);
            match new.values.get(name) {
                Some(other) => {
                    self.deprecation(
                        own.clone(),
                        deprecated(&value.directives),
                        deprecated(&other.directives),
                    );
                    self.description(own, value.description.as_deref(), other.description.as_deref());
                }
                None => {
                    let message = format!("`{own}` is gone: operations and variables that hold it are refused");
                    self.push(ChangeCode::EnumValueRemoved, Severity::Breaking, own, message);
                }
            }
        }
        for name in new.values.keys().filter(|name| !old.values.contains_key(*name)) {
            let own = attribute(&old.name, name);
            let message = format!("`{own}` is new: clients may meet a value that they do not know");
            self.push(ChangeCode::EnumValueAdded, Severity::Dangerous, own, message);
        }
    }

    fn input_object(&mut self, old: &InputObjectType, new: &InputObjectType) {
        let name = &old.name;
        match (old.directives.has("oneOf"), new.directives.has("oneOf")) {
            (false, true) => {
                let message = format!("`{name}` is `@oneOf` now: values with none or several fields are refused");
                self.push(ChangeCode::OneOfAdded, Severity::Breaking, coordinate(name), message);
            }
            (true, false) => {
                let message = format!("`{name}` is no longer `@oneOf`: several fields may be given");
                self.push(ChangeCode::OneOfRemoved, Severity::Safe, coordinate(name), message);
            }
            _ => {}
        }
        let field = |field: &apollo_compiler::ast::InputValueDefinition| attribute(name, &field.name).into();
        self.inputs(
            &INPUT_FIELD,
            field,
            old.fields.values().map(|field| &field.node),
            new.fields.values().map(|field| &field.node),
        );
    }

    /// What the step from `old` to `new` means for answers: output positions are covariant.
    fn compare_output(&self, old: &Type, new: &Type) -> OutputChange {
        let (old_inner, new_inner) = match (old, new) {
            (Type::NonNullNamed(_) | Type::NonNullList(_), Type::Named(_) | Type::List(_)) => {
                let rest = self.compare_output(&old.clone().nullable(), new);
                return rest.max(OutputChange::MayBeNull);
            }
            (Type::Named(old) | Type::NonNullNamed(old), Type::Named(new) | Type::NonNullNamed(new)) => {
                return self.compare_named(old, new);
            }
            (Type::List(old) | Type::NonNullList(old), Type::List(new) | Type::NonNullList(new)) => (old, new),
            _ => return OutputChange::ListOrNot,
        };
        self.compare_output(old_inner, new_inner)
    }

    fn compare_named(&self, old: &Name, new: &Name) -> OutputChange {
        if old == new {
            return OutputChange::Fits;
        }
        let (old_types, new_types) = (self.old.possible_types(old), self.new.possible_types(new));
        if new_types.is_empty() || !new_types.iter().all(|name| old_types.contains(name)) {
            return OutputChange::Other;
        }
        let fields = |schema: &ApiSchema, name: &Name| -> Vec<Name> {
            let fields = match schema.schema().types.get(name) {
                Some(ExtendedType::Object(object)) => Some(&object.fields),
                Some(ExtendedType::Interface(interface)) => Some(&interface.fields),
                _ => None,
            };
            fields.into_iter().flat_map(|fields| fields.keys().cloned()).collect()
        };
        let new_fields = fields(self.new, new);
        let is_same =
            new_types.len() == old_types.len() && fields(self.old, old).iter().all(|field| new_fields.contains(field));
        if is_same {
            OutputChange::Fits
        } else {
            OutputChange::Narrower
        }
    }
}

/// From harmless to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum OutputChange {
    /// Whatever may be answered could be answered before, and the same can be selected.
    Fits,
    /// The former, but not the latter.
    Narrower,
    MayBeNull,
    ListOrNot,
    Other,
}

fn coordinate(name: &Name) -> TypeCoordinate {
    TypeCoordinate { ty: name.clone() }
}

fn attribute(type_name: &Name, name: &Name) -> TypeAttributeCoordinate {
    coordinate(type_name).with_attribute(name.clone())
}

fn interfaces(definition: &ExtendedType) -> IndexSet<ComponentName> {
    match definition {
        ExtendedType::Object(object) => object.implements_interfaces.clone(),
        ExtendedType::Interface(interface) => interface.implements_interfaces.clone(),
        _ => IndexSet::default(),
    }
}

fn kind(definition: &ExtendedType) -> &'static str {
    match definition {
        ExtendedType::Scalar(_) => "a scalar",
        ExtendedType::Object(_) => "an object type",
        ExtendedType::Interface(_) => "an interface",
        ExtendedType::Union(_) => "a union",
        ExtendedType::Enum(_) => "an enum",
        ExtendedType::InputObject(_) => "an input object type",
    }
}
