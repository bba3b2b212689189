//! No N+1: the number of SQL statements does not grow with the number of entities.

use super::Shop;
use expect_test::expect_file;
use products::Products;
use serde_json::{Value, json};
use service::id;
use service::testing::statements::StatementTable;

/// Statements for 1, 10 and 50 representations of one type.
async fn entity_statements(shop: &Shop, typename: &str, prefix: &str, selection: &str) -> [u64; 3] {
    let mut counts = [0; 3];
    for (count, size) in counts.iter_mut().zip([1, 10, 50]) {
        let representation = |index| json!({"__typename": typename, "id": id::seeded(prefix, index)});
        let representations: Vec<Value> = (0..size).map(representation).collect();
        let query = format!(
            "query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {typename} {{ {selection} }} }} }}"
        );
        *count = shop
            .service
            .statements_of(&query, json!({ "r": representations }), None)
            .await;
    }
    counts
}

#[tokio::test]
async fn a_level_is_at_most_two_statements() {
    let shop = Shop::open_without_memory().await;
    for (typename, prefix, selection, levels) in [
        (
            "ProductVariant",
            "var",
            "sku title price { amount } availableForSale quantityAvailable selectedOptions { name } media { url }",
            1,
        ),
        (
            "ProductVariant",
            "var",
            "sku product { title priceRange { min { amount } } availableForSale attributes { name } }",
            2,
        ),
        (
            "Product",
            "prod",
            "title variants(first: 2) { totalCount nodes { sku price { amount } } }",
            2,
        ),
        ("Product", "prod", "title categories { name parent { name } }", 3),
        (
            "Product",
            "prod",
            "priceRange(currencyCode: \"USD\") { min { amount } }",
            2,
        ),
        ("Category", "cat", "name ancestors { name } children { name }", 2),
        (
            "Category",
            "cat",
            "products(first: 3) { totalCount nodes { title variants(first: 1) { nodes { sku } } } }",
            3,
        ),
    ] {
        let counts = entity_statements(&shop, typename, prefix, selection).await;
        assert!(
            counts.iter().all(|count| *count <= 2 * levels),
            "{typename} {{ {selection} }}: {counts:?}"
        );
    }
}

#[tokio::test]
async fn a_list_costs_the_same_for_one_and_for_fifty() {
    let shop = Shop::open_without_memory().await;
    let query = "query($first: Int) { products(first: $first) { totalCount nodes { title featuredMedia { url }
        priceRange { min { amount } } categories { name } variants(first: 3) { nodes { sku price { amount } } } } } }";
    for first in [1, 10, 50] {
        let statements = shop.service.statements_of(query, json!({ "first": first }), None).await;
        assert_eq!(statements, 4, "list, total, categories, variants; {first} products");
    }
}

/// What the schema has, at 1, 10 and 100: the demo shop has as many of everything but categories.
#[tokio::test]
async fn everything_is_loaded_at_once() {
    let shop = Shop::open_without_memory().await;
    let mut table = StatementTable::new::<Products>(&shop.service, super::admin(&shop.service));
    let options = [(
        "variantBySelectedOptions",
        "(selectedOptions: [{name: \"Size\", value: \"M\"}])",
    )];
    // The variants of the first products have two options, and the first categories are roots.
    for (typename, prefix, first) in [
        ("Product", "prod", 10),
        ("ProductVariant", "var", 0),
        ("Category", "cat", 20),
    ] {
        let entity = |number| json!({ "__typename": typename, "id": id::seeded(prefix, first + number) });
        table.count_entities(&entity, &options).await;
    }
    table.count_list("products").await;
    expect_file!["statements.txt"].assert_eq(&table.text());
}
