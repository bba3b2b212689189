//! The database server crashes and comes back, twice, while shoppers order, pay and cancel.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::books::Books;
use crate::postgres::Postgres;
use crate::random::checkouts_of_all;
use crate::shop::{Setup, Shop};

const CHECKOUTS: u64 = 24;
const RESTARTS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_restarted_leaves_the_books_balanced() -> Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    let setup = Setup {
        server: Some(postgres.url()),
        ..Setup::default()
    };
    let shop = Shop::open_with(setup).await?;
    let books = Books::open(&shop).await?;
    let shoppers = tokio::spawn(checkouts_of_all(Arc::clone(&shop), CHECKOUTS));
    for _ in 0..RESTARTS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        postgres.crash_and_restart()?;
    }
    shoppers.await??;
    let found = books.balance(&shop).await.context("after the restarts")?;
    println!("{CHECKOUTS} checkouts, {RESTARTS} restarts: {found:?}");
    books.close().await;
    shop.close().await
}
