//! Services killed at random while shoppers order, pay and change their minds. The dice are of fixed seeds.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;

use crate::books::Books;
use crate::extent;
use crate::shop::Shop;

/// What a shopper pays with; `None` is one who never does, but calls it off.
const METHODS: [Option<&str>; 8] = [
    Some("tok_ok"),
    Some("tok_ok"),
    Some("tok_ok"),
    Some("tok_declined"),
    Some("tok_timeout_after_success"),
    Some("tok_500_then_ok"),
    Some("tok_capture_500_then_ok"),
    None,
];

const SHOPPERS: u64 = 8;
const SEED: u64 = 20_261_127;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_at_random_leaves_the_books_balanced() -> Result<()> {
    let checkouts = extent::number("CRASH_CHECKOUTS", 24)?;
    let kills = extent::number("CRASH_KILLS", 6)?;
    let shop = Shop::open().await?;
    let books = Books::open(&shop).await?;
    let shoppers = tokio::spawn(checkouts_of_all(Arc::clone(&shop), checkouts));
    let mut dice = Dice(SEED);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(200 + dice.below(800))).await;
        let service = ["orders", "payments", "products"][usize::try_from(dice.below(3))?];
        shop.set_webhooks(["duplicate", "drop", "none"][usize::try_from(dice.below(3))?])
            .await?;
        shop.kill(service).await?;
        shop.start(service, &[]).await?;
        shop.sign_in().await;
    }
    shoppers.await??;
    let found = books.balance(&shop).await.context("after everything")?;
    println!("{checkouts} checkouts, {kills} kills: {found:?}");
    books.close().await;
    shop.close().await
}

/// So many checkouts by eight shoppers at once, to their end.
pub(crate) async fn checkouts_of_all(shop: Arc<Shop>, checkouts: u64) -> Result<()> {
    let shoppers =
        (0..SHOPPERS).map(|shopper| tokio::spawn(checkouts_of(Arc::clone(&shop), shopper, checkouts / SHOPPERS)));
    for done in try_join_all(shoppers).await? {
        done?;
    }
    Ok(())
}

async fn checkouts_of(shop: Arc<Shop>, shopper: u64, checkouts: u64) -> Result<()> {
    let mut dice = Dice(SEED ^ (shopper + 1).wrapping_mul(0x9e37_79b9));
    for _ in 0..checkouts {
        let order = shop.place().await?.context("there is enough")?;
        shop.wait_while(&order, &["PENDING"]).await?;
        if let Some(method) = METHODS[usize::try_from(dice.below(8))?] {
            shop.pay(&order, method).await?;
        }
        // Some change their mind at once, whatever has come of the payment by then.
        if dice.below(4) == 0 {
            shop.cancel(&order).await?;
        }
    }
    Ok(())
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}
