//! Composes Apollo Federation subgraphs into a supergraph.
