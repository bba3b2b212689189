//! Arguments from contexts (Federation reference, `@fromContext`): subgraphs are composed, an operation is planned and
//! executed; what subgraphs receive, and what the client gets.

use std::path::Path;
use std::sync::Arc;

use composition::compose;
use expect_test::{Expect, expect};
use federation::limits::Limits;
use federation::operation::{parse, validate};
use federation::subgraph::Subgraph;
use federation::supergraph::{ActiveLabels, Supergraph};
use planner::Planner;
use serde_json::{Map, Value, json};

use crate::harness::{Canned, run_with};

const BILLING: &str = r#"
    extend schema @link(url: "https://specs.apollo.dev/federation/v2.8", import: ["@key"])
    type Guest @key(fields: "id") { id: ID!  currency: String! }
"#;

/// The currency must not be null, clients give an argument as well, and a text looks like a variable.
const SHOP: &str = r#"
    extend schema @link(url: "https://specs.apollo.dev/federation/v2.8", import: ["@key", "@context", "@fromContext", "@external"])
    type Query { guests: [Guest!]!  host: Guest }
    type Guest @key(fields: "id") @context(name: "buyer") { id: ID!  currency: String! @external  cart: Cart  gift: Cart }
    type Cart @key(fields: "id") {
      id: ID!
      total(factor: Int, note: String, currency: String! @fromContext(field: "$buyer { currency }")): Int
    }
"#;

/// The subgraphs of `router/fixtures/argument-from-context`.
fn fixture() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/argument-from-context/subgraphs");
    let read = |name: &str| std::fs::read_to_string(folder.join(name).with_extension("graphql")).unwrap();
    ["billing", "shop"].map(|name| (name.to_owned(), read(name))).into()
}

#[track_caller]
fn check(query: &str, canned: &[(&str, &'static str)], expected: &Expect) {
    check_of(&fixture(), (query, json!({})), canned, expected);
}

#[track_caller]
fn check_required(query: &str, variables: Value, canned: &[(&str, &'static str)], expected: &Expect) {
    let subgraphs = [("billing", BILLING), ("shop", SHOP)].map(|(name, sdl)| (name.to_owned(), sdl.to_owned()));
    check_of(&subgraphs, (query, variables), canned, expected);
}

#[track_caller]
fn check_of(
    subgraphs: &[(String, String)],
    (query, variables): (&str, Value),
    canned: &[(&str, &'static str)],
    expected: &Expect,
) {
    let subgraphs = subgraphs.iter().map(|(name, sdl)| Subgraph {
        name: name.clone(),
        routing_url: format!("http://{name}"),
        sdl: sdl.clone(),
    });
    let composed = compose(&subgraphs.collect::<Vec<_>>()).expect("the subgraphs compose");
    let supergraph = Arc::new(Supergraph::parse(&composed.supergraph_sdl).expect("the supergraph is one"));
    let document = parse(query, &Limits::default()).expect("the query parses");
    let operation = validate(&document, supergraph.api_schema(), None).expect("the query is valid");
    let plan = Planner::new(supergraph)
        .plan(&operation, &ActiveLabels::NONE)
        .expect("the query can be planned");
    let variables: Map<String, Value> = serde_json::from_value(variables).expect("variables are an object");
    let canned = canned.iter().map(|(name, answer)| (*name, Canned::Json(answer)));
    let run = run_with(&operation, &plan, &canned.collect::<Vec<_>>(), variables);
    expected.assert_eq(&run.to_string());
}

const CARTS: (&str, &str) = (
    "shop",
    r#"{"data":{"customer":{"__typename":"Customer","id":"c1","carts":[{"__typename":"Cart","id":"k1"},{"__typename":"Cart","id":"k2"}]}}}"#,
);

#[test]
fn one_combination_of_values_is_sent_as_it_is_planned() {
    check(
        "{ customer { carts { total } } }",
        &[
            CARTS,
            ("billing", r#"{"data":{"_entities":[{"currency":"EUR"}]}}"#),
            ("shop", r#"{"data":{"_entities":[{"total":1},{"total":2}]}}"#),
        ],
        &expect![[r#"
            shop < {customer{id carts{id}}}
            billing < query($representations:[_Any!]!){_entities(representations:$representations){...on Customer{currency}}} representations=[{"__typename":"Customer","id":"c1"}]
            shop < query($representations:[_Any!]!,$context_0:String){_entities(representations:$representations){...on Cart{total(currency:$context_0)}}} representations=[{"__typename":"Cart","id":"k1"},{"__typename":"Cart","id":"k2"}] context_0="EUR"
            {"customer":{"carts":[{"total":1},{"total":2}]}}
        "#]],
    );
}

#[test]
fn null_is_sent_where_no_value_is_known() {
    check(
        "{ customer { carts { total } } }",
        &[
            CARTS,
            ("billing", r#"{"data":{"_entities":[null]}}"#),
            ("shop", r#"{"data":{"_entities":[{"total":1},{"total":2}]}}"#),
        ],
        &expect![[r#"
            shop < {customer{id carts{id}}}
            billing < query($representations:[_Any!]!){_entities(representations:$representations){...on Customer{currency}}} representations=[{"__typename":"Customer","id":"c1"}]
            shop < query($representations:[_Any!]!,$context_0:String){_entities(representations:$representations){...on Cart{total(currency:$context_0)}}} representations=[{"__typename":"Cart","id":"k1"},{"__typename":"Cart","id":"k2"}] context_0=null
            {"customer":{"carts":[{"total":1},{"total":2}]}}
        "#]],
    );
}

/// As what a field requires is.
#[test]
fn a_value_that_failed_is_null() {
    check(
        "{ customer { carts { total } } }",
        &[
            CARTS,
            (
                "billing",
                r#"{"data":{"_entities":[{"currency":null}]},"errors":[{"message":"closed","path":["_entities",0,"currency"]}]}"#,
            ),
            ("shop", r#"{"data":{"_entities":[{"total":1},{"total":2}]}}"#),
        ],
        &expect![[r#"
            shop < {customer{id carts{id}}}
            billing < query($representations:[_Any!]!){_entities(representations:$representations){...on Customer{currency}}} representations=[{"__typename":"Customer","id":"c1"}]
            shop < query($representations:[_Any!]!,$context_0:String){_entities(representations:$representations){...on Cart{total(currency:$context_0)}}} representations=[{"__typename":"Cart","id":"k1"},{"__typename":"Cart","id":"k2"}] context_0=null
            error {"message":"closed","path":["customer"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"billing"}}
            {"customer":{"carts":[{"total":1},{"total":2}]}}
        "#]],
    );
}

#[test]
fn nothing_is_computed_from_an_object_that_failed() {
    check(
        "{ customer { carts { total } } }",
        &[CARTS, ("billing", r#"{"data":null,"errors":[{"message":"closed"}]}"#)],
        &expect![[r#"
            shop < {customer{id carts{id}}}
            billing < query($representations:[_Any!]!){_entities(representations:$representations){...on Customer{currency}}} representations=[{"__typename":"Customer","id":"c1"}]
            error {"message":"closed","path":["customer"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"billing"}}
            {"customer":{"carts":[{"total":null},{"total":null}]}}
        "#]],
    );
}

const GUESTS: (&str, &str) = (
    "shop",
    r#"{"data":{"buyers":[
      {"__typename":"Guest","region":{"currency":"CHF"},"cart":{"__typename":"Cart","id":"k1"}},
      {"__typename":"Guest","region":{"currency":"EUR"},"cart":{"__typename":"Cart","id":"k1"}},
      {"__typename":"Guest","region":{"currency":"C\u0048F"},"cart":{"__typename":"Cart","id":"k1"}},
      {"__typename":"Guest","region":null,"cart":{"__typename":"Cart","id":"k2"}}
    ]}}"#,
);

#[test]
fn each_combination_of_values_has_its_own_entities() {
    check(
        "{ buyers { ... on Guest { cart { total } } } }",
        &[
            GUESTS,
            (
                "shop",
                r#"{"data":{"_entities":[{"total":1}],"_entities_with1":[{"total":2}],"_entities_with2":[{"total":3}]}}"#,
            ),
        ],
        &expect![[r#"
            shop < {buyers{__typename...on Guest{region{currency}cart{id}}}}
            shop < query($representations:[_Any!]!,$context_0: String,$representations_with1:[_Any!]!,$context_0_with1: String,$representations_with2:[_Any!]!,$context_0_with2: String){_entities(representations:$representations){...on Cart{total(currency: $context_0)}}_entities_with1:_entities(representations:$representations_with1){...on Cart{total(currency: $context_0_with1)}}_entities_with2:_entities(representations:$representations_with2){...on Cart{total(currency: $context_0_with2)}}} representations=[{"__typename":"Cart","id":"k1"}] context_0="CHF" representations_with1=[{"__typename":"Cart","id":"k1"}] context_0_with1="EUR" representations_with2=[{"__typename":"Cart","id":"k2"}] context_0_with2=null
            {"buyers":[{"cart":{"total":1}},{"cart":{"total":2}},{"cart":{"total":1}},{"cart":{"total":3}}]}
        "#]],
    );
}

#[test]
fn errors_of_each_combination_find_their_objects() {
    check(
        "{ buyers { ... on Guest { cart { total } } } }",
        &[
            GUESTS,
            (
                "shop",
                r#"{"data":{"_entities":[{"total":1}],"_entities_with1":[{"total":null}],"_entities_with2":null},"errors":[{"message":"no rate","path":["_entities_with1",0,"total"]},{"message":"gone","path":["_entities_with2"]}]}"#,
            ),
        ],
        &expect![[r#"
            shop < {buyers{__typename...on Guest{region{currency}cart{id}}}}
            shop < query($representations:[_Any!]!,$context_0: String,$representations_with1:[_Any!]!,$context_0_with1: String,$representations_with2:[_Any!]!,$context_0_with2: String){_entities(representations:$representations){...on Cart{total(currency: $context_0)}}_entities_with1:_entities(representations:$representations_with1){...on Cart{total(currency: $context_0_with1)}}_entities_with2:_entities(representations:$representations_with2){...on Cart{total(currency: $context_0_with2)}}} representations=[{"__typename":"Cart","id":"k1"}] context_0="CHF" representations_with1=[{"__typename":"Cart","id":"k1"}] context_0_with1="EUR" representations_with2=[{"__typename":"Cart","id":"k2"}] context_0_with2=null
            error {"message":"no rate","path":["buyers",1,"cart","total"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"shop"}}
            error {"message":"gone","path":["buyers"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"shop"}}
            {"buyers":[{"cart":{"total":1}},{"cart":{"total":null}},{"cart":{"total":1}},{"cart":{"total":null}}]}
        "#]],
    );
}

/// The same cart in two positions, under other objects.
#[test]
fn what_is_known_of_an_entity_is_not_used_for_other_values() {
    check(
        "{ customer { cart { total } guests { cart { total } } } }",
        &[
            (
                "shop",
                r#"{"data":{"customer":{"__typename":"Customer","id":"c1","cart":{"__typename":"Cart","id":"k1"},"guests":[{"__typename":"Guest","region":{"currency":"CHF"},"cart":{"__typename":"Cart","id":"k1"}}]}}}"#,
            ),
            ("billing", r#"{"data":{"_entities":[{"currency":"EUR"}]}}"#),
            ("shop", r#"{"data":{"_e0":[{"total":1}],"_e1":[{"total":2}]}}"#),
        ],
        &expect![[r#"
            shop < {customer{id cart{id}guests{region{currency}cart{id}}}}
            billing < query($representations:[_Any!]!){_entities(representations:$representations){...on Customer{currency}}} representations=[{"__typename":"Customer","id":"c1"}]
            shop < query($r0:[_Any!]!,$context_0:String,$r1:[_Any!]!,$context_1:String){_e0:_entities(representations:$r0){...on Cart{total(currency:$context_0)}}_e1:_entities(representations:$r1){...on Cart{total(currency:$context_1)}}} r0=[{"__typename":"Cart","id":"k1"}] context_0="EUR" r1=[{"__typename":"Cart","id":"k1"}] context_1="CHF"
            {"customer":{"cart":{"total":1},"guests":[{"cart":{"total":2}}]}}
        "#]],
    );
}

const REQUIRED: (&str, &str) = (
    "shop",
    r#"{"data":{"guests":[{"__typename":"Guest","id":"g1","cart":{"__typename":"Cart","id":"k1"}},{"__typename":"Guest","id":"g2","cart":{"__typename":"Cart","id":"k2"}},{"__typename":"Guest","id":"g3","cart":{"__typename":"Cart","id":"k3"}}]}}"#,
);

#[test]
fn an_entity_is_not_sent_without_a_value_that_must_not_be_null() {
    check_required(
        "{ guests { cart { total } } }",
        json!({}),
        &[
            REQUIRED,
            (
                "billing",
                r#"{"data":{"_entities":[{"currency":"CHF"},null,{"currency":"CHF"}]}}"#,
            ),
            ("shop", r#"{"data":{"_entities":[{"total":1},{"total":3}]}}"#),
        ],
        &expect![[r#"
            shop < {guests{id cart{id}}}
            billing < query($representations:[_Any!]!){_entities(representations:$representations){...on Guest{currency}}} representations=[{"__typename":"Guest","id":"g1"},{"__typename":"Guest","id":"g2"},{"__typename":"Guest","id":"g3"}]
            shop < query($representations:[_Any!]!,$context_0:String!){_entities(representations:$representations){...on Cart{total(currency:$context_0)}}} representations=[{"__typename":"Cart","id":"k1"},{"__typename":"Cart","id":"k3"}] context_0="CHF"
            {"guests":[{"cart":{"total":1}},{"cart":{"total":null}},{"cart":{"total":3}}]}
        "#]],
    );
}

/// Its variable could not be given a value.
#[test]
fn a_field_of_entities_without_values_is_left_out() {
    check_required(
        "{ host { cart { total } gift { total(factor: 2) } } guests { cart { total } } }",
        json!({}),
        &[
            (
                "shop",
                r#"{"data":{"host":null,"guests":[{"__typename":"Guest","id":"g1","cart":{"__typename":"Cart","id":"k1"}}]}}"#,
            ),
            ("billing", r#"{"data":{"_e0":[],"_e1":[{"currency":"CHF"}]}}"#),
            ("shop", r#"{"data":{"_e0":[],"_e1":[],"_e2":[{"total":1}]}}"#),
        ],
        &expect![[r#"
            shop < {host{id cart{id}gift{id}}guests{id cart{id}}}
            billing < query($r0:[_Any!]!,$r1:[_Any!]!){_e0:_entities(representations:$r0){...on Guest{currency}}_e1:_entities(representations:$r1){...on Guest{currency}}} r0=[] r1=[{"__typename":"Guest","id":"g1"}]
            shop < query($r2:[_Any!]!,$context_2: String!){_e2:_entities(representations:$r2){...on Cart{total(currency: $context_2)}}} r2=[{"__typename":"Cart","id":"k1"}] context_2="CHF"
            {"host":null,"guests":[{"cart":{"total":1}}]}
        "#]],
    );
}

/// The value of a list is the list of its items' values, and the subgraph adds them up.
#[test]
fn lists_on_the_way_to_a_value_give_lists() {
    let sales = r#"
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.8", import: ["@key"])
        type Basket @key(fields: "id") { id: ID!  lines: [Line]! }
        type Line { parts: [Part!] }
        type Part { grams: Int }
    "#;
    let shipping = r#"
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.8", import: ["@key", "@context", "@fromContext", "@external"])
        type Query { baskets: [Basket!]! }
        type Basket @key(fields: "id") @context(name: "basket") { id: ID!  lines: [Line]! @external  parcel: Parcel }
        type Line @external { parts: [Part!] }
        type Part @external { grams: Int }
        type Parcel @key(fields: "id") {
          id: ID!
          weight(grams: [[Int]] @fromContext(field: "$basket { lines { parts { grams } } }")): Int
        }
    "#;
    check_of(
        &[("sales", sales), ("shipping", shipping)].map(|(name, sdl)| (name.to_owned(), sdl.to_owned())),
        ("{ baskets { parcel { weight } } }", json!({})),
        &[
            (
                "shipping",
                r#"{"data":{"baskets":[{"id":"1","parcel":{"__typename":"Parcel","id":"p1"}},{"id":"2","parcel":{"__typename":"Parcel","id":"p2"}},{"id":"3","parcel":{"__typename":"Parcel","id":"p3"}}]}}"#,
            ),
            (
                "sales",
                r#"{"data":{"_entities":[{"lines":[{"parts":[{"grams":5},{"grams":7}]},null,{"parts":null}]},{"lines":[]},{"lines":[{"parts":[{"grams":5},{"grams":7}]},null,{"parts":null}]}]}}"#,
            ),
            (
                "shipping",
                r#"{"data":{"_entities":[{"weight":12},{"weight":12}],"_entities_with1":[{"weight":0}]}}"#,
            ),
        ],
        &expect![[r#"
            shipping < {baskets{id parcel{id}}}
            sales < query($representations:[_Any!]!){_entities(representations:$representations){...on Basket{lines{parts{grams}}}}} representations=[{"__typename":"Basket","id":"1"},{"__typename":"Basket","id":"2"},{"__typename":"Basket","id":"3"}]
            shipping < query($representations:[_Any!]!,$context_0: [[Int]],$representations_with1:[_Any!]!,$context_0_with1: [[Int]]){_entities(representations:$representations){...on Parcel{weight(grams: $context_0)}}_entities_with1:_entities(representations:$representations_with1){...on Parcel{weight(grams: $context_0_with1)}}} representations=[{"__typename":"Parcel","id":"p1"},{"__typename":"Parcel","id":"p3"}] context_0=[[5,7],null,null] representations_with1=[{"__typename":"Parcel","id":"p2"}] context_0_with1=[]
            {"baskets":[{"parcel":{"weight":12}},{"parcel":{"weight":0}},{"parcel":{"weight":12}}]}
        "#]],
    );
}

#[test]
fn variables_and_texts_of_the_client_stay_as_they_are() {
    check_required(
        r#"query ($context_0_with1: Int) { guests { cart { total(factor: $context_0_with1, note: "$context_0 \"$context_0") } } }"#,
        json!({ "context_0_with1": 3 }),
        &[
            REQUIRED,
            (
                "billing",
                r#"{"data":{"_entities":[{"currency":"CHF"},{"currency":"EUR"},{"currency":"CHF"}]}}"#,
            ),
            (
                "shop",
                r#"{"data":{"_entities":[{"total":1},{"total":3}],"_entities_with1":[{"total":2}]}}"#,
            ),
        ],
        &expect![[r#"
            shop < {guests{id cart{id}}}
            billing < query($representations:[_Any!]!){_entities(representations:$representations){...on Guest{currency}}} representations=[{"__typename":"Guest","id":"g1"},{"__typename":"Guest","id":"g2"},{"__typename":"Guest","id":"g3"}]
            shop < query($representations:[_Any!]!,$context_0: String!,$context_0_with1: Int,$representations_with1:[_Any!]!,$context_0_with1_: String!){_entities(representations:$representations){...on Cart{total(factor: $context_0_with1, note: "$context_0 \"$context_0", currency: $context_0)}}_entities_with1:_entities(representations:$representations_with1){...on Cart{total(factor: $context_0_with1, note: "$context_0 \"$context_0", currency: $context_0_with1_)}}} context_0_with1=3 representations=[{"__typename":"Cart","id":"k1"},{"__typename":"Cart","id":"k3"}] context_0="CHF" representations_with1=[{"__typename":"Cart","id":"k2"}] context_0_with1_="EUR"
            {"guests":[{"cart":{"total":1}},{"cart":{"total":2}},{"cart":{"total":3}}]}
        "#]],
    );
}
