//! What the operator should know of payments, and what is kept no longer. Calls no gateway.

use std::time::Duration;

use chrono::TimeDelta;
use metrics::gauge;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::processor::Processor;
use crate::store::StoreError;

const INTERVAL: Duration = Duration::from_secs(15);

/// How long a webhook is known when it comes again: longer than any gateway sends one.
const WEBHOOKS_KEPT: TimeDelta = TimeDelta::days(30);

/// Most deletions in one round.
const FORGETTINGS_MAX: usize = 20;

/// Works until `shutdown`.
pub(crate) async fn run(processor: Processor, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
        if let Err(error) = round(&processor).await {
            let error = format!("{:#}", anyhow::Error::from(error));
            error!(error, "The upkeep of payments failed; it will be tried again");
        }
    }
}

async fn round(processor: &Processor) -> Result<(), StoreError> {
    let (store, now) = (processor.store(), processor.now());
    let oldest = store.oldest_unknown().await?;
    let age = oldest.map_or(0.0, |since| (now - since).as_seconds_f64());
    gauge!("payments_oldest_unknown_seconds").set(age);
    for _ in 0..FORGETTINGS_MAX {
        if !store.forget_webhooks(now - WEBHOOKS_KEPT).await? {
            break;
        }
    }
    Ok(())
}
