//! The `hansa` binary: the router and every subgraph of the shop in one process.
