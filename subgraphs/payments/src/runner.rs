//! The background of payments: settles what is open and tells orders what changed.
//!
//! Woken when something was stored, and every second in any case, so that a lost wake-up or another replica's work
//! costs a second and nothing else.

use std::time::Duration;

use chrono::TimeDelta;
use http::Method;
use service::contract::events::Event;
use service::peer::PeerClient;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::processor::Processor;
use crate::store::StoreError;

const TICK: Duration = Duration::from_secs(1);

/// How long one push to orders may take before another replica pushes the event as well.
const PUSH_LEASE: TimeDelta = TimeDelta::seconds(15);

/// Where orders takes events.
const EVENTS_PATH: &str = "/internal/events";

/// Longest wait between two pushes of one event, in seconds.
const PUSH_DELAY_SECONDS_MAX: i64 = 60;

/// Works until `shutdown`.
pub async fn run(processor: Processor, orders: Option<PeerClient>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = processor.woken() => {}
            () = tokio::time::sleep(TICK) => {}
        }
        if let Err(error) = round(&processor, orders.as_ref()).await {
            error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "The background work failed; it will be tried again"
            );
        }
    }
}

/// One round: everything that is due now.
///
/// # Errors
/// [`StoreError`] when the database fails; what was not done stays due.
pub async fn round(processor: &Processor, orders: Option<&PeerClient>) -> Result<(), StoreError> {
    push_events(processor, orders).await?;
    processor.work().await?;
    push_events(processor, orders).await
}

async fn push_events(processor: &Processor, orders: Option<&PeerClient>) -> Result<(), StoreError> {
    let Some(orders) = orders else { return Ok(()) };
    for due in processor.store().take_due_events(processor.now(), PUSH_LEASE).await? {
        let pushed = orders
            .call::<Event, serde::de::IgnoredAny>(Method::POST, EVENTS_PATH, Some(&due.event))
            .await;
        match pushed {
            Ok(_) => {
                service::fault::point("payments.outbox.pushed");
                processor.store().event_acknowledged(&due.event.id).await?;
            }
            Err(error) => {
                warn!(event.id = due.event.id, %error, "Event `{}` was not taken by orders", due.event.id);
                let delay = (1_i64 << due.attempt.clamp(0, 10)).min(PUSH_DELAY_SECONDS_MAX);
                let next_at = processor.now() + TimeDelta::seconds(delay);
                processor.store().event_postponed(&due, next_at).await?;
            }
        }
    }
    Ok(())
}
