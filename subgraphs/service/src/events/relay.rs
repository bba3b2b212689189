//! Sends what waits in the outbox, measures it, and tidies up.
//!
//! Woken when an event was written, and every second in any case, so that a lost wake-up or another replica's work costs
//! a second and nothing else. Any number of replicas may run one.

use super::outbox::{Next, Outbox};
use super::transport::{SendError, Transport};
use super::{EventConsumer, EventOptions, Parked, entity, inbox, legacy, storable};
use crate::clock::Clock;
use crate::contract::events::Event;
use crate::database::Database;
use crate::fault;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{join, join_all};
use metrics::{counter, gauge};
use sea_orm::DbErr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const TICK: Duration = Duration::from_secs(1);

/// How long events gather before they are sent: a round takes four statements, a request and what the reader stores, however
/// many it sends.
const GATHERING: Duration = Duration::from_millis(25);
const MEASURE_INTERVAL: Duration = Duration::from_secs(15);
const TIDY_INTERVAL: Duration = Duration::from_secs(600);

/// How long an event is one replica's to send. Longer than the two calls, of 10 s at most, that begin right after it: with
/// several events, and with each alone when the reader does not take them so.
const LEASE: TimeDelta = TimeDelta::seconds(30);

/// Events that are claimed and sent at the same time, each of another subject.
const SENT_AT_ONCE: usize = 16;

/// Longest wait between two attempts, in milliseconds: what is mended is noticed within a minute.
const DELAY_MS_MAX: i64 = 60_000;

/// Longest reason that is kept of a failure, in characters.
const ERROR_CHARS_MAX: usize = 500;

/// Wakes the relay of the service. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RelayBell {
    rung: Arc<Notify>,
}

impl RelayBell {
    /// An event was written, and its transaction committed: the relay sends it soon, not within a second.
    pub fn ring(&self) {
        self.rung.notify_one();
    }
}

/// The relay of one service.
pub(crate) struct Relay {
    /// Name of the service, for metrics and logs.
    pub(crate) service: &'static str,
    pub(crate) database: Database,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Clock,
    pub(crate) options: EventOptions,
    pub(crate) bell: RelayBell,
    /// What replays the events that are parked here.
    pub(crate) consumer: Option<Arc<dyn EventConsumer>>,
}

impl Relay {
    /// Works until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        // Beside each other: what waits must be told when most of it waits, and when nothing can be sent.
        join(self.send_until(&shutdown), self.tend_until(&shutdown)).await;
    }

    async fn send_until(&self, shutdown: &CancellationToken) {
        loop {
            self.report(self.round(shutdown).await, shutdown);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.bell.rung.notified() => tokio::time::sleep(GATHERING).await,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Replays, measures and tidies up.
    async fn tend_until(&self, shutdown: &CancellationToken) {
        let [mut measure_at, mut tidy_at] = [Instant::now(); 2];
        loop {
            if Instant::now() >= measure_at {
                measure_at = Instant::now() + MEASURE_INTERVAL;
                self.report(self.measure().await, shutdown);
            }
            self.report(self.replay().await, shutdown);
            if Instant::now() >= tidy_at {
                let tidied = self.tidy().await;
                // What an older replica wrote waits to be sent: it is moved round by round.
                let is_more_left = matches!(tidied, Ok(true));
                tidy_at = Instant::now() + if is_more_left { TICK } else { TIDY_INTERVAL };
                self.report(tidied.map(drop), shutdown);
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    fn report(&self, worked: Result<(), DbErr>, shutdown: &CancellationToken) {
        if let Err(error) = worked
            && !shutdown.is_cancelled()
        {
            tracing::error!(
                service = self.service,
                %error,
                "The outbox could not be read or written; it will be tried again"
            );
        }
    }

    /// Sends everything that is due.
    ///
    /// # Errors
    /// [`DbErr`] when the database fails; what was not sent stays due, or is again when its lease ends.
    pub(crate) async fn round(&self, shutdown: &CancellationToken) -> Result<(), DbErr> {
        let outbox = Outbox::new(self.database.clone());
        // What was sent uncovers the next of its subject; what was not is due later. So this ends.
        while !shutdown.is_cancelled() {
            let mut heads = outbox.heads(self.clock.now()).await?;
            if heads.is_empty() {
                break;
            }
            while !heads.is_empty() {
                let later = heads.split_off(heads.len().min(SENT_AT_ONCE));
                self.send_all(&outbox, std::mem::replace(&mut heads, later)).await?;
            }
        }
        Ok(())
    }

    /// Lets the parked events take effect that an operator wants to.
    pub(crate) async fn replay(&self) -> Result<(), DbErr> {
        let Some(consumer) = &self.consumer else {
            return Ok(());
        };
        let parked = Parked::new(self.database.clone());
        parked.replay_due(&**consumer, &self.clock).await
    }

    /// Sends events at the same time, so that each of them is sent well within its lease.
    async fn send_all(&self, outbox: &Outbox, rows: Vec<entity::outbox::Model>) -> Result<(), DbErr> {
        let now = self.clock.now();
        let lease_end = now + LEASE;
        let rows = outbox.claim(rows, now, lease_end).await?;
        let mut sent = Vec::with_capacity(rows.len());
        let mut failed = Vec::new();
        for (row, outcome) in self.send(rows).await {
            match outcome {
                Ok(()) => {
                    fault::point(&format!("{}.events.sent", self.service));
                    self.count("sent");
                    sent.push(row.id);
                }
                Err(error) => failed.push(self.postpone(outbox, row, error, lease_end)),
            }
        }
        let (sent, failed) = join(outbox.sent(sent, self.clock.now()), join_all(failed)).await;
        failed.into_iter().fold(sent, Result::and)
    }

    /// Sends the events of `rows`; says of each what became of it.
    async fn send(&self, rows: Vec<entity::outbox::Model>) -> Vec<(entity::outbox::Model, Result<(), SendError>)> {
        let mut readable = Vec::with_capacity(rows.len());
        let unreadable = rows.iter().map(|row| match serde_json::from_str::<Event>(&row.event) {
            Ok(event) => {
                readable.push(event);
                None
            }
            Err(error) => Some(SendError::Refused(format!("the row cannot be read: {error}"))),
        });
        let unreadable: Vec<_> = unreadable.collect();
        let mut outcomes = self.transport.send_all(&readable).await.into_iter();
        let unheard = || Err(SendError::Unreachable("nothing was heard of it".to_owned()));
        let outcomes = unreadable.into_iter().map(|unreadable| match unreadable {
            Some(error) => Err(error),
            None => outcomes.next().unwrap_or_else(unheard),
        });
        rows.into_iter().zip(outcomes).collect()
    }

    /// An event was sent in vain: it is sent again later, or waits for an operator.
    async fn postpone(
        &self,
        outbox: &Outbox,
        mut row: entity::outbox::Model,
        error: SendError,
        lease_end: DateTime<Utc>,
    ) -> Result<(), DbErr> {
        row.attempt += 1;
        row.refusals += i32::from(matches!(error, SendError::Refused(_)));
        row.error = Some(storable(&error.to_string()).chars().take(ERROR_CHARS_MAX).collect());
        let id = &row.id;
        let next = if row.refusals >= self.options.refusals_max {
            self.count("parked");
            tracing::error!(event.id = id, %error, "Event `{id}` was refused too often, and is parked");
            Next::Parked
        } else {
            self.count("postponed");
            tracing::warn!(event.id = id, %error, "Event `{id}` was not taken; it will be sent again");
            Next::At(self.clock.now() + delay(row.attempt))
        };
        outbox.failed(&row, lease_end, next).await
    }

    fn count(&self, outcome: &'static str) {
        counter!("events_sent_total", "service" => self.service, "outcome" => outcome).increment(1);
    }

    /// Tells what waits.
    async fn measure(&self) -> Result<(), DbErr> {
        let outbox = Outbox::new(self.database.clone());
        let oldest = seconds_since(outbox.oldest().await?, self.clock.now());
        gauge!("outbox_oldest_seconds", "service" => self.service).set(oldest);
        gauge!("events_waiting", "service" => self.service).set(as_f64(outbox.waiting().await?));
        let parked = outbox.parked().await? + Parked::new(self.database.clone()).count().await?;
        gauge!("events_parked", "service" => self.service).set(as_f64(parked));
        Ok(())
    }

    /// Forgets what is old enough, and moves some of what an older replica wrote; whether there may be more of that.
    async fn tidy(&self) -> Result<bool, DbErr> {
        let before = self.clock.now() - self.options.kept;
        Outbox::new(self.database.clone()).prune(before).await?;
        inbox::prune(&self.database, before).await?;
        legacy::take_over(&self.database.schema()).await
    }
}

/// Twice as long each time, and by chance up to a half shorter, so that what failed together does not come together.
pub(super) fn delay(attempt: i32) -> TimeDelta {
    let longest = (1_000_i64 << (attempt - 1).clamp(0, 10)).min(DELAY_MS_MAX);
    TimeDelta::milliseconds(rand::random_range(longest / 2..=longest))
}

fn seconds_since(then: Option<DateTime<Utc>>, now: DateTime<Utc>) -> f64 {
    then.map_or(0.0, |then| (now - then).as_seconds_f64().max(0.0))
}

#[allow(clippy::cast_precision_loss, reason = "a count of events is far below 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
