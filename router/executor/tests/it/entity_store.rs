//! Each field of an entity is asked for once over all stages and positions of an operation: what subgraphs receive.

use std::sync::Arc;

use executor::ResponsePart;
use expect_test::{Expect, expect};
use federation::query_plan::{DeferredPart, Fetch, FetchTarget, PlanNode};
use serde_json::json;

use crate::harness::{Canned, entity_fetch, fetch, name, operation, plan, root, run, run_in_parts, run_with};

const SCHEMA: &str = "
    type Query { me: User  other: User  users: [User]  nodes: [Node] }
    type Mutation { buy: User  sell: User }
    interface Node { id: ID! }
    type User implements Node {
      id: ID!  name: String  email: String  tags: [String]  boss: User  friends: [User]
      price(currency: String): Int  size: Size  address: Address
    }
    type Address { city: String  country: Country }
    type Country { id: ID!  name: String }
    type Size { height: Int }
    type Product implements Node { id: ID!  seller: User }
";

/// Fetch `id` of users at `path`, who have `selection`.
fn users(id: u32, path: &str, selection: &str) -> PlanNode {
    PlanNode::Fetch(Arc::new(users_fetch(id, path, selection)))
}

fn users_fetch(id: u32, path: &str, selection: &str) -> Fetch {
    let document = format!("query($r:[_Any!]!){{_entities(representations:$r){{...on User{{{selection}}}}}}}");
    let entry = entity_fetch("_entities", path, &[("User", &["id"])]);
    fetch(id, "users", &document, FetchTarget::Entities(vec![entry]))
}

#[track_caller]
fn check(query: &str, nodes: Vec<PlanNode>, canned: &[(&str, &'static str)], expected: &Expect) {
    let operation = operation(SCHEMA, query);
    let plan = plan(&operation, PlanNode::Sequence(nodes));
    let canned = canned
        .iter()
        .map(|(subgraph, answer)| (*subgraph, Canned::Json(answer)));
    expected.assert_eq(&run(&operation, &plan, &canned.collect::<Vec<_>>()).to_string());
}

const ME: (&str, &str) = ("roots", r#"{"data":{"me":{"__typename":"User","id":"1"}}}"#);

#[test]
fn a_part_of_what_is_known_is_not_asked_for() {
    check(
        "{ me { name email boss { email } } }",
        vec![
            root(0, "roots", "{me{__typename id}}"),
            users(1, "me", "name email boss{__typename id}"),
            users(2, "me.boss", "email"),
        ],
        &[
            ME,
            (
                "users",
                r#"{"data":{"_entities":[{"name":"Ann","email":"a@b","boss":{"__typename":"User","id":"1"}}]}}"#,
            ),
        ],
        &expect![[r#"
            roots < {me{__typename id}}
            users < query($r:[_Any!]!){_entities(representations:$r){...on User{name email boss{__typename id}}}} r=[{"__typename":"User","id":"1"}]
            {"me":{"name":"Ann","email":"a@b","boss":{"email":"a@b"}}}
        "#]],
    );
}

#[test]
fn only_the_missing_fields_are_asked_for() {
    check(
        "{ me { name boss { name email tags } } }",
        vec![
            root(0, "roots", "{me{__typename id}}"),
            users(1, "me", "name boss{__typename id}"),
            users(2, "me.boss", "name email tags"),
        ],
        &[
            ME,
            (
                "users",
                r#"{"data":{"_entities":[{"name":"Ann","boss":{"__typename":"User","id":"1"}}]}}"#,
            ),
            (
                "users",
                r#"{"data":{"_entities_part1":[{"email":"a@b","tags":["x"]}]}}"#,
            ),
        ],
        &expect![[r#"
            roots < {me{__typename id}}
            users < query($r:[_Any!]!){_entities(representations:$r){...on User{name boss{__typename id}}}} r=[{"__typename":"User","id":"1"}]
            users < query($r_part1:[_Any!]!){_entities_part1:_entities(representations:$r_part1){...on User{email tags}}} r_part1=[{"__typename":"User","id":"1"}]
            {"me":{"name":"Ann","boss":{"name":"Ann","email":"a@b","tags":["x"]}}}
        "#]],
    );
}

#[test]
fn what_several_fetches_brought_is_put_together() {
    check(
        "{ me { name boss { email boss { name email } } } }",
        vec![
            root(0, "roots", "{me{__typename id}}"),
            users(1, "me", "name boss{__typename id}"),
            users(2, "me.boss", "email boss{__typename id}"),
            users(3, "me.boss.boss", "name email"),
        ],
        &[
            ME,
            (
                "users",
                r#"{"data":{"_entities":[{"name":"Ann","boss":{"__typename":"User","id":"1"}}]}}"#,
            ),
            ("users", r#"{"data":{"_entities_part1":[{"email":"a@b"}]}}"#),
        ],
        &expect![[r#"
            roots < {me{__typename id}}
            users < query($r:[_Any!]!){_entities(representations:$r){...on User{name boss{__typename id}}}} r=[{"__typename":"User","id":"1"}]
            users < query($r_part1:[_Any!]!){_entities_part1:_entities(representations:$r_part1){...on User{email}}} r_part1=[{"__typename":"User","id":"1"}]
            {"me":{"name":"Ann","boss":{"email":"a@b","boss":{"name":"Ann","email":"a@b"}}}}
        "#]],
    );
}

#[test]
fn known_and_unknown_entities_share_a_request() {
    check(
        "{ me { name friends { name email } } }",
        vec![
            root(0, "roots", "{me{__typename id}}"),
            users(1, "me", "name friends{__typename id}"),
            users(2, "me.friends.@", "name email"),
        ],
        &[
            ME,
            (
                "users",
                r#"{"data":{"_entities":[{"name":"Ann","friends":[{"__typename":"User","id":"2"},{"__typename":"User","id":"1"},{"__typename":"User","id":"3"}]}]}}"#,
            ),
            (
                "users",
                r#"{"data":{"_entities":[{"name":"Bob","email":"b@b"},null],"_entities_part1":[{"email":null}]},"errors":[{"message":"no mail","path":["_entities_part1",0,"email"]}]}"#,
            ),
        ],
        &expect![[r#"
            roots < {me{__typename id}}
            users < query($r:[_Any!]!){_entities(representations:$r){...on User{name friends{__typename id}}}} r=[{"__typename":"User","id":"1"}]
            users < query($r:[_Any!]!,$r_part1:[_Any!]!){_entities(representations:$r){...on User{name email}}_entities_part1:_entities(representations:$r_part1){...on User{email}}} r=[{"__typename":"User","id":"2"},{"__typename":"User","id":"3"}] r_part1=[{"__typename":"User","id":"1"}]
            error {"message":"no mail","path":["me","friends",1,"email"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"users"}}
            {"me":{"name":"Ann","friends":[{"name":"Bob","email":"b@b"},{"name":"Ann","email":null},{"name":null,"email":null}]}}
        "#]],
    );
}

#[test]
fn one_request_asks_for_an_entity_of_two_positions_once() {
    let document = "query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){...on User{name email}}b:_entities(representations:$rb){...on User{email}}}";
    let batch = FetchTarget::Entities(vec![
        entity_fetch("a", "users.@", &[("User", &["id"])]),
        entity_fetch("b", "me", &[("User", &["id"])]),
    ]);
    let batch = PlanNode::Fetch(Arc::new(fetch(1, "users", document, batch)));
    let roots = r#"{"data":{"me":{"__typename":"User","id":"1"},"users":[{"__typename":"User","id":"2"},{"__typename":"User","id":"1"}]}}"#;
    let nodes = || {
        vec![
            root(0, "roots", "{me{__typename id}users{__typename id}}"),
            batch.clone(),
        ]
    };
    check(
        "{ users { name email } me { email } }",
        nodes(),
        &[
            ("roots", roots),
            (
                "users",
                r#"{"data":{"a":[{"name":"Bob","email":"b@b"},{"name":"Ann","email":"a@b"}],"b":[]}}"#,
            ),
        ],
        &expect![[r#"
            roots < {me{__typename id}users{__typename id}}
            users < query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){...on User{name email}}b:_entities(representations:$rb){...on User{email}}} ra=[{"__typename":"User","id":"2"},{"__typename":"User","id":"1"}] rb=[]
            {"users":[{"name":"Bob","email":"b@b"},{"name":"Ann","email":"a@b"}],"me":{"email":"a@b"}}
        "#]],
    );
    // One failure is one error, also for those who waited.
    check(
        "{ users { name email } me { email } }",
        nodes(),
        &[("roots", roots), ("users", r#"{"data":{"a":[],"b":[]}}"#)],
        &expect![[r#"
            roots < {me{__typename id}users{__typename id}}
            users < query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){...on User{name email}}b:_entities(representations:$rb){...on User{email}}} ra=[{"__typename":"User","id":"2"},{"__typename":"User","id":"1"}] rb=[]
            error {"message":"subgraph `users` gave a malformed answer: `a` has 0 entities where 2 were asked for","path":["users"],"extensions":{"code":"SUBREQUEST_MALFORMED_RESPONSE","service":"users"}}
            {"users":[{"name":null,"email":null},{"name":null,"email":null}],"me":{"email":null}}
        "#]],
    );
}

#[test]
fn a_field_that_only_others_select_takes_nothing_along() {
    let document = "query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){...on User{name email}}b:_entities(representations:$rb){...on User{email}}}";
    let batch = FetchTarget::Entities(vec![
        entity_fetch("a", "users.@", &[("User", &["id"])]),
        entity_fetch("b", "me", &[("User", &["id"])]),
    ]);
    let batch = PlanNode::Fetch(Arc::new(fetch(1, "users", document, batch)));
    let roots = r#"{"data":{"me":{"__typename":"User","id":"1"},"users":[{"__typename":"User","id":"1"}]}}"#;
    let nodes = || {
        vec![
            root(0, "roots", "{me{__typename id}users{__typename id}}"),
            batch.clone(),
        ]
    };
    // The name must not be null for the subgraph: it is asked for the email alone.
    let failed = r#"{"data":{"a":[null],"b":[]},"errors":[{"message":"no name","path":["a",0,"name"]}]}"#;
    check(
        "{ users { name email } me { email } }",
        nodes(),
        &[
            ("roots", roots),
            ("users", failed),
            ("users", r#"{"data":{"a":[],"b":[{"email":"a@b"}]}}"#),
        ],
        &expect![[r#"
            roots < {me{__typename id}users{__typename id}}
            users < query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){...on User{name email}}b:_entities(representations:$rb){...on User{email}}} ra=[{"__typename":"User","id":"1"}] rb=[]
            users < query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){...on User{name email}}b:_entities(representations:$rb){...on User{email}}} ra=[] rb=[{"__typename":"User","id":"1"}]
            error {"message":"no name","path":["users",0,"name"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"users"}}
            {"users":[{"name":null,"email":null}],"me":{"email":"a@b"}}
        "#]],
    );
    // The field that both select failed: to ask again would change nothing.
    let failed = r#"{"data":{"a":[null],"b":[]},"errors":[{"message":"no email","path":["a",0,"email"]}]}"#;
    check(
        "{ users { name email } me { email } }",
        nodes(),
        &[("roots", roots), ("users", failed)],
        &expect![[r#"
            roots < {me{__typename id}users{__typename id}}
            users < query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){...on User{name email}}b:_entities(representations:$rb){...on User{email}}} ra=[{"__typename":"User","id":"1"}] rb=[]
            error {"message":"no email","path":["users",0,"email"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"users"}}
            {"users":[{"name":null,"email":null}],"me":{"email":null}}
        "#]],
    );
}

#[test]
fn other_arguments_are_other_fields() {
    let in_currency = |id, path: &str, currency: &str| {
        users(
            id,
            path,
            &format!("price(currency:\"{currency}\") name boss{{__typename id}}"),
        )
    };
    check(
        "{ me { price name boss { price name } } }",
        vec![
            root(0, "roots", "{me{__typename id}}"),
            in_currency(1, "me", "EUR"),
            in_currency(2, "me.boss", "USD"),
        ],
        &[
            ME,
            (
                "users",
                r#"{"data":{"_entities":[{"price":1,"name":"Ann","boss":{"__typename":"User","id":"1"}}]}}"#,
            ),
            ("users", r#"{"data":{"_entities_part1":[{"price":2}]}}"#),
        ],
        &expect![[r#"
            roots < {me{__typename id}}
            users < query($r:[_Any!]!){_entities(representations:$r){...on User{price(currency:"EUR") name boss{__typename id}}}} r=[{"__typename":"User","id":"1"}]
            users < query($r_part1:[_Any!]!){_entities_part1:_entities(representations:$r_part1){...on User{price(currency: "USD")}}} r_part1=[{"__typename":"User","id":"1"}]
            {"me":{"price":1,"name":"Ann","boss":{"price":2,"name":"Ann"}}}
        "#]],
    );
}

/// The answer to two type conditions holds a field once.
#[test]
fn a_field_of_two_type_conditions_is_known_once() {
    let fetch_of = |id, path| users(id, path, "name}...on Node{name");
    check(
        "{ me { name } other { name } }",
        vec![
            root(0, "roots", "{me{__typename id}other{__typename id}}"),
            fetch_of(1, "me"),
            fetch_of(2, "other"),
        ],
        &[
            (
                "roots",
                r#"{"data":{"me":{"__typename":"User","id":"1"},"other":{"__typename":"User","id":"1"}}}"#,
            ),
            ("users", r#"{"data":{"_entities":[{"name":"Ann"}]}}"#),
        ],
        &expect![[r#"
            roots < {me{__typename id}other{__typename id}}
            users < query($r:[_Any!]!){_entities(representations:$r){...on User{name}...on Node{name}}} r=[{"__typename":"User","id":"1"}]
            {"me":{"name":"Ann"},"other":{"name":"Ann"}}
        "#]],
    );
}

#[test]
fn variables_are_declared_where_they_are_used() {
    let mut first = users_fetch(1, "me", "name boss{__typename id}");
    first.document = "query($r:[_Any!]!,$c:String,$d:String){_entities(representations:$r){...on User{price(currency:$d) name boss{__typename id}}}}".into();
    first.variables = vec![name("c"), name("d")];
    let mut second = first.clone();
    second.id = 2;
    second.document = "query($r:[_Any!]!,$c:String,$d:String){_entities(representations:$r){...on User{price(currency:$d) eur:price(currency:$c)}}}".into();
    let FetchTarget::Entities(entries) = &mut second.target else {
        unreachable!()
    };
    entries[0].path = crate::harness::path_elements("me.boss");
    let operation = operation(
        SCHEMA,
        "query($c: String, $d: String) { me { price(currency: $d) boss { price(currency: $d) eur: price(currency: $c) } } }",
    );
    let nodes = [first, second].map(|fetch| PlanNode::Fetch(Arc::new(fetch)));
    let mut all = vec![root(0, "roots", "{me{__typename id}}")];
    all.extend(nodes);
    let mut plan = plan(&operation, PlanNode::Sequence(all));
    // The planner stores a second price under its alias.
    let me = Arc::make_mut(&mut plan.response.fields[0].selection);
    let boss = Arc::make_mut(&mut me.fields[1].selection);
    boss.fields[1].source = federation::query_plan::ResponseSource::Stored(name("eur"));
    let canned = [
        ("roots", Canned::Json(ME.1)),
        (
            "users",
            Canned::Json(r#"{"data":{"_entities":[{"price":1,"name":"Ann","boss":{"__typename":"User","id":"1"}}]}}"#),
        ),
        ("users", Canned::Json(r#"{"data":{"_entities_part1":[{"eur":2}]}}"#)),
    ];
    let variables = json!({ "c": "EUR", "d": "USD" }).as_object().unwrap().clone();
    expect![[r#"
        roots < {me{__typename id}}
        users < query($r:[_Any!]!,$c:String,$d:String){_entities(representations:$r){...on User{price(currency:$d) name boss{__typename id}}}} c="EUR" d="USD" r=[{"__typename":"User","id":"1"}]
        users < query($r_part1:[_Any!]!,$c: String){_entities_part1:_entities(representations:$r_part1){...on User{eur: price(currency: $c)}}} c="EUR" d="USD" r_part1=[{"__typename":"User","id":"1"}]
        {"me":{"price":1,"boss":{"price":1,"eur":2}}}
    "#]].assert_eq(&run_with(&operation, &plan, &canned, variables).to_string());
}

/// A mutation may change an entity; what comes after it is asked for anew.
#[test]
fn a_mutation_makes_all_unknown() {
    let nodes = vec![
        root(0, "roots", "mutation{buy{__typename id}}"),
        users(1, "buy", "name boss{__typename id}"),
        users(2, "buy.boss", "name"),
        root(3, "roots", "mutation{sell{__typename id}}"),
        users(4, "sell", "name"),
    ];
    check(
        "mutation { buy { name boss { name } } sell { name } }",
        nodes,
        &[
            ("roots", r#"{"data":{"buy":{"__typename":"User","id":"1"}}}"#),
            (
                "users",
                r#"{"data":{"_entities":[{"name":"Ann","boss":{"__typename":"User","id":"1"}}]}}"#,
            ),
            ("roots", r#"{"data":{"sell":{"__typename":"User","id":"1"}}}"#),
            ("users", r#"{"data":{"_entities":[{"name":"Anna"}]}}"#),
        ],
        &expect![[r#"
            roots < mutation{buy{__typename id}}
            users < query($r:[_Any!]!){_entities(representations:$r){...on User{name boss{__typename id}}}} r=[{"__typename":"User","id":"1"}]
            roots < mutation{sell{__typename id}}
            users < query($r:[_Any!]!){_entities(representations:$r){...on User{name}}} r=[{"__typename":"User","id":"1"}]
            {"buy":{"name":"Ann","boss":{"name":"Ann"}},"sell":{"name":"Anna"}}
        "#]],
    );
}

/// An entity that is gone is not asked for again; one that failed is.
#[test]
fn what_is_gone_is_known_and_what_failed_is_not() {
    let nodes = |answer| {
        (
            vec![
                root(0, "roots", "{me{__typename id} other{__typename id}}"),
                users(1, "me", "name"),
                users(2, "other", "name email"),
            ],
            [
                (
                    "roots",
                    r#"{"data":{"me":{"__typename":"User","id":"1"},"other":{"__typename":"User","id":"1"}}}"#,
                ),
                ("users", answer),
                ("users", r#"{"data":{"_entities":[{"name":"Ann","email":"a@b"}]}}"#),
            ],
        )
    };
    let (plan, canned) = nodes(r#"{"data":{"_entities":[null]}}"#);
    check(
        "{ me { name } other { name email } }",
        plan,
        &canned[..2],
        &expect![[r#"
        roots < {me{__typename id} other{__typename id}}
        users < query($r:[_Any!]!){_entities(representations:$r){...on User{name}}} r=[{"__typename":"User","id":"1"}]
        {"me":{"name":null},"other":{"name":null,"email":null}}
    "#]],
    );
    let (plan, canned) = nodes(r#"{"data":{"_entities":[null]},"errors":[{"message":"oops","path":["_entities",0]}]}"#);
    check(
        "{ me { name } other { name email } }",
        plan,
        &canned,
        &expect![[r#"
        roots < {me{__typename id} other{__typename id}}
        users < query($r:[_Any!]!){_entities(representations:$r){...on User{name}}} r=[{"__typename":"User","id":"1"}]
        users < query($r:[_Any!]!){_entities(representations:$r){...on User{name email}}} r=[{"__typename":"User","id":"1"}]
        error {"message":"oops","path":["me"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","service":"users"}}
        {"me":{"name":null},"other":{"name":"Ann","email":"a@b"}}
    "#]],
    );
}

/// What two objects share is changed for one of them only: the country of one city is asked for, that of the other is not.
#[test]
fn a_shared_object_is_changed_for_one_position_only() {
    let country = |id, path: &str| {
        let entry = entity_fetch("_entities", path, &[("Country", &["id"])]);
        let document = "query($r:[_Any!]!){_entities(representations:$r){...on Country{name}}}";
        PlanNode::Fetch(Arc::new(fetch(
            id,
            "countries",
            document,
            FetchTarget::Entities(vec![entry]),
        )))
    };
    let roots = r#"{"data":{"nodes":[{"__typename":"User","id":"1"},{"__typename":"Product","id":"7","seller":{"__typename":"User","id":"1"}},{"__typename":"User","id":"1"}],"me":{"__typename":"User","id":"1"}}}"#;
    check(
        "{ nodes { ... on User { address { city country { name } } } } me { address { city country { name } } } }",
        vec![
            root(0, "roots", "{nodes{__typename id}me{__typename id}}"),
            users(1, "nodes.@.|User", "address{city country{__typename id}}"),
            users(2, "me", "address{city country{__typename id}}"),
            country(3, "me.address.country"),
        ],
        &[
            ("roots", roots),
            (
                "users",
                r#"{"data":{"_entities":[{"address":{"city":"Rome","country":{"__typename":"Country","id":"it"}}}]}}"#,
            ),
            ("countries", r#"{"data":{"_entities":[{"name":"Italy"}]}}"#),
        ],
        &expect![[r#"
            roots < {nodes{__typename id}me{__typename id}}
            users < query($r:[_Any!]!){_entities(representations:$r){...on User{address{city country{__typename id}}}}} r=[{"__typename":"User","id":"1"}]
            countries < query($r:[_Any!]!){_entities(representations:$r){...on Country{name}}} r=[{"__typename":"Country","id":"it"}]
            {"nodes":[{"address":{"city":"Rome","country":{"name":null}}},{},{"address":{"city":"Rome","country":{"name":null}}}],"me":{"address":{"city":"Rome","country":{"name":"Italy"}}}}
        "#]],
    );
}

/// What was asked for before a mutation is not known after it, however late it is answered; but to the fetch itself, of which
/// one entry waits for another.
#[test]
fn a_read_that_is_under_way_during_a_mutation_is_not_remembered() {
    let operation = operation(
        SCHEMA,
        "mutation { buy { ... @defer { name boss { name } } } sell { boss { name } } }",
    );
    let document = "query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){...on User{name}}b:_entities(representations:$rb){...on User{name}}}";
    let batch = FetchTarget::Entities(vec![
        entity_fetch("a", "buy", &[("User", &["id"])]),
        entity_fetch("b", "buy.boss", &[("User", &["id"])]),
    ]);
    let primary = PlanNode::Sequence(vec![
        root(0, "roots", "mutation{buy{__typename id boss{__typename id}}}"),
        root(1, "roots", "mutation{sell{__typename id}}"),
        users(2, "sell", "boss{__typename id}"),
        users(3, "sell.boss", "name"),
    ]);
    let part = DeferredPart {
        part: 0,
        label: None,
        after: Vec::new(),
        depends: Some(vec![0]),
        node: Some(Box::new(PlanNode::Fetch(Arc::new(fetch(4, "users", document, batch))))),
    };
    let plan = plan(
        &operation,
        PlanNode::Defer {
            primary: Some(Box::new(primary)),
            deferred: vec![part],
        },
    );
    let bought = r#"{"data":{"buy":{"__typename":"User","id":"1","boss":{"__typename":"User","id":"1"}}}}"#;
    let boss = r#"{"data":{"_entities":[{"boss":{"__typename":"User","id":"1"}}]}}"#;
    let canned = [
        ("roots", Canned::Json(bought)),
        (
            "roots",
            Canned::Json(r#"{"data":{"sell":{"__typename":"User","id":"2"}}}"#),
        ),
        ("users", Canned::Late(100, r#"{"data":{"a":[{"name":"Ann"}],"b":[]}}"#)),
        ("users", Canned::Late(200, boss)),
        ("users", Canned::Json(r#"{"data":{"_entities":[{"name":"Anna"}]}}"#)),
    ];
    let (requests, parts) = run_in_parts(&operation, &plan, &canned, serde_json::Map::new());
    let Some(ResponsePart::First(first, _)) = parts.first() else {
        panic!("the first part comes first: {parts:?}");
    };
    let data = first.data.as_deref().unwrap();
    let answered = format!("{}\n{}\n", requests.join("\n"), std::str::from_utf8(data).unwrap());
    expect![[r#"
        roots < mutation{buy{__typename id boss{__typename id}}}
        roots < mutation{sell{__typename id}}
        users < query($ra:[_Any!]!,$rb:[_Any!]!){a:_entities(representations:$ra){...on User{name}}b:_entities(representations:$rb){...on User{name}}} ra=[{"__typename":"User","id":"1"}] rb=[]
        users < query($r:[_Any!]!){_entities(representations:$r){...on User{boss{__typename id}}}} r=[{"__typename":"User","id":"2"}]
        users < query($r:[_Any!]!){_entities(representations:$r){...on User{name}}} r=[{"__typename":"User","id":"1"}]
        {"buy":{"name":"Ann","boss":{"name":"Ann"}},"sell":{"boss":{"name":"Anna"}}}
    "#]]
    .assert_eq(&answered);
}
