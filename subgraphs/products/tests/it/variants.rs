//! The variants of a product, as those change them who run the shop.

use super::{admin, data, each, seeded};
use serde_json::{Value, json};
use service::testing::{TestService, each_database};

const CREATE: &str = "mutation($input: ProductCreateInput!) { productCreate(input: $input) {
    product { id updatedAt variants { nodes { id sku } } } userErrors { code field } } }";

const SET: &str = "mutation($id: ID!, $variants: [ProductVariantInput!]!) {
    productVariantsSet(productId: $id, variants: $variants) {
        product { updatedAt variants { nodes { id sku title } } } userErrors { code field } } }";

/// A variant of the option `Size`; `id` may be null.
fn variant(id: &Value, sku: &str, size: &str) -> Value {
    json!({
        "id": id, "sku": sku, "price": { "amount": "9.90", "currencyCode": "EUR" },
        "options": [{ "name": "Size", "value": size }],
    })
}

fn product(title: &str, variants: &[Value]) -> Value {
    json!({ "input": { "title": title, "status": "ACTIVE", "variants": variants, "attributes": [{ "name": "Brand", "value": "Testware" }] } })
}

async fn create(service: &TestService, title: &str, variants: &[Value]) -> Value {
    let created = data(service, CREATE, product(title, variants), Some(&admin(service))).await;
    created["productCreate"].clone()
}

async fn set(service: &TestService, product: &Value, variants: &[Value], version: &Value) -> Value {
    let variables = json!({ "id": product["id"], "variants": variants, "version": version });
    let replaced = data(service, SET, variables, Some(&admin(service))).await;
    replaced["productVariantsSet"].clone()
}

/// `id`s and `sku`s of variants, in their order.
fn nodes<'a>(product: &'a Value, key: &str) -> Vec<&'a str> {
    each(&product["variants"]["nodes"], key)
}

fn problem(code: &str, field: &[&str]) -> Value {
    json!([{ "code": code, "field": field }])
}

#[tokio::test]
async fn no_two_entries_are_one_variant() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let made = create(&service, "Cap", &[variant(&Value::Null, "CAP-OLD", "M")]).await["product"].clone();
        let kept = &made["variants"]["nodes"][0]["id"];
        let both_named = [variant(kept, "CAP-1", "M"), variant(kept, "CAP-2", "L")];
        let twice = set(&service, &made, &both_named, &Value::Null).await;
        assert_eq!(
            twice,
            json!({ "product": null, "userErrors": problem("INVALID", &["variants", "1", "id"]) })
        );

        // The SKU that a named variant gives up goes to a new one, wherever it stands.
        let mut old = "CAP-OLD";
        for (new, new_first) in [("CAP-NEW", false)] {
            let mut variants = vec![variant(kept, new, "M"), variant(&Value::Null, old, "L")];
            if new_first {
                variants.reverse();
            }
            let moved = set(&service, &made, &variants, &Value::Null).await;
            assert_eq!(moved["userErrors"], json!([]), "{new} on {url}");
            let (ids, skus) = (nodes(&moved["product"], "id"), nodes(&moved["product"], "sku"));
            let place = usize::from(new_first);
            assert_eq!((ids[place], skus[place]), (kept.as_str().unwrap(), new));
            assert_ne!(ids[1 - place], ids[place]);
            assert_eq!(skus[1 - place], old);
            old = new;
        }
        service.app.database.close().await;
    })
    .await;
}
