//! `__schema` and `__type`, answered from the API schema.

use apollo_compiler::Schema;
use expect_test::expect;
use federation::api_schema::ApiSchema;
use federation::introspection::introspect;
use serde_json::json;

#[test]
fn clients_learn_that_fragments_may_be_deferred() {
    let schema = Schema::parse("type Query { a: Int }", "schema.graphql").unwrap();
    let schema = ApiSchema::from_supergraph(&schema).unwrap();
    let document =
        "{ __schema { directives { name locations args { name defaultValue type { kind ofType { name } name } } } } }";
    let data = introspect(&schema, document, &serde_json::Map::new()).unwrap();
    let data = serde_json::to_value(&data).unwrap();
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
    let data = introspect(&schema, document, variables.as_object().unwrap()).unwrap();
    expect![[r#"{"q":{"fields":[{"name":"a"},{"name":"b"}]},"__schema":{"queryType":{"name":"Query"}}}"#]]
        .assert_eq(&serde_json::to_string(&data).unwrap());
}
