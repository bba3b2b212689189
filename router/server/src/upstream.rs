//! The subgraphs as the router reaches them: by which client, at which address, for how long.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use balanced_client::{HttpClient, InvalidUrl, Resolver};
use executor::{Executor, ExecutorOptions, HttpSubgraph, InProcessSubgraph, SubgraphClient};
use federation::supergraph::SubgraphEndpoint;
use http::Uri;

use crate::config::{RouterConfig, TrafficConfig, nearest};
use crate::telemetry;

/// Why the subgraphs cannot be called as configured.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// A subgraph without an address.
    #[error("subgraph `{subgraph}` has no address: set its `routing_url`, or `traffic.subgraphs.{subgraph}.url`")]
    NoUrl {
        /// Name of the subgraph.
        subgraph: String,
    },
    /// A subgraph with an address that cannot be called.
    #[error("subgraph `{subgraph}` cannot be called")]
    Url {
        /// Name of the subgraph.
        subgraph: String,
        /// What is wrong with its URL.
        #[source]
        source: InvalidUrl,
    },
    /// `traffic.subgraphs` names a subgraph that the supergraph does not have.
    #[error("`traffic.subgraphs.{name}`: the supergraph has no such subgraph; {hint}")]
    UnknownSubgraph {
        /// The name in the configuration.
        name: String,
        /// Which name was probably meant, or which there are.
        hint: String,
    },
}

/// How subgraphs are called. Outlives every supergraph, and with it the kept-alive connections.
pub(crate) struct Upstream {
    client: HttpClient,
    in_process: HashMap<String, Router>,
    traffic: TrafficConfig,
    options: ExecutorOptions,
}

impl Upstream {
    pub(crate) fn new(config: &RouterConfig, in_process: HashMap<String, Router>) -> Self {
        Self {
            client: HttpClient::new(config.traffic.client_options(), Resolver::system()),
            in_process,
            traffic: config.traffic.clone(),
            options: ExecutorOptions {
                entities: config.limits.entities(),
                fetched_bytes_max: config.limits.fetched_bytes_max,
                response_bytes_max: config.limits.response_bytes_max,
                passed_back: config.headers.response_names(),
                on_fetched: telemetry::fetched,
            },
        }
    }

    /// The connections to all subgraphs.
    pub(crate) fn client(&self) -> &HttpClient {
        &self.client
    }

    /// An executor for the subgraphs of one supergraph.
    pub(crate) fn executor(&self, endpoints: &[SubgraphEndpoint]) -> Result<Executor, UpstreamError> {
        self.check_names(endpoints)?;
        let mut subgraphs = HashMap::new();
        for endpoint in endpoints {
            subgraphs.insert(
                Arc::clone(&endpoint.name),
                (self.subgraph_client(endpoint)?, self.traffic.policy(&endpoint.name)),
            );
        }
        Ok(Executor::new(subgraphs, self.options.clone()))
    }

    fn subgraph_client(&self, endpoint: &SubgraphEndpoint) -> Result<SubgraphClient, UpstreamError> {
        let subgraph = &*endpoint.name;
        let configured = self
            .traffic
            .subgraphs
            .get(subgraph)
            .and_then(|subgraph| subgraph.url.as_ref());
        let url = configured.map_or(endpoint.routing_url.as_str(), |url| url.as_str());
        if let Some(app) = self.in_process.get(subgraph) {
            return Ok(SubgraphClient::InProcess(InProcessSubgraph::new(
                app.clone(),
                path_of(url),
            )));
        }
        if url.is_empty() {
            return Err(UpstreamError::NoUrl {
                subgraph: subgraph.to_owned(),
            });
        }
        let client = HttpSubgraph::new(&self.client, url);
        client.map(SubgraphClient::Http).map_err(|source| UpstreamError::Url {
            subgraph: subgraph.to_owned(),
            source,
        })
    }

    /// A setting for a subgraph that is not there is most likely a slip of the pen, and would silently do nothing.
    fn check_names(&self, endpoints: &[SubgraphEndpoint]) -> Result<(), UpstreamError> {
        let known = || endpoints.iter().map(|endpoint| &*endpoint.name);
        let Some(name) = self
            .traffic
            .subgraphs
            .keys()
            .find(|name| !known().any(|known| known == *name))
        else {
            return Ok(());
        };
        let hint = match nearest(name, known()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("it has {}", known().collect::<Vec<_>>().join(", ")),
        };
        Err(UpstreamError::UnknownSubgraph {
            name: name.clone(),
            hint,
        })
    }
}

/// The path of a subgraph's URL: where its app listens when it is called without a socket.
fn path_of(url: &str) -> Uri {
    let path = url.parse::<Uri>().ok().map(|uri| uri.path().to_owned());
    let path = path.filter(|path| path.len() > 1).and_then(|path| path.parse().ok());
    path.unwrap_or_else(|| Uri::from_static("/graphql"))
}
