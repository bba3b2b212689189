//! What is counted. The names of all metrics are here.
//!
//! A recorder must be installed before the first origin is made. Labels: `host` is host and port of the origin, `peer` the
//! address of a replica.

use std::net::SocketAddr;

use metrics::{Counter, Gauge, counter, gauge};

/// Requests by replica and outcome: `ok` (it answered), `unreachable` (nothing was sent), `lost` (no whole answer came).
const REQUESTS: &str = "http_client_requests_total";
const IN_FLIGHT: &str = "http_client_requests_in_flight";
const CONNECTIONS: &str = "http_client_connections";
const CONNECTIONS_OPENED: &str = "http_client_connections_opened_total";
/// Replicas by state: `alive`, or `dead` when the last attempt to connect failed.
const PEERS: &str = "http_client_peers";
const LOOKUPS: &str = "http_client_lookups_total";

/// Replicas of one origin that are counted apart, over the life of a process; later ones count together as `other`.
pub(crate) const PEER_LABELS_MAX: usize = 256;

/// The measurements of one origin.
#[derive(Clone)]
pub(crate) struct OriginMetrics {
    host: String,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) connections_opened: Counter,
    alive: Gauge,
    dead: Gauge,
    lookups_ok: Counter,
    lookups_failed: Counter,
}

impl OriginMetrics {
    pub(crate) fn new(host: String) -> Self {
        Self {
            in_flight: gauge!(IN_FLIGHT, "host" => host.clone()),
            connections: gauge!(CONNECTIONS, "host" => host.clone()),
            connections_opened: counter!(CONNECTIONS_OPENED, "host" => host.clone()),
            alive: gauge!(PEERS, "host" => host.clone(), "state" => "alive"),
            dead: gauge!(PEERS, "host" => host.clone(), "state" => "dead"),
            lookups_ok: counter!(LOOKUPS, "host" => host.clone(), "outcome" => "ok"),
            lookups_failed: counter!(LOOKUPS, "host" => host.clone(), "outcome" => "error"),
            host,
        }
    }

    pub(crate) fn peers(&self, alive: usize, dead: usize) {
        self.alive.set(alive as f64);
        self.dead.set(dead as f64);
    }

    pub(crate) fn looked_up(&self, succeeded: bool) {
        let counter = if succeeded {
            &self.lookups_ok
        } else {
            &self.lookups_failed
        };
        counter.increment(1);
    }

    /// * `address`: `None` for a replica too many.
    pub(crate) fn peer(&self, address: Option<SocketAddr>) -> PeerMetrics {
        let peer = address.map_or_else(|| "other".to_owned(), |address| address.to_string());
        let requests = |outcome: &'static str| counter!(REQUESTS, "host" => self.host.clone(), "peer" => peer.clone(), "outcome" => outcome);
        PeerMetrics {
            ok: requests("ok"),
            unreachable: requests("unreachable"),
            lost: requests("lost"),
        }
    }
}

/// Requests to one replica, by outcome.
pub(crate) struct PeerMetrics {
    pub(crate) ok: Counter,
    pub(crate) unreachable: Counter,
    pub(crate) lost: Counter,
}
