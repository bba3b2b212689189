//! `router healthcheck`, of a router that serves and of one that does not.

use std::path::Path;

use tokio::net::TcpListener;

use crate::commands::run;

/// `router healthcheck` of somebody who answers with `status`.
async fn check(status: u16) -> (Option<i32>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let status = http::StatusCode::from_u16(status).expect("a status");
    let readyz = axum::routing::get(move || async move { (status, "so it is\n") });
    let app = axum::Router::new().route("/readyz", readyz);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let asked = tokio::task::spawn_blocking(move || {
        let ended = run(Path::new("."), &["healthcheck", "--admin-listen", &address]);
        assert_eq!(ended.stdout, "");
        (ended.code, ended.stderr.replace(&address, "ADDRESS"))
    });
    asked.await.expect("it ends")
}

#[tokio::test]
async fn the_exit_code_is_the_answer() {
    assert_eq!(check(200).await, (Some(0), String::new()));
    let (code, said) = check(503).await;
    assert_eq!(
        (code, said.as_str()),
        (
            Some(1),
            "error: ADDRESS answers with status 503 Service Unavailable: so it is\n"
        )
    );
}
