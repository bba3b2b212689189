//! `POST /graphql`.

use crate::schema::subgraph;
use axum::body::Body;
use expect_test::expect;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde_json::{Value, json};
use service::auth::{Role, Viewer};
use service::deadline::DEADLINE_HEADER;
use service::testing::{Client, client};
use tower::ServiceExt;

fn codes(answer: &Value) -> Vec<&str> {
    answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["extensions"]["code"].as_str().unwrap())
        .collect()
}

async fn send(client: &Client, query: &str, headers: HeaderMap) -> (StatusCode, Value) {
    let (status, _, body) = client.send(json!({ "query": query }), headers).await;
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn every_error_has_a_code_and_faults_tell_nothing() {
    let (router, _) = subgraph();
    let client = client(&router);
    for (query, expected) in [
        ("{ fault }", "INTERNAL_SERVER_ERROR: internal error"),
        ("{ refusal }", "BAD_USER_INPUT: `first` is too large"),
        (
            "{ nothing }",
            "GRAPHQL_VALIDATION_FAILED: Unknown field \"nothing\" on type \"Query\".",
        ),
        ("{ secret }", "UNAUTHENTICATED: sign in first"),
        (
            "{ half(amount: \"1,5\") { amount } }",
            "BAD_USER_INPUT: Failed to parse \"Decimal\"",
        ),
        ("{", "GRAPHQL_PARSE_FAILED: "),
    ] {
        let (status, answer) = send(&client, query, HeaderMap::new()).await;
        let message = answer["errors"][0]["message"].as_str().unwrap();
        let shown = format!("{}: {message}", codes(&answer)[0]);
        assert!(
            status == StatusCode::OK && shown.starts_with(expected),
            "{query} gave {shown}"
        );
        assert!(!answer.to_string().contains("hunter2"), "{answer}");
    }
}

#[tokio::test]
async fn values_are_written_as_documented() {
    let (router, _) = subgraph();
    let query = "{ half(amount: \"19.99\") { amount amountMinor currencyCode }
        _entities(representations: [{ __typename: \"Thing\", id: \"thing_1\" }, { __typename: \"Thing\", id: \"x\" }]) {
            ... on Node { id } } }";
    let answer = client(&router).query(query, json!({}), None).await;
    let expected = json!({
        "half": { "amount": "9.99", "amountMinor": 999, "currencyCode": "EUR" },
        "_entities": [{ "id": "thing_1" }, null],
    });
    assert_eq!(answer["data"], expected, "{answer:#}");
}

#[tokio::test]
async fn a_bad_token_refuses_the_whole_request() {
    let (router, keys) = subgraph();
    let client = client(&router);
    let viewer = Viewer::user("usr_1", &[Role::Customer]);
    let token = keys.token(&viewer);
    assert_eq!(
        client.query("{ viewer }", json!({}), None).await["data"]["viewer"],
        Value::Null
    );
    assert_eq!(
        client.query("{ viewer }", json!({}), Some(&token)).await["data"]["viewer"],
        "usr_1"
    );
    for authorization in [
        format!("Bearer {}", keys.token_expiring_in(&viewer, -120)),
        format!("Bearer {token}x"),
        "Bearer".to_owned(),
        "Basic YWRhOmFkYQ==".to_owned(),
    ] {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::try_from(&authorization).unwrap())]);
        let (status, answer) = send(&client, "{ viewer }", headers).await;
        assert_eq!(
            (status, codes(&answer)),
            (StatusCode::OK, vec!["UNAUTHENTICATED"]),
            "{authorization}"
        );
        assert_eq!(answer["data"], Value::Null);
    }
}

#[tokio::test]
async fn scopes_come_from_roles() {
    let (router, keys) = subgraph();
    for (role, expected) in [
        (Role::Customer, json!(["UNAUTHORIZED_FIELD_OR_TYPE"])),
        (Role::Support, json!(42)),
        (Role::Admin, json!(42)),
    ] {
        let answer = client(&router)
            .query("{ secret }", json!({}), Some(&keys.user("usr_1", &[role])))
            .await;
        let shown = if answer["data"].is_null() {
            json!(codes(&answer))
        } else {
            answer["data"]["secret"].clone()
        };
        assert_eq!(shown, expected, "{role:?}");
    }
}

#[tokio::test]
async fn the_callers_deadline_is_kept() {
    let (router, _) = subgraph();
    let headers = HeaderMap::from_iter([(DEADLINE_HEADER, HeaderValue::from_static("20"))]);
    let (status, answer) = send(&client(&router), "{ slow }", headers).await;
    assert_eq!((status, codes(&answer)), (StatusCode::OK, vec!["GATEWAY_TIMEOUT"]));
}

#[tokio::test]
async fn junk_is_refused() {
    let (router, _) = subgraph();
    for (body, expected) in [
        (b"".to_vec(), StatusCode::BAD_REQUEST),
        (b"{\"query\":".to_vec(), StatusCode::BAD_REQUEST),
        (b"{\"query\":3}".to_vec(), StatusCode::BAD_REQUEST),
        (vec![0xff; 100], StatusCode::BAD_REQUEST),
        (vec![b' '; 9 * 1024 * 1024], StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let shown = String::from_utf8_lossy(&body).chars().take(20).collect::<String>();
        let request = Request::post("/graphql").body(Body::from(body)).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected, "{shown}");
    }
    let get = Request::get("/graphql?query={viewer}").body(Body::empty()).unwrap();
    assert_eq!(
        router.oneshot(get).await.unwrap().status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn a_subscription_is_a_stream_of_events() {
    let (router, _) = subgraph();
    let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("text/event-stream"))]);
    let (_, headers, body) = client(&router)
        .send(json!({ "query": "subscription { count(to: 2) }" }), headers)
        .await;
    assert_eq!(headers[header::CONTENT_TYPE], "text/event-stream");
    expect![[r#"
        event: next
        data: {"data":{"count":1}}

        event: next
        data: {"data":{"count":2}}

        event: complete
        data:  

    "#]]
    .assert_eq(&String::from_utf8(body).unwrap());
}

#[tokio::test]
async fn who_takes_json_gets_json() {
    let (router, _) = subgraph();
    for accept in ["application/json, text/event-stream", "*/*", "application/json"] {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        let (_, headers, _) = client(&router).send(json!({ "query": "{ viewer }" }), headers).await;
        assert_eq!(headers[header::CONTENT_TYPE], "application/json", "{accept}");
    }
}

#[tokio::test]
async fn the_schema_is_the_same_under_any_alias() {
    let (router, _) = subgraph();
    let answer = client(&router)
        .query("{ a: _service { b: sdl } }", json!({}), None)
        .await;
    let sdl = answer["data"]["a"]["b"].as_str().unwrap();
    assert!(
        !sdl.contains("directive @") && sdl.contains("type Money @shareable {"),
        "{sdl}"
    );
    assert_eq!(service::graphql::normalize(sdl), sdl);
}
