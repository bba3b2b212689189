//! What browsers are told about pages of other origins.

use axum::body::Body;
use http::{Method, Request};
use tower::ServiceExt;

use super::{Greeter, config, router};

/// Names in `access-control-allow-headers` of a preflight.
async fn allowed_headers(yaml: &str) -> Vec<String> {
    let app = router(config(yaml), &Greeter::new()).await;
    let request = Request::builder().method(Method::OPTIONS).uri("/graphql");
    let request = request
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .body(Body::empty())
        .expect("a request");
    let response = app.oneshot(request).await.expect("a router always answers");
    let allowed = response.headers()["access-control-allow-headers"].to_str();
    let names = allowed.expect("text").split(',').map(|name| name.trim().to_owned());
    names.collect()
}

#[tokio::test]
async fn pages_may_send_their_trace_and_what_is_configured() {
    let always = ["accept", "authorization", "content-type", "traceparent", "tracestate"];
    let origins = "origins: [https://shop.example]";
    assert_eq!(allowed_headers(&format!("cors: {{ {origins} }}")).await, always);
    let yaml = format!("cors: {{ {origins}, headers: [baggage, traceparent, keep-alive] }}");
    assert_eq!(
        allowed_headers(&yaml).await,
        [&always[..], &["baggage", "keep-alive"]].concat()
    );
}
