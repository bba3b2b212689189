//! Each abort point once: the service dies there in the middle of one purchase, and is started again.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use crate::books::Books;
use crate::extent;
use crate::shop::{self, Shop};
use crate::story::{Story, tell};

/// Where it dies, and by which story it gets there. The service is the first word.
const POINTS: &[(&str, Story)] = &[
    ("orders.place.storing", Story::Buy),
    ("orders.place.stored", Story::Buy),
    ("orders.saga.asking.RESERVE", Story::Buy),
    ("orders.saga.answered.RESERVE", Story::Buy),
    ("orders.saga.asking.AUTHORIZE", Story::Buy),
    ("orders.saga.answered.AUTHORIZE", Story::Buy),
    ("orders.saga.asking.COMMIT_STOCK", Story::Buy),
    ("orders.saga.answered.COMMIT_STOCK", Story::Buy),
    ("orders.saga.asking.CAPTURE", Story::Buy),
    ("orders.saga.answered.CAPTURE", Story::Buy),
    ("orders.saga.storing.DONE", Story::Buy),
    ("orders.saga.asking.RELEASE", Story::CancelUnpaid),
    ("orders.saga.answered.RELEASE", Story::CancelUnpaid),
    ("orders.saga.asking.VOID", Story::CancelAsked),
    ("orders.saga.answered.VOID", Story::CancelAsked),
    ("orders.saga.asking.REFUND", Story::CancelPaid),
    ("orders.saga.answered.REFUND", Story::CancelPaid),
    ("orders.event.stored", Story::Buy),
    ("orders.events.sent", Story::Buy),
    ("payments.gateway.calling.AUTHORIZE", Story::Buy),
    ("payments.gateway.answered.AUTHORIZE", Story::Buy),
    ("payments.gateway.calling.CAPTURE", Story::Buy),
    ("payments.gateway.answered.CAPTURE", Story::Buy),
    ("payments.gateway.calling.VOID", Story::CancelAsked),
    ("payments.gateway.answered.VOID", Story::CancelAsked),
    ("payments.gateway.calling.REFUND", Story::CancelPaid),
    ("payments.gateway.answered.REFUND", Story::CancelPaid),
    ("payments.webhook.stored", Story::Buy),
    ("payments.events.sent", Story::Buy),
    ("products.reserve.storing", Story::Buy),
    ("products.reserve.stored", Story::Buy),
    ("products.commit.storing", Story::Buy),
    ("products.commit.stored", Story::Buy),
    ("products.release.stored", Story::CancelUnpaid),
    ("products.restock.storing", Story::CancelPaid),
    ("products.restock.stored", Story::CancelPaid),
];

/// One more, when a broker carries the events.
const NATS_POINT: (&str, Story) = ("orders.events.taken", Story::Buy);

/// By default one in so many; `CRASH_ALL` takes all.
const TAKEN_OF: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_at_a_bad_moment_leaves_the_books_balanced() -> Result<()> {
    let shop = Shop::open().await?;
    shop.set_webhooks("duplicate").await?;
    let books = Books::open(&shop).await?;
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    let nats_point = std::env::var_os(shop::NATS).map(|_| &NATS_POINT);
    for (point, story) in POINTS.iter().step_by(extent::step(TAKEN_OF)).chain(nats_point) {
        die_once(&shop, point, *story)
            .await
            .with_context(|| format!("dying at {point}"))?;
        *expected.entry(story.ends_as().to_owned()).or_default() += 1;
        let found = books
            .balance(&shop)
            .await
            .with_context(|| format!("after dying at {point}"))?;
        ensure!(found == expected, "after dying at {point}: {found:?}, not {expected:?}");
    }
    books.close().await;
    shop.close().await
}

async fn die_once(shop: &Arc<Shop>, point: &str, story: Story) -> Result<()> {
    let names = ["orders", "payments", "products"];
    let service = names
        .into_iter()
        .find(|name| point.starts_with(name))
        .context("a service")?;
    shop.sign_in().await;
    shop.kill(service).await?;
    shop.start(service, &[("ABORT_POINT", point)]).await?;
    let shopper = tokio::spawn(tell(Arc::clone(shop), story));
    shop.wait_for_death(service).await?;
    shop.start(service, &[]).await?;
    shopper.await?
}
