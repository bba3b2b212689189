//! The variants of a product, as those change them who run the shop.

use super::{admin, data, each, seeded};
use futures::future::join_all;
use serde_json::{Value, json};
use service::id;
use service::testing::{TestService, each_database};

const CREATE: &str = "mutation($input: ProductCreateInput!) { productCreate(input: $input) {
    product { id updatedAt variants { nodes { id sku } } } userErrors { code field } } }";

const SET: &str = "mutation($id: ID!, $variants: [ProductVariantInput!]!, $version: DateTime) {
    productVariantsSet(productId: $id, variants: $variants, ifUpdatedAt: $version) {
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
        for (new, new_first) in [("CAP-NEW", false), ("CAP-NEWER", true)] {
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

#[tokio::test]
async fn skus_move_from_one_variant_to_another() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let three = ["S", "M", "L"].map(|size| variant(&Value::Null, &format!("HAT-{size}"), size));
        let made = create(&service, "Hat", &three).await["product"].clone();
        let ids: Vec<Value> = nodes(&made, "id").into_iter().map(Value::from).collect();
        let swapped = [variant(&ids[0], "HAT-M", "S"), variant(&ids[1], "HAT-S", "M"), variant(&ids[2], "HAT-L", "L")];
        let answer = set(&service, &made, &swapped, &Value::Null).await;
        assert_eq!(answer["userErrors"], json!([]), "on {url}");
        assert_eq!(nodes(&answer["product"], "sku"), ["HAT-M", "HAT-S", "HAT-L"]);
        assert_eq!(nodes(&answer["product"], "id"), nodes(&made, "id"));

        // From one that is taken out; who knows its id still finds it.
        let answer = set(&service, &made, &[variant(&ids[0], "HAT-L", "S")], &Value::Null).await;
        assert_eq!(answer["userErrors"], json!([]), "on {url}");
        let query = r#"query($gone: ID) { productVariant(sku: "HAT-L") { id } gone: productVariant(id: $gone) { sku availableForSale } }"#;
        let found = data(&service, query, json!({ "gone": ids[2] }), None).await;
        assert_eq!(found["productVariant"]["id"], ids[0]);
        assert_eq!(found["gone"], json!({ "sku": ids[2], "availableForSale": false }));
        // And back.
        let answer = set(&service, &made, &[variant(&ids[2], "HAT-L", "L"), variant(&ids[0], "HAT-S", "S")], &Value::Null).await;
        assert_eq!(nodes(&answer["product"], "sku"), ["HAT-L", "HAT-S"], "{answer} on {url}");

        let foreign = [variant(&ids[0], "KNIV-04", "S")];
        let taken = set(&service, &made, &foreign, &Value::Null).await;
        assert_eq!(taken["userErrors"], problem("SKU_TAKEN", &["variants", "0", "sku"]));
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn one_of_two_who_want_a_sku_at_once_has_it() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        for round in 0..5 {
            let sku = format!("WANTED-{round}");
            let made = join_all(["Mine", "Yours"].map(async |title| {
                let others = variant(&Value::Null, &format!("{title}-{round}"), "S");
                create(
                    &service,
                    &format!("{title} {round}"),
                    &[others, variant(&Value::Null, &sku, "M")],
                )
                .await
            }))
            .await;
            let (taken, had): (Vec<&Value>, Vec<&Value>) = made.iter().partition(|answer| answer["product"].is_null());
            assert_eq!((taken.len(), had.len()), (1, 1), "{made:?} on {url}");
            assert_eq!(
                taken[0]["userErrors"],
                problem("SKU_TAKEN", &["input", "variants", "1", "sku"])
            );
        }
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn variants_are_not_set_over_those_of_somebody_else() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let made = create(&service, "Scarf", &[variant(&Value::Null, "SCARF-S", "S")]).await["product"].clone();
        let version = &made["updatedAt"];
        let two = [
            variant(&Value::Null, "SCARF-S", "S"),
            variant(&Value::Null, "SCARF-M", "M"),
        ];
        let first = set(&service, &made, &two, version).await;
        assert_eq!(nodes(&first["product"], "sku"), ["SCARF-S", "SCARF-M"], "{first}");
        let late = set(&service, &made, &[variant(&Value::Null, "SCARF-L", "L")], version).await;
        assert_eq!(
            late,
            json!({ "product": null, "userErrors": problem("VERSION_CONFLICT", &["ifUpdatedAt"]) })
        );
        let again = set(&service, &made, &two[..1], &first["product"]["updatedAt"]).await;
        assert_eq!(nodes(&again["product"], "sku"), ["SCARF-S"]);
        let unknown = json!({ "id": id::seeded("prod", 9_999_999) });
        let unknown = set(&service, &unknown, &two, version).await;
        assert_eq!(unknown["userErrors"], problem("NOT_FOUND", &["productId"]));
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn many_products_are_made_at_once() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let made = join_all((0..20).map(async |number| {
            let sizes = ["S", "M", "L"].map(|size| variant(&Value::Null, &format!("BULK-{number}-{size}"), size));
            let token = admin(&service);
            let mut input = product(&format!("Bulk {number}"), &sizes);
            input["input"]["categoryIds"] = json!([id::seeded("cat", 5), id::seeded("cat", 6)]);
            service.query(CREATE, input, Some(&token)).await
        }))
        .await;
        for answer in made {
            assert!(answer.get("errors").is_none(), "{answer:#} on {url}");
            assert_eq!(answer["data"]["productCreate"]["userErrors"], json!([]));
        }
        service.app.database.close().await;
    })
    .await;
}

/// Of a quote, a reservation keeps title, variant and picture of each line; of a product, all values of its options.
#[tokio::test]
async fn the_longest_texts_are_stored() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let token = admin(&service);
        let long = |letters: usize, number: usize| format!("{}{number:03}", "𝒜".repeat(letters - 3));
        let variants: Vec<Value> = (0..40)
            .map(|number| {
                let options = (0..5).map(|name| json!({ "name": long(100, name), "value": long(100, number) }));
                json!({
                    "sku": format!("LONG-{number}"), "title": long(200, number), "options": options.collect::<Vec<_>>(),
                    "price": { "amount": "1.00", "currencyCode": "EUR" },
                })
            })
            .collect();
        let mut input = product(&long(200, 0), &variants);
        input["input"]["slug"] = json!("longest");
        let media = json!({ "url": format!("https://example.com/{}", "\"".repeat(1_980)), "altText": long(200, 0) });
        input["input"]["media"] = json!(vec![media; 20]);
        let made = data(&service, CREATE, input, Some(&token)).await["productCreate"].clone();
        assert_eq!(made["userErrors"], json!([]), "on {url}");
        let ids = nodes(&made["product"], "id");
        assert_eq!(ids.len(), 40);
        let adjust = "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { code } } }";
        for id in &ids {
            let input = json!({ "idempotencyKey": id, "variantId": id, "delta": 1, "reason": "new" });
            data(&service, adjust, json!({ "input": input }), Some(&token)).await;
        }
        let lines: Vec<Value> = ids.iter().map(|id| json!({ "variantId": id, "quantity": 1 })).collect();
        let body = json!({ "lines": lines, "currencyCode": "EUR" });
        for _ in 0..2 {
            let path = "/internal/reservations/ord_long";
            let answer = super::reservations::call(&service, http::Method::PUT, path, Some(&body)).await;
            assert_eq!(answer["outcome"], "RESERVED", "on {url}");
            assert_eq!(answer["variants"].as_array().map(Vec::len), Some(40));
        }
        service.app.database.close().await;
    })
    .await;
}
