//! Value completion: what the schema promises holds for the client, whatever a subgraph sends.

use std::sync::Arc;

use expect_test::{Expect, expect};
use federation::query_plan::BooleanCondition;
use serde_json::json;

use crate::harness::{Canned, name, operation, plan, root, run, run_with};

const SCHEMA: &str = "
    type Query { product: Product  must: Product!  products: [Product]  all: [Product!]!  media: Media  named: Named }
    type Product implements Named {
      id: ID!  name: String  stock: Int  price: Float  sold: Boolean  state: State  meta: JSON
      must: String!  tags: [String!]  grid: [[Int!]]!  parent: Product!
    }
    type Book implements Named { name: String  pages: Int }
    interface Named { name: String }
    union Media = Book | Product
    enum State { NEW USED }
    scalar JSON
";

/// One fetch gives `answer`; the client sees `expected`.
#[track_caller]
fn check(query: &str, answer: &'static str, expected: &Expect) {
    let operation = operation(SCHEMA, query);
    let plan = plan(&operation, root(0, "shop", "{all}"));
    let run = run(&operation, &plan, &[("shop", Canned::Json(answer))]);
    expected.assert_eq(&run.to_string().replace("shop < {all}\n", ""));
}

#[test]
fn values_keep_their_text_and_the_clients_order() {
    check(
        "{ product { price name alias: id id stock state sold meta tags grid __typename } }",
        r#"{"data":{"product":{ "id" : 7, "stock":3.0,"price":1.10,"name":"é \u00e9 \"x\"","sold":true,
            "state":"USED","meta":{"b":[1e400,{}],"a":null},"tags":["a","b"],"grid":[[1,2],null,[]],"extra":1}}}"#,
        &expect![[r#"
            {"product":{"price":1.10,"name":"é \u00e9 \"x\"","alias":"7","id":"7","stock":3,"state":"USED","sold":true,"meta":{"b":[1e400,{}],"a":null},"tags":["a","b"],"grid":[[1,2],null,[]],"__typename":"Product"}}
        "#]],
    );
}

#[test]
fn wrong_leaves_are_null_with_an_error() {
    check(
        "{ products { stock price sold state name } }",
        r#"{"data":{"products":[
            {"stock":2147483648,"price":1e999,"sold":1,"state":"SECRET","name":7},
            {"stock":1.5,"price":"1","sold":"true","state":0,"name":{}}]}}"#,
        &expect![[r#"
            error {"message":"expected a whole number of 32 bits","path":["products",0,"stock"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected a finite number","path":["products",0,"price"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected true or false","path":["products",0,"sold"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected a value of the enum `State`","path":["products",0,"state"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected a string","path":["products",0,"name"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected a whole number of 32 bits","path":["products",1,"stock"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected a finite number","path":["products",1,"price"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected true or false","path":["products",1,"sold"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected a value of the enum `State`","path":["products",1,"state"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected a string","path":["products",1,"name"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            {"products":[{"stock":null,"price":null,"sold":null,"state":null,"name":null},{"stock":null,"price":null,"sold":null,"state":null,"name":null}]}
        "#]],
    );
}

#[test]
fn null_travels_up_to_the_nearest_place_that_allows_it() {
    check(
        "{ products { name must } }",
        r#"{"data":{"products":[{"name":"a","must":"x"},{"name":"b","must":null},{"name":"c"},null]}}"#,
        &expect![[r#"
            error {"message":"null where the schema promises a value","path":["products",1,"must"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"null where the schema promises a value","path":["products",2,"must"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            {"products":[{"name":"a","must":"x"},null,null,null]}
        "#]],
    );
    check(
        "{ all { name must } }",
        r#"{"data":{"all":[{"must":"x"},{"must":null}]}}"#,
        &expect![[r#"
            error {"message":"null where the schema promises a value","path":["all",1,"must"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            null
        "#]],
    );
    check(
        "{ product { name tags grid } }",
        r#"{"data":{"product":{"tags":["a",null],"grid":[[1,null]]}}}"#,
        &expect![[r#"
            error {"message":"null where the schema promises a value","path":["product","tags",1],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"null where the schema promises a value","path":["product","grid",0,1],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            {"product":{"name":null,"tags":null,"grid":[null]}}
        "#]],
    );
    check(
        "{ must { parent { parent { must } } } }",
        r#"{"data":{"must":{"parent":{"parent":{"must":[]}}}}}"#,
        &expect![[r#"
            error {"message":"expected a string","path":["must","parent","parent","must"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            null
        "#]],
    );
}

#[test]
fn wrong_shapes_are_errors() {
    check(
        "{ product { name } products { name } media { ... on Book { pages } } named { name } }",
        r#"{"data":{"product":"x","products":{"name":"a"},"media":{"__typename":"Film","pages":1},"named":[{}]}}"#,
        &expect![[r#"
            error {"message":"expected an object of type `Product`","path":["product"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected a list","path":["products"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"the object's type is none that `Media` may have","path":["media"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            error {"message":"expected an object of type `Named`","path":["named"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            {"product":null,"products":null,"media":null,"named":null}
        "#]],
    );
}

/// Of an interface with one type that clients may know, an object may still be of another.
#[test]
fn an_object_of_a_hidden_type_is_not_shown_as_the_one_that_is_not() {
    let schema = "
        directive @inaccessible on OBJECT
        type Query { nodes: [Node] product: Product }
        interface Node { id: ID! }
        type Product implements Node { id: ID!  name: String }
        type Secret implements Node @inaccessible { id: ID! }
    ";
    let operation = operation(
        schema,
        "{ nodes { __typename id ... on Product { name } } product { id } }",
    );
    let plan = plan(&operation, root(0, "shop", "{nodes product}"));
    let answer = r#"{"data":{
        "nodes":[{"__typename":"Product","id":"1","name":"a"},{"__typename":"Secret","id":"2"},{"id":"3","name":"c"}],
        "product":{"__typename":"Renamed","id":"4"}}}"#;
    let run = run(&operation, &plan, &[("shop", Canned::Json(answer))]);
    expect![[r#"
        shop < {nodes product}
        error {"message":"the object's type is none that `Node` may have","path":["nodes",1],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
        {"nodes":[{"__typename":"Product","id":"1","name":"a"},null,{"__typename":"Product","id":"3","name":"c"}],"product":{"id":"4"}}
    "#]]
    .assert_eq(&run.to_string());
}

#[test]
fn fields_of_one_response_name_are_merged() {
    check(
        "{ product { parent { name } ...F id } product { parent { id name: name } } } fragment F on Product { parent { stock } }",
        r#"{"data":{"product":{"id":1,"parent":{"id":2,"stock":3,"name":"n"}}}}"#,
        &expect![[r#"
            {"product":{"parent":{"name":"n","stock":3,"id":"2"},"id":"1"}}
        "#]],
    );
}

#[test]
fn fragments_apply_by_runtime_type() {
    check(
        "{ media { __typename ... on Book { pages } ... on Named { name } } named { ... on Product { id } name } }",
        r#"{"data":{"media":{"__typename":"Book","pages":9,"name":"b"},"named":{"__typename":"Product","id":"p","name":"n"}}}"#,
        &expect![[r#"
            {"media":{"__typename":"Book","pages":9,"name":"b"},"named":{"id":"p","name":"n"}}
        "#]],
    );
    check(
        "{ media { __typename } named { name } }",
        r#"{"data":{"media":{"pages":9},"named":{"name":"n"}}}"#,
        &expect![[r#"
            error {"message":"the subgraph does not say which type this object has","path":["media","__typename"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            {"media":null,"named":{"name":"n"}}
        "#]],
    );
}

#[test]
fn root_typename_needs_no_subgraph() {
    let operation = operation(SCHEMA, "{ kind: __typename }");
    let mut plan = plan(&operation, root(0, "shop", "{}"));
    plan.root = None;
    let run = run(&operation, &plan, &[]);
    assert_eq!(run.to_string(), "{\"kind\":\"Query\"}\n");
}

#[test]
fn introspection_stands_where_the_client_selected_it() {
    let operation = operation(SCHEMA, "{ product { name } __type(name: \"State\") { kind } }");
    let mut plan = plan(&operation, root(0, "shop", "{product{name}}"));
    plan.introspection = Some("{ __type(name: \"State\") { kind } }".to_owned());
    let run = run(
        &operation,
        &plan,
        &[("shop", Canned::Json(r#"{"data":{"product":null}}"#))],
    );
    expect![[r#"
        shop < {product{name}}
        {"product":null,"__type":{"kind":"ENUM"}}
    "#]]
    .assert_eq(&run.to_string());
}

/// A document of 20 KB whose answer would have 200 MB: the client is told why. (`__schema` is never null, so that nothing else
/// of the answer can be told.)
#[test]
fn an_introspection_that_explodes_is_refused() {
    let fields: String = (0..10).map(|number| format!(" f{number}: T{number}")).collect();
    let types = (0..100).map(|number| format!("type T{number} {{ {fields} }} "));
    let schema = format!("type Query {{ name: String {fields} }} {}", types.collect::<String>());
    let names: String = (0..1_500).map(|number| format!(" a{number}: name")).collect();
    let introspection = format!("__schema {{ types {{ fields {{ type {{ fields {{ {names} }} }} }} }} }}");
    let operation = operation(&schema, &format!("{{ name {introspection} }}"));
    let mut plan = plan(&operation, root(0, "shop", "{name}"));
    plan.introspection = Some(format!("{{ {introspection} }}"));
    let run = run(&operation, &plan, &[("shop", Canned::Json(r#"{"data":{"name":"a"}}"#))]);
    expect![[r#"
        shop < {name}
        error {"message":"the answer to `__schema` and `__type` would be longer than 33554432 bytes: select fewer fields of types, under fewer aliases, or one type after the other by `__type`","extensions":{"code":"COST_ESTIMATED_TOO_EXPENSIVE"}}
        null
    "#]]
    .assert_eq(&run.to_string());
}

#[test]
fn conditions_take_fields_away() {
    let operation = operation(SCHEMA, "{ product { name stock } }");
    let mut plan = plan(&operation, root(0, "shop", "{product{name stock}}"));
    let product = Arc::make_mut(&mut plan.response.fields[0].selection);
    product.fields[1].conditions = vec![BooleanCondition {
        variable: name("full"),
        value: true,
    }];
    for (full, expected) in [
        (true, r#"{"product":{"name":"a","stock":1}}"#),
        (false, r#"{"product":{"name":"a"}}"#),
    ] {
        let variables = json!({ "full": full }).as_object().unwrap().clone();
        let answer = Canned::Json(r#"{"data":{"product":{"name":"a","stock":1}}}"#);
        let run = run_with(&operation, &plan, &[("shop", answer)], variables);
        assert_eq!(std::str::from_utf8(&run.response.data.unwrap()).unwrap(), expected);
    }
}
