//! The router as a library: a builder, two axum routers to serve, and a handle on what runs.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use server::{RouterBuilder, RouterConfig};
//!
//! let router = RouterBuilder::new(RouterConfig::default())
//!     .supergraph_sdl(std::fs::read_to_string("supergraph.graphql")?)
//!     .in_process("products", axum::Router::new())
//!     .build()
//!     .await?;
//! let public = router.app.public; // wrap it in tower layers of your own, and serve it
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::any;
use federation::subgraph::Subgraph;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::RouterConfig;
use crate::failure::Failure;
use crate::media_type::MediaType;
use crate::playground::{self, PlaygroundConfig};
use crate::reload::{LoadError, Loader, Reload, Reloader};
use crate::source::SupergraphSource;
use crate::state::RouterState;
use crate::upstream::Upstream;
use crate::{admin, cors, pipeline, telemetry};

/// Path of the GraphQL endpoint.
pub const GRAPHQL_PATH: &str = "/graphql";

/// Why there is no router.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Neither the configuration nor the builder says where the supergraph is.
    #[error("no supergraph: set `supergraph.file` or `supergraph.subgraphs`")]
    NoSource,
    /// The supergraph cannot be had, or not be served.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Collects what a router needs.
pub struct RouterBuilder {
    config: RouterConfig,
    source: Option<SupergraphSource>,
    in_process: HashMap<String, Router>,
    metrics: Option<PrometheusHandle>,
    playground: Option<PlaygroundConfig>,
}

impl RouterBuilder {
    /// A router with these settings.
    pub fn new(config: RouterConfig) -> Self {
        Self {
            config,
            source: None,
            in_process: HashMap::new(),
            metrics: None,
            playground: None,
        }
    }

    /// Takes the supergraph from here, instead of where the configuration says.
    pub fn source(mut self, source: SupergraphSource) -> Self {
        self.source = Some(source);
        self
    }

    /// Serves this composed supergraph.
    pub fn supergraph_sdl(self, sdl: impl Into<String>) -> Self {
        self.source(SupergraphSource::Sdl(sdl.into()))
    }

    /// Composes and serves these subgraphs.
    pub fn subgraphs(self, subgraphs: Vec<Subgraph>) -> Self {
        self.source(SupergraphSource::Subgraphs(subgraphs))
    }

    /// Calls `app` for everything that would be sent to the subgraph `name`, without a socket. Its GraphQL endpoint is the
    /// path of the subgraph's routing URL.
    pub fn in_process(mut self, name: impl Into<String>, app: Router) -> Self {
        self.in_process.insert(name.into(), app);
        self
    }

    /// Shows the metrics of this recorder at `/metrics`; without one, `/metrics` is empty.
    pub fn metrics(mut self, handle: PrometheusHandle) -> Self {
        self.metrics = Some(handle);
        self
    }

    /// Tells the playground more than the configuration can: example operations, headers. Shown only if it is on.
    pub fn playground(mut self, playground: PlaygroundConfig) -> Self {
        self.playground = Some(playground);
        self
    }

    /// Loads the supergraph and makes the router. Starts watching the source, if the configuration says so.
    ///
    /// # Errors
    /// [`BuildError`], when there is no supergraph that can be served.
    pub async fn build(self) -> Result<RunningRouter, BuildError> {
        let config = self.config;
        let source = self
            .source
            .or_else(|| configured_source(&config))
            .ok_or(BuildError::NoSource)?;
        let upstream = Upstream::new(&config, self.in_process);
        let loader = Loader::new(source, upstream, config.clone());
        let (content, graph) = loader.first().await?;
        telemetry::record_build();
        telemetry::reloaded(&graph.hash.to_string());

        let state = Arc::new(RouterState::new(&config, graph));
        let reloader = Arc::new(Reloader::new(loader, Arc::clone(&state), content));
        let stop = CancellationToken::new();
        if config.supergraph.watch {
            let interval = Duration::from_millis(config.supergraph.poll_interval_ms);
            tokio::spawn(Arc::clone(&reloader).watch(interval, stop.clone()));
        }
        let app = RouterApp {
            public: public(&config, Arc::clone(&state), self.playground),
            admin: admin::routes(Arc::clone(&state), self.metrics),
        };
        Ok(RunningRouter {
            app,
            handle: RouterHandle {
                state,
                reloader,
                _stop: stop.drop_guard(),
            },
        })
    }
}

fn configured_source(config: &RouterConfig) -> Option<SupergraphSource> {
    let file = config.supergraph.file.clone().map(SupergraphSource::File);
    file.or_else(|| config.supergraph.subgraphs.clone().map(SupergraphSource::SubgraphsFile))
}

/// Everything clients reach.
fn public(config: &RouterConfig, state: Arc<RouterState>, playground: Option<PlaygroundConfig>) -> Router {
    let mut routes = Router::new()
        .route(GRAPHQL_PATH, any(pipeline::graphql))
        .with_state(state);
    if config.playground.enabled {
        let page = playground.unwrap_or_else(|| PlaygroundConfig {
            endpoint: GRAPHQL_PATH.into(),
            title: config.playground.title.clone(),
            ..PlaygroundConfig::default()
        });
        routes = routes.merge(playground::routes(&page));
    }
    with_layers(routes, config)
}

/// Everything that is plain HTTP. The layers run from the last to the first.
fn with_layers(routes: Router, config: &RouterConfig) -> Router {
    routes
        .layer(CatchPanicLayer::custom(|_| {
            Failure::internal().into_response(MediaType::Json)
        }))
        .layer(option_layer(cors::layer(config)))
        .layer(from_fn(telemetry::observe))
}

/// A router that can be served, and the handle on it.
pub struct RunningRouter {
    /// What listens.
    pub app: RouterApp,
    /// What steers.
    pub handle: RouterHandle,
}

/// Two axum routers, each for a port of its own.
pub struct RouterApp {
    /// `/graphql`, and the playground at `/`.
    pub public: Router,
    /// `/livez`, `/readyz`, `/metrics`: for the platform only.
    pub admin: Router,
}

/// Steers a running router. Watching ends when it is dropped.
pub struct RouterHandle {
    state: Arc<RouterState>,
    reloader: Arc<Reloader>,
    _stop: DropGuard,
}

impl RouterHandle {
    /// Looks at the supergraph's source now, and serves what it holds if that has changed and can be served.
    ///
    /// # Errors
    /// [`LoadError`]; the graph before is still served.
    pub async fn reload(&self) -> Result<Reload, LoadError> {
        self.reloader.reload().await
    }

    /// Makes `/readyz` answer 503 from now on. Requests are still answered.
    pub fn drain(&self) {
        self.state.drain();
    }

    /// Waits for the operations that go on although their clients have gone: mutations. For whoever serves without
    /// [`serve`](crate::serve()), before the process ends and after it has stopped to accept requests.
    pub async fn finish(&self) {
        self.state.operations.close();
        self.state.operations.wait().await;
    }

    /// What all requests share.
    pub(crate) fn state(&self) -> &RouterState {
        &self.state
    }

    /// Hash of the supergraph that is served: the first 16 digits of its SHA-256.
    pub fn supergraph_hash(&self) -> String {
        self.state.graph().hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error_without_its_reason() {
        async fn panicking() -> &'static str {
            panic!("the reason is for the log only")
        }
        let app = with_layers(Router::new().route("/", any(panicking)), &RouterConfig::default());
        for _ in 0..2 {
            let request = Request::new(Body::empty());
            let response = app.clone().oneshot(request).await.expect("a router always answers");
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let body = response
                .into_body()
                .collect()
                .await
                .expect("a complete body")
                .to_bytes();
            let expected = r#"{"errors":[{"message":"the router failed to answer this request","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#;
            assert_eq!(body, expected);
        }
    }
}
