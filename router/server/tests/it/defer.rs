//! `@defer` from clients: answered whole, whatever they accept.

use http::header;

use super::{Greeter, body, config, query, router};

#[tokio::test]
async fn a_deferred_fragment_is_answered_with_the_rest() {
    let app = router(config(""), &Greeter::new()).await;
    let text = "{ __typename ... @defer(label: \"later\") { hello } }";
    // As Apollo Client and GraphiQL ask.
    for accept in [
        "application/json",
        "multipart/mixed;deferSpec=20220824,application/json",
        "multipart/mixed;incrementalSpec=v0.2,application/graphql-response+json,application/json;q=0.9",
        "application/json, multipart/mixed",
    ] {
        let response = query(&app, text, &[("accept", accept)]).await;
        assert_eq!(response.status(), 200, "{accept}");
        let content_type = response.headers()[header::CONTENT_TYPE].to_str().expect("text");
        assert!(content_type.contains("json"), "{accept}: {content_type}");
        assert_eq!(
            response.body(),
            r#"{"data":{"__typename":"Query","hello":"world"}}"#,
            "{accept}"
        );
    }
    let refused = query(
        &app,
        "{ ... @defer(label: \"a\") { hello } ... @defer(label: \"a\") { hello } }",
        &[],
    )
    .await;
    let refused = body(&refused);
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED",
        "{refused}"
    );
}
