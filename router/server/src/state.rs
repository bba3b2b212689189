//! What every request shares: the graph that is served now, and the settings read while answering.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::task::TaskTracker;

use crate::config::RouterConfig;
use crate::graph::Graph;
use crate::propagation::Propagation;

/// Shared by all requests, the admin port and the reloader.
pub(crate) struct RouterState {
    pub(crate) request_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) body_bytes_max: usize,
    pub(crate) propagation: Propagation,
    pub(crate) explain_enabled: bool,
    /// Operations that go on when their client has gone, for whoever ends the process.
    pub(crate) operations: TaskTracker,
    graph: ArcSwap<Graph>,
    /// Why the newest supergraph is not the one served; `None` when it is.
    last_reload_error: ArcSwap<Option<String>>,
    draining: AtomicBool,
}

impl RouterState {
    pub(crate) fn new(config: &RouterConfig, graph: Graph) -> Self {
        Self {
            request_timeout: Duration::from_millis(config.traffic.request_timeout_ms),
            write_timeout: Duration::from_millis(config.traffic.write_timeout_ms),
            body_bytes_max: config.limits.body_bytes_max,
            propagation: Propagation::new(&config.headers),
            explain_enabled: config.explain.enabled,
            operations: TaskTracker::new(),
            graph: ArcSwap::from_pointee(graph),
            last_reload_error: ArcSwap::from_pointee(None),
            draining: AtomicBool::new(false),
        }
    }

    /// The graph to answer a request with, from its beginning to its end.
    pub(crate) fn graph(&self) -> Arc<Graph> {
        self.graph.load_full()
    }

    /// Serves `graph` to all requests that begin from now on.
    pub(crate) fn swap(&self, graph: Graph) {
        self.graph.store(Arc::new(graph));
    }

    /// Says why the newest supergraph is not the one served; `None` when it is.
    pub(crate) fn set_reload_error(&self, error: Option<String>) {
        self.last_reload_error.store(Arc::new(error));
    }

    /// Why the newest supergraph is not the one served.
    pub(crate) fn last_reload_error(&self) -> Arc<Option<String>> {
        self.last_reload_error.load_full()
    }

    /// From now on not ready: whoever balances load sends new requests elsewhere.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`RouterState::drain`] was called.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
