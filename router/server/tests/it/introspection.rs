//! `introspection.enabled`: whether clients may ask for the schema.

use serde_json::json;

use super::{Greeter, body, config, query, router};

const WITHIN_A_FRAGMENT: &str = "{ hello ...F } fragment F on Query { ... { type: __type(name: \"Query\") { name } } }";

#[tokio::test]
async fn the_schema_is_shown_by_default() {
    let app = router(config(""), &Greeter::new()).await;
    let answer = query(&app, WITHIN_A_FRAGMENT, &[]).await;
    assert_eq!(
        body(&answer),
        json!({ "data": { "hello": "world", "type": { "name": "Query" } } })
    );
}

#[tokio::test]
async fn a_schema_that_is_not_shown_is_refused_as_a_whole() {
    let greeter = Greeter::new();
    let app = router(config("introspection: { enabled: false }"), &greeter).await;
    for text in ["{ __schema { queryType { name } } }", WITHIN_A_FRAGMENT] {
        let answer = query(&app, text, &[("accept", "application/graphql-response+json")]).await;
        assert_eq!(answer.status(), 400, "{text}");
        let answer = body(&answer);
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "INTROSPECTION_DISABLED",
            "{answer}"
        );
        assert!(answer.get("data").is_none(), "{answer}");
    }
    let answer = query(&app, "{ __typename hello }", &[]).await;
    assert_eq!(
        body(&answer),
        json!({ "data": { "__typename": "Query", "hello": "world" } })
    );
}
