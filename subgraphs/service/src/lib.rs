//! The plumbing that every service of the shop shares: configuration, telemetry, HTTP, database, authorization,
//! paging, money, ids, seed data and test support.
//!
//! A service is a type that implements [`Service`]; [`command::run`] turns it into a binary, and [`assemble`] into
//! an [`App`] for a process that holds several of them. What products, carts or payments mean is not known here;
//! `contract` only holds the shapes in which services talk to each other.

mod app;
pub mod auth;
mod body_deadline;
pub mod clock;
pub mod command;
pub mod config;
pub mod contract;
pub mod database;
pub mod deadline;
pub mod events;
pub mod fault;
pub mod graphql;
mod http;
pub mod id;
pub mod internal;
pub mod loader;
pub mod money;
pub mod paging;
pub mod peer;
mod port;
pub mod recent;
pub mod scalars;
pub mod seed;
pub mod telemetry;
pub mod testing;
pub mod together;

pub use app::{App, AssembleOptions, Routes, Service, ServiceContext, assemble};
pub use http::client as http_client;
