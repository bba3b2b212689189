//! The background of payments: settles what is open, the share of each gateway by itself.
//!
//! Woken when a webhook was stored, and every second in any case, so that a lost wake-up or another replica's work
//! costs a second and nothing else.

use std::future::pending;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::processor::Processor;
use crate::store::{Share, StoreError};

const TICK: Duration = Duration::from_secs(1);

/// How long webhooks gather before they are worked on: what several of them need is read and written at once. Those of a
/// card, whose payment has its answer already, may come as often as orders do.
const GATHERING: Duration = Duration::from_millis(25);

/// Works on `share` until `shutdown`: on its webhooks, and beside them on its open transactions, since many of the one would hold
/// up the other.
pub async fn run(processor: Processor, share: Share, shutdown: CancellationToken) {
    let (processor, share, shutdown) = (&processor, &share, &shutdown);
    let webhooks = repeat(
        || processor.work_webhooks(share),
        || async {
            processor.woken(share).await;
            tokio::time::sleep(GATHERING).await;
        },
        shutdown,
    );
    let transactions = repeat(|| processor.work_transactions(share), pending, shutdown);
    tokio::join!(webhooks, transactions);
}

/// Does `work` when `woken` says so and every [`TICK`]; at once again as long as there may be more.
async fn repeat<W, N>(work: impl Fn() -> W, woken: impl Fn() -> N, shutdown: &CancellationToken)
where
    W: Future<Output = Result<bool, StoreError>>,
    N: Future<Output = ()>,
{
    while !shutdown.is_cancelled() {
        let tick_at = Instant::now() + TICK;
        match work().await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "The background work failed; it will be tried again"
            ),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = woken() => {}
            () = tokio::time::sleep_until(tick_at) => {}
        }
    }
}
