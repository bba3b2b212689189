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
