//! Default values: checked against their types, and written in one way.
//!
//! apollo-compiler does not look at them yet. Servers print the default of an enum as a string now and then, which
//! Federation's composition has always accepted; it becomes the enum value here, so that later stages see one form.

use apollo_compiler::ast::{Definition, Document, FieldDefinition, InputValueDefinition, Type, Value};
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::{Name, Node};
use rustc_hash::FxHashMap;

use crate::error::on_one_line;

/// A default value that its type does not allow.
pub(super) struct InvalidDefault {
    pub(super) message: String,
    pub(super) span: Option<SourceSpan>,
}

/// Deepest nesting of a value that is looked into; the parser's own limit is of the same order.
const DEPTH_MAX: usize = 200;

/// Normalises all default values of a document and reports those of a wrong type.
pub(super) fn normalise_default_values(document: &mut Document) -> Vec<InvalidDefault> {
    if !has_default_values(document) {
        return Vec::new();
    }
    let types = InputTypes::of(document);
    let mut invalid = Vec::new();
    for (place, argument) in input_values(document) {
        let Some(value) = &argument.default_value else { continue };
        match types.coerce(value, &argument.ty, 0) {
            Ok(None) => {}
            Ok(Some(coerced)) => {
                let coerced = value.same_location(coerced);
                argument.make_mut().default_value = Some(coerced);
            }
            Err(reason) => invalid.push(InvalidDefault {
                message: format!(
                    "the default value `{}` of `{}: {}` is invalid: {reason}; give another default, or none",
                    on_one_line(value),
                    place.of(&argument.name),
                    argument.ty
                ),
                span: value.location().or(argument.location()),
            }),
        }
    }
    invalid
}

enum InputType {
    Enum(Vec<Name>),
    Object(FxHashMap<Name, Node<Type>>),
    Other,
}

struct InputTypes(FxHashMap<Name, InputType>);

impl InputTypes {
    fn of(document: &Document) -> Self {
        let mut types = FxHashMap::default();
        for definition in &document.definitions {
            match definition {
                Definition::EnumTypeDefinition(own) => {
                    add_values(&mut types, &own.name, own.values.iter().map(|value| &value.value));
                }
                Definition::EnumTypeExtension(own) => {
                    add_values(&mut types, &own.name, own.values.iter().map(|value| &value.value));
                }
                Definition::InputObjectTypeDefinition(own) => add_fields(&mut types, &own.name, &own.fields),
                Definition::InputObjectTypeExtension(own) => add_fields(&mut types, &own.name, &own.fields),
                Definition::ScalarTypeDefinition(own) => {
                    types.insert(own.name.clone(), InputType::Other);
                }
                _ => {}
            }
        }
        Self(types)
    }

    /// `None` when the value is fine as it stands.
    fn coerce(&self, value: &Value, ty: &Type, depth: usize) -> Result<Option<Value>, String> {
        if depth > DEPTH_MAX {
            return Err("it is nested too deeply".to_owned());
        }
        match (value, ty) {
            (Value::Variable(_), _) => Err("it must not be a variable".to_owned()),
            (Value::Null, Type::NonNullNamed(_) | Type::NonNullList(_)) => Err(format!("null is not a `{ty}`")),
            (Value::Null, _) => Ok(None),
            (Value::List(items), Type::List(inner) | Type::NonNullList(inner)) => {
                self.coerce_items(items, inner, depth)
            }
            (_, Type::List(inner) | Type::NonNullList(inner)) => self.coerce(value, inner, depth + 1),
            (_, Type::Named(name) | Type::NonNullNamed(name)) => self.coerce_named(value, name, depth),
        }
    }

    fn coerce_items(&self, items: &[Node<Value>], inner: &Type, depth: usize) -> Result<Option<Value>, String> {
        let mut changed = false;
        let mut coerced = Vec::with_capacity(items.len());
        for item in items {
            let new = self.coerce(item, inner, depth + 1)?;
            changed |= new.is_some();
            coerced.push(new.map_or_else(|| item.clone(), |new| item.same_location(new)));
        }
        Ok(changed.then_some(Value::List(coerced)))
    }

    fn coerce_named(&self, value: &Value, name: &Name, depth: usize) -> Result<Option<Value>, String> {
        let mismatch = || Err(format!("`{}` is not a `{name}`", on_one_line(value)));
        match (self.0.get(name), name.as_str(), value) {
            (Some(InputType::Enum(values)), _, Value::Enum(given)) if values.contains(given) => Ok(None),
            (Some(InputType::Enum(values)), _, Value::String(given)) => {
                match values.iter().find(|value| value.as_str() == given) {
                    Some(value) => Ok(Some(Value::Enum(value.clone()))),
                    None => mismatch(),
                }
            }
            (Some(InputType::Object(fields)), _, Value::Object(given)) => self.coerce_object(given, fields, depth),
            (Some(InputType::Enum(_) | InputType::Object(_)), _, _) => mismatch(),
            (Some(InputType::Other), _, _) => Ok(None),
            (None, "Int", Value::Int(_)) | (None, "Float", Value::Int(_) | Value::Float(_)) => Ok(None),
            (None, "String", Value::String(_)) | (None, "ID", Value::String(_) | Value::Int(_)) => Ok(None),
            (None, "Boolean", Value::Boolean(_)) => Ok(None),
            (None, "Int" | "Float" | "String" | "ID" | "Boolean", _) => mismatch(),
            // An unknown type is reported once, where it is used as a type.
            (None, _, _) => Ok(None),
        }
    }

    fn coerce_object(
        &self,
        given: &[(Name, Node<Value>)],
        fields: &FxHashMap<Name, Node<Type>>,
        depth: usize,
    ) -> Result<Option<Value>, String> {
        let mut changed = false;
        let mut coerced = Vec::with_capacity(given.len());
        for (name, value) in given {
            let Some(ty) = fields.get(name) else {
                return Err(format!("there is no input field `{name}`"));
            };
            let new = self.coerce(value, ty, depth + 1)?;
            changed |= new.is_some();
            coerced.push((
                name.clone(),
                new.map_or_else(|| value.clone(), |new| value.same_location(new)),
            ));
        }
        Ok(changed.then_some(Value::Object(coerced)))
    }
}

fn add_values<'d>(types: &mut FxHashMap<Name, InputType>, name: &Name, values: impl Iterator<Item = &'d Name>) {
    if let InputType::Enum(known) = types.entry(name.clone()).or_insert_with(|| InputType::Enum(Vec::new())) {
        known.extend(values.cloned());
    }
}

fn add_fields(types: &mut FxHashMap<Name, InputType>, name: &Name, fields: &[Node<InputValueDefinition>]) {
    if let InputType::Object(known) = types
        .entry(name.clone())
        .or_insert_with(|| InputType::Object(FxHashMap::default()))
    {
        known.extend(fields.iter().map(|field| (field.name.clone(), field.ty.clone())));
    }
}

fn has_default_values(document: &Document) -> bool {
    let any =
        |arguments: &[Node<InputValueDefinition>]| arguments.iter().any(|argument| argument.default_value.is_some());
    document.definitions.iter().any(|definition| match definition {
        Definition::ObjectTypeDefinition(own) => own.fields.iter().any(|field| any(&field.arguments)),
        Definition::ObjectTypeExtension(own) => own.fields.iter().any(|field| any(&field.arguments)),
        Definition::InterfaceTypeDefinition(own) => own.fields.iter().any(|field| any(&field.arguments)),
        Definition::InterfaceTypeExtension(own) => own.fields.iter().any(|field| any(&field.arguments)),
        Definition::InputObjectTypeDefinition(own) => any(&own.fields),
        Definition::InputObjectTypeExtension(own) => any(&own.fields),
        Definition::DirectiveDefinition(own) => any(&own.arguments),
        _ => false,
    })
}

/// What an argument or input field belongs to.
enum Place {
    /// A field of this type.
    Field(Name, Name),
    /// An input object.
    Input(Name),
    Directive(Name),
}

impl Place {
    fn of(&self, name: &Name) -> String {
        match self {
            Self::Field(parent, field) => format!("{parent}.{field}({name}:)"),
            Self::Input(parent) => format!("{parent}.{name}"),
            Self::Directive(directive) => format!("@{directive}({name}:)"),
        }
    }
}

/// Arguments of fields and directives, and input fields, that have a default value.
fn input_values(document: &mut Document) -> Found<'_> {
    let mut found = Vec::new();
    for definition in &mut document.definitions {
        match definition {
            Definition::ObjectTypeDefinition(own) => {
                let own = own.make_mut();
                add_arguments(&mut found, &own.name, &mut own.fields);
            }
            Definition::ObjectTypeExtension(own) => {
                let own = own.make_mut();
                add_arguments(&mut found, &own.name, &mut own.fields);
            }
            Definition::InterfaceTypeDefinition(own) => {
                let own = own.make_mut();
                add_arguments(&mut found, &own.name, &mut own.fields);
            }
            Definition::InterfaceTypeExtension(own) => {
                let own = own.make_mut();
                add_arguments(&mut found, &own.name, &mut own.fields);
            }
            Definition::InputObjectTypeDefinition(own) => {
                let own = own.make_mut();
                add_defaults(&mut found, &mut own.fields, || Place::Input(own.name.clone()));
            }
            Definition::InputObjectTypeExtension(own) => {
                let own = own.make_mut();
                add_defaults(&mut found, &mut own.fields, || Place::Input(own.name.clone()));
            }
            Definition::DirectiveDefinition(own) => {
                let own = own.make_mut();
                add_defaults(&mut found, &mut own.arguments, || Place::Directive(own.name.clone()));
            }
            _ => {}
        }
    }
    found
}

type Found<'d> = Vec<(Place, &'d mut Node<InputValueDefinition>)>;

fn add_arguments<'d>(found: &mut Found<'d>, parent: &Name, fields: &'d mut [Node<FieldDefinition>]) {
    for field in fields.iter_mut().filter(|field| !field.arguments.is_empty()) {
        let field = field.make_mut();
        add_defaults(found, &mut field.arguments, || {
            Place::Field(parent.clone(), field.name.clone())
        });
    }
}

fn add_defaults<'d>(found: &mut Found<'d>, values: &'d mut [Node<InputValueDefinition>], place: impl Fn() -> Place) {
    let with_default = values.iter_mut().filter(|value| value.default_value.is_some());
    found.extend(with_default.map(|value| (place(), value)));
}
