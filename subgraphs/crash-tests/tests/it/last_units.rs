//! Two hundred shoppers and ten units.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;

use crate::books::Books;
use crate::shop::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_shoppers_buy_the_last_ten_units() -> Result<()> {
    let shop = Shop::open().await?;
    shop.set_stock(10).await?;
    let books = Books::open(&shop).await?;
    let shoppers: Vec<_> = (0..200).map(|_| tokio::spawn(buy(Arc::clone(&shop)))).collect();
    let mut paid = 0;
    for bought in try_join_all(shoppers).await? {
        paid += usize::from(bought?);
    }
    let found = books.balance(&shop).await.context("after the rush")?;
    ensure!(
        paid == 10 && found.get("PAID") == Some(&10),
        "{paid} bought it: {found:?}"
    );
    ensure!(
        found.keys().all(|status| ["PAID", "FAILED"].contains(&status.as_str())),
        "{found:?}"
    );
    books.close().await;
    shop.close().await
}

async fn buy(shop: Arc<Shop>) -> Result<bool> {
    let Some(order) = shop.place().await? else {
        return Ok(false);
    };
    if shop.wait_while(&order, &["PENDING"]).await? != "AWAITING_PAYMENT" {
        return Ok(false);
    }
    shop.pay(&order, "tok_ok").await?;
    let status = shop
        .wait_while(&order, &["AWAITING_PAYMENT", "PAYMENT_PROCESSING"])
        .await?;
    Ok(status == "PAID")
}
