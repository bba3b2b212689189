//! Changes by those who run the shop.

use super::{Shop, admin, data, each, seeded};
use serde_json::{Value, json};
use service::id;
use service::testing::each_database;

const CREATE: &str = "mutation($input: ProductCreateInput!) { productCreate(input: $input) {
    product { id slug status updatedAt options { name values } priceRange { min { amount } max { amount } }
        variants { nodes { id sku title price { amount } availableForSale } } }
    userErrors { code field message } } }";

fn mug(slug: Option<&str>) -> Value {
    let variant = |sku: &str, price: &str, size: &str| json!({"sku": sku, "price": {"amount": price, "currencyCode": "EUR"}, "options": [{"name": "Size", "value": size}]});
    json!({
        "title": "Äpfel Mug", "slug": slug, "status": "ACTIVE", "description": "Holds *cider*.",
        "categoryIds": [id::seeded("cat", 5)], "attributes": [{"name": "Brand", "value": "Testware"}],
        "variants": [variant("apfel-s", "9.90", "Small"), variant("APFEL-L", "12.50", "Large")],
    })
}

#[tokio::test]
async fn a_product_is_made_found_changed_and_archived() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let token = admin(&service);
        let created = data(&service, CREATE, json!({ "input": mug(None) }), Some(&token)).await;
        let product = &created["productCreate"]["product"];
        assert_eq!(created["productCreate"]["userErrors"], json!([]));
        assert_eq!(product["slug"], "apfel-mug");
        assert_eq!(product["options"], json!([{"name": "Size", "values": ["Small", "Large"]}]));
        assert_eq!(product["priceRange"], json!({"min": {"amount": "9.90"}, "max": {"amount": "12.50"}}));
        assert_eq!(each(&product["variants"]["nodes"], "title"), ["Small", "Large"]);

        let search = r#"{ products(query: "testware cider") { nodes { slug } } }"#;
        let found = data(&service, search, json!({}), None).await;
        assert_eq!(each(&found["products"]["nodes"], "slug"), ["apfel-mug"]);

        let set = "mutation($id: ID!, $variants: [ProductVariantInput!]!) { productVariantsSet(productId: $id, variants: $variants) {
            product { variants { nodes { sku price(currencyCode: \"USD\") { amount currencyCode } } } priceRange { max { amount } } }
            userErrors { code field } } }";
        let kept = &product["variants"]["nodes"][0]["id"];
        let variants = json!([
            {"id": kept, "sku": "APFEL-S", "price": {"amount": "11", "currencyCode": "USD"}, "options": [{"name": "Size", "value": "Small"}]},
        ]);
        let replaced = data(&service, set, json!({ "id": product["id"], "variants": variants }), Some(&token)).await;
        let expected = json!({
            "product": {
                "variants": {"nodes": [{"sku": "APFEL-S", "price": {"amount": "11.00", "currencyCode": "USD"}}]},
                "priceRange": {"max": {"amount": "9.90"}},
            },
            "userErrors": [],
        });
        assert_eq!(replaced["productVariantsSet"], expected);
        // Orders still name the variant that was taken out.
        let gone = data(&service, r#"{ productVariant(sku: "APFEL-L") { availableForSale quantityAvailable } }"#, json!({}), None);
        assert_eq!(gone.await["productVariant"], json!({"availableForSale": false, "quantityAvailable": 0}));

        let archive = "mutation($id: ID!) { productArchive(id: $id) { product { status } userErrors { code } } }";
        let archived = data(&service, archive, json!({ "id": product["id"] }), Some(&token)).await;
        assert_eq!(archived["productArchive"]["product"]["status"], "ARCHIVED");
        let found = data(&service, search, json!({}), None).await;
        assert_eq!(found["products"]["nodes"], json!([]));
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn every_mistake_of_a_product_is_told_at_once() {
    let shop = Shop::open().await;
    let input = json!({
        "title": " ", "slug": "No Slug", "media": [{"url": "ftp://example.com/a.png"}],
        "variants": [
            {"sku": "a b", "price": {"amount": "-1", "currencyCode": "EUR"}},
            {"sku": "OK-1", "price": {"amount": "1.999", "currencyCode": "EUR"}, "weightGrams": -1},
        ],
    });
    let answer = shop.admin(CREATE, json!({ "input": input })).await;
    let mut shown = String::new();
    for error in answer["productCreate"]["userErrors"].as_array().unwrap() {
        let field: Vec<&str> = error["field"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        shown += &format!(
            "{} {}: {}\n",
            error["code"].as_str().unwrap(),
            field.join("."),
            error["message"].as_str().unwrap()
        );
    }
    expect_test::expect![[r#"
        REQUIRED input.title: This cannot be empty.
        INVALID input.slug: A slug is 1 to 80 lower-case letters and digits, with single hyphens between them.
        INVALID input.media.0.url: An http or https URL of at most 2000 bytes.
        INVALID input.variants.0.sku: A SKU is 1 to 64 of A-Z, 0-9 and hyphens.
        PRICE_NEGATIVE input.variants.0.price.amount: A price cannot be below zero.
        INVALID input.variants.1.price.amount: `1.999` is not an amount in EUR.
        INVALID input.variants.1.weightGrams: Between 0 and 1000000.
    "#]]
    .assert_eq(&shown);
}

#[tokio::test]
async fn what_is_unique_stays_unique() {
    let shop = Shop::open().await;
    let code = |answer: &Value| {
        format!(
            "{} {}",
            answer["productCreate"]["userErrors"][0]["code"], answer["productCreate"]["userErrors"][0]["field"]
        )
    };
    shop.admin(CREATE, json!({ "input": mug(None) })).await;
    // The SKUs are taken, and the slug that is made of the title is numbered.
    let again = shop.admin(CREATE, json!({ "input": mug(None) })).await;
    assert_eq!(code(&again), r#""SKU_TAKEN" ["input","variants","0","sku"]"#);
    let again = shop.admin(CREATE, json!({ "input": mug(Some("apfel-mug")) })).await;
    assert_eq!(code(&again), r#""SLUG_TAKEN" ["input","slug"]"#);
    let mut other = mug(None);
    other["variants"] = json!([{"sku": "APFEL-XL", "price": {"amount": "1", "currencyCode": "EUR"}}]);
    let numbered = shop.admin(CREATE, json!({ "input": other })).await;
    assert_eq!(numbered["productCreate"]["product"]["slug"], "apfel-mug-2");
    assert_eq!(
        numbered["productCreate"]["product"]["variants"]["nodes"][0]["title"],
        "Äpfel Mug"
    );
    other["variants"] = json!([{"sku": "APFEL-XXL", "price": {"amount": "1", "currencyCode": "USD"}}]);
    let foreign = shop.admin(CREATE, json!({ "input": other })).await;
    assert_eq!(
        code(&foreign),
        r#""REQUIRED" ["input","variants","0","price","currencyCode"]"#
    );
    other["categoryIds"] = json!(["cat_none"]);
    other["variants"] = json!([{"sku": "APFEL-XXL", "price": {"amount": "1", "currencyCode": "EUR"}}]);
    let unknown = shop.admin(CREATE, json!({ "input": other })).await;
    assert_eq!(code(&unknown), r#""NOT_FOUND" ["input","categoryIds","0"]"#);
}

#[tokio::test]
async fn a_change_of_what_changed_meanwhile_is_refused() {
    let shop = Shop::open().await;
    let product = id::seeded("prod", 3);
    let read = "query($id: ID!) { product(id: $id) { updatedAt } }";
    let update = "mutation($id: ID!, $title: String, $version: DateTime) {
        productUpdate(id: $id, input: {title: $title}, ifUpdatedAt: $version) {
            product { title updatedAt description } userErrors { code field } } }";
    let version = shop.data(read, json!({ "id": product })).await["product"]["updatedAt"].clone();
    let first = shop
        .admin(update, json!({ "id": product, "title": "One", "version": version }))
        .await;
    assert_eq!(first["productUpdate"]["product"]["title"], "One");
    // Within the same second, which is all that a version shows.
    let newer = &first["productUpdate"]["product"]["updatedAt"];
    let second = shop
        .admin(update, json!({ "id": product, "title": "Two", "version": newer }))
        .await;
    assert_eq!(second["productUpdate"]["product"]["title"], "Two");
    for stale in [&version, newer] {
        let late = shop
            .admin(update, json!({ "id": product, "title": "Three", "version": stale }))
            .await;
        let conflict = json!([{"code": "VERSION_CONFLICT", "field": ["ifUpdatedAt"]}]);
        assert_eq!(late["productUpdate"], json!({"product": null, "userErrors": conflict}));
    }
    let unknown = shop.admin(update, json!({ "id": "prod_none", "title": "Three" })).await;
    assert_eq!(unknown["productUpdate"]["userErrors"][0]["code"], "NOT_FOUND");
    // Null takes a description away, leaving it out does not.
    assert_ne!(second["productUpdate"]["product"]["description"], Value::Null);
    let clear =
        "mutation($id: ID!) { productUpdate(id: $id, input: {description: null}) { product { title description } } }";
    let cleared = shop.admin(clear, json!({ "id": product })).await;
    assert_eq!(
        cleared["productUpdate"]["product"],
        json!({"title": "Two", "description": null})
    );
}

#[tokio::test]
async fn the_tree_stays_a_tree() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let token = admin(&service);
        let create = "mutation($name: String!, $parent: ID) { categoryCreate(input: {name: $name, parentId: $parent}) {
            category { id slug ancestors { name } } userErrors { code } } }";
        let mut parent = Value::Null;
        let mut ids = Vec::new();
        for name in ["Alpha", "Beta", "Gamma"] {
            let made = data(
                &service,
                create,
                json!({ "name": name, "parent": parent }),
                Some(&token),
            )
            .await;
            parent = made["categoryCreate"]["category"]["id"].clone();
            ids.push(parent.clone());
        }
        let update = "mutation($id: ID!, $parent: ID) { categoryUpdate(id: $id, input: {parentId: $parent}) {
            category { ancestors { name } children { name ancestors { name } } } userErrors { code field } } }";
        let cycle = data(
            &service,
            update,
            json!({ "id": ids[0], "parent": ids[2] }),
            Some(&token),
        )
        .await;
        assert_eq!(
            cycle["categoryUpdate"]["userErrors"],
            json!([{"code": "CATEGORY_CYCLE", "field": ["input", "parentId"]}])
        );
        let moved = data(
            &service,
            update,
            json!({ "id": ids[1], "parent": id::seeded("cat", 0) }),
            Some(&token),
        )
        .await;
        let expected = json!({
            "ancestors": [{"name": "Clothing"}],
            "children": [{"name": "Gamma", "ancestors": [{"name": "Clothing"}, {"name": "Beta"}]}],
        });
        assert_eq!(moved["categoryUpdate"]["category"], expected);
        let delete = "mutation($id: ID!) { categoryDelete(id: $id) { deletedCategoryId userErrors { code } } }";
        for (id, expected) in [
            (
                &ids[1],
                json!({"deletedCategoryId": null, "userErrors": [{"code": "CATEGORY_NOT_EMPTY"}]}),
            ),
            (&ids[2], json!({"deletedCategoryId": ids[2], "userErrors": []})),
            (&ids[1], json!({"deletedCategoryId": ids[1], "userErrors": []})),
            (
                &ids[1],
                json!({"deletedCategoryId": null, "userErrors": [{"code": "NOT_FOUND"}]}),
            ),
            (
                &json!(id::seeded("cat", 12)),
                json!({"deletedCategoryId": null, "userErrors": [{"code": "CATEGORY_NOT_EMPTY"}]}),
            ),
        ] {
            let deleted = data(&service, delete, json!({ "id": id }), Some(&token)).await;
            assert_eq!(deleted["categoryDelete"], expected);
        }
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_adjustment_happens_once_and_never_below_what_is_there() {
    let shop = Shop::open().await;
    let adjust = "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) {
        variant { stock { onHand } } userErrors { code field } } }";
    let input = |key: &str, delta: i64| json!({ "input": {"idempotencyKey": key, "variantId": id::seeded("var", 1), "delta": delta, "reason": "count"} });
    let on_hand = |units: i64| json!({"variant": {"stock": {"onHand": units}}, "userErrors": []});
    let refused =
        |code: &str, field: &str| json!({"variant": null, "userErrors": [{"code": code, "field": ["input", field]}]});
    for (key, delta, expected) in [
        ("a", 5, on_hand(57)),
        ("a", 5, on_hand(57)),
        ("a", 6, refused("INVALID", "idempotencyKey")),
        ("b", -57, on_hand(0)),
        ("c", -1, refused("STOCK_BELOW_RESERVED", "delta")),
        ("c", 1, on_hand(1)),
        ("d", 0, refused("INVALID", "delta")),
        ("", 1, refused("INVALID", "idempotencyKey")),
    ] {
        let answer = shop.admin(adjust, input(key, delta)).await;
        assert_eq!(answer["stockAdjust"], expected, "{key} {delta}");
    }
}
