//! Routers that cannot be built, and subgraphs that fail.

use axum::Router;
use axum::routing::post;
use serde_json::json;
use server::{RouterBuilder, RouterConfig};

use super::{Greeter, body, config, query, router};

#[tokio::test]
async fn a_setting_for_an_unknown_subgraph_is_an_error_with_a_suggestion() {
    let config = config("traffic: { subgraphs: { greeters: { query_timeout_ms: 1 } } }");
    let built = RouterBuilder::new(config)
        .subgraphs(vec![Greeter::subgraph()])
        .build()
        .await;
    let error = anyhow::Error::from(built.err().expect("it does not build"));
    expect_test::expect!["the supergraph cannot be served: `traffic.subgraphs.greeters`: the supergraph has no such subgraph; did you mean `greeter`?"].assert_eq(&format!("{error:#}"));
}

#[tokio::test]
async fn a_subgraph_without_an_address_is_an_error() {
    let mut subgraph = Greeter::subgraph();
    subgraph.routing_url = String::new();
    let built = RouterBuilder::new(RouterConfig::default())
        .subgraphs(vec![subgraph])
        .build()
        .await;
    let error = anyhow::Error::from(built.err().expect("it does not build"));
    expect_test::expect!["the supergraph cannot be served: subgraph `greeter` has no address: set its `routing_url`, or `traffic.subgraphs.greeter.url`"].assert_eq(&format!("{error:#}"));
}

#[tokio::test]
async fn a_panic_is_the_misfortune_of_one_request() {
    async fn panicking() -> &'static str {
        panic!("the reason is nobody's business")
    }
    let app = Router::new().route("/graphql", post(panicking));
    let builder = RouterBuilder::new(RouterConfig::default()).subgraphs(vec![Greeter::subgraph()]);
    let app = builder
        .in_process("greeter", app)
        .build()
        .await
        .expect("it composes")
        .app
        .public;
    for _ in 0..2 {
        let answer = body(&query(&app, "{ hello }", &[]).await);
        assert_eq!(answer["data"], json!({"hello": null}), "{answer}");
        assert_eq!(answer["errors"][0]["extensions"]["service"], "greeter", "{answer}");
        assert!(!answer.to_string().contains("nobody's business"), "{answer}");
    }
}

#[tokio::test]
async fn an_error_of_a_subgraph_keeps_its_code() {
    let mut greeter = Greeter::new();
    greeter.answer = json!({
        "data": {"hello": null},
        "errors": [{"message": "go away", "path": ["hello"], "extensions": {"code": "UNAUTHENTICATED"}}],
    });
    let answer = body(&query(&router(config(""), &greeter).await, "{ greeting: hello }", &[]).await);
    assert_eq!(
        answer,
        json!({
            "data": {"greeting": null},
            "errors": [{
                "message": "go away",
                "path": ["greeting"],
                "extensions": {"code": "UNAUTHENTICATED", "service": "greeter"},
            }],
        })
    );
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused() {
    let mut greeter = Greeter::new();
    greeter.answer = json!({"data": {"hello": "x".repeat(100)}});
    for (bytes_max, is_refused) in [(100, true), (200, false)] {
        let yaml = format!("limits: {{ response_bytes_max: {bytes_max} }}");
        let answer = body(&query(&router(config(&yaml), &greeter).await, "{ hello }", &[]).await);
        assert_eq!(answer["data"].is_null(), is_refused, "{answer}");
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        assert_eq!(code, is_refused.then_some("COST_ESTIMATED_TOO_EXPENSIVE"), "{answer}");
    }
}
