//! Full text: the same products on every database.

use super::{data, each, seeded};
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
