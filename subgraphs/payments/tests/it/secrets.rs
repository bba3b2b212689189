//! Keys and secrets never show: not in `Debug`, not in errors, not in the log at its most talkative, not in metrics.

use std::io::Write;
use std::sync::{Arc, Mutex};

use sandbox_gateway::config::{DEMO_ALIPAY_APP_KEY, DEMO_API_KEY, DEMO_WEBHOOK_SECRET};
use service::id;
use tracing_subscriber::fmt::MakeWriter;

use crate::shop::{Shop, config, flags, request_through, with_webhooks};

/// A log that a test can read.
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

impl MakeWriter<'_> for Log {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        self.clone()
    }
}

fn secrets() -> Vec<String> {
    let key = DEMO_ALIPAY_APP_KEY.lines().filter(|line| !line.starts_with("-----"));
    let mut secrets: Vec<String> = key.map(str::to_owned).collect();
    let encoded = DEMO_WEBHOOK_SECRET.trim_start_matches("whsec_");
    secrets.extend([DEMO_API_KEY.to_owned(), encoded.to_owned(), "sk_test_wrong".to_owned()]);
    secrets
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for secret in secrets() {
        assert!(!text.contains(&secret), "a secret shows in {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_anywhere() {
    let log = Log::default();
    let filter = "trace,sqlx=warn,sea_orm=warn";
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_env_filter(filter)
        .finish();
    // For the whole process, since the work is done on other threads; what other tests log is checked as well.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let sqlite = service::testing::TempSqlite::new();
    let shop = Shop::open(&sqlite.url, with_webhooks()).await;
    for (gateway, token) in [
        ("sandbox", "tok_ok"),
        ("sandbox", "nonsense"),
        ("sandbox", "tok_timeout_after_success"),
        ("stripe", "tok_ok"),
        ("stripe", "tok_declined"),
        ("stripe", "tok_500_after_success"),
        ("alipay", "qr"),
        ("alipay", "page"),
    ] {
        let payment_id = id::new("pay");
        let state = shop
            .authorize(&payment_id, &request_through(gateway, token))
            .await
            .unwrap();
        assert_clean("an answer", &format!("{state:?}"));
        let refunded = shop.act(&payment_id, "refunds", "r", None).await;
        assert_clean("an error", &format!("{refunded:?}"));
    }
    shop.fault("wrong_signature").await;
    shop.pay(&id::new("pay"), "tok_ok").await;
    assert_clean("the metrics", &shop.metrics().await);

    let unreadable = flags(&shop.gateway_url);
    assert_clean("Debug of the settings", &format!("{:?}", config(&unreadable)));
    for (name, value) in [
        ("gateway-webhook-secrets", DEMO_API_KEY.to_owned()),
        ("stripe-webhook-secrets", DEMO_API_KEY.to_owned()),
        ("alipay-public-key-file", "/nowhere".to_owned()),
        (
            "alipay-private-key-file",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").to_owned(),
        ),
    ] {
        let mut flags = unreadable.clone();
        flags.push((name, value));
        let error = config(&flags).gateways(&service::clock::Clock::System).err().unwrap();
        assert_clean("an error of the settings", &format!("{error:#} {error:?}"));
    }
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(
        text.contains("A call to the gateway did not succeed"),
        "the log is there"
    );
    assert_clean("the log", &text);
}
