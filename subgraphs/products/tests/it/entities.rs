//! What the router asks: `_entities` and `_service`.

use super::Shop;
use serde_json::json;
use service::id;

#[tokio::test]
async fn entities_are_answered_in_order_and_strangers_with_null() {
    let shop = Shop::open().await;
    let representations = json!([
        {"__typename": "ProductVariant", "id": id::seeded("var", 1)},
        {"__typename": "Product", "id": id::seeded("prod", 0)},
        {"__typename": "Product", "id": id::seeded("prod", 999)},
        {"__typename": "Product", "id": "junk"},
        {"__typename": "ProductVariant", "sku": "tshi-01-s-black"},
        {"__typename": "ProductVariant", "sku": "no such sku"},
        {"__typename": "Category", "id": id::seeded("cat", 0)},
    ]);
    let selection =
        "... on ProductVariant { sku taxClass weightGrams } ... on Product { title } ... on Category { name }";
    let answer = shop.service.entities(representations, selection, None).await;
    let variant = json!({"sku": "TSHI-01-S-BLACK", "taxClass": "standard", "weightGrams": 190});
    let expected = json!([variant, {"title": "Heavyweight Tee"}, null, null, variant, null, {"name": "Clothing"}]);
    assert_eq!(answer, json!({"data": {"_entities": expected}}));
}

#[tokio::test]
async fn drafts_are_hidden_and_archived_products_are_not() {
    let shop = Shop::open().await;
    let (draft, archived) = (id::seeded("prod", 0), id::seeded("prod", 1));
    let update = "mutation($id: ID!) { productUpdate(id: $id, input: {status: DRAFT}) { userErrors { code } } }";
    shop.admin(update, json!({ "id": draft })).await;
    shop.admin(
        "mutation($id: ID!) { productArchive(id: $id) { userErrors { code } } }",
        json!({ "id": archived }),
    )
    .await;
    let representations = json!([
        {"__typename": "Product", "id": draft},
        {"__typename": "Product", "id": archived},
        {"__typename": "ProductVariant", "id": id::seeded("var", 0)},
    ]);
    let selection = "... on Product { status availableForSale } ... on ProductVariant { sku }";
    let public = shop.service.entities(representations.clone(), selection, None).await;
    let expected = json!([null, {"status": "ARCHIVED", "availableForSale": false}, null]);
    assert_eq!(public["data"]["_entities"], expected);
    let token = super::admin(&shop.service);
    let staff = shop.service.entities(representations, selection, Some(&token)).await;
    assert_eq!(staff["data"]["_entities"][0]["status"], "DRAFT");
    let listed = shop.data("{ products(first: 0) { totalCount } }", json!({})).await;
    assert_eq!(listed["products"]["totalCount"], 298);
}
