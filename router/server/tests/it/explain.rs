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
    let mut fetch = explain["fetches"][0].clone();
    for time in ["started_us", "duration_us"] {
        assert!(fetch[time].is_u64(), "{explained}");
        fetch[time] = 0.into();
    }
    expect_test::expect![[r#"{"fetch":0,"subgraph":"greeter","transport":"in_process","started_us":0,"duration_us":0,"request_bytes":19,"response_bytes":26,"http_status":200,"entities_wanted":0,"entities_sent":0,"skipped":false,"error":null}"#]]
        .assert_eq(&fetch.to_string());

    let unasked = body(&query(&app, "{ hello }", &[]).await);
    assert!(unasked.get("extensions").is_none(), "{unasked}");
    let app = router(config(""), &Greeter::new()).await;
    let forbidden = body(&query(&app, "{ hello }", &asking).await);
    assert!(forbidden.get("extensions").is_none(), "{forbidden}");
}
