//! Keeps the replicas of one origin up to date: looks the name up, tries dead ones, renews old connections.
//!
//! One task per origin. A replica that is found no more is dropped: its idle connections close, its requests under way end
//! as they would have.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::{Key, Peers};
use crate::Shared;
use crate::peer::{Peer, jittered};
use crate::telemetry::{OriginMetrics, PEER_LABELS_MAX};

/// Longest look-up: the operating system asks two servers for five seconds each.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(11);
/// Between two look-ups when somebody asks for one, and as long as the name was never found.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Most replicas of one name that are used: a DNS answer over UDP has room for some thirty.
const PEERS_MAX: usize = 256;

pub(crate) struct Maintenance {
    shared: Arc<Shared>,
    host: String,
    port: u16,
    /// The address, when the host is one: there is nothing to look up.
    literal: Option<SocketAddr>,
    look: Arc<Notify>,
    peers: watch::Sender<Peers>,
    metrics: OriginMetrics,
    labelled: HashSet<SocketAddr>,
}

impl Maintenance {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: &Key,
        literal: Option<SocketAddr>,
        look: Arc<Notify>,
    ) -> (Self, watch::Receiver<Peers>) {
        let (peers, receiver) = watch::channel(Peers::Unknown);
        let mut maintenance = Self {
            shared,
            host: key.host().to_owned(),
            port: key.port,
            literal,
            look,
            peers,
            metrics: OriginMetrics::new(format!("{}:{}", key.authority.host(), key.port)),
            labelled: HashSet::new(),
        };
        if let Some(address) = literal {
            maintenance.take_up(vec![address]);
        }
        (maintenance, receiver)
    }

    /// Until it is aborted.
    pub(super) async fn run(mut self) {
        loop {
            if self.literal.is_none() {
                self.look_up().await;
            }
            self.tend().await;
            let interval = jittered(self.shared.options.resolve_interval);
            let pause = interval.min(PAUSE_MIN);
            sleep(pause).await;
            if matches!(*self.peers.borrow(), Peers::Known(_)) {
                tokio::select! {
                    () = sleep(interval - pause) => {}
                    () = self.look.notified() => {}
                }
            }
        }
    }

    async fn look_up(&mut self) {
        let found = timeout(LOOKUP_TIMEOUT, self.shared.resolver.resolve(&self.host, self.port)).await;
        let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        self.metrics.looked_up(found.is_ok());
        match found {
            Ok(addresses) if !addresses.is_empty() => self.take_up(addresses),
            Ok(_) => self.not_found("the name has no address"),
            Err(error) => self.not_found(&error.to_string()),
        }
    }

    /// The last replicas that were found stay: they may well answer while DNS does not.
    fn not_found(&self, reason: &str) {
        self.peers.send_if_modified(|peers| {
            if matches!(peers, Peers::Known(_)) {
                return false;
            }
            *peers = Peers::NotFound(reason.into());
            true
        });
    }

    /// Replicas that were known keep their connections.
    fn take_up(&mut self, mut addresses: Vec<SocketAddr>) {
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(PEERS_MAX);
        let known = self.known();
        if known.iter().map(|peer| peer.address).eq(addresses.iter().copied()) {
            return;
        }
        let find = |address: SocketAddr| known.iter().find(|peer| peer.address == address);
        let peers = addresses.iter().map(|address| match find(*address) {
            Some(peer) => Arc::clone(peer),
            None => Arc::new(self.peer(*address)),
        });
        let peers = peers.collect::<Vec<_>>();
        tracing::debug!(
            http.host = self.host,
            peers = peers.len(),
            "`{}` is at {addresses:?}",
            self.host
        );
        self.peers.send_replace(Peers::Known(peers.into()));
    }

    fn peer(&mut self, address: SocketAddr) -> Peer {
        let is_labelled = self.labelled.len() < PEER_LABELS_MAX || self.labelled.contains(&address);
        if is_labelled {
            self.labelled.insert(address);
        }
        let metrics = self.metrics.peer(is_labelled.then_some(address));
        let age_max = self.shared.options.connection_age_max;
        Peer::new(address, &self.shared.tls, self.metrics.clone(), metrics, age_max)
    }

    async fn tend(&self) {
        let known = self.known();
        for peer in &known {
            peer.renew(self.shared.options.connection_age_max);
        }
        join_all(known.iter().map(|peer| peer.probe())).await;
        let dead = known.iter().filter(|peer| !peer.is_alive()).count();
        self.metrics.peers(known.len() - dead, dead);
    }

    fn known(&self) -> Vec<Arc<Peer>> {
        match &*self.peers.borrow() {
            Peers::Known(peers) => peers.to_vec(),
            _ => Vec::new(),
        }
    }
}
