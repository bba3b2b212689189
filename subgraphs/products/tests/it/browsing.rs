//! Products, variants, categories and lists as a shopper sees them.

use super::reservations::call;
use super::{Shop, admin, codes, configured, data, each, seeded, sorted};
use expect_test::{expect, expect_file};
use http::Method;
use products::ProductsConfig;
use serde_json::{Value, json};
use service::clock::Clock;
use service::id;
use service::testing::{TempSqlite, TestService, each_database};

#[tokio::test]
async fn a_product_page() {
    let shop = Shop::open().await;
    let query = r#"{
        product(slug: "fisherman-sweater") {
            id slug title description status availableForSale
            priceRange { min { amount amountMinor currencyCode } max { amount } }
            featuredMedia { type url(maxWidth: 320) altText }
            options { name values }
            attributes { name value }
            categories { name ancestors { name } parent { slug } }
            variants(first: 2) { totalCount pageInfo { hasNextPage } nodes { sku title price { amount } compareAtPrice { amount }
                selectedOptions { name value } weightGrams dimensions { lengthMm } availableForSale product { slug } } }
            variantBySelectedOptions(selectedOptions: [{name: "Colour", value: "Slate"}, {name: "Size", value: "M"}]) { sku }
        }
    }"#;
    let answer = shop.data(query, json!({})).await;
    expect_file!["snapshots/product_page.json"].assert_eq(&sorted(&answer["product"]));
}

#[tokio::test]
async fn a_price_in_another_currency_falls_back_to_the_main_one() {
    let shop = Shop::open().await;
    let query = r#"query($code: CurrencyCode) { productVariant(sku: "KNIV-04") {
        price(currencyCode: $code) { amount currencyCode }
        product { priceRange(currencyCode: $code) { min { amount currencyCode } } } } }"#;
    for (code, expected) in [
        (json!(null), "159.00 EUR"),
        (json!("JPY"), "26200 JPY"),
        (json!("NOK"), "159.00 EUR"),
    ] {
        let answer = shop.data(query, json!({ "code": code })).await;
        let shown = |money: &Value| {
            format!(
                "{} {}",
                money["amount"].as_str().unwrap(),
                money["currencyCode"].as_str().unwrap()
            )
        };
        let variant = &answer["productVariant"];
        assert_eq!(shown(&variant["price"]), expected);
        assert_eq!(shown(&variant["product"]["priceRange"]["min"]), expected);
    }
}

#[tokio::test]
async fn every_order_pages_through_the_whole_list_in_both_directions() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let query =
            "query($sort: ProductSort, $query: String, $first: Int, $after: String, $last: Int, $before: String) {
            products(sort: $sort, query: $query, first: $first, after: $after, last: $last, before: $before) {
                nodes { id } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } totalCount } }";
        for (sort, text) in [
            ("RELEVANCE", None),
            ("RELEVANCE", Some("cotton")),
            ("NEWEST", None),
            ("TITLE_ASC", None),
            ("TITLE_DESC", None),
            ("PRICE_ASC", None),
            ("PRICE_DESC", Some("wool")),
        ] {
            let (mut forward, mut cursor) = (Vec::new(), Value::Null);
            let total = loop {
                let variables = json!({"sort": sort, "query": text, "first": 37, "after": cursor});
                let page = data(&service, query, variables, None).await["products"].clone();
                forward.extend(each(&page["nodes"], "id").into_iter().map(str::to_owned));
                if page["pageInfo"]["hasNextPage"] == false {
                    break page["totalCount"].as_i64().unwrap();
                }
                cursor = page["pageInfo"]["endCursor"].clone();
            };
            assert_eq!(i64::try_from(forward.len()).unwrap(), total, "{sort}");
            assert_eq!(
                forward.iter().collect::<std::collections::HashSet<_>>().len(),
                forward.len(),
                "{sort}"
            );
            let (mut backward, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let variables = json!({"sort": sort, "query": text, "last": 41, "before": cursor});
                let page = data(&service, query, variables, None).await["products"].clone();
                let mut ids: Vec<String> = each(&page["nodes"], "id").into_iter().map(str::to_owned).collect();
                ids.extend(backward);
                backward = ids;
                if page["pageInfo"]["hasPreviousPage"] == false {
                    break;
                }
                cursor = page["pageInfo"]["startCursor"].clone();
            }
            assert_eq!(backward, forward, "{sort}");
        }
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn filters_narrow_and_facets_count_what_another_choice_would_give() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let query = r#"query($filter: ProductFilter) { products(filter: $filter, sort: TITLE_ASC, first: 3) {
            totalCount nodes { title } facets { kind name values { value label count selected } } } }"#;
        let knitwear = data(&service, r#"{ category(slug: "knitwear") { id } }"#, json!({}), None).await;
        let filter = json!({
            "categoryIds": [knitwear["category"]["id"]], "priceMax": "150", "available": true,
            "options": [{"name": "Size", "values": ["M"]}], "attributes": [{"name": "Brand", "values": ["Fjellom", "Marlow"]}],
        });
        let answer = data(&service, query, json!({ "filter": filter }), None).await;
        let mut shown = format!("{} {:?}\n", answer["products"]["totalCount"], each(&answer["products"]["nodes"], "title"));
        for facet in answer["products"]["facets"].as_array().unwrap() {
            let values = facet["values"].as_array().unwrap().iter().map(|value| {
                let mark = if value["selected"] == true { "*" } else { "" };
                format!("{}{mark} {}", value["label"].as_str().unwrap(), value["count"])
            });
            let values: Vec<String> = values.take(8).collect();
            shown += &format!("{} {}: {}\n", facet["kind"].as_str().unwrap(), facet["name"].as_str().unwrap(), values.join(", "));
        }
        expect![[r#"
            4 ["Cable Knit", "Cotton Roll-Neck", "Fisherman Sweater"]
            CATEGORY Category: Clothing 15, Tops 10, Knitwear* 4, Shirts 3, T-shirts 3, Trousers 3, Dresses 2
            AVAILABILITY Available: In stock* 4
            OPTION Colour: Forest 2, White 2, Navy 1, Slate 1
            OPTION Size: L 4, M* 4, S 4
            ATTRIBUTE Brand: Alder & Pine 2, Fjellom* 2, Marlow* 2, Nordhaven 2
            ATTRIBUTE Made in: Estonia 2, Norway 2
            ATTRIBUTE Material: Wool 2, Cotton 1, Lambswool 1
        "#]].assert_eq(&shown);
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn options_price_and_availability_must_hold_for_one_variant() {
    let shop = Shop::open().await;
    let create = r#"mutation { productCreate(input: { title: "Test Tee", status: ACTIVE, variants: [
        { sku: "TEST-S", price: {amount: "10.00", currencyCode: "EUR"}, options: [{name: "Size", value: "TestS"}] },
        { sku: "TEST-M", price: {amount: "50.00", currencyCode: "EUR"}, options: [{name: "Size", value: "TestM"}] }
    ] }) { product { id } userErrors { message } } }"#;
    shop.admin(create, json!({})).await;
    let query = "query($filter: ProductFilter) { products(filter: $filter) { totalCount } }";
    for (size, price_max, available, expected) in [
        ("TestS", "20", json!(null), 1),
        ("TestM", "20", json!(null), 0),
        ("TestM", "50", json!(null), 1),
        ("TestM", "50", json!(true), 0),
        ("TestM", "50", json!(false), 1),
    ] {
        let options = [json!({"name": "Size", "values": [size]})];
        let filter = json!({"options": options, "priceMax": price_max, "available": available});
        let answer = shop.data(query, json!({ "filter": filter })).await;
        assert_eq!(
            answer["products"]["totalCount"], expected,
            "{size} {price_max} {available}"
        );
    }
}

#[tokio::test]
async fn a_category_lists_what_is_below_it() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let query = r#"{
            category(slug: "clothing") {
                children { name products(first: 1, sort: TITLE_ASC) { totalCount nodes { title } pageInfo { hasNextPage } } }
                direct: products(filter: {includeDescendants: false}) { totalCount }
                all: products(first: 2, sort: PRICE_ASC) { totalCount nodes { title } facets { name } }
                last: products(last: 1, sort: PRICE_ASC) { nodes { title } }
            }
        }"#;
        let answer = data(&service, query, json!({}), None).await;
        let category = &answer["category"];
        assert_eq!(each(&category["children"], "name"), ["Tops", "Trousers", "Jackets", "Dresses"]);
        assert_eq!(category["children"][0]["products"]["totalCount"], 30);
        assert_eq!(category["children"][1]["products"]["pageInfo"]["hasNextPage"], true);
        assert_eq!(category["direct"]["totalCount"], 0);
        assert_eq!(category["all"]["totalCount"], 60);
        assert_eq!(each(&category["all"]["nodes"], "title"), ["Pocket Tee", "Ringer Tee"]);
        assert_eq!(each(&category["last"]["nodes"], "title"), ["Wool Overcoat"]);
        assert_eq!(each(&category["all"]["facets"], "name")[..2], ["Category", "Available"]);
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn wrong_arguments_are_told() {
    let shop = Shop::open().await;
    for (query, expected) in [
        ("{ product { id } }", "give exactly one of `id` and `slug`"),
        (
            r#"{ product(id: "a", slug: "b") { id } }"#,
            "give exactly one of `id` and `slug`",
        ),
        (
            "{ products(first: 101) { totalCount } }",
            "`first` must be between 0 and 100",
        ),
        (
            r#"{ products(after: "junk") { totalCount } }"#,
            "`after` is not a cursor of this list",
        ),
        (
            r#"{ products(filter: {priceMin: "1.234"}) { totalCount } }"#,
            "`priceMin`: `1.234` is not an amount in EUR",
        ),
        (
            r#"{ productSuggestions(prefix: "a", first: 11) { id } }"#,
            "`first` must be between 0 and 10",
        ),
        (
            r#"{ products(filter: {options: [{name: "Size", values: []}, {name: "Size", values: []}]}) { totalCount } }"#,
            "`options` names `Size` twice",
        ),
    ] {
        let answer = shop.service.query(query, json!({}), None).await;
        assert_eq!(codes(&answer), ["BAD_USER_INPUT"], "{answer:#}");
        assert_eq!(answer["errors"][0]["message"], expected);
    }
    let query = "query($filter: ProductFilter) { products(filter: $filter) { totalCount } }";
    let long = "x".repeat(101);
    for (name, filter) in [
        ("categoryIds", json!({ "categoryIds": [&long] })),
        (
            "options",
            json!({ "options": [{ "name": "Size", "values": ["M", &long] }] }),
        ),
        ("attributes", json!({ "attributes": [{ "name": &long, "values": [] }] })),
    ] {
        let answer = shop.service.query(query, json!({ "filter": filter }), None).await;
        let expected = format!("`{name}` has a text of more than 100 characters");
        assert_eq!(answer["errors"][0]["message"], expected);
    }
    let answer = shop
        .data(
            r#"{ product(slug: "no-such") { id } category(id: "x") { id } }"#,
            json!({}),
        )
        .await;
    assert_eq!(answer, json!({"product": null, "category": null}));
}

/// An hour, so that nothing is read anew by itself while a test runs.
fn one_long_moment() -> ProductsConfig {
    ProductsConfig {
        catalogue_age_max_ms: 3_600_000,
        ..ProductsConfig::default()
    }
}

#[tokio::test]
async fn a_product_is_read_once_in_a_moment_and_its_stock_each_time() {
    let database = TempSqlite::new();
    let shop = configured(&database.url, Clock::System, one_long_moment()).await;
    let replica = configured(&database.url, Clock::System, one_long_moment()).await;
    let query = "query($id: ID!, $variant: ID!) {
        product(id: $id) { title categories { name } variants(first: 1) { nodes { id sku } } }
        productVariant(id: $variant) { quantityAvailable product { title } } }";
    let variables = json!({ "id": id::seeded("prod", 10), "variant": id::seeded("var", 1) });
    let token = admin(&shop);
    let statements = async |of: &TestService, token| of.statements_of(query, variables.clone(), token).await;
    assert_eq!(statements(&replica, None).await, 6);
    assert_eq!(statements(&replica, None).await, 1, "the stock of a variant");
    let kept = data(&replica, query, variables.clone(), None).await;
    let units = |data: &Value| data["productVariant"]["quantityAvailable"].as_i64().unwrap();

    let line = json!({ "variantId": variables["variant"], "quantity": 1 });
    let body = json!({ "lines": [line], "currencyCode": "EUR" });
    call(&shop, Method::PUT, "/internal/reservations/ord_a", Some(&body)).await;
    let update =
        "mutation($id: ID!) { productUpdate(id: $id, input: { title: \"Renamed\" }) { userErrors { message } } }";
    data(&shop, update, variables.clone(), Some(&token)).await;
    let [seen_here, seen_there, seen_by_admin] = [
        data(&shop, query, variables.clone(), None).await,
        data(&replica, query, variables.clone(), None).await,
        data(&replica, query, variables.clone(), Some(&token)).await,
    ];
    assert_eq!(seen_there["product"]["title"], kept["product"]["title"]);
    for seen in [&seen_here, &seen_by_admin] {
        assert_eq!(seen["product"]["title"], "Renamed");
    }
    for seen in [&seen_here, &seen_there] {
        assert_eq!(units(seen), units(&kept) - 1);
    }
    assert_eq!(
        statements(&replica, Some(&token)).await,
        6,
        "all of it, for who writes the catalogue"
    );
}

#[tokio::test]
async fn a_list_is_made_once_in_a_moment_and_again_after_a_change() {
    let shop = Shop::open_with(one_long_moment()).await;
    let query = "query($available: Boolean, $first: Int) { products(filter: { available: $available }, first: $first, sort: PRICE_ASC) {
        totalCount nodes { id title } facets { name values { value count } } } }";
    let front = json!({ "available": true, "first": 2 });
    let statements = async |variables: &Value| shop.service.statements_of(query, variables.clone(), None).await;
    assert_eq!(statements(&front).await, 6, "list, total, four facets");
    assert_eq!(statements(&front).await, 0);
    let more = json!({ "available": true, "first": 3 });
    assert_eq!(statements(&more).await, 1, "another page of the same list");
    assert!(
        statements(&json!({ "available": false, "first": 2 })).await > 1,
        "another list"
    );

    let before = shop.data(query, front.clone()).await;
    let id = &before["products"]["nodes"][0]["id"];
    let archive = "mutation($id: ID!) { productArchive(id: $id) { userErrors { message } } }";
    shop.admin(archive, json!({ "id": id })).await;
    let after = shop.data(query, front).await;
    assert_eq!(after["products"]["nodes"][0], before["products"]["nodes"][1]);
    let total = |data: &Value| data["products"]["totalCount"].as_i64().unwrap();
    assert_eq!(total(&after), total(&before) - 1);
}
