//! Executes query plans against subgraphs.
