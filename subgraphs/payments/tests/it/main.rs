//! Payments as orders, shoppers, staff and the gateway see it; the gateway is the real sandbox on a socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access_table;
mod authorization;
mod commands;
mod dialects;
mod outages;
mod secrets;
mod shop;
mod webhooks;

use payments::Payments;

#[test]
fn the_schema_is_the_published_one() {
    service::testing::check_sdl::<Payments>();
}
