//! The `router` binary: composes, plans and serves federated graphs over HTTP.

pub mod playground;
