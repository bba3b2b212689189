//! A subgraph as composition takes it: a name, an address and its schema as text.
//!
//! Nothing here is checked; `composition` reads the text and reports what is wrong with it.

/// One service of a federated graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subgraph {
    /// Name that operators and clients see (`products`), unique in its graph.
    pub name: String,
    /// Where the router sends requests; may be empty when only the schema matters.
    pub routing_url: String,
    /// Schema in GraphQL SDL, as `_service { sdl }` gives it.
    pub sdl: String,
}
