//! What of a client's headers subgraphs see, and the other way round.

use super::{Greeter, config, query, router};

#[tokio::test]
async fn credentials_go_on_and_cookies_come_back() {
    let greeter = Greeter::new()
        .answering_with("set-cookie", "a=1")
        .answering_with("x-internal", "secret");
    let app = router(config(""), &greeter).await;
    let sent = [
        ("authorization", "Bearer x"),
        ("cookie", "b=2"),
        ("x-tenant", "acme"),
        ("accept-language", "zh"),
    ];
    let response = query(&app, "{ hello }", &sent).await;
    assert_eq!(response.headers()["set-cookie"], "a=1");
    assert!(!response.headers().contains_key("x-internal"));

    let received = greeter.last_received();
    assert_eq!(received["authorization"], "Bearer x");
    assert_eq!(received["cookie"], "b=2");
    assert_eq!(received["accept-language"], "zh");
    assert!(received.contains_key("traceparent"));
    assert!(!received.contains_key("x-tenant"));
}

#[tokio::test]
async fn the_lists_can_be_changed() {
    let yaml = "headers:
  request: { add: [x-tenant], remove: [cookie] }
  response: { add: [x-cost], remove: [set-cookie] }
";
    let greeter = Greeter::new()
        .answering_with("set-cookie", "a=1")
        .answering_with("x-cost", "7");
    let app = router(config(yaml), &greeter).await;
    let response = query(&app, "{ hello }", &[("cookie", "b=2"), ("x-tenant", "acme")]).await;
    assert_eq!(response.headers()["x-cost"], "7");
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(greeter.last_received()["x-tenant"], "acme");
    assert!(!greeter.last_received().contains_key("cookie"));
}

/// A subgraph cannot pass for the router where the router speaks for itself.
#[tokio::test]
async fn the_media_type_is_the_routers() {
    let greeter = Greeter::new().answering_with("x-cost", "7");
    let app = router(config(""), &greeter).await;
    let response = query(&app, "{ hello }", &[("accept", "application/graphql-response+json")]).await;
    assert_eq!(
        response.headers()["content-type"],
        "application/graphql-response+json; charset=utf-8"
    );
}

#[tokio::test]
async fn caches_are_told_what_an_answer_depends_on() {
    let pass_back = "headers: { response: { add: [cache-control, vary] } }";
    for (yaml, caching, varying) in [
        ("", "no-store", &["accept"][..]),
        (pass_back, "private, max-age=60", &["x-tenant", "accept"]),
    ] {
        let greeter = Greeter::new()
            .answering_with("cache-control", "private, max-age=60")
            .answering_with("vary", "x-tenant");
        let app = router(config(yaml), &greeter).await;
        let response = query(&app, "{ hello }", &[]).await;
        assert_eq!(response.headers()["cache-control"], caching, "{yaml}");
        let varies: Vec<_> = response.headers().get_all("vary").iter().collect();
        assert_eq!(varies, varying, "{yaml}");
    }
    let app = router(config(""), &Greeter::new()).await;
    let deferred = "{ ... @defer { hello } }";
    for (accept, text) in [
        ("multipart/mixed;deferSpec=20220824", deferred),
        ("application/json", "{ goodbye }"),
        ("text/html", "{ hello }"),
    ] {
        let response = query(&app, text, &[("accept", accept)]).await;
        assert_eq!(response.headers()["vary"], "accept", "{accept}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{accept}");
    }
}
