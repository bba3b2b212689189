//! Values of defaults and directive arguments: when two subgraphs say the same.

use apollo_compiler::ast::Value;

/// Whether two values mean the same: fields of an object stand in any order, and `1` is `1.0`.
pub(super) fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let has_same = |(name, value): &(_, apollo_compiler::Node<Value>)| {
                let mut others = right.iter();
                others.any(|(other, other_value)| other == name && same_value(value, other_value))
            };
            left.len() == right.len() && left.iter().all(has_same)
        }
        (Value::List(left), Value::List(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| same_value(left, right))
        }
        (Value::Int(left), Value::Float(right)) => left.try_to_f64().ok() == right.try_to_f64().ok(),
        (Value::Float(left), Value::Int(right)) => left.try_to_f64().ok() == right.try_to_f64().ok(),
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use apollo_compiler::ast::{Document, Value};

    use super::same_value;

    fn value(text: &str) -> Value {
        let document = Document::parse(format!("directive @d(a: A = {text}) on FIELD"), "value.graphql");
        let document = document.expect("a directive definition");
        let definition = document.definitions[0]
            .as_directive_definition()
            .expect("a directive definition");
        let default = definition.arguments[0].default_value.as_ref().expect("a default");
        (**default).clone()
    }

    #[test]
    fn values_are_compared_by_meaning() {
        let cases = [
            ("1", "1", true),
            ("1", "1.0", true),
            ("1", "2.0", false),
            ("{ a: 1, b: [2] }", "{ b: [2], a: 1 }", true),
            ("{ a: 1, b: 2 }", "{ a: 1 }", false),
            ("[1, 2]", "[2, 1]", false),
            ("RED", "\"RED\"", false),
            ("null", "null", true),
        ];
        for (left, right, expected) in cases {
            assert_eq!(same_value(&value(left), &value(right)), expected, "{left} and {right}");
            assert_eq!(same_value(&value(right), &value(left)), expected, "{right} and {left}");
        }
    }
}
