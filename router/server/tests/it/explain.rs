//! `extensions.explain`.

use super::{Greeter, body, config, query, router};

#[tokio::test]
async fn an_answer_is_explained_when_asked_and_allowed() {
    let asking = [("x-router-explain", "1")];
    let app = router(config("explain: { enabled: true }"), &Greeter::new()).await;
    let explained = body(&query(&app, "{ hello }", &asking).await);
    let explain = &explained["extensions"]["explain"];
    assert!(explain["plan_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{explained}");
    assert_eq!(explain["plan"]["node"]["operation"], "{hello}", "{explained}");
    assert_eq!(explain["fetches"][0]["subgraph"], "greeter", "{explained}");

    let unasked = body(&query(&app, "{ hello }", &[]).await);
    assert!(unasked.get("extensions").is_none(), "{unasked}");
    let app = router(config(""), &Greeter::new()).await;
    let forbidden = body(&query(&app, "{ hello }", &asking).await);
    assert!(forbidden.get("extensions").is_none(), "{forbidden}");
}
