//! Supergraphs that ask for more than the router does.

use federation::subgraph::Subgraph;
use server::{RouterBuilder, RouterConfig};

use super::config;

const SUPERGRAPH: &str = include_str!("../../../fixtures/join-versions/v0.4/supergraph.graphql");

/// `served`, or why not.
async fn outcome(builder: RouterBuilder) -> String {
    match builder.build().await {
        Ok(_) => "served".to_owned(),
        Err(error) => format!("{:#}", anyhow::Error::from(error)),
    }
}

#[tokio::test]
async fn rules_of_access_are_not_passed_over() {
    let link = |directive| {
        let federation = "https://specs.apollo.dev/federation/v2.9";
        format!("extend schema @link(url: \"{federation}\", import: [\"@{directive}\"])")
    };
    for (directive, application) in [
        ("authenticated", "@authenticated"),
        ("requiresScopes", "@requiresScopes(scopes: [[\"read\"]])"),
        ("policy", "@policy(policies: [[\"paid\"]])"),
    ] {
        let subgraph = Subgraph {
            name: "users".into(),
            routing_url: "http://users/graphql".into(),
            sdl: format!("{} type Query {{ me: String {application} }}", link(directive)),
        };
        let build = |config| outcome(RouterBuilder::new(config).subgraphs(vec![subgraph.clone()]));
        let refused = build(RouterConfig::default()).await;
        assert!(
            refused.contains(&format!("rules of access (@{directive})")),
            "{refused}"
        );
        let by_subgraphs = config("authorization: { by_subgraphs: true }");
        assert_eq!(build(by_subgraphs).await, "served", "{directive}");
    }
    // Also of composers that do not say what the rules are for.
    let composed = SUPERGRAPH.replace(", for: SECURITY", "");
    let refused = outcome(RouterBuilder::new(RouterConfig::default()).supergraph_sdl(composed)).await;
    expect_test::expect!["the supergraph cannot be served: the supergraph has rules of access (@authenticated, @requiresScopes), which this router does not enforce: if every subgraph checks them by itself, say so by `authorization: { by_subgraphs: true }` in router.yaml, or `--authorization-by-subgraphs`; else take them out"].assert_eq(&refused);
}

#[tokio::test]
async fn what_is_needed_and_not_known_is_refused() {
    let rules = "@link(url: \"https://specs.apollo.dev/authenticated/v0.1\", for: SECURITY)";
    let mut outcomes = String::new();
    for link in [
        "@link(url: \"https://specs.example/vault/v1.0\", for: SECURITY)",
        "@link(url: \"https://specs.apollo.dev/connect/v0.1\", for: EXECUTION)",
        "@link(url: \"https://specs.example/note/v1.0\")",
        "@link(url: \"https://specs.apollo.dev/context/v0.1\", for: SECURITY)",
        "@link(url: \"https://specs.apollo.dev/cacheTag/v0.1\", for: EXECUTION)",
    ] {
        let builder = RouterBuilder::new(config("authorization: { by_subgraphs: true }"));
        outcomes += &outcome(builder.supergraph_sdl(SUPERGRAPH.replace(rules, link))).await;
        outcomes.push('\n');
    }
    expect_test::expect![[r#"
        the supergraph cannot be served: the supergraph needs `https://specs.example/vault/v1.0` for security, which this router does not know: take the feature out, or its `for:` if it may be passed over
        the supergraph cannot be served: the supergraph needs `https://specs.apollo.dev/connect/v0.1` for execution, which this router does not know: take the feature out, or its `for:` if it may be passed over
        served
        served
        served
    "#]].assert_eq(&outcomes);
}
