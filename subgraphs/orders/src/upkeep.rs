//! What the operator should know of the sagas. Forgets keys that nobody repeats any more, and changes nothing else.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use metrics::gauge;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::domain::Step;
use crate::driver::Driver;
use crate::store::StoreError;

const INTERVAL: Duration = Duration::from_secs(15);

/// How long a shopper's key answers for what was done with it.
const KEYS_KEPT: TimeDelta = TimeDelta::days(30);

/// Measures until `shutdown`.
pub(crate) async fn run(driver: Driver, shutdown: CancellationToken) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
        if let Err(error) = round(&driver).await {
            let error = format!("{:#}", anyhow::Error::from(error));
            error!(error, "The upkeep failed; it will be tried again");
        }
    }
}

/// Counts, and forgets some keys.
///
/// # Errors
/// [`StoreError`] when the database fails.
pub async fn round(driver: &Driver) -> Result<(), StoreError> {
    let now = driver.now();
    let open = driver.store().open_sagas().await?;
    for step in Step::all().filter(|step| *step != Step::Done) {
        let count = open.get(step.as_str()).copied().unwrap_or_default();
        gauge!("saga_open", "service" => "orders", "step" => step.as_str()).set(as_f64(count));
    }
    let overdue = seconds_since(driver.store().longest_due().await?, now);
    gauge!("saga_overdue_seconds", "service" => "orders").set(overdue);
    let held_up = driver.store().held_up(now).await?;
    gauge!("saga_held_up", "service" => "orders").set(as_f64(held_up));
    driver.store().forget_keys(now - KEYS_KEPT).await?;
    Ok(())
}

fn seconds_since(then: Option<DateTime<Utc>>, now: DateTime<Utc>) -> f64 {
    then.map_or(0.0, |then| (now - then).as_seconds_f64().max(0.0))
}

#[allow(clippy::cast_precision_loss, reason = "a count of orders is far below 2^53")]
fn as_f64(count: i64) -> f64 {
    count as f64
}
