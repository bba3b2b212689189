//! Subgraphs whose resolvers are data: a suite of the conformance data (`CONFORMANCE_DIR/audit/SUITE`), served.
//!
//! Each subgraph validates what it is asked against its own SDL, so that a plan that asks a subgraph for what it does not
//! have is found out. What the data has no answer for is a violation, never null. Does not judge answers; tests do.

mod fixtures;
mod resolver;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::fixtures::{Fixtures, Progress};
use self::resolver::Resolver;
use crate::interpreter;

/// Folder of the conformance data, or `None` (after saying so) when `CONFORMANCE_DIR` is not set.
pub fn conformance_dir() -> Option<PathBuf> {
    let folder = std::env::var_os("CONFORMANCE_DIR").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: CONFORMANCE_DIR is not set");
    }
    folder
}

/// One subgraph of a suite.
#[derive(Debug)]
pub struct FixtureSubgraph {
    /// Name in the supergraph.
    pub name: String,
    /// Routing URL in the suite's supergraph; only its path is served.
    pub url: String,
    /// What `_service { sdl }` gives.
    pub sdl: String,
    schema: Valid<Schema>,
}

impl FixtureSubgraph {
    /// Path of the routing URL: where [`FixtureSubgraphs::router`] serves this subgraph.
    pub fn path(&self) -> &str {
        let after_scheme = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..])
    }
}

/// A request that a subgraph received.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// Name of the subgraph.
    pub subgraph: String,
    /// HTTP headers.
    pub headers: HeaderMap,
    /// The GraphQL document.
    pub query: String,
    /// Its variables.
    pub variables: Map<String, Value>,
}

/// The subgraphs of one suite. Cheap to clone; clones share state.
#[derive(Debug, Clone)]
pub struct FixtureSubgraphs(Arc<Suite>);

#[derive(Debug)]
struct Suite {
    subgraphs: Vec<FixtureSubgraph>,
    fixtures: Fixtures,
    observed: Mutex<Observed>,
}

/// What changes while the suite is served.
#[derive(Debug, Default)]
struct Observed {
    progress: Progress,
    requests: Vec<ReceivedRequest>,
    violations: Vec<String>,
    delays: HashMap<String, Duration>,
}

#[derive(Deserialize)]
struct SubgraphEntry {
    name: String,
    url: String,
    sdl_file: String,
}

#[derive(Deserialize)]
struct GraphqlRequest {
    query: String,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
}

impl FixtureSubgraphs {
    /// Reads the suite in `folder`.
    ///
    /// # Errors
    /// When a file is missing or is not what the conformance data promises.
    pub fn load(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let entries: Vec<SubgraphEntry> = serde_json::from_str(&read("subgraphs.json")?)?;
        let subgraphs = entries.into_iter().map(|SubgraphEntry { name, url, sdl_file }| {
            let sdl = read(&sdl_file)?;
            let schema = interpreter::subgraph_schema(&sdl).with_context(|| format!("SDL of subgraph {name}"))?;
            Ok(FixtureSubgraph { name, url, sdl, schema })
        });
        Ok(Self(Arc::new(Suite {
            subgraphs: subgraphs.collect::<Result<_>>()?,
            fixtures: serde_json::from_str(&read("fixtures.json")?)?,
            observed: Mutex::default(),
        })))
    }

    /// The subgraphs, in the order of `subgraphs.json`.
    pub fn subgraphs(&self) -> &[FixtureSubgraph] {
        &self.0.subgraphs
    }

    /// Serves every subgraph at the path of its URL: in process, or on a socket.
    pub fn router(&self) -> Router {
        self.subgraphs()
            .iter()
            .enumerate()
            .fold(Router::new(), |router, (number, subgraph)| {
                let suite = self.clone();
                let handler = move |State(suite): State<Self>,
                                    headers: HeaderMap,
                                    Json(request): Json<GraphqlRequest>| async move {
                    Json(suite.answer(number, headers, request).await)
                };
                router.merge(Router::new().route(subgraph.path(), post(handler)).with_state(suite))
            })
    }

    /// From now on `subgraph` waits for `delay` before it answers.
    pub fn set_delay(&self, subgraph: &str, delay: Duration) {
        self.observed().delays.insert(subgraph.to_owned(), delay);
    }

    /// Forgets requests and violations, and begins stateful suites anew. Delays stay.
    pub fn reset(&self) {
        let mut observed = self.observed();
        *observed = Observed {
            delays: std::mem::take(&mut observed.delays),
            ..Observed::default()
        };
    }

    /// What the subgraphs were asked since the last reset, in order of arrival.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.observed().requests.clone()
    }

    /// What no correct router asks: invalid documents, mutations out of order, anything that the data has no answer for.
    pub fn violations(&self) -> Vec<String> {
        self.observed().violations.clone()
    }

    async fn answer(&self, number: usize, headers: HeaderMap, request: GraphqlRequest) -> Value {
        let subgraph = &self.subgraphs()[number];
        let GraphqlRequest { query, variables } = request;
        let variables = variables.unwrap_or_default();
        let delay = {
            let mut observed = self.observed();
            let received = ReceivedRequest {
                subgraph: subgraph.name.clone(),
                headers,
                query: query.clone(),
                variables: variables.clone(),
            };
            observed.requests.push(received);
            observed.delays.get(&subgraph.name).copied()
        };
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        let mut observed = self.observed();
        let Observed {
            progress, violations, ..
        } = &mut *observed;
        let mut resolver = Resolver {
            lookup: self.0.fixtures.subgraph(&subgraph.name, progress),
            sdl: &subgraph.sdl,
            violations: Vec::new(),
        };
        let response = interpreter::execute(&subgraph.schema, &query, &variables, &mut resolver);
        let found = resolver.violations.iter();
        violations.extend(found.map(|violation| format!("{}: {violation}", subgraph.name)));
        match response {
            Ok(response) => response,
            Err(error) => {
                violations.push(format!("{}: {error:#} in {query}", subgraph.name));
                json!({ "errors": [{ "message": format!("{error:#}") }] })
            }
        }
    }

    fn observed(&self) -> MutexGuard<'_, Observed> {
        self.0.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
