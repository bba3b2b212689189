//! `__schema` and `__type`, answered from the API schema.

use apollo_compiler::introspection::partial_execute;
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::{ExecutableDocument, Schema};
use expect_test::expect;
use federation::api_schema::ApiSchema;
use federation::introspection::{INTROSPECTION_BYTES_MAX, IntrospectionError, introspect};
use serde_json::{Map, Value, json};

/// All that can be asked, with types as deep as GraphiQL wants them.
const EVERYTHING: &str = include_str!("everything.graphql");

/// What apollo-compiler answers.
fn reference(schema: &ApiSchema, document: &str, variables: &Value) -> String {
    let document =
        ExecutableDocument::parse_and_validate(schema.schema(), document, "introspection.graphql").expect("valid");
    let operation = document.operations.get(None).expect("one operation");
    let variables = serde_json::from_value(variables.clone()).expect("an object");
    let variables = coerce_variable_values(schema.schema(), operation, &variables).expect("variables fit");
    let response = partial_execute(schema.schema(), schema.implementers(), &document, operation, &variables);
    serde_json::to_string(&response.expect("introspection runs").data).expect("data is JSON")
}

fn answer(schema: &ApiSchema, document: &str, variables: &Value) -> String {
    let data = introspect(schema, document, variables.as_object().expect("an object")).expect("an answer");
    String::from_utf8(data).expect("UTF-8")
}

#[test]
fn everything_is_answered_as_by_apollo_compiler() {
    let schema = r#"
        "A graph" schema { query: Root  mutation: Change }
        "Says \"more\"\tthan é" directive @tag(name: String! = "a\"b", old: Int @deprecated) repeatable on OBJECT | FIELD_DEFINITION
        scalar Date @specifiedBy(url: "https://dates.example")
        scalar JSON
        interface Node { id: ID! }
        interface Named implements Node { id: ID!  name(long: Boolean = true, old: Int @deprecated(reason: null)): String }
        type Product implements Node & Named @tag {
          id: ID!
          name(long: Boolean = true, old: Int): String @deprecated(reason: "say `title`")
          grid: [[Int!]!]!
          made: [Date] @deprecated
        }
        type Book implements Node { id: ID! }
        union Media = Product | Book
        enum State { "As new" NEW  USED @deprecated(reason: "é\n") }
        input Filter { states: [State!]! = [NEW]  also: Filter  old: Int @deprecated  text: String = "\u00e9" }
        type Root { media(filter: Filter): Media  json: JSON }
        type Change { a: Int }
    "#;
    let schema = ApiSchema::from_supergraph(&Schema::parse(schema, "schema.graphql").unwrap()).unwrap();
    for old in [json!(true), json!(false), json!(null)] {
        let variables = json!({ "old": old });
        let expected = reference(&schema, EVERYTHING, &variables);
        assert_eq!(answer(&schema, EVERYTHING, &variables), expected, "{variables}");
    }
    for name in ["Product", "Media", "Filter", "State", "JSON", "__Type", "None"] {
        let document = r#"query($name: String!) { __type(name: $name) {
            __typename kind name possibleTypes { name } enumValues { name } inputFields { name }
            fields { name args { name } type { kind ofType { kind name } } } } }"#;
        let variables = json!({ "name": name });
        assert_eq!(
            answer(&schema, document, &variables),
            reference(&schema, document, &variables),
            "{name}"
        );
    }
}

/// Types of six fields, of which some have arguments: what 20 subgraphs of 500 types each compose to.
fn large() -> ApiSchema {
    let mut sdl = String::from("type Query { a: T0 }");
    for number in 0..10_000 {
        let next = (number * 7 + 1) % 10_000;
        sdl.push_str(&format!(
            r#" "One of the many types of a large graph" type T{number} {{ id: ID!  name: String!  next(first: Int! = 10): [T{next}!]!
            "The sum of all prices" price(currency: String, at: String): Float  tags: [String!]!  old: Int @deprecated }}"#
        ));
    }
    ApiSchema::parse(&sdl).expect("a schema")
}

#[test]
fn a_large_graph_is_shown_and_not_ever_again_in_one_answer() {
    let schema = large();
    let data = introspect(&schema, EVERYTHING, json!({ "old": true }).as_object().unwrap()).unwrap();
    assert!(data.len() > INTROSPECTION_BYTES_MAX / 3, "{}", data.len());
    let aliases = |field: &str| {
        (0..1_900)
            .map(|number| format!(" a{number}: {field}"))
            .collect::<String>()
    };
    for document in [
        format!(
            "{{ __schema {{ types {{ fields {{ type {{ ofType {{ ofType {{ ofType {{ fields {{ {} }} }} }} }} }} }} }} }} }}",
            aliases("name")
        ),
        format!("{{ {} }}", aliases("__schema { types { name fields { name } } }")),
        format!("{{ __schema {{ types {{ {} }} }} }}", aliases("description")),
    ] {
        let refused = introspect(&schema, &document, &Map::new());
        let is_too_long = matches!(refused, Err(IntrospectionError::TooLong { .. }));
        assert!(is_too_long, "{:?}", refused.map(|data| data.len()));
    }
}

#[test]
fn clients_learn_that_fragments_may_be_deferred() {
    let schema = Schema::parse("type Query { a: Int }", "schema.graphql").unwrap();
    let schema = ApiSchema::from_supergraph(&schema).unwrap();
    let document =
        "{ __schema { directives { name locations args { name defaultValue type { kind ofType { name } name } } } } }";
    let data: Value = serde_json::from_str(&answer(&schema, document, &json!({}))).unwrap();
    let directives = data["__schema"]["directives"].as_array().unwrap();
    let defer = directives
        .iter()
        .find(|directive| directive["name"] == "defer")
        .unwrap();
    let expected = json!({
        "name": "defer",
        "locations": ["FRAGMENT_SPREAD", "INLINE_FRAGMENT"],
        "args": [
            { "name": "if", "defaultValue": "true", "type": { "kind": "NON_NULL", "ofType": { "name": "Boolean" }, "name": null } },
            { "name": "label", "defaultValue": null, "type": { "kind": "SCALAR", "ofType": null, "name": "String" } },
        ],
    });
    assert_eq!(*defer, expected);
}

#[test]
fn answers_with_variables_and_aliases() {
    let schema = Schema::parse("type Query { a: Int  b: Int @deprecated }", "schema.graphql").unwrap();
    let schema = ApiSchema::from_supergraph(&schema).unwrap();
    let document = "query($name: String!, $old: Boolean) {
        q: __type(name: $name) { fields(includeDeprecated: $old) { name } }
        __schema { queryType { name } }
    }";
    let variables = json!({ "name": "Query", "old": true, "other": [1] });
    expect![[r#"{"q":{"fields":[{"name":"a"},{"name":"b"}]},"__schema":{"queryType":{"name":"Query"}}}"#]]
        .assert_eq(&answer(&schema, document, &variables));
}
