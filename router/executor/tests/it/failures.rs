//! What a client sees when subgraphs fail: one error for one failure, and the rest of the answer intact.

use std::time::Instant;

use expect_test::{Expect, expect};
use federation::query_plan::PlanNode;
use serde_json::Map;

use crate::harness::{Canned, entities, operation, plan, root, run, run_until};

const SCHEMA: &str = "
    type Query { products: [Product]  me: User!  shop: Shop }
    type Shop { name: String }
    type Product { id: ID!  price: Int!  shipping: Int  seller: User }
    type User { id: ID!  name: String!  ratings: [Int] }
";
const PRODUCTS: Canned =
    Canned::Json(r#"{"data":{"products":[{"__typename":"Product","id":"1"},{"__typename":"Product","id":"2"}]}}"#);

fn check(query: &str, node: PlanNode, canned: &[(&str, Canned)], expected: &Expect) {
    let operation = operation(SCHEMA, query);
    let plan = plan(&operation, node);
    let run = run(&operation, &plan, canned);
    expected.assert_eq(
        &run.to_string()
            .lines()
            .filter(|line| !line.contains(" < "))
            .fold(String::new(), |all, line| all + line + "\n"),
    );
}

/// What can be wrong with an answer.
const WAYS_TO_FAIL: &[Canned] = &[
    Canned::Never,
    Canned::Panic,
    Canned::Answer(500, "text/html", "<h1>oops</h1>"),
    Canned::Answer(502, "application/json", "{}"),
    Canned::Answer(
        500,
        "application/json",
        r#"{"errors":[{"message":"no database","extensions":{"code":"DATABASE"}}]}"#,
    ),
    Canned::Answer(
        400,
        "application/graphql-response+json",
        r#"{"errors":[{"message":"no such field"}]}"#,
    ),
    Canned::Answer(200, "text/plain", r#"{"data":{"shop":null}}"#),
    Canned::Json(""),
    Canned::Json("{\"data\":{\"shop\":"),
    Canned::Json("null"),
    Canned::Json("[]"),
    Canned::Json(r#"{"data":null}"#),
    Canned::Json(r#"{"data":[1]}"#),
    Canned::Json(r#"{"data":{},"errors":"many"}"#),
    Canned::Json(r#"{"errors":[7,{"message":null,"path":[true]}]}"#),
    Canned::Json(r#"{"data":{"shop":{"name":"\ud800 \q"}}}"#),
];

/// Everything that can be wrong with an answer, each time one error.
#[test]
fn root_fetches_fail_in_many_ways() {
    let expected = expect![[r#"
        error {"message":"subgraph `shop` did not answer within 200 ms","path":["s"],"extensions":{"code":"GATEWAY_TIMEOUT","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` could not be reached","path":["s"],"extensions":{"code":"SUBREQUEST_HTTP_ERROR","service":"shop","reason":"unreachable"}}
        {"s":null}
        error {"message":"subgraph `shop` answered with HTTP status 500 Internal Server Error","path":["s"],"extensions":{"code":"SUBREQUEST_HTTP_ERROR","service":"shop","reason":"500 Internal Server Error","http":{"status":500}}}
        {"s":null}
        error {"message":"subgraph `shop` answered with HTTP status 502 Bad Gateway","path":["s"],"extensions":{"code":"SUBREQUEST_HTTP_ERROR","service":"shop","reason":"502 Bad Gateway","http":{"status":502}}}
        {"s":null}
        error {"message":"no database","path":["s"],"extensions":{"code":"DATABASE","service":"shop"}}
        {"s":null}
        error {"message":"no such field","path":["s"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` gave a malformed answer: its content type is `text/plain`","path":["s"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` gave a malformed answer: it is empty","path":["s"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` gave a malformed answer: it is not JSON, at byte 16","path":["s"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` gave a malformed answer: it is not an object","path":["s"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` gave a malformed answer: it is not an object","path":["s"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` gave a malformed answer: it has neither data nor errors","path":["s"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` gave a malformed answer: its `data` is not an object","path":["s"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` gave a malformed answer: its `errors` is not a list","path":["s"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` gave a malformed answer: its `errors` holds what is not an object","path":["s"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shop"}}
        {"s":null}
        error {"message":"subgraph `shop` gave a malformed answer: it has a string with half a surrogate pair, at byte 25","path":["s"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shop"}}
        {"s":null}
    "#]];
    let mut report = String::new();
    for way in WAYS_TO_FAIL {
        let operation = operation(SCHEMA, "{ s: shop { name } }");
        let plan = plan(&operation, root(0, "shop", "{shop{name}}"));
        let run = run(&operation, &plan, &[("shop", way.clone())]).to_string();
        report.extend(run.lines().skip(1).flat_map(|line| [line, "\n"]));
    }
    expected.assert_eq(&report);
}

/// A field under two aliases is fetched once; the error is below the one that selects what failed.
#[test]
fn an_error_is_told_where_the_client_selects_the_field() {
    let failed = r#"{"data":{"shop":{"name":null}},"errors":[{"message":"no name","path":["shop","name"]}]}"#;
    check(
        "{ a: shop { __typename } b: shop { name } }",
        root(0, "shop", "{shop{name}}"),
        &[("shop", Canned::Json(failed))],
        &expect![[r#"
            error {"message":"no name","path":["b","name"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"shop"}}
            {"a":{"__typename":"Shop"},"b":{"name":null}}
        "#]],
    );
}

#[test]
fn a_failed_entity_fetch_nulls_only_what_depends_on_it() {
    let node = PlanNode::Sequence(vec![
        PlanNode::Parallel(vec![
            root(0, "products", "{products{__typename id}}"),
            root(1, "shop", "{shop{name}}"),
        ]),
        PlanNode::Parallel(vec![
            entities(2, "shipping", "products.@", &[("Product", &["id"])]),
            entities(3, "prices", "products.@", &[("Product", &["id"])]),
        ]),
    ]);
    let query = "{ shop { name } goods: products { id shipping } }";
    let shop = ("shop", Canned::Json(r#"{"data":{"shop":{"name":"S"}}}"#));
    let prices = (
        "prices",
        Canned::Json(r#"{"data":{"_entities":[{"price":1},{"price":2}]}}"#),
    );
    let canned = |answer| {
        [
            ("products", PRODUCTS),
            shop.clone(),
            prices.clone(),
            ("shipping", answer),
        ]
    };
    check(
        query,
        node.clone(),
        &canned(Canned::Never),
        &expect![[r#"
            error {"message":"subgraph `shipping` did not answer within 200 ms","path":["goods"],"extensions":{"code":"GATEWAY_TIMEOUT","service":"shipping"}}
            {"shop":{"name":"S"},"goods":[{"id":"1","shipping":null},{"id":"2","shipping":null}]}
        "#]],
    );
    check(
        query,
        node.clone(),
        &canned(Canned::Json(r#"{"data":{"_entities":[{"shipping":1}]}}"#)),
        &expect![[r#"
            error {"message":"subgraph `shipping` gave a malformed answer: `_entities` has 1 entities where 2 were asked for","path":["goods"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shipping"}}
            {"shop":{"name":"S"},"goods":[{"id":"1","shipping":null},{"id":"2","shipping":null}]}
        "#]],
    );
    check(
        query,
        node.clone(),
        &canned(Canned::Json(r#"{"data":{"_entities":[{"shipping":1},"x"]}}"#)),
        &expect![[r#"
            error {"message":"subgraph `shipping` gave a malformed answer: `_entities` has entities that are not objects","path":["goods"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shipping"}}
            {"shop":{"name":"S"},"goods":[{"id":"1","shipping":null},{"id":"2","shipping":null}]}
        "#]],
    );
    check(
        query,
        node.clone(),
        &canned(Canned::Json(r#"{"data":{}}"#)),
        &expect![[r#"
            error {"message":"subgraph `shipping` gave a malformed answer: `_entities` is not a list","path":["goods"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"shipping"}}
            {"shop":{"name":"S"},"goods":[{"id":"1","shipping":null},{"id":"2","shipping":null}]}
        "#]],
    );
    // Null for one entity is no error.
    check(
        query,
        node,
        &canned(Canned::Json(r#"{"data":{"_entities":[null,{"shipping":1}]}}"#)),
        &expect![[r#"
            {"shop":{"name":"S"},"goods":[{"id":"1","shipping":null},{"id":"2","shipping":1}]}
        "#]],
    );
}

#[test]
fn a_null_that_an_error_explains_gets_no_second_error() {
    let node = PlanNode::Sequence(vec![
        root(0, "products", "{products{__typename id}}"),
        entities(1, "prices", "products.@", &[("Product", &["id"])]),
    ]);
    let query = "{ products { id cost: price } }";
    let canned = |answer| [("products", PRODUCTS), ("prices", answer)];
    // The subgraph has no price for the second: it is reported where the client asked for it.
    let answer = r#"{"data":{"_entities":[{"price":1},null]},"errors":[{"message":"no price","path":["_entities",1,"price"],"locations":[{"line":1,"column":1}],"extensions":{"code":"NO_PRICE"}}]}"#;
    check(
        query,
        node.clone(),
        &canned(Canned::Json(answer)),
        &expect![[r#"
        error {"message":"no price","path":["products",1,"cost"],"extensions":{"code":"NO_PRICE","service":"prices"}}
        {"products":[{"id":"1","cost":1},null]}
    "#]],
    );
    // It does not say where.
    let answer = r#"{"data":{"_entities":[{"price":1},{"price":null}]},"errors":[{"message":"oops"}]}"#;
    check(
        query,
        node.clone(),
        &canned(Canned::Json(answer)),
        &expect![[r#"
        error {"message":"oops","path":["products"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"prices"}}
        {"products":[{"id":"1","cost":1},null]}
    "#]],
    );
    // All of it failed.
    check(
        query,
        node.clone(),
        &canned(Canned::Json(r#"{"data":null,"errors":[{"message":"oops"}]}"#)),
        &expect![[r#"
            error {"message":"oops","path":["products"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"prices"}}
            {"products":[null,null]}
        "#]],
    );
    // Nobody explains: the router does.
    check(
        query,
        node,
        &canned(Canned::Json(r#"{"data":{"_entities":[{"price":1},{"price":null}]}}"#)),
        &expect![[r#"
            error {"message":"null where the schema promises a value","path":["products",1,"cost"],"extensions":{"code":"RESPONSE_VALIDATION_FAILED"}}
            {"products":[{"id":"1","cost":1},null]}
        "#]],
    );
}

/// A field that fails is null, and so it is sent; where a whole fetch fails, there is nothing to send.
#[test]
fn a_required_field_that_fails_is_sent_as_null() {
    let node = PlanNode::Sequence(vec![
        root(0, "products", "{products{__typename id}}"),
        entities(1, "prices", "products.@", &[("Product", &["id"])]),
        entities(2, "shipping", "products.@", &[("Product", &["id", "price?"])]),
    ]);
    let prices = r#"{"data":{"_entities":[{"price":1},{"price":null}]},"errors":[{"message":"no price","path":["_entities",1,"price"]}]}"#;
    let canned = [
        ("products", PRODUCTS),
        ("prices", Canned::Json(prices)),
        (
            "shipping",
            Canned::Json(r#"{"data":{"_entities":[{"shipping":5},{"shipping":9}]}}"#),
        ),
    ];
    check(
        "{ products { id shipping } }",
        node.clone(),
        &canned,
        &expect![[r#"
        error {"message":"no price","path":["products",1],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"prices"}}
        {"products":[{"id":"1","shipping":5},{"id":"2","shipping":9}]}
    "#]],
    );
    let canned = [("products", PRODUCTS), ("prices", Canned::Never)];
    check(
        "{ products { id shipping } }",
        node,
        &canned,
        &expect![[r#"
            error {"message":"subgraph `prices` did not answer within 200 ms","path":["products"],"extensions":{"code":"GATEWAY_TIMEOUT","service":"prices"}}
            {"products":[{"id":"1","shipping":null},{"id":"2","shipping":null}]}
        "#]],
    );
}

#[test]
fn a_failed_non_null_root_field_makes_data_null() {
    let node = PlanNode::Parallel(vec![root(0, "users", "{me{name}}"), root(1, "shop", "{shop{name}}")]);
    let canned = [
        ("users", Canned::Never),
        ("shop", Canned::Json(r#"{"data":{"shop":{"name":"S"}}}"#)),
    ];
    check(
        "{ shop { name } me { name } }",
        node,
        &canned,
        &expect![[r#"
            error {"message":"subgraph `users` did not answer within 200 ms","path":["me"],"extensions":{"code":"GATEWAY_TIMEOUT","service":"users"}}
            null
        "#]],
    );
}

#[test]
fn an_unknown_subgraph_is_an_error_of_the_router() {
    check(
        "{ shop { name } }",
        root(0, "nobody", "{shop{name}}"),
        &[],
        &expect![[r#"
            error {"message":"subgraph `nobody` is not known to this router","path":["shop"],"extensions":{"code":"INTERNAL_SERVER_ERROR","service":"nobody"}}
            {"shop":null}
        "#]],
    );
}

/// Three thousand products of one seller who has a list of two thousand values: six million, if each had its own.
#[test]
fn a_large_entity_in_a_long_list_is_held_once() {
    let product = r#"{"seller":{"__typename":"User","id":"1"}}"#;
    let products = format!(r#"{{"data":{{"products":[{}]}}}}"#, vec![product; 3_000].join(","));
    let sellers = format!(
        r#"{{"data":{{"_entities":[{{"ratings":[{}]}}]}}}}"#,
        vec!["1"; 2_000].join(",")
    );
    let node = PlanNode::Sequence(vec![
        root(0, "products", "{products{seller{__typename id}}}"),
        entities(1, "users", "products.@.seller", &[("User", &["id"])]),
    ]);
    let operation = operation(SCHEMA, "{ products { seller { ratings } } }");
    let plan = plan(&operation, node);
    let canned = [("products", Canned::Text(products)), ("users", Canned::Text(sellers))];
    let response = run(&operation, &plan, &canned).response;
    assert!(response.errors.is_empty(), "{:?}", response.errors);
    let length = response.data.unwrap().len();
    assert!(length > 12_000_000, "each product shows the ratings: {length}");
}

/// Empty objects take three bytes each, and more memory than that.
#[test]
fn an_answer_of_many_small_values_is_refused() {
    let shops = format!(
        r#"{{"data":{{"shop":{{"name":[{}]}}}}}}"#,
        vec!["{}"; 4_000_000].join(",")
    );
    let operation = operation(SCHEMA, "{ shop { name } }");
    let plan = plan(&operation, root(0, "shop", "{shop{name}}"));
    let response = run(&operation, &plan, &[("shop", Canned::Text(shops))]).response;
    let [error] = response.errors.as_slice() else {
        panic!("one error: {:?}", response.errors)
    };
    assert_eq!(
        error.message,
        "subgraph `shop` answered with more values than one request may hold"
    );
}

/// A field error for each of a million items would be longer than the answer.
#[test]
fn field_errors_are_counted_past_the_first_thousand() {
    let products = format!(r#"{{"data":{{"products":[{}]}}}}"#, vec!["7"; 5_000].join(","));
    let operation = operation(SCHEMA, "{ products { id } }");
    let plan = plan(&operation, root(0, "shop", "{products{id}}"));
    let response = run(&operation, &plan, &[("shop", Canned::Text(products))]).response;
    assert_eq!(response.errors.len(), 1_001);
    assert_eq!(
        response.errors[1_000].message,
        "4000 more errors like these are left out"
    );
}

/// Nulls that an error past the first thousand explains are explained all the same, and the data is kept.
#[test]
fn errors_of_a_subgraph_are_counted_past_the_first_thousand() {
    let products = vec![r#"{"id":"1","price":null}"#; 1_500].join(",");
    let errors = (0..1_500).map(|index| format!(r#"{{"message":"sold out","path":["products",{index},"price"]}}"#));
    let errors = errors.collect::<Vec<_>>().join(",");
    let answer = format!(r#"{{"data":{{"products":[{products}],"shop":{{"name":"s"}}}},"errors":[{errors}]}}"#);
    let operation = operation(SCHEMA, "{ products { id price } shop { name } }");
    let plan = plan(&operation, root(0, "shop", "{products{id price}shop{name}}"));
    let response = run(&operation, &plan, &[("shop", Canned::Text(answer))]).response;
    assert_eq!(response.errors.len(), 1_001);
    let last = serde_json::to_string(&response.errors[1_000]).unwrap();
    expect![[r#"{"message":"500 more errors are left out","path":["products",1000,"price"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"shop"}}"#]]
        .assert_eq(&last);
    let data = String::from_utf8(response.data.unwrap().to_vec()).unwrap();
    assert_eq!(
        data,
        format!(
            r#"{{"products":[{}],"shop":{{"name":"s"}}}}"#,
            ["null"; 1_500].join(",")
        )
    );
}

#[test]
fn nothing_is_sent_after_the_deadline() {
    let operation = operation(SCHEMA, "{ shop { name } }");
    let plan = plan(&operation, root(0, "shop", "{shop{name}}"));
    let run = run_until(
        &operation,
        &plan,
        &[("shop", Canned::Panic)],
        (Map::new(), Instant::now()),
    );
    expect![[r#"
        error {"message":"subgraph `shop` was not asked: the request is out of time","path":["shop"],"extensions":{"code":"GATEWAY_TIMEOUT","service":"shop"}}
        {"shop":null}
    "#]].assert_eq(&run.to_string());
}

/// Some servers leave a failed field out instead of sending null.
#[test]
fn a_field_left_out_with_its_error_is_explained() {
    let left_out = r#"{"data":{},"errors":[{"message":"this needs a login","path":["me"]}]}"#;
    check(
        "{ me { name } }",
        root(0, "users", "{me{name}}"),
        &[("users", Canned::Json(left_out))],
        &expect![[r#"
            error {"message":"this needs a login","path":["me"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"users"}}
            null
        "#]],
    );
}
