//! Coercion of a client's variables (GraphQL spec, "CoerceVariableValues").
//!
//! Defaults of input object fields are left to the subgraphs, which know them; those of variables are filled in.

use apollo_compiler::Name;
use apollo_compiler::executable::{Type, Value, VariableDefinition};
use apollo_compiler::schema::{ExtendedType, InputObjectType};

use federation::error::{ErrorCode, Location, REQUEST_ERRORS_MAX, RequestError};
use federation::operation::Operation;
use serde_json::{Map, Value as JsonValue};

/// The values of `operation`'s variables; those it does not declare are left out.
///
/// # Errors
/// `BAD_USER_INPUT`, one for each of the first 32 wrong values, such as: variable `$filter` at `filter.price[0]`: expected a value of type `Int`.
pub fn coerce_variables(
    operation: &Operation,
    raw: Option<Map<String, JsonValue>>,
) -> Result<Map<String, JsonValue>, Vec<RequestError>> {
    let mut raw = raw.unwrap_or_default();
    let mut coerced = Map::new();
    let mut errors = Vec::new();
    for definition in &operation.definition().variables {
        let mut coercion = Coercion {
            operation,
            definition,
            path: definition.name.to_string(),
            errors: &mut errors,
        };
        if coercion.is_given_up() {
            break;
        }
        match raw.remove(definition.name.as_str()) {
            Some(value) => {
                let value = coercion.value(value, &definition.ty);
                coerced.insert(definition.name.to_string(), value);
            }
            None => match &definition.default_value {
                Some(default) => {
                    coerced.insert(definition.name.to_string(), constant(default));
                }
                None if definition.ty.is_non_null() => coercion.error("a value is required"),
                None => {}
            },
        }
    }
    if errors.is_empty() { Ok(coerced) } else { Err(errors) }
}

struct Coercion<'a> {
    operation: &'a Operation,
    definition: &'a VariableDefinition,
    /// Of the value at hand: `filter.price[0]`.
    path: String,
    errors: &'a mut Vec<RequestError>,
}

impl Coercion<'_> {
    fn value(&mut self, value: JsonValue, expected: &Type) -> JsonValue {
        match (value, expected) {
            (JsonValue::Null, expected) => {
                if expected.is_non_null() {
                    self.error(&format!("expected a value of type `{expected}`, not null"));
                }
                JsonValue::Null
            }
            (JsonValue::Array(items), Type::List(item_type) | Type::NonNullList(item_type)) => {
                let items = items.into_iter().enumerate().map_while(|(index, item)| {
                    let is_wanted = !self.is_given_up();
                    is_wanted.then(|| self.below(&format!("[{index}]"), |it| it.value(item, item_type)))
                });
                items.collect()
            }
            // One value stands for a list of one.
            (value, Type::List(item_type) | Type::NonNullList(item_type)) => {
                JsonValue::Array(vec![self.value(value, item_type)])
            }
            (value, Type::Named(name) | Type::NonNullNamed(name)) => self.named(value, name),
        }
    }

    fn named(&mut self, value: JsonValue, name: &Name) -> JsonValue {
        let operation = self.operation;
        let is_expected = match operation.schema().schema().types.get(name) {
            Some(ExtendedType::InputObject(input)) => {
                return match value {
                    JsonValue::Object(fields) => self.input_object(fields, input),
                    value => self.unexpected(value, name),
                };
            }
            Some(ExtendedType::Enum(definition)) => value
                .as_str()
                .is_some_and(|value| definition.values.keys().any(|known| known == value)),
            // A whole number is an ID, too; subgraphs get it as the string it is.
            _ if name == "ID" && (value.is_i64() || value.is_u64()) => return JsonValue::String(value.to_string()),
            _ => is_scalar(&value, name),
        };
        if is_expected {
            value
        } else {
            self.unexpected(value, name)
        }
    }

    fn input_object(&mut self, fields: Map<String, JsonValue>, input: &InputObjectType) -> JsonValue {
        for definition in input.fields.values() {
            if definition.is_required() && !fields.contains_key(definition.name.as_str()) {
                self.below(&format!(".{}", definition.name), |it| it.error("a value is required"));
            }
        }
        if input.directives.has("oneOf") && (fields.len() != 1 || fields.values().any(JsonValue::is_null)) {
            self.error(&format!(
                "exactly one field of `{}` must be given, and not as null",
                input.name
            ));
        }
        let coerced = fields.into_iter().map_while(|(name, value)| {
            if self.is_given_up() {
                return None;
            }
            let value = self.below(&format!(".{name}"), |it| match input.fields.get(name.as_str()) {
                Some(definition) => it.value(value, &definition.ty),
                None => {
                    it.error(&format!("`{}` has no such field", input.name));
                    value
                }
            });
            Some((name, value))
        });
        JsonValue::Object(coerced.collect())
    }

    /// Whether there are as many errors as are told, so that what is still to be coerced makes no difference.
    fn is_given_up(&self) -> bool {
        self.errors.len() >= REQUEST_ERRORS_MAX
    }

    fn below<T>(&mut self, step: &str, coerce: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(step);
        let coerced = coerce(self);
        self.path.truncate(length);
        coerced
    }

    fn unexpected(&mut self, value: JsonValue, name: &Name) -> JsonValue {
        self.error(&format!("expected a value of type `{name}`"));
        value
    }

    /// Without the value: it may be a password.
    fn error(&mut self, message: &str) {
        if self.is_given_up() {
            return;
        }
        let sources = &self.operation.document().sources;
        let message = match self.path == self.definition.name.as_str() {
            true => format!("variable `${}`: {message}", self.definition.name),
            false => format!("variable `${}` at `{}`: {message}", self.definition.name, self.path),
        };
        let location = Location::of(self.definition.name.location(), sources);
        self.errors
            .push(RequestError::new(ErrorCode::BadUserInput, message).at(location));
    }
}

/// Source: GraphQL spec, "Input Coercion" of each built-in scalar. Custom scalars take any value.
fn is_scalar(value: &JsonValue, name: &Name) -> bool {
    match name.as_str() {
        "Int" => value.as_i64().is_some_and(|value| i32::try_from(value).is_ok()),
        "Float" => value.is_number(),
        "String" | "ID" => value.is_string(),
        "Boolean" => value.is_boolean(),
        _ => true,
    }
}

/// A literal without variables as JSON. Numbers that JSON cannot hold become null; validation admits none.
fn constant(value: &Value) -> JsonValue {
    match value {
        Value::Null | Value::Variable(_) => JsonValue::Null,
        Value::Enum(name) => name.as_str().into(),
        Value::String(text) => text.as_str().into(),
        Value::Boolean(value) => (*value).into(),
        Value::Int(number) => serde_json::from_str(number.as_str()).unwrap_or_default(),
        Value::Float(number) => serde_json::from_str(number.as_str()).unwrap_or_default(),
        Value::List(items) => items.iter().map(|item| constant(item)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.to_string(), constant(value)))
            .collect(),
    }
}
