//! Orders as shoppers, staff and the other services see it. Payments and its sandbox gateway are the real ones;
//! products and users are small stand-ins that keep the contract.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::large_futures, reason = "a whole shop is a local of each test")]

mod access;
mod access_table;
mod carts;
mod currencies;
mod migration;
mod neighbours;
mod ordering;
mod replicas;
mod shop;
mod state_machine;
mod trouble;

use orders::Orders;

#[test]
fn the_schema_is_the_published_one() {
    service::testing::check_sdl::<Orders>();
}
