//! `__schema` and `__type`, answered from the API schema.

use apollo_compiler::Schema;
use expect_test::expect;
use federation::api_schema::ApiSchema;
use federation::introspection::introspect;
use serde_json::json;

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
