//! The nouns of a federated graph, shared by composition, planning, execution and serving.
//!
//! Pure: knows nothing of HTTP, of an async runtime, of subgraph answers or of the clock.

pub mod query_plan;
