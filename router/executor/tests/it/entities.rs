//! Fetches of entities: representations, batches, and what is not asked twice.

use std::sync::Arc;

use expect_test::{Expect, expect};
use federation::query_plan::{BooleanCondition, FetchTarget, PathElement, PlanNode};
use serde_json::{Map, json};

use crate::harness::{
    Canned, entities, entity_fetch, fetch, name, operation, path_elements, plan, root, run, run_with,
};

const SCHEMA: &str = "
    type Query { products: [Product]  nodes: [Node]  me: User }
    type Mutation { buy: Product  sell: Product }
    interface Node { id: ID! }
    type Product implements Node { id: ID!  sku: String  price: Int  seller: User  size: Size  shipping: Int }
    type Size { height: Int  width: Int }
    type User implements Node { id: ID!  name: String  boss: User  favourite: Product }
";

fn check(query: &str, node: PlanNode, canned: &[(&str, Canned)], expected: &Expect) {
    let operation = operation(SCHEMA, query);
    let plan = plan(&operation, node);
    expected.assert_eq(&run(&operation, &plan, canned).to_string());
}

#[test]
fn equal_representations_are_sent_once_and_shared() {
    let node = PlanNode::Sequence(vec![
        root(0, "products", "{products{__typename id}}"),
        entities(1, "prices", "products.@", &[("Product", &["id"])]),
    ]);
    check(
        "{ products { id price } }",
        node,
        &[
            (
                "products",
                Canned::Json(
                    r#"{"data":{"products":[{"__typename":"Product","id":"1"},{"__typename":"Product","id":"2"},
                       null,{"__typename":"Product","id":"1"}]}}"#,
                ),
            ),
            (
                "prices",
                Canned::Json(r#"{"data":{"_entities":[{"price":10},{"price":20}]}}"#),
            ),
        ],
        &expect![[r#"
            products < {products{__typename id}}
            prices < query($r:[_Any!]!){_entities(representations:$r){...prices}} r=[{"__typename":"Product","id":"1"},{"__typename":"Product","id":"2"}]
            {"products":[{"id":"1","price":10},{"id":"2","price":20},null,{"id":"1","price":10}]}
        "#]],
    );
}

#[test]
fn shared_entities_can_grow_apart() {
    let seller = |id, subgraph, path| entities(id, subgraph, path, &[("User", &["id"])]);
    let node = PlanNode::Sequence(vec![
        root(0, "products", "{nodes{__typename id}}"),
        entities(1, "sellers", "nodes.@", &[("Product", &["id"])]),
        PlanNode::Parallel(vec![seller(2, "users", "nodes.@.seller")]),
    ]);
    check(
        "{ nodes { id ... on Product { seller { name } } } }",
        node,
        &[
            (
                "products",
                Canned::Json(
                    r#"{"data":{"nodes":[{"__typename":"Product","id":"1"},{"__typename":"User","id":"9"},{"__typename":"Product","id":"1"}]}}"#,
                ),
            ),
            (
                "sellers",
                Canned::Json(r#"{"data":{"_entities":[{"seller":{"__typename":"User","id":"9"}}]}}"#),
            ),
            ("users", Canned::Json(r#"{"data":{"_entities":[{"name":"Ann"}]}}"#)),
        ],
        &expect![[r#"
            products < {nodes{__typename id}}
            sellers < query($r:[_Any!]!){_entities(representations:$r){...sellers}} r=[{"__typename":"Product","id":"1"}]
            users < query($r:[_Any!]!){_entities(representations:$r){...users}} r=[{"__typename":"User","id":"9"}]
            {"nodes":[{"id":"1","seller":{"name":"Ann"}},{"id":"9"},{"id":"1","seller":{"name":"Ann"}}]}
        "#]],
    );
}

#[test]
fn nothing_to_ask_sends_nothing() {
    let node = PlanNode::Sequence(vec![
        root(0, "products", "{products{__typename id}}"),
        entities(1, "prices", "products.@", &[("Product", &["id"])]),
    ]);
    check(
        "{ products { id price } }",
        node,
        &[("products", Canned::Json(r#"{"data":{"products":[null]}}"#))],
        &expect![[r#"
            products < {products{__typename id}}
            {"products":[null]}
        "#]],
    );
}

#[test]
fn null_keys_and_absent_keys_are_not_sent_but_null_requirements_are() {
    let node = PlanNode::Sequence(vec![
        root(0, "products", "{products{__typename id size{height}}}"),
        entities(1, "shipping", "products.@", &[("Product", &["sku", "size.height?"])]),
    ]);
    check(
        "{ products { shipping } }",
        node,
        &[
            (
                "products",
                Canned::Json(
                    r#"{"data":{"products":[{"__typename":"Product","sku":"a","size":{"height":1}},
                       {"__typename":"Product","sku":null,"size":{"height":1}},{"__typename":"Product","size":{"height":1}},
                       {"__typename":"Product","sku":"b","size":null},{"__typename":"Product","sku":"c"}]}}"#,
                ),
            ),
            (
                "shipping",
                Canned::Json(r#"{"data":{"_entities":[{"shipping":1},{"shipping":2},{"shipping":3}]}}"#),
            ),
        ],
        &expect![[r#"
            products < {products{__typename id size{height}}}
            shipping < query($r:[_Any!]!){_entities(representations:$r){...shipping}} r=[{"__typename":"Product","sku":"a","size":{"height":1}},{"__typename":"Product","sku":"b","size":null},{"__typename":"Product","sku":"c","size":null}]
            {"products":[{"shipping":1},{"shipping":null},{"shipping":null},{"shipping":2},{"shipping":3}]}
        "#]],
    );
}

#[test]
fn one_request_resolves_several_paths() {
    let batch = FetchTarget::Entities(vec![
        entity_fetch("a", "products.@", &[("Product", &["id"])]),
        entity_fetch("b", "me", &[("User", &["id"])]),
    ]);
    let document =
        "query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){..P}b:_entities(representations:$rb){..U}}";
    let mut batch = fetch(2, "shop", document, batch);
    let node = |batch| {
        PlanNode::Sequence(vec![
            PlanNode::Parallel(vec![
                root(0, "products", "{products{__typename id}}"),
                root(1, "users", "{me{__typename id}}"),
            ]),
            PlanNode::Fetch(Arc::new(batch)),
        ])
    };
    let products = (
        "products",
        Canned::Json(r#"{"data":{"products":[{"__typename":"Product","id":"1"}]}}"#),
    );
    let users = (
        "users",
        Canned::Json(r#"{"data":{"me":{"__typename":"User","id":"9"}}}"#),
    );
    let query = "query($x: Boolean!) { products { price } me { name @include(if: $x) } }";
    let answer = Canned::Json(r#"{"data":{"a":[{"price":10}],"b":[{"name":"Ann"}]}}"#);
    check(
        query,
        node(batch.clone()),
        &[products.clone(), users.clone(), ("shop", answer)],
        &expect![[r#"
            products < {products{__typename id}}
            users < {me{__typename id}}
            shop < query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){..P}b:_entities(representations:$rb){..U}} ra=[{"__typename":"Product","id":"1"}] rb=[{"__typename":"User","id":"9"}]
            {"products":[{"price":10}],"me":{"name":"Ann"}}
        "#]],
    );

    let FetchTarget::Entities(entries) = &mut batch.target else {
        unreachable!()
    };
    entries[1].conditions = vec![vec![BooleanCondition {
        variable: name("x"),
        value: true,
    }]];
    let answer = Canned::Json(r#"{"data":{"a":[{"price":10}],"b":[]}}"#);
    check(
        query,
        node(batch),
        &[products, users, ("shop", answer)],
        &expect![[r#"
            products < {products{__typename id}}
            users < {me{__typename id}}
            shop < query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){..P}b:_entities(representations:$rb){..U}} ra=[{"__typename":"Product","id":"1"}] rb=[]
            {"products":[{"price":10}],"me":{"name":null}}
        "#]],
    );
}

#[test]
fn an_entity_is_fetched_once_over_all_stages_of_a_query() {
    let users = |id, path| entities(id, "users", path, &[("User", &["id"])]);
    let node = PlanNode::Sequence(vec![
        root(0, "bosses", "{me{__typename id}}"),
        users(1, "me"),
        users(2, "me.boss"),
        users(3, "me.boss.boss"),
    ]);
    check(
        "{ me { name boss { name boss { name } } } }",
        node,
        &[
            (
                "bosses",
                Canned::Json(r#"{"data":{"me":{"__typename":"User","id":"1"}}}"#),
            ),
            (
                "users",
                Canned::Json(r#"{"data":{"_entities":[{"name":"Ann","boss":{"__typename":"User","id":"2"}}]}}"#),
            ),
            (
                "users",
                Canned::Json(r#"{"data":{"_entities":[{"name":"Bob","boss":{"__typename":"User","id":"1"}}]}}"#),
            ),
        ],
        &expect![[r#"
            bosses < {me{__typename id}}
            users < query($r:[_Any!]!){_entities(representations:$r){...users}} r=[{"__typename":"User","id":"1"}]
            users < query($r:[_Any!]!){_entities(representations:$r){...users}} r=[{"__typename":"User","id":"2"}]
            {"me":{"name":"Ann","boss":{"name":"Bob","boss":{"name":"Ann"}}}}
        "#]],
    );
}

#[test]
fn variables_go_where_they_are_used() {
    let operation = operation(SCHEMA, "{ me { name } }");
    let mut node = fetch(
        0,
        "users",
        "query($b:String){me{name}}",
        FetchTarget::Root { path: Vec::new() },
    );
    node.variables = vec![name("b"), name("c")];
    let plan = plan(&operation, PlanNode::Fetch(Arc::new(node)));
    let variables: Map<_, _> = json!({ "a": 1, "b": "x\"y" }).as_object().unwrap().clone();
    let canned = [("users", Canned::Json(r#"{"data":{"me":{"name":"n"}}}"#))];
    let run = run_with(&operation, &plan, &canned, variables);
    expect![[r#"
        users < query($b:String){me{name}} b="x\"y"
        {"me":{"name":"n"}}
    "#]]
    .assert_eq(&run.to_string());
}

#[test]
fn type_conditions_choose_objects() {
    let mut by_type = path_elements("nodes.@");
    by_type.push(PathElement::TypeCondition(vec![name("User")]));
    let entry = federation::query_plan::EntityFetch {
        path: by_type,
        ..entity_fetch("_entities", "", &[("Product", &["id"]), ("User", &["id"])])
    };
    let node = PlanNode::Sequence(vec![
        root(0, "nodes", "{nodes{__typename id}}"),
        PlanNode::Fetch(Arc::new(fetch(
            1,
            "users",
            "query($r)",
            FetchTarget::Entities(vec![entry]),
        ))),
    ]);
    check(
        "{ nodes { ... on User { name } } }",
        node,
        &[
            (
                "nodes",
                Canned::Json(
                    r#"{"data":{"nodes":[{"__typename":"Product","id":"1"},{"__typename":"User","id":"2"}]}}"#,
                ),
            ),
            ("users", Canned::Json(r#"{"data":{"_entities":[{"name":"Ann"}]}}"#)),
        ],
        &expect![[r#"
            nodes < {nodes{__typename id}}
            users < query($r) r=[{"__typename":"User","id":"2"}]
            {"nodes":[{},{"name":"Ann"}]}
        "#]],
    );
}

#[test]
fn mutations_run_in_order() {
    let node = PlanNode::Sequence(vec![
        root(0, "shop", "mutation{buy{__typename id}}"),
        entities(1, "prices", "buy", &[("Product", &["id"])]),
        root(2, "shop", "mutation{sell{__typename id}}"),
        entities(3, "prices", "sell", &[("Product", &["id"])]),
    ]);
    check(
        "mutation { buy { price } sell { price } }",
        node,
        &[
            (
                "shop",
                Canned::Json(r#"{"data":{"buy":{"__typename":"Product","id":"1"}}}"#),
            ),
            ("prices", Canned::Json(r#"{"data":{"_entities":[{"price":1}]}}"#)),
            (
                "shop",
                Canned::Json(r#"{"data":{"sell":{"__typename":"Product","id":"1"}}}"#),
            ),
            ("prices", Canned::Json(r#"{"data":{"_entities":[{"price":2}]}}"#)),
        ],
        &expect![[r#"
            shop < mutation{buy{__typename id}}
            prices < query($r:[_Any!]!){_entities(representations:$r){...prices}} r=[{"__typename":"Product","id":"1"}]
            shop < mutation{sell{__typename id}}
            prices < query($r:[_Any!]!){_entities(representations:$r){...prices}} r=[{"__typename":"Product","id":"1"}]
            {"buy":{"price":1},"sell":{"price":2}}
        "#]],
    );
}

#[test]
fn records_tell_what_each_fetch_did() {
    let node = PlanNode::Sequence(vec![
        root(0, "products", "{products{__typename id}}"),
        entities(1, "prices", "products.@", &[("Product", &["id"])]),
        entities(2, "users", "products.@.seller", &[("User", &["id"])]),
    ]);
    let operation = operation(SCHEMA, "{ products { id price } }");
    let plan = plan(&operation, node);
    let product = r#"{"__typename":"Product","id":"1"}"#;
    let products = format!(r#"{{"data":{{"products":[{product},{product},{product}]}}}}"#);
    let canned = [
        ("products", Canned::Text(products)),
        ("prices", Canned::Answer(503, "text/plain", "later")),
        ("users", Canned::Panic),
    ];
    let mut fetches = run(&operation, &plan, &canned).response.fetches;
    for fetch in &mut fetches {
        (fetch.started_us, fetch.duration_us) = (0, 0);
    }
    expect![[r#"
        {"fetch":0,"subgraph":"products","transport":"in_process","started_us":0,"duration_us":0,"request_bytes":37,"response_bytes":125,"http_status":200,"entities_wanted":0,"entities_sent":0,"skipped":false,"error":null}
        {"fetch":1,"subgraph":"prices","transport":"in_process","started_us":0,"duration_us":0,"request_bytes":126,"response_bytes":5,"http_status":503,"entities_wanted":3,"entities_sent":1,"skipped":false,"error":"SUBREQUEST_HTTP_ERROR"}
        {"fetch":2,"subgraph":"users","transport":null,"started_us":0,"duration_us":0,"request_bytes":0,"response_bytes":0,"http_status":null,"entities_wanted":0,"entities_sent":0,"skipped":true,"error":null}
    "#]].assert_eq(
        &fetches
            .iter()
            .map(|fetch| serde_json::to_string(fetch).unwrap() + "\n")
            .collect::<String>(),
    );
}
