//! Clocks that jump by a minute, forward and back, each on its own, while shoppers order, pay and cancel.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::books::Books;
use crate::random::checkouts_of_all;
use crate::shop::Shop;

/// Whose clock, and whether it jumps back.
const JUMPS: [(&str, bool); 6] = [
    ("orders", false),
    ("payments", true),
    ("products", false),
    ("orders", true),
    ("payments", false),
    ("products", true),
];

const JUMP: Duration = Duration::from_secs(60);

const CHECKOUTS: u64 = 24;

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_leave_the_books_balanced() -> Result<()> {
    let shop = Shop::open().await?;
    let books = Books::open(&shop).await?;
    let shoppers = tokio::spawn(checkouts_of_all(Arc::clone(&shop), CHECKOUTS));
    for (service, is_back) in JUMPS {
        tokio::time::sleep(Duration::from_millis(500)).await;
        shop.shift_clock(service, JUMP, is_back).await?;
        shop.kill(service).await?;
        shop.start(service, &[]).await?;
        shop.sign_in().await;
    }
    shoppers.await??;
    let found = books.balance(&shop).await.context("after the jumps")?;
    println!("{CHECKOUTS} checkouts, {} jumps: {found:?}", JUMPS.len());
    books.close().await;
    shop.close().await
}
