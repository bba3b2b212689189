//! `router.yaml`: every setting of the router, one struct per concern.
//!
//! In: the text of the file and the environment. Out: a [`RouterConfig`] that is known to be sound, or the line, the key
//! and what to write instead. Does not read supergraphs or schemas; that is `source`.

mod cors;
mod environment;
mod headers;
mod ip_network;
mod tracing;
mod yaml;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use balanced_client::ClientOptions;
use executor::{EntityLimits, ExecutorOptions, SubgraphPolicy};
use federation::limits::Limits;
use serde::Deserialize;
use url::Url;

pub use crate::override_labels::LabelShare;

pub use cors::{CorsConfig, Origin};
pub use headers::{HeaderChanges, HeaderList, HeaderNames, HeadersConfig};
pub use ip_network::{IpNetwork, IpNetworks};
pub use tracing::TracingConfig;
pub(crate) use yaml::{nearest, read_yaml};

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, not readable, or not text.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// Not YAML, an unknown key, a value of the wrong kind.
    #[error("{file}:{line}:{column}: {message}")]
    Malformed {
        /// Name of the file, as given.
        file: String,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What is wrong and, for an unknown key, which one was probably meant.
        message: String,
    },
    /// Well-formed, but two settings contradict each other, or one is out of its bounds.
    #[error("{file}: {message}")]
    Invalid {
        /// Name of the file, as given.
        file: String,
        /// Which key, why, and what to write instead.
        message: String,
    },
}

/// Everything that can be set, with the defaults of an unconfigured router.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouterConfig {
    /// Address and port for clients. Loopback by default, so that nothing is reachable from outside unasked.
    pub listen: SocketAddr,
    /// The port for probes and metrics.
    pub admin: AdminConfig,
    /// Where the graph comes from.
    pub supergraph: SupergraphConfig,
    /// Which web pages of other origins may call.
    pub cors: CorsConfig,
    /// Who enforces rules of access.
    pub authorization: AuthorizationConfig,
    /// Which headers go on to subgraphs, and back to clients.
    pub headers: HeadersConfig,
    /// Addresses and timeouts of subgraphs.
    pub traffic: TrafficConfig,
    /// The most that one request may ask for.
    pub limits: LimitsConfig,
    /// For which requests a label of `@override(from:, label:)` is on: `true`, `false`, or a percentage of them. Instead of
    /// what the label itself says (`percent(10)`); other labels are off by default. For whoever moves a field from one
    /// subgraph to another step by step.
    pub override_labels: BTreeMap<String, LabelShare>,
    /// Whether clients may ask for the schema.
    pub introspection: IntrospectionConfig,
    /// The page at `/`.
    pub playground: PlaygroundConfig,
    /// Whether answers can explain how they came about.
    pub explain: ExplainConfig,
    /// Where spans go.
    pub tracing: TracingConfig,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            admin: AdminConfig::default(),
            supergraph: SupergraphConfig::default(),
            cors: CorsConfig::default(),
            authorization: AuthorizationConfig::default(),
            headers: HeadersConfig::default(),
            traffic: TrafficConfig::default(),
            limits: LimitsConfig::default(),
            override_labels: BTreeMap::new(),
            introspection: IntrospectionConfig::default(),
            playground: PlaygroundConfig::default(),
            explain: ExplainConfig::default(),
            tracing: TracingConfig::default(),
        }
    }
}

impl RouterConfig {
    /// Reads `router.yaml`. Relative paths in it are meant from its own folder.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, line and key.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut config = Self::parse(&text, &path.display().to_string(), |name| std::env::var(name).ok())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in [&mut config.supergraph.file, &mut config.supergraph.subgraphs]
            .into_iter()
            .flatten()
        {
            *file = folder.join(&*file);
        }
        Ok(config)
    }

    /// Parses the text of `router.yaml`; `file` is its name in messages, `environment` answers `${env.NAME}`.
    ///
    /// # Errors
    /// [`ConfigError::Malformed`] and [`ConfigError::Invalid`].
    pub fn parse(text: &str, file: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = environment::substitute(text, environment).map_err(|fault| ConfigError::Malformed {
            file: file.to_owned(),
            line: fault.line,
            column: fault.column,
            message: fault.message,
        })?;
        let config: Self = read_yaml(&text, file)?;
        config.check().map_err(|message| ConfigError::Invalid {
            file: file.to_owned(),
            message,
        })?;
        Ok(config)
    }

    /// What the types alone cannot say.
    fn check(&self) -> Result<(), String> {
        if self.supergraph.file.is_some() && self.supergraph.subgraphs.is_some() {
            return Err("`supergraph.file` and `supergraph.subgraphs` exclude each other: keep one".into());
        }
        self.cors.check()?;
        self.tracing.check()?;
        self.traffic.check()
    }
}

/// `admin`: the port that only the platform reaches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address and port of `/livez`, `/readyz` and `/metrics`. Never to be published.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9000)),
        }
    }
}

/// `supergraph`: where the graph comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SupergraphConfig {
    /// A composed supergraph, made by `router compose` or by any other composer (join v0.1 to v0.5).
    pub file: Option<PathBuf>,
    /// A `supergraph.yaml` in Rover's form; composed when the router starts.
    pub subgraphs: Option<PathBuf>,
    /// Whether changes are taken up while serving. The last good graph is kept when the new one does not compose.
    pub watch: bool,
    /// Milliseconds between two looks at the sources. The contents are compared, not file times: a Kubernetes ConfigMap is
    /// changed by moving a symbolic link.
    pub poll_interval_ms: u64,
}

impl Default for SupergraphConfig {
    fn default() -> Self {
        Self {
            file: None,
            subgraphs: None,
            watch: false,
            poll_interval_ms: 2_000,
        }
    }
}

/// `authorization`: who enforces the rules of access in the schema (`@authenticated`, `@requiresScopes`, `@policy`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthorizationConfig {
    /// Whether every subgraph enforces its own rules. The router enforces none: without this it serves no supergraph that has
    /// some. For operators of subgraphs that check tokens, which the router passes on.
    pub by_subgraphs: bool,
}

/// `traffic`: how long things may take, and where subgraphs are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrafficConfig {
    /// Longest time from the first byte of a request to its answer, in milliseconds. Above the subgraph timeouts, so
    /// that a slow subgraph still leaves a partial answer.
    pub request_timeout_ms: u64,
    /// Longest time that a client may leave what is written to it untaken, in milliseconds; then its connection is closed.
    /// Connections with nothing to write may wait. 30 s: networks of phones come back within that, and answers that nobody
    /// takes fill the memory. For operators of clients on worse networks.
    pub write_timeout_ms: u64,
    /// Longest time one request of a query to a subgraph may take, in milliseconds.
    pub query_timeout_ms: u64,
    /// The same for mutations, which wait for others (payment gateways) and must not be given up early.
    pub mutation_timeout_ms: u64,
    /// Bytes of one answer of a subgraph.
    pub response_bytes_max: usize,
    /// Requests to one subgraph that are under way at once; more wait, within their time. For the operator of a subgraph
    /// that falls over under load.
    pub requests_in_flight_max: usize,
    /// Milliseconds between two look-ups of the subgraphs' names. Requests are spread over all addresses that a name has. For
    /// operators whose name servers answer slowly.
    pub resolve_interval_ms: u64,
    /// Milliseconds after which a connection to a subgraph is replaced, once its request is done. For operators of subgraphs
    /// behind one virtual address, whose new replicas get nothing until connections are made anew.
    pub connection_age_max_ms: u64,
    /// What is different for one subgraph, by its name.
    pub subgraphs: BTreeMap<String, SubgraphTrafficConfig>,
}

impl Default for TrafficConfig {
    fn default() -> Self {
        let policy = SubgraphPolicy::default();
        let client = ClientOptions::default();
        Self {
            request_timeout_ms: 15_000,
            write_timeout_ms: 30_000,
            query_timeout_ms: 5_000,
            mutation_timeout_ms: 12_000,
            response_bytes_max: policy.response_bytes_max,
            requests_in_flight_max: policy.requests_in_flight_max,
            resolve_interval_ms: client.resolve_interval.as_millis() as u64,
            connection_age_max_ms: client.connection_age_max.as_millis() as u64,
            subgraphs: BTreeMap::new(),
        }
    }
}

impl TrafficConfig {
    fn check(&self) -> Result<(), String> {
        let per_subgraph = self.subgraphs.iter().flat_map(|(name, subgraph)| {
            [
                ("query_timeout_ms", subgraph.query_timeout_ms == Some(0)),
                ("mutation_timeout_ms", subgraph.mutation_timeout_ms == Some(0)),
                ("response_bytes_max", subgraph.response_bytes_max == Some(0)),
                ("requests_in_flight_max", subgraph.requests_in_flight_max == Some(0)),
            ]
            .map(|(key, is_zero)| (format!("traffic.subgraphs.{name}.{key}"), is_zero))
        });
        let all = [
            ("traffic.request_timeout_ms", self.request_timeout_ms == 0),
            ("traffic.write_timeout_ms", self.write_timeout_ms == 0),
            ("traffic.query_timeout_ms", self.query_timeout_ms == 0),
            ("traffic.mutation_timeout_ms", self.mutation_timeout_ms == 0),
            ("traffic.response_bytes_max", self.response_bytes_max == 0),
            ("traffic.requests_in_flight_max", self.requests_in_flight_max == 0),
            ("traffic.resolve_interval_ms", self.resolve_interval_ms == 0),
            ("traffic.connection_age_max_ms", self.connection_age_max_ms == 0),
        ];
        let all = all.map(|(key, is_zero)| (key.to_owned(), is_zero));
        match all.into_iter().chain(per_subgraph).find(|(_, is_zero)| *is_zero) {
            Some((key, _)) => Err(format!(
                "`{key}` is 0: no request could ever succeed; leave it out for the default"
            )),
            None => Ok(()),
        }
    }

    /// How connections to subgraphs are made and kept.
    pub(crate) fn client_options(&self) -> ClientOptions {
        ClientOptions {
            resolve_interval: Duration::from_millis(self.resolve_interval_ms),
            connection_age_max: Duration::from_millis(self.connection_age_max_ms),
        }
    }

    /// How `subgraph` is called: what is set for it, or else for all.
    pub fn policy(&self, subgraph: &str) -> SubgraphPolicy {
        let own = self.subgraphs.get(subgraph).cloned().unwrap_or_default();
        let millis = |own: Option<u64>, all| Duration::from_millis(own.unwrap_or(all));
        SubgraphPolicy {
            query_timeout: millis(own.query_timeout_ms, self.query_timeout_ms),
            mutation_timeout: millis(own.mutation_timeout_ms, self.mutation_timeout_ms),
            response_bytes_max: own.response_bytes_max.unwrap_or(self.response_bytes_max),
            requests_in_flight_max: own.requests_in_flight_max.unwrap_or(self.requests_in_flight_max),
        }
    }
}

/// `traffic.subgraphs.NAME`: what is different for one subgraph.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubgraphTrafficConfig {
    /// Address to use instead of the supergraph's `routing_url`: one supergraph for several environments.
    pub url: Option<Url>,
    /// Instead of `traffic.query_timeout_ms`.
    pub query_timeout_ms: Option<u64>,
    /// Instead of `traffic.mutation_timeout_ms`.
    pub mutation_timeout_ms: Option<u64>,
    /// Instead of `traffic.response_bytes_max`.
    pub response_bytes_max: Option<usize>,
    /// Instead of `traffic.requests_in_flight_max`.
    pub requests_in_flight_max: Option<usize>,
}

/// `limits`: the most that one request may ask for. Past a limit: a clear error, and no work done.
///
/// Operators of a public graph turn these down; operators of generated documents turn them up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Bytes of a request body.
    pub body_bytes_max: usize,
    /// Bytes of an operation's text.
    pub document_bytes_max: usize,
    /// Lexical tokens of an operation's text.
    pub tokens_max: usize,
    /// Levels of nested fields.
    pub depth_max: u64,
    /// Aliases in one operation.
    pub aliases_max: u64,
    /// Fields at the root of one operation.
    pub root_fields_max: u64,
    /// Selections of all operations of a document, with every fragment standing where it is spread.
    pub height_max: u64,
    /// Entities that one request to a subgraph may ask for.
    pub entities_per_fetch_max: usize,
    /// Entities that all requests to subgraphs for one operation may ask for.
    pub entities_per_request_max: usize,
    /// Bytes of all answers of subgraphs to one operation.
    pub fetched_bytes_max: usize,
    /// Bytes of data in one answer to a client, all its parts together.
    pub response_bytes_max: usize,
    /// Bytes of memory that all operations take whose plans are remembered: texts, syntax trees and plans, as far as they can be
    /// told. An operation of more than a quarter of it is not remembered.
    pub operation_cache_bytes_max: u64,
    /// Open connections of clients; more wait to be accepted.
    pub connections_max: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let document = Limits::default();
        let execution = ExecutorOptions::default();
        Self {
            body_bytes_max: 2 << 20,
            document_bytes_max: document.document_bytes_max,
            tokens_max: document.tokens_max,
            depth_max: document.depth_max,
            aliases_max: document.aliases_max,
            root_fields_max: document.root_fields_max,
            height_max: document.height_max,
            entities_per_fetch_max: execution.entities.per_fetch_max,
            entities_per_request_max: execution.entities.per_request_max,
            fetched_bytes_max: execution.fetched_bytes_max,
            response_bytes_max: execution.response_bytes_max,
            operation_cache_bytes_max: 32 << 20,
            connections_max: 10_000,
        }
    }
}

impl LimitsConfig {
    /// The part that is about the document.
    pub fn document(&self) -> Limits {
        Limits {
            document_bytes_max: self.document_bytes_max,
            tokens_max: self.tokens_max,
            depth_max: self.depth_max,
            aliases_max: self.aliases_max,
            root_fields_max: self.root_fields_max,
            height_max: self.height_max,
        }
    }

    /// The part that is about entities.
    pub fn entities(&self) -> EntityLimits {
        EntityLimits {
            per_fetch_max: self.entities_per_fetch_max,
            per_request_max: self.entities_per_request_max,
        }
    }
}

/// `introspection`: the schema by GraphQL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntrospectionConfig {
    /// Whether clients may select `__schema` and `__type`; `__typename` they always may. On by default: tools live on it, and
    /// hiding a schema protects nothing. For the operator of a graph whose clients are all known and need no tools.
    pub enabled: bool,
}

impl Default for IntrospectionConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// `playground`: GraphiQL at `/`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlaygroundConfig {
    /// Whether the page is served. On by default: it shows nothing that an introspection query does not show.
    pub enabled: bool,
    /// Title of the page.
    pub title: String,
}

impl Default for PlaygroundConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            title: "Router".into(),
        }
    }
}

/// `explain`: query plans in answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExplainConfig {
    /// Whether a request with the header `x-router-explain: 1` finds the plan, with the time and size of every fetch, in
    /// `extensions.explain`. Off by default: it tells any client how the graph is built inside.
    pub enabled: bool,
}

#[cfg(test)]
mod tests;
