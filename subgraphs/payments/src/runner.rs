//! The background of payments: settles what is open.
//!
//! Woken when a webhook was stored, and every second in any case, so that a lost wake-up or another replica's work
//! costs a second and nothing else.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::processor::Processor;
use crate::store::StoreError;

const TICK: Duration = Duration::from_secs(1);

/// How long webhooks gather before they are worked on: what several of them need is read and written at once. Those of a
/// card, whose payment has its answer already, may come as often as orders do.
const GATHERING: Duration = Duration::from_millis(25);

const MEASURE_INTERVAL: Duration = Duration::from_secs(15);

/// Works until `shutdown`.
pub async fn run(processor: Processor, shutdown: CancellationToken) {
    let [mut tick_at, mut measure_at] = [Instant::now(); 2];
    loop {
        let now = Instant::now();
        let worked = async {
            if now < tick_at {
                return processor.work_webhooks().await;
            }
            tick_at = now + TICK;
            processor.work().await?;
            if now >= measure_at {
                measure_at = now + MEASURE_INTERVAL;
                processor.measure().await?;
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = worked.await {
            error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "The background work failed; it will be tried again"
            );
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = processor.woken() => tokio::time::sleep(GATHERING).await,
            () = tokio::time::sleep_until(tick_at) => {}
        }
    }
}
