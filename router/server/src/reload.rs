//! Takes up changes of the supergraph while serving: read, compare, compose, load, swap.
//!
//! On failure the last good graph stays, and log, metric and `/readyz` say why. Polls instead of watching the file system:
//! a Kubernetes ConfigMap changes by moving a symbolic link, subgraphs that are asked for their SDL send no events, and
//! comparing contents cannot miss either.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::config::RouterConfig;
use crate::graph::{Graph, GraphError, OperationKey};
use crate::introspect_subgraph::SdlClient;
use crate::source::{ContentHash, SourceContent, SourceError, SupergraphSource};
use crate::state::RouterState;
use crate::upstream::Upstream;
use crate::{error_chain, telemetry};

/// Longest time spent on planning the operations in use again, before the new graph is served.
const PREPARE_AHEAD: Duration = Duration::from_secs(2);

/// Why a supergraph is not served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read or composed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It was read, and cannot be served.
    #[error("the supergraph cannot be served")]
    Graph(#[from] GraphError),
    /// Loading it panicked: a fault of the router.
    #[error("loading the supergraph failed: a fault of the router, see its log")]
    Panicked,
}

/// What a look at the source led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The source holds what it held the last time.
    Unchanged,
    /// A new graph is served.
    Swapped,
}

/// Makes graphs from a source.
pub(crate) struct Loader {
    source: SupergraphSource,
    upstream: Arc<Upstream>,
    config: RouterConfig,
    sdl_client: SdlClient,
}

impl Loader {
    pub(crate) fn new(source: SupergraphSource, upstream: Upstream, config: RouterConfig) -> Self {
        Self {
            source,
            sdl_client: SdlClient::new(upstream.client().clone()),
            upstream: Arc::new(upstream),
            config,
        }
    }

    /// Reads the source for the first time.
    pub(crate) async fn first(&self) -> Result<(ContentHash, Graph), LoadError> {
        let content = self.source.read(&self.sdl_client).await?;
        Ok((content.hash(), self.graph(content, Vec::new()).await?))
    }

    async fn graph(&self, content: SourceContent, in_use: Vec<OperationKey>) -> Result<Graph, LoadError> {
        let upstream = Arc::clone(&self.upstream);
        let config = self.config.clone();
        let load = move || -> Result<Graph, LoadError> {
            let supergraph = content.into_supergraph()?;
            let graph = Graph::load(&supergraph.sdl, &upstream, &config)?;
            graph.prepare_ahead(in_use, Instant::now() + PREPARE_AHEAD);
            Ok(graph)
        };
        spawn_blocking(load).await.unwrap_or(Err(LoadError::Panicked))
    }
}

/// Keeps a running router's graph equal to its source.
pub(crate) struct Reloader {
    loader: Loader,
    state: Arc<RouterState>,
    /// Locked for the whole of a reload: one at a time.
    last: Mutex<Attempt>,
}

/// What was tried last.
struct Attempt {
    content: ContentHash,
    /// Why it is not served; `None` when it is.
    error: Option<String>,
}

impl Reloader {
    /// * `served`: hash of the content that `state` serves now.
    pub(crate) fn new(loader: Loader, state: Arc<RouterState>, served: ContentHash) -> Self {
        Self {
            loader,
            state,
            last: Mutex::new(Attempt {
                content: served,
                error: None,
            }),
        }
    }

    /// Looks at the source, and serves what it holds if that has changed and can be served.
    pub(crate) async fn reload(&self) -> Result<Reload, LoadError> {
        let mut last = self.last.lock().await;
        let result = self.reload_unreported(&mut last).await;
        match &result {
            // A source that could not be read for a while is as good, or as bad, as it was before.
            Ok(Reload::Unchanged) => self.report(last.error.clone()),
            Ok(Reload::Swapped) => {
                telemetry::reloaded(&self.state.graph().hash.to_string());
                self.state.set_reload_error(None);
            }
            Err(error) => self.report(Some(error_chain(error))),
        }
        result
    }

    async fn reload_unreported(&self, last: &mut Attempt) -> Result<Reload, LoadError> {
        let content = self.loader.source.read(&self.loader.sdl_client).await?;
        let hash = content.hash();
        if hash == last.content {
            return Ok(Reload::Unchanged);
        }
        let in_use = self.state.graph().operations_in_use();
        let loaded = self.loader.graph(content, in_use).await;
        // Only now: of a reload that is given up before, nothing is known, and the next one tries again.
        *last = Attempt {
            content: hash,
            error: loaded.as_ref().err().map(|error| error_chain(error)),
        };
        self.state.swap(loaded?);
        Ok(Reload::Swapped)
    }

    /// Once for each change: a source that stays unreadable is not reported at every look.
    fn report(&self, error: Option<String>) {
        if *self.state.last_reload_error() == error {
            return;
        }
        match &error {
            Some(error) => telemetry::reload_failed(error),
            None => telemetry::reload_recovered(),
        }
        self.state.set_reload_error(error);
    }

    /// Looks at the source every `interval`, until `stop`.
    pub(crate) async fn watch(self: Arc<Self>, interval: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
            // Reported already; the next look may find it mended.
            let _ = self.reload().await;
        }
    }
}
