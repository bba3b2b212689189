//! The `router` binary and library: composes, plans and serves federated graphs over HTTP.
//!
//! Knows nothing of any particular graph. Read [`pipeline`] for the way of a request, [`app`] for how a router is put
//! together, [`config`] for what can be set. Composition, planning and execution are crates of their own.

mod admin;
mod app;
pub mod cli;
pub mod config;
mod cors;
mod failure;
mod features;
mod graph;
mod incremental;
mod introspect_subgraph;
mod media_type;
mod override_labels;
mod pipeline;
pub mod playground;
mod propagation;
mod reload;
mod request;
mod serve;
mod source;
mod state;
mod supergraph_yaml;
mod telemetry;
mod text_file;
mod upstream;

pub use app::{BuildError, GRAPHQL_PATH, RouterApp, RouterBuilder, RouterHandle, RunningRouter};
pub use config::RouterConfig;
pub use features::FeatureError;
pub use graph::GraphError;
pub use reload::{LoadError, Reload};
pub use serve::{Listeners, serve};
pub use source::{SourceError, SupergraphSource};
pub use telemetry::{install_recorder, start_logging};
pub use upstream::UpstreamError;

/// An error with everything below it, on one line: `cannot read a.graphql: No such file or directory`.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
