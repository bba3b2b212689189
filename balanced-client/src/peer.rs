//! One replica: its connections, how busy it is, whether it answers; and the choice among several.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use smallvec::SmallVec;

use crate::connection::{Connector, KeptAlive, connect};
use crate::telemetry::{OriginMetrics, PeerMetrics};

/// Below the 60 s and 75 s after which common servers and load balancers drop idle connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// After the first failed attempt to connect; doubled by each further one.
const PROBE_PAUSE_MIN: Duration = Duration::from_secs(1);
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(30);

type Connections = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// A replica.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    connector: HttpsConnector<Connector>,
    /// Replaced when it is old. Requests under way keep the connection that they have to their end.
    connections: RwLock<Connections>,
    in_flight: AtomicUsize,
    is_dead: AtomicBool,
    upkeep: Mutex<Upkeep>,
    origin_metrics: OriginMetrics,
    metrics: PeerMetrics,
}

/// What only maintenance looks at.
struct Upkeep {
    renew_at: Instant,
    probe_at: Instant,
    probe_pause: Duration,
}

impl Peer {
    pub(crate) fn new(
        address: SocketAddr,
        tls: &Arc<ClientConfig>,
        origin_metrics: OriginMetrics,
        metrics: PeerMetrics,
        age_max: Duration,
    ) -> Self {
        let connector = Connector {
            address,
            metrics: origin_metrics.clone(),
        };
        let connector = HttpsConnector::from((connector, Arc::clone(tls)));
        Self {
            address,
            connections: RwLock::new(connections(&connector)),
            connector,
            in_flight: AtomicUsize::new(0),
            is_dead: AtomicBool::new(false),
            upkeep: Mutex::new(Upkeep {
                renew_at: Instant::now() + jittered(age_max),
                probe_at: Instant::now(),
                probe_pause: PROBE_PAUSE_MIN,
            }),
            origin_metrics,
            metrics,
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.is_dead.load(Ordering::Relaxed)
    }

    /// Sends `request`, whose URI is absolute.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, InFlight), Error> {
        let in_flight = InFlight::begin(self);
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner).clone();
        let result = connections.request(request).await;
        match &result {
            Ok(response) => {
                if let Some(connection) = response.extensions().get::<KeptAlive>() {
                    connection.set();
                }
                self.metrics.ok.increment(1);
                self.revive();
            }
            Err(error) if error.is_connect() => {
                self.metrics.unreachable.increment(1);
                self.bury();
            }
            Err(_) => self.metrics.lost.increment(1),
        }
        result.map(|response| (response, in_flight))
    }

    fn bury(&self) {
        let mut upkeep = self.upkeep();
        if !self.is_dead.swap(true, Ordering::Relaxed) {
            upkeep.probe_pause = PROBE_PAUSE_MIN;
            tracing::debug!(peer.address = %self.address, "`{}` does not answer; it is left out", self.address);
        }
        upkeep.probe_at = Instant::now() + upkeep.probe_pause;
    }

    fn revive(&self) {
        if self.is_dead.load(Ordering::Relaxed) && self.is_dead.swap(false, Ordering::Relaxed) {
            tracing::debug!(peer.address = %self.address, "`{}` answers again", self.address);
        }
    }

    /// Tries to connect when the peer is dead and it is time to. A request that found out would have to wait.
    pub(crate) async fn probe(&self) {
        let is_due = self.upkeep().probe_at <= Instant::now();
        if self.is_alive() || !is_due {
            return;
        }
        if connect(self.address).await.is_ok() {
            self.revive();
            return;
        }
        let mut upkeep = self.upkeep();
        upkeep.probe_pause = (upkeep.probe_pause * 2).min(PROBE_PAUSE_MAX);
        upkeep.probe_at = Instant::now() + upkeep.probe_pause;
    }

    /// Gives the connections up when they are old.
    pub(crate) fn renew(&self, age_max: Duration) {
        let mut upkeep = self.upkeep();
        if upkeep.renew_at <= Instant::now() {
            upkeep.renew_at = Instant::now() + jittered(age_max);
            *self.connections.write().unwrap_or_else(PoisonError::into_inner) = connections(&self.connector);
        }
    }

    fn upkeep(&self) -> std::sync::MutexGuard<'_, Upkeep> {
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connections(connector: &HttpsConnector<Connector>) -> Connections {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build(connector.clone())
}

/// Three quarters of `duration` to the whole, so that not all clients reconnect at the same time.
pub(crate) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::random_range(0.75..1.0))
}

/// One request that is under way, from the choice of the peer to the last byte of the answer.
pub(crate) struct InFlight(Arc<Peer>);

impl InFlight {
    fn begin(peer: &Arc<Peer>) -> Self {
        peer.in_flight.fetch_add(1, Ordering::Relaxed);
        peer.origin_metrics.in_flight.increment(1);
        Self(Arc::clone(peer))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.origin_metrics.in_flight.decrement(1);
    }
}

/// The less busy of two peers drawn at random (the power of two choices), none of which is in `tried`; among dead ones only
/// when no other is left. `None` when all were tried.
///
/// Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.
pub(crate) fn choose<'p>(peers: &'p [Arc<Peer>], tried: &[SocketAddr]) -> Option<&'p Arc<Peer>> {
    let untried = || peers.iter().filter(|peer| !tried.contains(&peer.address));
    let mut usable: SmallVec<[&Arc<Peer>; 16]> = untried().filter(|peer| peer.is_alive()).collect();
    if usable.is_empty() {
        usable = untried().collect();
    }
    match usable.len() {
        0 => None,
        1 => Some(usable[0]),
        count => {
            let first = rand::random_range(0..count);
            // Another than the first, each with the same chance.
            let second = (first + rand::random_range(1..count)) % count;
            let load = |index: usize| usable[index].in_flight.load(Ordering::Relaxed);
            Some(usable[if load(second) < load(first) { second } else { first }])
        }
    }
}
