//! Lets reservations lapse whose time is over: the backstop for orders that nobody finished or released.

use crate::store::Store;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Time between two sweeps. A lapsed reservation holds its units that much longer at most.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Sweeps until `shutdown`.
pub(crate) async fn run(store: Store, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval_at(Instant::now() + SWEEP_INTERVAL, SWEEP_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
        match store.sweep_reservations().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(reservation.count = count, "{count} reservations lapsed"),
            // The next sweep tries again; readiness tells when the database is gone for good.
            Err(error) => {
                tracing::warn!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "A sweep of reservations failed"
                );
            }
        }
    }
}
