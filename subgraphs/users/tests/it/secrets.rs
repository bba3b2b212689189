//! What must never appear in a log.

use crate::shop::{PASSWORD, Shop, user_errors};
use serde_json::json;
use service::testing::TempSqlite;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// A whole life of an account with everything logged that can be logged, libraries included.
#[tokio::test]
async fn no_password_token_key_or_address_is_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // This thread's: a test runs on one thread, and so do its background tasks.
    let _guard = tracing::subscriber::set_default(subscriber);
    // With only one subscriber, a place that logs for the first time on the thread of another test, which has none, would
    // be switched off for all threads. With two, both are asked.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let registered = shop.register("mira").await;
    let mut secrets = vec![PASSWORD.to_owned(), "mira@example.com".to_owned()];
    let mut keep = |tokens: &serde_json::Value| {
        for name in ["accessToken", "refreshToken"] {
            secrets.push(tokens[name].as_str().unwrap().to_owned());
        }
    };
    keep(&registered["tokens"]);
    let token = registered["tokens"]["accessToken"].as_str().unwrap();

    shop.login("mira@example.com", "hunter2-hunter2").await;
    keep(&shop.login("mira@example.com", PASSWORD).await["tokens"]);
    let refresh = "mutation($token: String) { userTokenRefresh(refreshToken: $token) {
        tokens { accessToken refreshToken } userErrors { code field } } }";
    let variables = json!({ "token": registered["tokens"]["refreshToken"] });
    let data = shop.data(refresh, variables.clone(), None).await;
    keep(&data["userTokenRefresh"]["tokens"]);
    shop.service.clock.advance(Duration::from_secs(60));
    shop.data(refresh, variables, None).await;

    let reset = "mutation { userPasswordResetRequest(email: \"mira@example.com\") { accepted } }";
    shop.data(reset, json!({}), None).await;
    for count in [1, 2] {
        secrets.push(shop.mailed_token("mira@example.com", count).await);
    }
    let erase = "mutation($password: String!) { userDelete(password: $password) { userErrors { code field } } }";
    let data = shop.data(erase, json!({ "password": PASSWORD }), Some(token)).await;
    assert_eq!(user_errors(&data["userDelete"]), "");
    shop.mails_to("mira@example.com", 3).await;

    for pem in shop.private_keys() {
        secrets.push(pem.lines().nth(1).unwrap().to_owned());
    }
    secrets.push("hunter2-hunter2".to_owned());
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for told in ["A refresh token was used twice", "was erased", "POST /graphql 200"] {
        assert!(log.contains(told), "the log tells `{told}`: {log}");
    }
    for secret in secrets {
        assert!(!log.contains(&secret), "the log holds `{secret}`");
    }
}

/// What clients hold is stored as a hash, and what mails will hold is not stored at all.
#[tokio::test]
async fn no_password_or_token_is_stored() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let refresh = shop.register("mira").await["tokens"]["refreshToken"].clone();
    let mailed = shop.mailed_token("mira@example.com", 1).await;
    let path = database.url.trim_start_matches("sqlite:");
    let files = ["", "-wal"].map(|suffix| std::fs::read(format!("{path}{suffix}")).unwrap_or_default());
    let bytes = files.concat();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("mira@example.com"), "the files are read");
    for secret in [PASSWORD, refresh.as_str().unwrap(), mailed.as_str()] {
        assert!(!holds(secret));
    }
}
