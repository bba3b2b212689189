//! The nouns of a federated graph, shared by composition, planning, execution and serving.
//!
//! Pure: knows nothing of HTTP, of an async runtime, of subgraph answers or of the clock.

pub mod api_schema;
pub mod deferral;
pub mod error;
pub mod field_set;
pub mod introspection;
pub mod limits;
mod link;
pub mod operation;
pub mod parallel;
pub mod query_graph;
pub mod query_plan;
pub mod recorded_operations;
pub mod schema_changes;
pub mod subgraph;
pub mod supergraph;

pub use subgraph::Subgraph;
