//! What one shopper does, whatever happens to the shop meanwhile.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use crate::shop::Shop;

/// What the shopper does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Story {
    /// Orders and pays.
    Buy,
    /// Orders and calls it off.
    CancelUnpaid,
    /// Calls it off while the bank asks.
    CancelAsked,
    /// Calls it off when it is paid.
    CancelPaid,
}

impl Story {
    /// The status in which its order ends.
    pub(crate) fn ends_as(self) -> &'static str {
        if self == Story::Buy { "PAID" } else { "CANCELLED" }
    }
}

/// Plays a story to its end, on the shopper's side.
pub(crate) async fn tell(shop: Arc<Shop>, story: Story) -> Result<()> {
    let order = shop.place().await?.context("there is enough")?;
    let status = shop.wait_while(&order, &["PENDING"]).await?;
    ensure!(status == "AWAITING_PAYMENT", "{status}");
    let method = match story {
        Story::Buy | Story::CancelPaid => Some("tok_ok"),
        Story::CancelAsked => Some("tok_3ds"),
        Story::CancelUnpaid => None,
    };
    if let Some(method) = method {
        shop.pay(&order, method).await?;
        shop.wait_while(&order, &["AWAITING_PAYMENT", "PAYMENT_PROCESSING"])
            .await?;
    }
    if story != Story::Buy {
        shop.cancel(&order).await?;
    }
    Ok(())
}
