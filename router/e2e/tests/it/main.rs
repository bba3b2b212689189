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

/// Held by tests that keep all cores busy or watch a browser work, so that none of them waits for another's processor time.
static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
