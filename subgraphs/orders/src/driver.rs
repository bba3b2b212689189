//! Drives sagas: takes one over, asks who is to be asked, stores what the answer means, and goes on.
//!
//! The same code runs inline, right after a shopper's mutation, and in the background for whatever was left behind by
//! a crash, a silent peer, or the clock. Two that meet at one saga are kept apart by its lease. In the background, sagas are
//! driven by whom their step asks: one who is silent takes no place of those who answer.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::{BoxFuture, join_all};
use service::clock::Clock;
use service::events::RelayBell;
use service::fault;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::domain::{Lane, OrderFile, OrderStatus, Step};
use crate::neighbours::Neighbours;
use crate::store::{Driven, Store, StoreError};

/// How long a mutation waits for the saga before it answers with what is known so far.
const INLINE_WAIT: Duration = Duration::from_millis(1_500);

/// How often somebody who waits for another runner looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(40);

const TICK: Duration = Duration::from_secs(1);

/// Steps of one drive; a saga has ten, and each failure ends the drive.
const STEPS_MAX: usize = 32;

/// Sagas of one lane that are driven at the same time in the background.
const DRIVEN_AT_ONCE: usize = 16;

/// Drives sagas. Cheap to clone.
#[derive(Clone)]
pub struct Driver {
    store: Store,
    neighbours: Neighbours,
    clock: Clock,
    wake: Arc<[Notify; Step::LANES.len()]>,
    relay: RelayBell,
}

impl Driver {
    /// A driver of the orders in `store`, who rings `relay` when there may be an event.
    #[must_use]
    pub fn new(store: Store, neighbours: Neighbours, clock: Clock, relay: RelayBell) -> Self {
        Self {
            store,
            neighbours,
            clock,
            wake: Arc::default(),
            relay,
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The tables.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The other services.
    #[must_use]
    pub fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    /// Something is due that was not before.
    pub fn wake(&self) {
        for lane in self.wake.iter() {
            lane.notify_one();
        }
    }

    /// Drives the saga of an order as far as it goes, but waits for it at most 1.5 s: a client that hangs up, or a
    /// slow peer, does not stop it. Gives the order as it is then.
    ///
    /// # Errors
    /// [`StoreError`] when the order cannot be read.
    pub async fn drive_inline(&self, order_id: &str) -> Result<Option<OrderFile>, StoreError> {
        let (driver, id) = (self.clone(), order_id.to_owned());
        let driving = Box::pin(async move { driver.drive(&id).await });
        self.wait_for(order_id, driving).await
    }

    /// [`Driver::drive_inline`] of an order that was just stored, with its saga held by `lease`.
    ///
    /// # Errors
    /// [`StoreError`] when the order cannot be read.
    pub async fn drive_held(&self, file: OrderFile, lease: String) -> Result<Option<OrderFile>, StoreError> {
        let (driver, order_id) = (self.clone(), file.order.id.clone());
        let driving = Box::pin(async move { driver.drive_under(&lease, file, None).await });
        self.wait_for(&order_id, driving).await
    }

    async fn wait_for(
        &self,
        order_id: &str,
        driving: BoxFuture<'static, Result<Option<OrderFile>, StoreError>>,
    ) -> Result<Option<OrderFile>, StoreError> {
        let id = order_id.to_owned();
        let driving = tokio::spawn(async move {
            driving.await.unwrap_or_else(|error| {
                log_stopped(&id, error);
                None
            })
        });
        match tokio::time::timeout(INLINE_WAIT, driving).await {
            Ok(Ok(Some(file))) => Ok(Some(file)),
            // A saga that needs longer goes on by itself, and the order says PENDING or PAYMENT_PROCESSING.
            _ => self.store.file(order_id).await,
        }
    }

    /// Drives the saga of an order until it waits or is done, or somebody else drives it for longer than 1.5 s. Gives
    /// the order as it is then, unless somebody else has it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn drive(&self, order_id: &str) -> Result<Option<OrderFile>, StoreError> {
        let give_up = tokio::time::Instant::now() + INLINE_WAIT;
        loop {
            let lease = self.store.claim(order_id, self.now()).await?;
            let Some(file) = self.store.file(order_id).await? else {
                return Ok(None);
            };
            if let Some(lease) = lease {
                return self.drive_under(&lease, file, None).await;
            }
            if file.command(self.now()).is_none() {
                return Ok(Some(file));
            }
            if tokio::time::Instant::now() >= give_up {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Drives the saga of an order until it waits, is done or leaves `lane`, or the lease is lost to somebody else (`None`).
    async fn drive_under(
        &self,
        lease: &str,
        mut file: OrderFile,
        lane: Option<Lane>,
    ) -> Result<Option<OrderFile>, StoreError> {
        let mut now = self.now();
        for _ in 0..STEPS_MAX {
            // At the time at which the lease was last extended, or not.
            let Some(command) = file.command(now) else {
                break;
            };
            fault::point_at("orders.saga.asking", file.saga.step.as_str());
            let answer = self.neighbours.ask(&file.order.id, &command).await;
            fault::point_at("orders.saga.answered", file.saga.step.as_str());
            now = self.now();
            let driven = Driven {
                file: &file,
                lease,
                now,
                lane,
            };
            let heard = self.store.finish_step(driven, |current| {
                // Whoever moved the saga meanwhile (a cancellation) has made this answer pointless: the peer is told
                // by the step that it moved to.
                if current.saga.step == file.saga.step && current.order.payment_id == file.order.payment_id {
                    current.hear(&command, answer.clone(), now);
                }
            });
            let Some(after) = heard.await? else {
                return Ok(None);
            };
            if after.order.status == OrderStatus::Paid && file.order.status != OrderStatus::Paid {
                self.relay.ring();
            }
            log_step(&file, &after);
            file = after;
            if lane.is_some_and(|lane| !lane.contains(&file.saga.step)) {
                self.wake();
                break;
            }
        }
        Ok(Some(file))
    }

    /// Works until `shutdown`, at each lane by itself.
    pub async fn run(self, shutdown: CancellationToken) {
        let lanes = Step::LANES.iter().zip(self.wake.iter());
        join_all(lanes.map(|(lane, wake)| self.run_lane(lane, wake, &shutdown))).await;
    }

    /// A place that is free is filled at once: neither a silent peer nor an order that cannot be read holds the others up.
    async fn run_lane(&self, lane: Lane, wake: &Notify, shutdown: &CancellationToken) {
        let mut driving = JoinSet::new();
        loop {
            if let Err(error) = self.fill(lane, &mut driving).await {
                let error = format!("{:#}", anyhow::Error::from(error));
                error!(error, "The background work failed; it will be tried again");
            }
            tokio::select! {
                () = shutdown.cancelled() => return driving.detach_all(),
                () = wake.notified() => {}
                () = tokio::time::sleep(TICK) => {}
                Some(_) = driving.join_next() => {}
            }
        }
    }

    /// Begins to drive what is due, as far as there is room. What another replica takes first makes room again.
    async fn fill(&self, lane: Lane, driving: &mut JoinSet<()>) -> Result<(), StoreError> {
        while driving.try_join_next().is_some() {}
        let free = DRIVEN_AT_ONCE.saturating_sub(driving.len());
        if free == 0 {
            return Ok(());
        }
        for order_id in self.store.due(lane, self.now(), free as u64).await? {
            let driver = self.clone();
            driving.spawn(async move {
                // What failed is due again when its lease runs out.
                if let Err(error) = driver.drive_in(lane, &order_id).await {
                    log_stopped(&order_id, error);
                }
            });
        }
        Ok(())
    }

    async fn drive_in(&self, lane: Lane, order_id: &str) -> Result<(), StoreError> {
        if let Some(lease) = self.store.claim(order_id, self.now()).await?
            && let Some(file) = self.store.file(order_id).await?
        {
            self.drive_under(&lease, file, Some(lane)).await?;
        }
        Ok(())
    }
}

fn log_stopped(order_id: &str, error: StoreError) {
    let error = format!("{:#}", anyhow::Error::from(error));
    error!(
        order.id = order_id,
        error, "The saga of order `{order_id}` stopped; it will be tried again"
    );
}

fn log_step(before: &OrderFile, after: &OrderFile) {
    if before.order.status != after.order.status {
        let (id, status) = (&after.order.id, after.order.status.as_str());
        info!(
            order.id = id,
            order.status = status,
            saga.step = after.saga.step.as_str(),
            "Order `{id}` is {status}"
        );
    }
}
