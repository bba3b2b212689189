//! The background of payments: settles what is open, the share of each gateway by itself.
//!
//! Woken when a webhook was stored, and every second in any case, so that a lost wake-up or another replica's work
//! costs a second and nothing else.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::processor::Processor;
use crate::store::Share;

const TICK: Duration = Duration::from_secs(1);

/// How long webhooks gather before they are worked on: what several of them need is read and written at once. Those of a
/// card, whose payment has its answer already, may come as often as orders do.
const GATHERING: Duration = Duration::from_millis(25);

/// Works on `share` until `shutdown`.
pub async fn run(processor: Processor, share: Share, shutdown: CancellationToken) {
    let mut tick_at = Instant::now();
    loop {
        let now = Instant::now();
        let is_tick = now >= tick_at;
        if is_tick {
            tick_at = now + TICK;
        }
        let worked = async {
            processor.work_webhooks(&share).await?;
            match is_tick {
                true => processor.work_transactions(&share).await,
                false => Ok(false),
            }
        };
        match worked.await {
            Ok(true) => tick_at = now,
            Ok(false) => {}
            Err(error) => error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "The background work failed; it will be tried again"
            ),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = processor.woken(&share) => tokio::time::sleep(GATHERING).await,
            () = tokio::time::sleep_until(tick_at) => {}
        }
    }
}
