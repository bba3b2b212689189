//! The published schema.

use crate::shop::Shop;
use serde_json::json;
use service::testing::{TempSqlite, check_sdl};
use users::Users;

#[test]
fn the_schema_is_the_reviewed_one() {
    check_sdl::<Users>();
}

#[tokio::test]
async fn the_router_is_told_the_same_schema() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let data = shop.data("{ s: _service { text: sdl } }", json!({}), None).await;
    assert_eq!(data["s"]["text"].as_str().unwrap(), users::sdl());
}
