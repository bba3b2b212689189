//! The catalogue in plain Rust: what a product is, which changes are allowed, and how text becomes search tokens.
//!
//! Knows neither GraphQL nor a database.

pub(crate) mod category;
pub(crate) mod change;
pub(crate) mod listing;
pub(crate) mod picture;
pub(crate) mod problem;
pub(crate) mod product;
pub(crate) mod search;
pub(crate) mod sku;
pub(crate) mod slug;
pub(crate) mod stock;
