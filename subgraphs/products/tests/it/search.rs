//! Full text: the same products on every database.

use super::{admin, data, each, seeded};
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use service::testing::each_database;

#[tokio::test]
async fn words_accents_and_chinese_are_found_alike_on_every_database() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let query = "query($query: String) { products(query: $query, sort: TITLE_ASC, first: 100) { nodes { title } totalCount } }";
        for (text, expected) in [
            ("fisherman", &["Fisherman Sweater"][..]),
            ("FISHERMEN's sweaters", &[]),
            ("fisherman's sweaters", &["Fisherman Sweater"]),
            ("crepe pan", &["Crêpe Pan"]),
            ("Crêpe", &["Crêpe Pan", "Desert Boot"]),
            ("chefs knife", &["Chef's Knife 20 cm"]),
            ("龙井", &["西湖龙井"]),
            ("抹茶", &["Matcha Set 抹茶セット", "宇治抹茶", "抹茶白巧克力"]),
            ("ｍａｔｃｈａ uji", &["宇治抹茶", "抹茶白巧克力"]),
            ("KNIV-04", &["Santoku 三徳包丁"]),
            ("井龙", &[]),
            ("sweater jeans", &[]),
            ("\" OR * ) NEAR -", &[]),
            ("!!!", &[]),
        ] {
            let answer = data(&service, query, json!({ "query": text }), None).await;
            let mut titles = each(&answer["products"]["nodes"], "title");
            titles.sort_unstable();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(titles, expected, "{text} on {url}");
        }
        // A single character, and whatever is most alike comes first.
        let answer = data(&service, query, json!({ "query": "茶" }), None).await;
        assert!(answer["products"]["totalCount"].as_i64().unwrap() >= 10, "{answer}");
        let query = r#"{ products(query: "mug", first: 1) { nodes { title } } }"#;
        let answer = data(&service, query, json!({}), None).await;
        assert!(answer["products"]["nodes"][0]["title"].as_str().unwrap().contains("Mug"), "{answer}");
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn suggestions_follow_the_typing() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let query = "query($prefix: String!) { productSuggestions(prefix: $prefix, first: 10) { title } }";
        for (prefix, expected) in [
            ("fisher", "Fisherman Sweater"),
            ("fisherman swea", "Fisherman Sweater"),
            ("headphones", "Studio Headphones"),
            ("龙", "西湖龙井"),
            ("西湖龙", "西湖龙井"),
            ("ramen b", "Ramen Bowl"),
        ] {
            let answer = data(&service, query, json!({ "prefix": prefix }), None).await;
            let titles = each(&answer["productSuggestions"], "title");
            assert!(titles.contains(&expected), "{prefix} on {url}: {titles:?}");
        }
        let answer = data(&service, query, json!({ "prefix": " " }), None).await;
        assert_eq!(answer["productSuggestions"], json!([]));
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn plurals_and_words_without_spaces_are_found() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let create = "mutation($input: ProductCreateInput!) { productCreate(input: $input) { userErrors { message } } }";
        let input = json!({
            "title": "Zip Hoodie", "status": "ACTIVE", "description": "Lining:Polyester, _brushed_.Washable at 30.5",
            "variants": [{ "sku": "ZIP", "price": { "amount": "49", "currencyCode": "EUR" } }],
        });
        data(&service, create, json!({ "input": input }), Some(&admin(&service))).await;
        let search = "query($text: String!) { products(query: $text) { nodes { title } } productSuggestions(prefix: $text) { title } }";
        for text in ["zip hoodie", "zip hoodies", "zip hoody", "lining zip", "zip polyester", "zip brushed", "washable zip", "30.5 zip"] {
            let found = data(&service, search, json!({ "text": text }), None).await;
            assert_eq!(each(&found["products"]["nodes"], "title"), ["Zip Hoodie"], "{text} on {url}");
        }
        let text = "zip polyester";
        for typed in (1..=text.len()).map(|end| &text[..end]).chain(["zip hoodie", "zip hoodies", "zip hoody"]) {
            let found = data(&service, search, json!({ "text": typed }), None).await;
            let titles = each(&found["productSuggestions"], "title");
            // Of one or two letters there are others.
            assert!(titles.contains(&"Zip Hoodie") || typed.len() < 3, "{typed} on {url}: {titles:?}");
        }
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_migration_indexes_all_products_anew() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        // By title, description or attributes, and SKU.
        let query = r#"{ title: products(query: "fisherman sweater") { totalCount } body: products(query: "cotton") { totalCount }
            sku: products(query: "KNIV-04") { totalCount } }"#;
        let before = data(&service, query, json!({}), None).await;
        assert!(["title", "body", "sku"].iter().all(|field| before[field]["totalCount"].as_i64() > Some(0)), "{before}");
        for undo in ["DELETE FROM product_search", "DELETE FROM seaql_migrations WHERE version = 'm0006_search_again'"] {
            service.app.database.write().execute_unprepared(undo).await.unwrap();
        }
        service.app.database.close().await;
        let again = seeded(&url).await;
        assert_eq!(data(&again, query, json!({}), None).await, before, "on {url}");
        again.app.database.close().await;
    })
    .await;
}
