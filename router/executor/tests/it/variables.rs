//! Coercion of variables.

use std::fmt::Write;

use executor::coerce_variables;
use expect_test::{Expect, expect};
use federation::error::REQUEST_ERRORS_MAX;
use serde_json::{Map, Value, json};

use crate::harness::operation;

const SCHEMA: &str = "
    type Query { a(i: Int, id: ID, f: Filter, l: [[Int!]], e: E, x: JSON, o: One, n: Float, b: Boolean): Int }
    input Filter { min: Int!  max: Int = 9  also: [Filter!]  e: E }
    input One @oneOf { a: Int  b: Int }
    enum E { X Y }
    scalar JSON
    directive @oneOf on INPUT_OBJECT
";

#[track_caller]
fn check(definitions: &str, variables: &str, expected: &Expect) {
    let uses = definitions.split('$').skip(1).map(|definition| {
        let name = definition.split(':').next().unwrap();
        format!("{name}: a({name}: ${name})")
    });
    let query = format!("query({definitions}) {{ {} }}", uses.collect::<Vec<_>>().join(" "));
    let variables: Value = serde_json::from_str(variables).unwrap();
    let report = match coerce_variables(&operation(SCHEMA, &query), variables.as_object().cloned()) {
        Ok(coerced) => format!("{}\n", Value::Object(coerced)),
        Err(errors) => errors.iter().fold(String::new(), |mut report, error| {
            writeln!(report, "{}: {}", error.code, error.message).unwrap();
            report
        }),
    };
    expected.assert_eq(&report);
}

#[test]
fn values_are_coerced() {
    check(
        "$i: Int = 3, $id: ID, $l: [[Int!]], $x: JSON, $f: Filter, $n: Float, $b: Boolean",
        r#"{"id":7,"l":1,"x":{"any":[1]},"f":{"min":1,"also":{"min":2}},"n":1,"unknown":1}"#,
        &expect![[r#"
            {"i":3,"id":"7","l":[[1]],"x":{"any":[1]},"f":{"min":1,"also":[{"min":2}]},"n":1}
        "#]],
    );
    check(
        "$i: Int = 3, $e: E = X",
        r#"{"i":null}"#,
        &expect![[r#"
        {"i":null,"e":"X"}
    "#]],
    );
}

#[test]
fn of_very_many_wrong_values_the_first_are_told() {
    let operation = operation(
        SCHEMA,
        "query($l: [[Int!]], $x: JSON!, $f: Filter) { a(l: $l, x: $x, f: $f) }",
    );
    let wrong = json!("x");
    let objects: Vec<Value> = vec![json!({ "wrong": 1 }); 1_000];
    let fields: Map<String, Value> = (0..1_000).map(|number| (format!("f{number}"), wrong.clone())).collect();
    for variables in [
        json!({ "l": [vec![&wrong; 1_000], vec![&wrong; 1_000]] }),
        json!({ "l": vec![&wrong; 1_000], "x": 1 }),
        json!({ "f": { "min": 1, "also": objects }, "x": 1 }),
        json!({ "f": fields, "x": 1 }),
    ] {
        let errors = coerce_variables(&operation, variables.as_object().cloned()).unwrap_err();
        assert_eq!(errors.len(), REQUEST_ERRORS_MAX, "{errors:?}");
    }
}

#[test]
fn every_wrong_value_is_told() {
    check(
        "$i: Int!, $id: ID!, $l: [[Int!]], $e: E, $f: Filter, $n: Float, $b: Boolean, $o: One",
        r#"{"i":2147483648,"l":[[1],[null,"x"]],"e":"Z","f":{"also":[{"min":1.5,"wrong":1}]},"n":"1","b":0,"o":{"a":1,"b":2}}"#,
        &expect![[r#"
            BAD_USER_INPUT: variable `$i`: expected a value of type `Int`
            BAD_USER_INPUT: variable `$id`: a value is required
            BAD_USER_INPUT: variable `$l` at `l[1][0]`: expected a value of type `Int!`, not null
            BAD_USER_INPUT: variable `$l` at `l[1][1]`: expected a value of type `Int`
            BAD_USER_INPUT: variable `$e`: expected a value of type `E`
            BAD_USER_INPUT: variable `$f` at `f.min`: a value is required
            BAD_USER_INPUT: variable `$f` at `f.also[0].min`: expected a value of type `Int`
            BAD_USER_INPUT: variable `$f` at `f.also[0].wrong`: `Filter` has no such field
            BAD_USER_INPUT: variable `$n`: expected a value of type `Float`
            BAD_USER_INPUT: variable `$b`: expected a value of type `Boolean`
            BAD_USER_INPUT: variable `$o`: exactly one field of `One` must be given, and not as null
        "#]],
    );
}
