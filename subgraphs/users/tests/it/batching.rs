//! However many entities are asked for, each level takes at most two statements.

use crate::shop::Shop;
use expect_test::expect_file;
use serde_json::json;
use service::seed::users as seed;
use service::testing::statements::StatementTable;
use service::testing::{TempSqlite, each_database};
use users::Users;

#[tokio::test]
async fn statements_do_not_grow_with_entities() {
    each_database(|url| async move {
        let shop = Shop::start(&url).await;
        let support = shop.demo("support").await;
        // Two levels: the users, and below them three kinds of things, loaded at once.
        let query = "query($r: [_Any!]!) { _entities(representations: $r) { ... on User { displayName
            addresses { city } defaultShippingAddress { city } sessions { id } } } }";
        for count in [1, 10, 50] {
            let users = (0..count).map(|index| json!({ "__typename": "User", "id": seed::id(index) }));
            let variables = json!({ "r": users.collect::<Vec<_>>() });
            let statements = shop.statements_of(query, variables, Some(&support)).await;
            assert!(statements <= 2 + 3 * 2, "{count} users took {statements} statements");
        }
    })
    .await;
}

#[tokio::test]
async fn everything_is_loaded_at_once() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let mut table = StatementTable::new::<Users>(&shop.service, shop.demo("admin").await);
    let user = |number| json!({ "__typename": "User", "id": seed::id(number) });
    table.count_entities(&user, &[]).await;
    let address = |number| json!({ "__typename": "Address", "id": seed::address_id(number, 0) });
    table.count_entities(&address, &[]).await;
    table.count_list("users").await;
    expect_file!["statements.txt"].assert_eq(&table.text());
}
