//! Cursors and other texts that are not of this shop.

use super::{Shop, admin, codes, data, seeded};
use serde_json::{Value, json};
use service::paging::Cursor;
use service::testing::each_database;

#[tokio::test]
async fn a_cursor_of_another_order_is_refused() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let list = "query($sort: ProductSort, $after: String) { products(sort: $sort, first: 2, after: $after) {
            nodes { id } pageInfo { endCursor } } }";
        let end = |answer: &Value| answer["products"]["pageInfo"]["endCursor"].clone();
        let newest = end(&data(&service, list, json!({ "sort": "NEWEST" }), None).await);
        for sort in ["TITLE_ASC", "TITLE_DESC", "PRICE_ASC", "PRICE_DESC"] {
            let answer = service.query(list, json!({ "sort": sort, "after": newest }), None).await;
            assert_eq!(codes(&answer), ["BAD_USER_INPUT"], "{answer:#} on {url}");
            let message = format!("`after` is not a cursor of this list in the order {sort}: begin with its first page");
            assert_eq!(answer["errors"][0]["message"], message);
        }
        let below = "query($before: String) { category(slug: \"clothing\") { products(sort: TITLE_ASC, last: 1, before: $before) { nodes { id } } } }";
        let answer = service.query(below, json!({ "before": newest }), None).await;
        assert_eq!(codes(&answer), ["BAD_USER_INPUT"], "{answer:#} on {url}");
        // Without a search, what is most relevant is what is newest.
        data(&service, list, json!({ "sort": "RELEVANCE", "after": newest }), None).await;

        // Made up: the right order, and keys of other types.
        for forged in [
            Cursor::new(&("TITLE_ASC", 7, "prod_x")),
            Cursor::new(&("TITLE_ASC", true, "prod_x")),
            Cursor::new(&("TITLE_ASC", "Mug", 1)),
            Cursor::new(&("TITLE_ASC", "Mug")),
        ] {
            let answer = data(&service, list, json!({ "sort": "TITLE_ASC", "after": forged.encode() }), None).await;
            assert_eq!(answer["products"]["nodes"], json!([]), "{forged:?} on {url}");
        }
        for forged in [json!("a"), json!(1.5), json!(1e300), json!(true), json!(null)] {
            let after = Cursor::new(&("NEWEST", &forged, "prod_x")).encode();
            let answer = data(&service, list, json!({ "sort": "NEWEST", "after": after }), None).await;
            assert_eq!(answer["products"]["nodes"], json!([]), "{forged} on {url}");
        }
        let variants = "query($after: String) { product(slug: \"fisherman-sweater\") { variants(after: $after) { nodes { id } } } }";
        let after = Cursor::new(&("a", "b")).encode();
        let answer = data(&service, variants, json!({ "after": after }), None).await;
        assert_eq!(answer["product"]["variants"]["nodes"], json!([]), "on {url}");
        service.app.database.close().await;
    })
    .await;
}

/// PostgreSQL takes no text with a NUL in it.
#[tokio::test]
async fn a_nul_is_in_no_text_of_the_shop() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let nothing = json!({
            "a": null, "b": null, "c": null, "d": null, "e": [], "f": {"totalCount": 0}, "g": null,
        });
        let query = r#"query($nul: String!, $id: ID!) {
            a: product(slug: $nul) { id } b: product(id: $id) { id } c: category(slug: $nul) { id } d: category(id: $id) { id }
            e: productSuggestions(prefix: $nul) { id } f: products(query: $nul) { totalCount }
            g: productVariant(sku: $nul) { id } }"#;
        let answer = data(&service, query, json!({ "nul": "\u{0}", "id": "prod_\u{0}" }), None).await;
        assert_eq!(answer, nothing, "on {url}");
        let list = "query($filter: ProductFilter, $after: String) { products(filter: $filter, after: $after) { totalCount nodes { id } } }";
        for variables in [
            json!({ "filter": { "categoryIds": ["\u{0}"] } }),
            json!({ "filter": { "options": [{ "name": "\u{0}", "values": ["M"] }] } }),
            json!({ "filter": { "options": [{ "name": "Size", "values": ["M\u{0}"] }] } }),
            json!({ "filter": { "attributes": [{ "name": "Brand", "values": ["\u{0}"] }] } }),
            json!({ "after": Cursor::new(&("NEWEST", 1, "\u{0}")).encode() }),
        ] {
            let answer = service.query(list, variables.clone(), None).await;
            assert_eq!(codes(&answer), ["BAD_USER_INPUT"], "{variables} {answer:#} on {url}");
        }
        let body = json!({ "variantIds": ["var_\u{0}"], "currencyCode": "EUR" });
        let quote = super::reservations::call(&service, http::Method::POST, "/internal/quote", Some(&body)).await;
        assert_eq!(quote, json!({ "variants": [] }), "on {url}");
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_change_with_a_nul_is_told_what_is_wrong() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let token = admin(&service);
        let money = r#"{ amount: "1", currencyCode: "EUR" }"#;
        for (call, code) in [
            ("productUpdate(id: $nul, input: {}) { userErrors { code } }".to_owned(), "NOT_FOUND"),
            ("productArchive(id: $nul) { userErrors { code } }".to_owned(), "NOT_FOUND"),
            (format!("productVariantsSet(productId: $nul, variants: [{{ sku: \"A\", price: {money} }}]) {{ userErrors {{ code }} }}"), "NOT_FOUND"),
            ("categoryUpdate(id: $nul, input: {}) { userErrors { code } }".to_owned(), "NOT_FOUND"),
            ("categoryCreate(input: { name: \"A\", parentId: $nul }) { userErrors { code } }".to_owned(), "NOT_FOUND"),
            ("categoryDelete(id: $nul) { userErrors { code } }".to_owned(), "NOT_FOUND"),
            (
                format!("productCreate(input: {{ title: \"A\", categoryIds: [$nul], variants: [{{ sku: \"A\", price: {money} }}] }}) {{ userErrors {{ code }} }}"),
                "NOT_FOUND",
            ),
            ("stockAdjust(input: { idempotencyKey: \"k\", variantId: $nul, delta: 1, reason: \"r\" }) { userErrors { code } }".to_owned(), "NOT_FOUND"),
        ] {
            let answer = data(&service, &format!("mutation($nul: ID!) {{ changed: {call} }}"), json!({ "nul": "x\u{0}" }), Some(&token)).await;
            assert_eq!(answer["changed"]["userErrors"], json!([{ "code": code }]), "{call} on {url}");
        }
        for call in [
            "productCreate(input: { title: \"A\", description: $nul, variants: [] }) { userErrors { code field } }",
            "categoryCreate(input: { name: \"A\", description: $nul }) { userErrors { code field } }",
            "stockAdjust(input: { idempotencyKey: $nul, variantId: \"v\", delta: 1, reason: \"r\" }) { userErrors { code field } }",
            "stockAdjust(input: { idempotencyKey: \"k\", variantId: \"v\", delta: 1, reason: $nul }) { userErrors { code field } }",
        ] {
            let answer = data(&service, &format!("mutation($nul: String!) {{ changed: {call} }}"), json!({ "nul": "x\u{0}" }), Some(&token)).await;
            assert_eq!(answer["changed"]["userErrors"][0]["code"], "INVALID", "{call} {answer} on {url}");
        }
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_cursor_of_before_orders_had_names_is_refused() {
    let shop = Shop::open().await;
    let list = "query($after: String) { products(sort: PRICE_ASC, after: $after) { nodes { id } } }";
    let after = Cursor::new(&(1990, "prod_x")).encode();
    let answer = shop.service.query(list, json!({ "after": after }), None).await;
    assert_eq!(codes(&answer), ["BAD_USER_INPUT"], "{answer:#}");
}
