//! Tests over the whole product: real sockets, real processes, a real browser.

mod audit;
mod browser;
mod graphql_over_http;
mod invariants;
mod mission_query;
mod router_journey;
mod schema;
mod shop_journey;
mod tracing;
mod truth;

/// Held by tests that need the whole machine: a browser beside another, or beside a long computation, is slower than it is
/// patient.
static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
