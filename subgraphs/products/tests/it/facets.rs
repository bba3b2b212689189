//! Facets: that they count what another choice would give.

use super::{Shop, admin, data, each, seeded};
use futures::future::join_all;
use serde_json::{Value, json};
use service::id;
use service::testing::{TestService, each_database};

const LIST: &str = "query($filter: ProductFilter) { products(filter: $filter, first: 0) {
    totalCount facets { kind name values { value count selected } } } }";

async fn create(service: &TestService, input: Value) -> Value {
    let create = "mutation($input: ProductCreateInput!) { productCreate(input: $input) {
        product { variants { nodes { id sku } } } userErrors { code field } } }";
    let made = data(service, create, json!({ "input": input }), Some(&admin(service))).await["productCreate"].clone();
    assert_eq!(made["userErrors"], json!([]));
    made["product"].clone()
}

fn variant(sku: &str, options: &[(&str, &str)]) -> Value {
    let options: Vec<Value> = options
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({ "sku": sku, "price": { "amount": "9.90", "currencyCode": "EUR" }, "options": options })
}

async fn adjust(service: &TestService, key: &str, variant: &Value, delta: i32) {
    let adjust = "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { code } } }";
    let input = json!({ "idempotencyKey": key, "variantId": variant["id"], "delta": delta, "reason": "count" });
    let answer = data(service, adjust, json!({ "input": input }), Some(&admin(service))).await;
    assert_eq!(answer["stockAdjust"]["userErrors"], json!([]));
}

/// `value count` of one facet, with a star at those that are chosen.
fn shown(list: &Value, name: &str) -> Vec<String> {
    let facets = list["products"]["facets"].as_array().into_iter().flatten();
    let values = facets
        .filter(|facet| facet["name"] == name)
        .filter_map(|facet| facet["values"].as_array());
    let shown = |value: &Value| {
        let mark = if value["selected"] == true { "*" } else { "" };
        format!("{}{mark} {}", value["value"].as_str().unwrap_or("?"), value["count"])
    };
    values.flatten().map(shown).collect()
}

#[tokio::test]
async fn availability_is_of_the_variants_that_match() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let sizes = [
            ("TIE-RS", "TestRed", "TestS"),
            ("TIE-RM", "TestRed", "TestM"),
            ("TIE-BM", "TestBlue", "TestM"),
        ];
        let variants = sizes.map(|(sku, colour, size)| variant(sku, &[("Colour", colour), ("Size", size)]));
        let made = create(
            &service,
            json!({ "title": "Test Tie", "status": "ACTIVE", "variants": variants }),
        )
        .await;
        // Small is there, and no other.
        adjust(&service, "tie", &made["variants"]["nodes"][0], 5).await;
        let option = |name: &str, value: &str| json!({ "name": name, "values": [value] });
        for (options, facet, with, without) in [
            (json!([option("Size", "TestS")]), "true 1", 1, 0),
            (json!([option("Size", "TestM")]), "false 1", 0, 1),
            (json!([option("Colour", "TestRed")]), "true 1", 1, 0),
            (
                json!([option("Colour", "TestRed"), option("Size", "TestM")]),
                "false 1",
                0,
                1,
            ),
        ] {
            let filter = |available: Value| json!({ "filter": { "options": options, "available": available } });
            let list = data(&service, LIST, filter(Value::Null), None).await;
            assert_eq!(list["products"]["totalCount"], 1);
            assert_eq!(shown(&list, "Available"), [facet], "{options} on {url}");
            for (available, expected) in [(true, with), (false, without)] {
                let list = data(&service, LIST, filter(json!(available)), None).await;
                assert_eq!(
                    list["products"]["totalCount"], expected,
                    "{options} {available} on {url}"
                );
            }
        }
        // What another size would give.
        let filter = json!({ "options": [option("Size", "TestM")], "available": false });
        let list = data(&service, LIST, json!({ "filter": filter }), None).await;
        let sizes: Vec<String> = shown(&list, "Size")
            .into_iter()
            .filter(|value| value.starts_with("Test"))
            .collect();
        assert_eq!(sizes, ["TestM* 1"], "on {url}");
        assert_eq!(shown(&list, "Colour"), ["TestBlue 1", "TestRed 1"], "on {url}");
        service.app.database.close().await;
    })
    .await;
}

/// More different values than are read: the frequent ones are among those that are.
#[tokio::test]
async fn no_property_is_lost_among_many_values() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        join_all((0..72).map(async |product: u32| {
            let mut attributes = vec![json!({ "name": "Zone", "value": "Indoors" })];
            attributes.extend(
                (0..29).map(|name| json!({ "name": format!("Measure {name}"), "value": format!("{product}") })),
            );
            let variants = [variant(&format!("MANY-{product}"), &[])];
            let title = format!("Many {product}");
            create(
                &service,
                json!({ "title": title, "status": "ACTIVE", "variants": variants, "attributes": attributes }),
            )
            .await;
        }))
        .await;
        let list = data(&service, LIST, json!({}), None).await;
        assert_eq!(shown(&list, "Zone"), ["Indoors 72"], "on {url}");
        service.app.database.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_chosen_can_be_unchosen() {
    let shop = Shop::open().await;
    let knitwear = shop.data(r#"{ category(slug: "knitwear") { id } }"#, json!({})).await["category"]["id"].clone();
    let filter = json!({
        "categoryIds": [knitwear, id::seeded("cat", 9_999)], "available": true, "priceMax": "0.01",
        "options": [{ "name": "Size", "values": ["M", "L"] }], "attributes": [{ "name": "Brand", "values": ["Marlow"] }],
    });
    let list = shop.data(LIST, json!({ "filter": filter })).await;
    let names = each(&list["products"]["facets"], "name");
    assert_eq!(names, ["Category", "Available", "Size", "Brand"]);
    assert_eq!(shown(&list, "Category"), [format!("{}* 0", knitwear.as_str().unwrap())]);
    assert_eq!(shown(&list, "Available"), ["true* 0"]);
    assert_eq!(shown(&list, "Size"), ["L* 0", "M* 0"]);
    assert_eq!(shown(&list, "Brand"), ["Marlow* 0"]);
}

/// As they are in memory: letter by letter, with case and accents.
#[tokio::test]
async fn texts_are_told_apart_alike_on_every_database() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let mut stocked = Value::Null;
        for (number, value) in ["Wool", "wool", "Wóol"].iter().enumerate() {
            // カ and ガ, which many collations take for one.
            let slug = ["カラス", "ガラス", "crow"][number];
            let variants = [variant(&format!("CASE-{number}"), &[("Yarn", value), ("yarn", "x")])];
            let attributes = [("Colour", "red"), ("colour", "red"), ("Stuff", *value)];
            let attributes = attributes.map(|(name, value)| json!({ "name": name, "value": value }));
            let title = format!("Yarn {number}");
            let input = json!({ "title": title, "slug": slug, "status": "ACTIVE", "variants": variants, "attributes": attributes });
            stocked = create(&service, input).await["variants"]["nodes"][0].clone();
        }
        let list = data(&service, LIST, json!({}), None).await;
        for name in ["Yarn", "Stuff"] {
            assert_eq!(shown(&list, name), ["Wool 1", "Wóol 1", "wool 1"], "{name} on {url}");
        }
        let filter = json!({ "attributes": [{ "name": "Stuff", "values": ["wool"] }] });
        let list = data(&service, LIST, json!({ "filter": filter }), None).await;
        assert_eq!(list["products"]["totalCount"], 1, "on {url}");
        for slug in ["カラス", "ガラス"] {
            let found = data(&service, "query($slug: String) { product(slug: $slug) { slug } }", json!({ "slug": slug }), None).await;
            assert_eq!(found["product"]["slug"], slug, "on {url}");
        }
        for key in ["recount-a", "recount-A", "recount-a"] {
            adjust(&service, key, &stocked, 1).await;
        }
        let units = "query($sku: String) { productVariant(sku: $sku) { quantityAvailable } }";
        let units = data(&service, units, json!({ "sku": stocked["sku"] }), None).await;
        assert_eq!(units["productVariant"]["quantityAvailable"], 2, "on {url}");
        service.app.database.close().await;
    })
    .await;
}
