//! A runner that freezes in the middle of a step while another one takes over, and then goes on as if nothing had been:
//! two runners on one lease. For it a minute of its clock passes between two lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};

use crate::books::Books;
use crate::extent;
use crate::shop::{SECOND_ORDERS, Setup, Shop};
use crate::story::{Story, tell};

const POINTS: &[(&str, Story)] = &[
    ("orders.saga.asking.CAPTURE", Story::Buy),
    ("orders.saga.asking.RESERVE", Story::Buy),
    ("orders.saga.answered.RESERVE", Story::Buy),
    ("orders.saga.answered.REFUND", Story::CancelPaid),
    ("orders.saga.asking.AUTHORIZE", Story::Buy),
    ("orders.saga.asking.COMMIT_STOCK", Story::Buy),
    ("orders.saga.answered.AUTHORIZE", Story::Buy),
    ("orders.saga.answered.COMMIT_STOCK", Story::Buy),
    ("orders.saga.answered.CAPTURE", Story::Buy),
    ("orders.saga.answered.RELEASE", Story::CancelUnpaid),
    ("orders.saga.asking.REFUND", Story::CancelPaid),
    ("orders.saga.answered.VOID", Story::CancelAsked),
];

/// By default one in so many; `CRASH_ALL` takes all.
const TAKEN_OF: usize = 3;

/// How often a runner may freeze in the middle of something else as well.
const TRIES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_goes_on_after_its_lease_leaves_the_books_balanced() -> Result<()> {
    let setup = Setup {
        has_second_orders: true,
        ..Setup::default()
    };
    let shop = Shop::open_with(setup).await?;
    let books = Books::open(&shop).await?;
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for (point, story) in POINTS.iter().step_by(extent::step(TAKEN_OF)) {
        let what = || format!("freezing at {point}");
        let orders = freeze(&shop, &books, point, *story).await.with_context(what)?;
        *expected.entry(story.ends_as().to_owned()).or_default() += orders;
        let found = books.balance(&shop).await.with_context(what)?;
        ensure!(
            found == expected,
            "after freezing at {point}: {found:?}, not {expected:?}"
        );
    }
    books.close().await;
    shop.close().await
}

/// Tells a story that freezes at `point`, once more when the runner was writing something else as well: whoever freezes
/// keeps its locks, and nobody can take over. Gives how many orders that took.
async fn freeze(shop: &Arc<Shop>, books: &Books, point: &str, story: Story) -> Result<usize> {
    for orders in 1..=TRIES {
        shop.sign_in().await;
        shop.kill("orders").await?;
        shop.start("orders", &[("FREEZE_POINT", point)]).await?;
        let shopper = tokio::spawn(tell(Arc::clone(shop), story));
        shop.wait_until_frozen("orders").await?;
        let can_be_taken_over = books.can_be_written().await;
        if can_be_taken_over {
            let settling = books.settle_sagas().await;
            settling.with_context(|| format!("{SECOND_ORDERS} takes over"))?;
        }
        shop.thaw("orders").await?;
        shopper.await??;
        if can_be_taken_over {
            return Ok(orders);
        }
        books.settle_sagas().await?;
    }
    bail!("it was writing something else each time")
}
