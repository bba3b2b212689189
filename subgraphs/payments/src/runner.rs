//! The background of payments: settles what is open.
//!
//! Woken when something was stored, and every second in any case, so that a lost wake-up or another replica's work
//! costs a second and nothing else.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::processor::Processor;

const TICK: Duration = Duration::from_secs(1);

/// Works until `shutdown`.
pub async fn run(processor: Processor, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = processor.woken() => {}
            () = tokio::time::sleep(TICK) => {}
        }
        if let Err(error) = processor.work().await {
            error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "The background work failed; it will be tried again"
            );
        }
    }
}
