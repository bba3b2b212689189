//! Plans operations over a supergraph.
