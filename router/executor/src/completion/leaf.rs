//! Scalars and enums: a value that is none of its type is a field error, and never passed on.

use std::io::Write as _;

use federation::query_plan::LeafType;

use super::{Completion, Propagate};
use crate::store::{Store, Text, Value, write_string};

impl Completion<'_, '_> {
    /// Writes a scalar or an enum, which must be what its type says (GraphQL spec, "Scalars", "Result Coercion").
    pub(super) fn leaf(&mut self, value: Value, leaf_type: &LeafType) -> Result<(), Propagate> {
        let store = self.store;
        match (leaf_type, value) {
            (LeafType::CustomScalar(_), value)
            | (LeafType::Boolean, value @ Value::Boolean(_))
            | (LeafType::String | LeafType::Id, value @ Value::String(_)) => store.write(value, &mut self.out),
            (LeafType::Int, Value::Number(text)) => match int(store.bytes(text)) {
                Some(int) => {
                    let _ = write!(self.out, "{int}");
                }
                None => return Err(self.invalid("expected a whole number of 32 bits".to_owned())),
            },
            (LeafType::Float, Value::Number(text)) if is_finite(store.bytes(text)) => {
                store.write(value, &mut self.out);
            }
            (LeafType::Id, Value::Number(text)) if is_whole(store.bytes(text)) => {
                write_string(store.bytes(text), &mut self.out);
            }
            (LeafType::Enum { values, .. }, Value::String(text)) if knows(values, store, text) => {
                store.write(value, &mut self.out);
            }
            (leaf_type, _) => return Err(self.invalid(expectation(leaf_type))),
        }
        Ok(())
    }
}

fn expectation(leaf_type: &LeafType) -> String {
    match leaf_type {
        LeafType::Int => "expected a whole number of 32 bits".to_owned(),
        LeafType::Float => "expected a finite number".to_owned(),
        LeafType::String => "expected a string".to_owned(),
        LeafType::Boolean => "expected true or false".to_owned(),
        LeafType::Id => "expected a string or a whole number".to_owned(),
        LeafType::CustomScalar(name) => format!("expected a `{name}`"),
        // The value is not told: it may be one that is hidden from clients.
        LeafType::Enum { name, .. } => format!("expected a value of the enum `{name}`"),
    }
}

fn knows<N: AsRef<str>>(values: &[N], store: &Store, text: Text) -> bool {
    let text = store.decoded(text);
    values.binary_search_by(|value| value.as_ref().cmp(&text)).is_ok()
}

fn number_text(number: &[u8]) -> Option<&str> {
    std::str::from_utf8(number).ok()
}

/// `1`, `-1`, and `1.0` or `1e2`, which some languages write for whole numbers.
fn int(number: &[u8]) -> Option<i32> {
    let number = number_text(number)?;
    if let Ok(int) = number.parse() {
        return Some(int);
    }
    let float: f64 = number.parse().ok()?;
    let is_int = float.fract() == 0.0 && float >= f64::from(i32::MIN) && float <= f64::from(i32::MAX);
    is_int.then_some(float as i32)
}

fn is_finite(number: &[u8]) -> bool {
    // Fewer than 300 digits without an exponent are.
    let is_short = number.len() < 300 && !number.iter().any(|byte| matches!(byte, b'e' | b'E'));
    is_short
        || number_text(number)
            .and_then(|number| number.parse().ok())
            .is_some_and(f64::is_finite)
}

fn is_whole(number: &[u8]) -> bool {
    number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-')
}
