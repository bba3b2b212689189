//! Progressive overrides: which subgraph answers depends on the request.

use axum::Router;
use federation::subgraph::Subgraph;
use serde_json::{Value, json};
use server::RouterBuilder;

use super::{Greeter, body, config, query};

/// `newcomer` takes `hello` over from `greeter` by the label `new`, and resolves `bye` alone.
async fn answer(yaml: &str, text: &str) -> Value {
    let newcomer = Greeter {
        answer: json!({"data": {"hello": "new world", "bye": "bye"}}),
        ..Greeter::new()
    };
    let sdl = r#"
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@override"])
        type Query { hello: String @override(from: "greeter", label: "new") bye: String }
    "#;
    let taking_over = Subgraph {
        name: "newcomer".into(),
        routing_url: "http://newcomer/graphql".into(),
        sdl: sdl.into(),
    };
    let builder = RouterBuilder::new(config(&format!("explain: {{ enabled: true }}\n{yaml}")))
        .subgraphs(vec![Greeter::subgraph(), taking_over])
        .in_process("greeter", Greeter::new().app())
        .in_process("newcomer", newcomer.app());
    let app: Router = builder.build().await.expect("the subgraphs compose").app.public;
    // Twice: the second time from what is remembered.
    query(&app, text, &[]).await;
    body(&query(&app, text, &[("x-router-explain", "1")]).await)
}

#[tokio::test]
async fn labels_choose_the_subgraph() {
    for (yaml, world, labels) in [
        ("", "world", json!([])),
        ("override_labels: { new: false }", "world", json!([])),
        ("override_labels: { new: true }", "new world", json!(["new"])),
        ("override_labels: { new: 100 }", "new world", json!(["new"])),
        ("override_labels: { other: true }", "world", json!([])),
    ] {
        let answer = answer(yaml, "{ hello }").await;
        assert_eq!(answer["data"]["hello"], world, "{yaml}");
        assert_eq!(answer["extensions"]["explain"]["override_labels"], labels, "{yaml}");
    }
}

#[tokio::test]
async fn labels_of_other_fields_make_no_plan_of_their_own() {
    let answer = answer("override_labels: { new: true }", "{ bye }").await;
    assert_eq!(answer["data"]["bye"], "bye");
    assert_eq!(answer["extensions"]["explain"]["override_labels"], json!([]));
}
