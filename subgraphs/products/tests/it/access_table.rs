//! Who may do what: every field of the service, tried by everybody. Nothing here is the owner's: a catalogue belongs to the
//! shop.

use expect_test::expect_file;
use products::Products;
use serde_json::{Value, json};
use service::id;
use service::testing::access::{AccessTable, Variables};

use super::Shop;

const CREATE: &str = "mutation($input: ProductCreateInput!) { productCreate(input: $input) {
    product { id slug variants { nodes { id sku } } categories { id } } userErrors { code } } }";

/// Every field has a value, so that one that nobody sees stands out.
fn product(title: &str, status: &str) -> Value {
    let price = |amount: &str| json!({ "amount": amount, "currencyCode": "EUR" });
    let variant = json!({
        "sku": format!("TRY-{}", title.to_uppercase()), "price": price("9.90"), "compareAtPrice": price("12.00"),
        "options": [{ "name": "Size", "value": "Small" }], "weightGrams": 300, "barcode": "4006381333931",
    });
    json!({ "input": {
        "title": title, "status": status, "description": "To look at.", "categoryIds": [id::seeded("cat", 5)],
        "attributes": [{ "name": "Brand", "value": "Testware" }], "variants": [variant],
        "media": [{ "url": "https://example.com/a.png" }],
    } })
}

#[tokio::test]
async fn everybody_tries_everything() {
    let shop = Shop::open().await;
    let shown = shop.admin(CREATE, product("shown", "ACTIVE")).await["productCreate"]["product"].clone();
    let draft = shop.admin(CREATE, product("draft", "DRAFT")).await["productCreate"]["product"].clone();
    let mut table = AccessTable::new::<Products>(&shop.service, [3, 2, 1, 0]);
    try_entities(&mut table, &shown).await;
    try_queries(&mut table, &shown, &draft).await;
    try_changes(&mut table).await;
    expect_file!["access_table.txt"].assert_eq(&table.text());
}

async fn try_entities(table: &mut AccessTable<'_>, shown: &Value) {
    let variant = &shown["variants"]["nodes"][0];
    let options = [(
        "variantBySelectedOptions",
        "(selectedOptions: [{name: \"Size\", value: \"Small\"}])",
    )];
    for representation in [
        json!({ "__typename": "Product", "id": shown["id"] }),
        json!({ "__typename": "ProductVariant", "id": variant["id"] }),
        json!({ "__typename": "ProductVariant", "sku": variant["sku"] }),
        json!({ "__typename": "ProductVariant", "id": id::seeded("var", 0) }),
        json!({ "__typename": "Category", "id": shown["categories"][0]["id"] }),
        json!({ "__typename": "Category", "id": id::seeded("cat", 20) }),
    ] {
        table.try_entity(&representation, &options).await;
    }
}

async fn try_queries(table: &mut AccessTable<'_>, shown: &Value, draft: &Value) {
    let nothing = |_| json!({});
    for (row, query) in [
        ("Query.products", "{ products { totalCount } }"),
        (
            "Query.products (drafts)",
            "{ products(filter: {status: [DRAFT]}) { totalCount } }",
        ),
        (
            "Query.products (archived)",
            "{ products(filter: {status: [ARCHIVED]}) { totalCount } }",
        ),
        (
            "Query.productSuggestions",
            "{ productSuggestions(prefix: \"mug\") { id } }",
        ),
        ("Query.category", "{ category(slug: \"food\") { id } }"),
        ("Query.categories", "{ categories { id } }"),
    ] {
        table.try_field(row, query, &nothing).await;
    }
    for (which, product) in [("", shown), (" (a draft)", draft)] {
        let variant = &product["variants"]["nodes"][0];
        for (row, query, value) in [
            (
                "Query.product",
                "query($value: ID) { product(id: $value) { id } }",
                &product["id"],
            ),
            (
                "Query.productVariant",
                "query($value: ID) { productVariant(id: $value) { id } }",
                &variant["id"],
            ),
        ] {
            table
                .try_field(&format!("{row}{which}"), query, &|_| json!({ "value": value }))
                .await;
        }
    }
    let variant = &draft["variants"]["nodes"][0];
    for (row, query, value) in [
        (
            "Query.product (a draft by its slug)",
            "query($value: String) { product(slug: $value) { id } }",
            &draft["slug"],
        ),
        (
            "Query.productVariant (a draft by its SKU)",
            "query($value: String) { productVariant(sku: $value) { id } }",
            &variant["sku"],
        ),
        (
            "Query.products (that finds a draft)",
            "query($value: String) { products(query: $value) { totalCount } }",
            &draft["slug"],
        ),
    ] {
        table.try_field(row, query, &|_| json!({ "value": value })).await;
    }
}

async fn try_changes(table: &mut AccessTable<'_>) {
    let number = |viewer: usize| u64::try_from(viewer).expect("a small number");
    let product_of = |viewer| id::seeded("prod", number(viewer));
    table
        .try_field("Mutation.productCreate", CREATE, &|viewer| {
            product(&format!("by{viewer}"), "DRAFT")
        })
        .await;
    let changes: [(&str, &str, Variables<'_>); 7] = [
        (
            "productUpdate",
            "($id: ID!) { productUpdate(id: $id, input: {title: \"X\"})",
            &|viewer| json!({ "id": product_of(viewer) }),
        ),
        (
            "productVariantsSet",
            "($id: ID!, $sku: String!) { productVariantsSet(productId: $id, variants: [
                {sku: $sku, price: {amount: \"1\", currencyCode: \"EUR\"}}])",
            &|viewer| json!({ "id": product_of(viewer), "sku": format!("SET-{viewer}") }),
        ),
        (
            "productArchive",
            "($id: ID!) { productArchive(id: $id)",
            &|viewer| json!({ "id": product_of(viewer) }),
        ),
        (
            "categoryCreate",
            "($name: String!) { categoryCreate(input: {name: $name})",
            &|viewer| json!({ "name": format!("By {viewer}") }),
        ),
        (
            "categoryUpdate",
            "($id: ID!) { categoryUpdate(id: $id, input: {description: \"X\"})",
            &|_| json!({ "id": id::seeded("cat", 0) }),
        ),
        (
            "categoryDelete",
            "($id: ID!) { categoryDelete(id: $id)",
            &|_| json!({ "id": id::seeded("cat", 0) }),
        ),
        (
            "stockAdjust",
            "($id: ID!) { stockAdjust(input: {idempotencyKey: \"k\", variantId: $id, delta: 1, reason: \"found\"})",
            &|viewer| json!({ "id": id::seeded("var", number(viewer) + 100) }),
        ),
    ];
    for (field, call, variables) in changes {
        let mutation = format!("mutation{call} {{ userErrors {{ code }} }} }}");
        table
            .try_field(&format!("Mutation.{field}"), &mutation, variables)
            .await;
    }
}
